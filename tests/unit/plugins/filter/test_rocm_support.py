# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.rocm_support."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="filters run on the controller")

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.filter.rocm_support import FilterModule

rocm_support = FilterModule().filters()["rocm_support"]
RX = {"vendor": "amd", "name": "AMD Radeon RX 6800 XT", "gfx_target": "gfx1030", "pci": {"device_id": "73bf", "revision": "c1"}}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((RX,), ("unofficial", None, None, None)),
        (("73bf", "c1"), ("unofficial", None, None, None)),
        (("0x73DF", "c1"), ("unofficial", None, None, "10.3.0")),
        (("74a1",), ("supported", "6.0", None, None)),
        (("66a1", "02"), ("ended", "5.7", "6.3", None)),
        (("ffff",), ("unknown", None, None, None)),
        (({"vendor": "amd", "pci": None, "gfx_target": "gfx1031"},), ("unofficial", None, None, "10.3.0")),
    ],
)
def test_answer(arguments: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    assert tuple(rocm_support(*arguments).values()) == expected
    assert list(rocm_support(*arguments)) == ["status", "first_release", "last_release", "override"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("MI300X", "'MI300X' is not a PCI device id"),
        (7, "got int 7"),
        ({"vendor": "nvidia", "pci": {"device_id": "2684"}}, "is of vendor 'nvidia' (allowed: amd)"),
    ],
)
def test_bad_input(value: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        rocm_support(value)
    assert message in str(caught.value)
