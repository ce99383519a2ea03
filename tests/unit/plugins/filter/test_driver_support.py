# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.driver_support."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="filters run on the controller")

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.filter.driver_support import FilterModule

driver_support = FilterModule().filters()["driver_support"]
V100 = {"vendor": "nvidia", "name": "Tesla V100-SXM2-16GB", "pci": {"device_id": "1db1"}}
RX = {"vendor": "amd", "name": "AMD Radeon RX 6800 XT", "pci": {"device_id": "73bf", "revision": "c1"}}


@pytest.mark.parametrize("value", ["1db1", "0x1DB1", V100])
def test_answer(value: Any) -> None:
    assert driver_support(value) == {
        "status": "ended",
        "first_branch": 384,
        "last_branch": 580,
        "open_module": "unsupported",
        "note": None,
    }


@pytest.mark.parametrize(
    ("device_id", "branch", "expected"),
    [
        ("1db1", 580, True),
        ("1db1", 595, False),
        ("1db1", "595.71.05", False),
        ("1db1", 375, False),
        ("2684", 595, True),
        ("2684", 470, False),
        ("2b85", 550, False),
        ("102d", 470, None),
        ("102d", 535, False),
        ("26ff", 595, None),
        ("ffff", 595, None),
    ],
)
def test_branch(device_id: str, branch: Any, expected: bool | None) -> None:
    assert driver_support(device_id, branch)["branch_serves"] is expected


def test_unknown_id_says_so() -> None:
    answer = driver_support("ffff")
    assert answer["status"] == "unknown"
    assert answer["note"].startswith("unknown, newer than this table of 20")


def test_device_without_pci_is_unknown() -> None:
    assert driver_support({"vendor": "nvidia", "pci": None})["status"] == "unknown"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("H100", "'H100' is not a PCI device id"),
        (2684, "got int 2684"),
        (None, "got NoneType None"),
        ({"device": 1}, "vendor None (allowed: nvidia, amd, intel)"),
        (RX, "is of vendor 'amd' (allowed: nvidia); choose with selectattr('vendor', 'eq', 'nvidia')"),
    ],
)
def test_bad_input(value: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        driver_support(value)
    assert message in str(caught.value)


@pytest.mark.parametrize("branch", ["newest", "", 580.1, True, [580]])
def test_bad_branch(branch: Any) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        driver_support("2684", branch)
    assert "(allowed: a whole number, such as 580)" in str(caught.value)
