# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of rocm_stack as one value."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._plan import order, rocm_order
from ansible_collections.gpufleet.node.plugins.module_utils._plan.rocm_order import OrderError, RocmOrder
from ansible_collections.gpufleet.node.plugins.module_utils._plan.rocm_wish import WishError

DEFAULTS = {name: row.get("default") for name, row in rocm_order.ARGUMENTS.items()}


def test_defaults() -> None:
    parsed = RocmOrder.parse(DEFAULTS)
    assert (str(parsed.wish), parsed.driver_wish, parsed.components, parsed.users) == (">=6.0", None, ("runtime",), ())


def test_what_both_vendors_have_is_the_same() -> None:
    both = order.ARGUMENTS.keys() & rocm_order.ARGUMENTS.keys() - {"version", "origin", "components"}
    assert {name for name in both if order.ARGUMENTS[name] != rocm_order.ARGUMENTS[name]} == set()
    assert len(both) == 15


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({"components": ["opencl", "runtime", "opencl"]}, "components", ("runtime", "opencl")),
        ({"users": ["alice", "svc-ml", "alice"]}, "users", ("alice", "svc-ml")),
        ({"driver": "dkms", "driver_version": "30.30"}, "driver", "dkms"),
        ({"driver_version": "auto"}, "driver_wish", None),
    ],
)
def test_parse(options: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(RocmOrder.parse({**DEFAULTS, **options}), name) == value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": 7.1}, "version is 7.1, a number with a fraction: quote the version"),
        ({"driver": "dkms", "driver_version": 30.1}, "driver_version is 30.1, a number with a fraction"),
        ({"driver": "inbox", "driver_version": "30.30"}, "driver is inbox, which has no driver_version"),
        ({"components": []}, "components is empty (allowed: some of runtime, hip"),
        ({"users": ["../root"]}, "users has '../root' (allowed: names of accounts)"),
        ({"users": ["Alice Smith"]}, "users has 'Alice Smith'"),
        ({"side_by_side": True, "origin": "distribution"}, "side_by_side is true and origin is distribution"),
        ({"state": "latest", "allow_downgrade": True}, "state is latest and allow_downgrade is true"),
        ({"mirror": "repo"}, "mirror is 'repo' (allowed: a URL such as https://mirror.example.com/rocm)"),
        ({"extra_packages": ["a=1"]}, "extra_packages has 'a=1'"),
        ({"timeout": 0}, "timeout: 0 is not a number of seconds"),
        ({"busy_timeout": 0}, "busy_timeout is 0 (allowed: 1 to 604800)"),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((OrderError, WishError)) as caught:
        RocmOrder.parse({**DEFAULTS, **options})
    assert str(caught.value).startswith(message)
