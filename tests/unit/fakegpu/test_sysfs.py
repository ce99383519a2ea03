# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/sys as the kernel has it: formats of values, links, bridges, functions beside the card."""

from __future__ import annotations

from typing import Any

import pytest
from fakegpu import machine_of
from fakegpu.machine import Machine
from fakegpu.profile import complete

DEVICES = "/sys/bus/pci/devices"


def machine(*gpus: dict[str, Any], **more: Any) -> Machine:
    return machine_of(
        complete({"description": "x", "gpus": list(gpus), "nvidia": {"version": "580.95.05"}, "amd": {"driver": "inbox"}, **more}, "mine")
    )


def value(seen: Machine, address: str, name: str) -> Any:
    return seen.files.get(f"{seen.target(f'{DEVICES}/{address}')}/{name}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vendor", "0x10de\n"),
        ("device", "0x2684\n"),
        ("class", "0x030000\n"),
        ("revision", "0xa1\n"),
        ("subsystem_vendor", "0x1043\n"),
        ("subsystem_device", "0x889a\n"),
        ("numa_node", "-1\n"),
        ("max_link_speed", "16.0 GT/s PCIe\n"),
        ("max_link_width", "16\n"),
        ("current_link_speed", "2.5 GT/s PCIe\n"),  # idle
        ("current_link_width", "16\n"),
        ("modalias", "pci:v000010DEd00002684sv00001043sd0000889Abc03sc00i00\n"),
        (
            "uevent",
            "DRIVER=nvidia\nPCI_CLASS=30000\nPCI_ID=10DE:2684\nPCI_SUBSYS_ID=1043:889A\nPCI_SLOT_NAME=0000:01:00.0\n"
            "MODALIAS=pci:v000010DEd00002684sv00001043sd0000889Abc03sc00i00\n",
        ),
    ],
)
def test_values_are_written_as_by_the_kernel(name: str, content: str) -> None:
    assert value(machine({"model": "RTX4090", "address": "0000:01:00.0"}), "0000:01:00.0", name) == content


def test_links_are_relative_and_lead_to_what_is_there() -> None:
    seen = machine({"model": "RTX4090", "address": "0000:01:00.0"})
    assert seen.links[f"{DEVICES}/0000:01:00.0"] == "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0"
    assert seen.links["/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/driver"] == "../../../../bus/pci/drivers/nvidia"
    assert seen.links["/sys/class/drm/card0"] == "../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/drm/card0"
    names = seen.names()
    assert [path for path in seen.links if path.startswith("/sys") and seen.target(path) not in names] == []


def test_configuration_space_begins_with_the_ids() -> None:
    config = value(machine({"model": "RTX4090", "address": "0000:01:00.0"}), "0000:01:00.0", "config")
    assert config[:4] == bytes.fromhex("de108426")
    assert (config[8], config[9:12], config[0x2C:0x30], len(config)) == (0xA1, bytes.fromhex("000003"), bytes.fromhex("43109a88"), 64)


def test_a_card_off_the_bus_answers_ffff() -> None:
    seen = machine({"model": "L40S", "address": "0000:17:00.0"}, trouble=["off_the_bus"])
    assert value(seen, "0000:17:00.0", "config") == b"\xff" * 64
    assert value(seen, "0000:17:00.0", "vendor") == "0x10de\n"  # the kernel's memory, not the device
    assert value(seen, "0000:17:00.0", "current_link_width") == "63\n"


def test_audio_and_usb_are_functions_of_their_own() -> None:
    seen = machine({"model": "RTX2060", "address": "0000:01:00.0"})
    assert value(seen, "0000:01:00.1", "class") == "0x040300\n"
    assert value(seen, "0000:01:00.2", "class") == "0x0c0330\n"


def test_the_port_above_limits_the_link() -> None:
    seen = machine({"model": "RTX4090", "address": "0000:01:00.0", "slot": {"generation": 3, "width": 8}})
    assert value(seen, "0000:00:01.0", "max_link_speed") == "8.0 GT/s PCIe\n"
    assert value(seen, "0000:01:00.0", "current_link_width") == "8\n"
    assert value(seen, "0000:01:00.0", "max_link_width") == "16\n"


def test_radeon_boards_have_a_switch_of_their_own() -> None:
    seen = machine({"model": "RX6800XT", "address": "0000:03:00.0"})
    assert seen.links[f"{DEVICES}/0000:03:00.0"].endswith("/0000:00:01.0/0000:01:00.0/0000:02:00.0/0000:03:00.0")
    assert value(seen, "0000:02:00.0", "device") == "0x1479\n"


def test_a_cloud_machine_has_domains_and_no_bridge() -> None:
    seen = machine({"model": "T4", "address": "1580:00:00.0", "slot": False})
    assert seen.links[f"{DEVICES}/1580:00:00.0"] == "../../../devices/pci1580:00/1580:00:00.0"


def test_virtual_functions_point_to_their_card() -> None:
    functions = {"count": 2, "device": "74b5", "driver": "vfio-pci"}
    seen = machine({"model": "MI300X", "address": "0000:85:00.0", "driver": "gim", "virtual_functions": functions})
    below = seen.target(f"{DEVICES}/0000:85:02.1")
    assert seen.target(f"{below}/physfn") == seen.target(f"{DEVICES}/0000:85:00.0")
    assert value(seen, "0000:85:02.1", "device") == "0x74b5\n"
    assert value(seen, "0000:85:00.0", "sriov_numvfs") == "2\n"


def test_cpx_shows_each_partition_as_a_node_of_its_board() -> None:
    seen = machine({"model": "MI300X", "count": 2, "compute_partition": "CPX"})
    nodes = "/sys/devices/virtual/kfd/kfd/topology/nodes"
    texts = [seen.files[f"{nodes}/{number}/properties"] for number in range(1, 17)]
    rows = [dict(line.split() for line in text.splitlines()) for text in texts if isinstance(text, str)]
    assert [int(row["location_id"]) for row in rows] == [0x1800 + part for part in range(8)] + [0x2C00 + part for part in range(8)]
    assert len({row["unique_id"] for row in rows}) == 2
    assert {row["gfx_target_version"] for row in rows} == {"90402"}
    assert {int(row["simd_count"]) // int(row["simd_per_cu"]) for row in rows} == {38}
    assert f"{nodes}/17/properties" not in seen.files
