# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters take as a GPU."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="filters run on the controller")

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.plugin_utils import _device


def test_a_device_of_the_facts() -> None:
    given = {"vendor": "amd", "name": "x", "gfx_target": "gfx942", "pci": {"device_id": "74a1", "revision": "00"}, "index": 0}
    assert _device.device_of("f", given, "nvidia") == {
        "vendor": "amd",
        "device_id": "74a1",
        "revision": "00",
        "gfx_target": "gfx942",
        "name": "x",
    }


def test_an_id() -> None:
    expected: dict[str, Any] = {"vendor": "amd", "device_id": "74a1", "revision": None, "gfx_target": None, "name": None}
    assert _device.device_of("f", "0x74A1", "amd") == expected


@pytest.mark.parametrize(("value", "expected"), [(7, 7.0), ("7.5", 7.5), (0.1, 0.1), ("1e3", 1000.0)])
def test_positive(value: Any, expected: float) -> None:
    assert _device.positive("f", "o", value) == expected


@pytest.mark.parametrize("value", [0, -1, "", "x", None, True, [], {}, float("nan"), "inf"])
def test_not_positive(value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="allowed: a number above 0"):
        _device.positive("f", "o", value)


def test_one_of() -> None:
    assert _device.one_of("f", "o", "a", ("a", "b")) == "a"
    with pytest.raises(AnsibleFilterError, match=r"f: o is 'c' \(allowed: a, b\)"):
        _device.one_of("f", "o", "c", ("a", "b"))
