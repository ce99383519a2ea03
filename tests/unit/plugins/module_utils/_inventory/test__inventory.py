# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the views of several readers become one inventory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory, presentable

ADDRESS = "0000:01:00.0"


def test_the_first_reader_to_know_a_value_counts_and_later_ones_fill_gaps() -> None:
    known = Inventory()
    known.add("pci", {"devices": [{"vendor": "nvidia", "pci": {"address": ADDRESS, "device_id": "2684"}}]})
    known.add("nvml", {"devices": [{"name": "NVIDIA GeForce RTX 4090", "uuid": "GPU-1", "memory": {"total_mib": 24564},
                                    "pci": {"address": ADDRESS, "device_id": "ffff"}}],
                       "nvidia": {"driver": {"loaded_version": "580.95.05"}}})
    known.add("nvidia_smi", {"devices": [{"name": "Graphics Device", "serial": "1", "memory": {"total_mib": 1, "kind": "dedicated"},
                                          "pci": {"address": ADDRESS}}],
                             "nvidia": {"driver": {"loaded_version": "1", "branch": 580}}})
    assert known.devices == [{"vendor": "nvidia", "name": "NVIDIA GeForce RTX 4090", "uuid": "GPU-1", "serial": "1",
                              "memory": {"total_mib": 24564, "kind": "dedicated"}, "pci": {"address": ADDRESS, "device_id": "2684"},
                              "source": ["pci", "nvml", "nvidia_smi"]}]
    assert known.nvidia == {"driver": {"loaded_version": "580.95.05", "branch": 580}}


def test_devices_without_an_address_are_merged_by_uuid() -> None:
    known = Inventory()
    known.add("nvml", {"devices": [{"vendor": "nvidia", "uuid": "GPU-1", "name": "A"}, {"vendor": "nvidia", "uuid": "GPU-2"}]})
    known.add("nvidia_smi", {"devices": [{"uuid": "GPU-2", "name": "B"}]})
    assert [(device["uuid"], device["name"]) for device in known.devices] == [("GPU-1", "A"), ("GPU-2", "B")]


def test_duplicate_uuids_at_two_addresses_stay_two_devices() -> None:
    known = Inventory()
    known.add("nvidia_smi", {"devices": [{"vendor": "nvidia", "uuid": "GPU-1", "pci": {"address": "0000:01:00.0"}},
                                         {"vendor": "nvidia", "uuid": "GPU-1", "pci": {"address": "0000:02:00.0"}}]})
    assert len(known.devices) == 2


def test_views_are_copied_not_shared() -> None:
    seen = {"pci": {"address": ADDRESS}, "vendor": "amd"}
    first, second = Inventory(), Inventory()
    for known in (first, second):
        known.add("pci", {"devices": [seen]})
    first.add("kfd", {"devices": [{"pci": {"address": ADDRESS, "numa_node": 1}}]})
    assert second.devices[0]["pci"] == {"address": ADDRESS}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("NVIDIA A10", "NVIDIA A10"),
        ("two\nlines\tü", "two\nlines\tü"),
        ("\x1b[31mA10\x07", "\ufffd[31mA10\ufffd"),
        ("\udcff.yaml", "\ufffd.yaml"),  # what Python makes of a name that is no UTF-8
        ("\u202eA10", "\ufffdA10"),
        ({"\x1b": ["\x9b", 1, None, True]}, {"\ufffd": ["\ufffd", 1, None, True]}),
    ],
)
def test_presentable(value: Any, expected: Any) -> None:
    assert presentable(value) == expected


def test_nothing_in_an_inventory_steers_a_terminal() -> None:
    known = Inventory()
    known.add("nvml", {"devices": [{"uuid": "GPU-1", "name": "\x1bc"}], "nvidia": {"nvml": {"error": "\x1bc"}}})
    known.problems.append({"source": "nvml", "code": "refused", "message": "\x1bc"})
    known.make_presentable()
    assert (known.devices[0]["name"], known.nvidia["nvml"]["error"], known.problems[0]["message"]) == ("\ufffdc",) * 3
