# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names from lists on the node: the vendor's own list outranks our tables, pci.ids serves ids that no table knows."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import ReplayHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import vendor_lists
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from hypothesis import given
from hypothesis import strategies as st

CHIPS = {"chips": [
    {"devid": "0x2684", "name": "NVIDIA GeForce RTX 4090", "features": ["kernelopen", "runtimepm"]},
    {"devid": "0x2684", "subdevid": "0x16F3", "subvendorid": "0x10DE", "name": "NVIDIA GeForce RTX 4090 Board", "features": ["kernelopen"]},
    {"devid": "0x102D", "name": "Tesla K80", "legacybranch": "470.xx", "features": []},
    {"devid": "0xF00D", "name": "NVIDIA RTX of Tomorrow", "features": ["kernelopen"]},
]}
PCI_IDS = """\
# a comment
1002  Advanced Micro Devices, Inc. [AMD/ATI]
\t73bf  Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]
\t\t1002 0e3a  a board
10de  NVIDIA Corporation
\t0ff0  A chip without a product
\tfeed  GX999 [GeForce RTX 9090]
8086  Intel Corporation
\t56a0  DG2 [Arc A770]
C 03  Display controller
"""
PLAIN = json.dumps(CHIPS).encode()


@pytest.mark.parametrize("data", [PLAIN, gzip.compress(PLAIN)], ids=["plain", "gzip"])
def test_supported_gpus(data: bytes) -> None:
    assert vendor_lists.parse_supported_gpus(data) == {
        "2684": {"name": "NVIDIA GeForce RTX 4090", "last_branch": None, "open_module": "supported"},
        "102d": {"name": "Tesla K80", "last_branch": 470, "open_module": "unsupported"},
        "f00d": {"name": "NVIDIA RTX of Tomorrow", "last_branch": None, "open_module": "supported"},
    }


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"chips": 3}', b'{"chips": [{"devid": "x"}]}', b"\x1f\x8bdamaged", b"[" * 9999,
                                  b'{"chips": [5]}'])
def test_what_is_no_list_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a list of chips|damaged"):
        vendor_lists.parse_supported_gpus(data)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for head in (b"", b"\x1f\x8b"):
        with contextlib.suppress(ValueError):
            vendor_lists.parse_supported_gpus(head + data)


@pytest.mark.parametrize(
    ("vendor", "device", "expected"),
    [("10de", "feed", "NVIDIA GeForce RTX 9090"), ("10de", "0ff0", "NVIDIA A chip without a product"), ("8086", "56a0", "Intel Arc A770"),
     ("1002", "73bf", "AMD Radeon RX 6800/6800 XT / 6900 XT"), ("10de", "73bf", None), ("1af4", "1050", None), ("1002", "0e3a", None)],
)
def test_pci_ids(vendor: str, device: str, expected: str | None) -> None:
    assert vendor_lists.parse_pci_ids(PCI_IDS, vendor, device) == expected


def look(device_id: str, files: dict[str, Any]) -> Any:
    uevent = f"PCI_CLASS=30000\nPCI_ID=10DE:{device_id.upper()}\n"
    everything = {"/sys/bus/pci/devices/0000:01:00.0/uevent": uevent, **files}
    found = gather(ReplayHost({"files": everything, "dirs": {}, "links": {}, "commands": [], "probes": {}}))
    return found.devices[0], found.problems


LIST = {"/usr/share/doc/nvidia-driver/supported-gpus.json.gz": {"base64": base64.b64encode(gzip.compress(PLAIN)).decode()}}


@pytest.mark.parametrize(
    ("device_id", "files", "name", "source"),
    [
        ("f00d", {}, None, ["pci"]),
        ("f00d", LIST, "NVIDIA RTX of Tomorrow", ["pci", "vendor_lists"]),
        ("feed", {"/usr/share/misc/pci.ids": PCI_IDS}, "NVIDIA GeForce RTX 9090", ["pci", "vendor_lists"]),
        ("feed", {"/usr/share/hwdata/pci.ids": PCI_IDS}, "NVIDIA GeForce RTX 9090", ["pci", "vendor_lists"]),
        ("2684", {"/usr/share/misc/pci.ids": PCI_IDS.replace("feed", "2684")}, "NVIDIA GeForce RTX 4090", ["pci"]),
    ],
    ids=["nobody knows it", "the vendor's list", "pci.ids of Debian", "pci.ids of EL", "our tables before pci.ids"],
)
def test_who_names_a_card(device_id: str, files: dict[str, Any], name: str | None, source: list[str]) -> None:
    device, problems = look(device_id, files)
    assert (device.get("name"), device["source"], problems) == (name, source, [])


def test_the_vendor_tells_what_serves_a_card_that_our_tables_do_not_know() -> None:
    assert look("f00d", LIST)[0]["driver_support"] == {"status": "served", "open_module": "supported"}
    assert look("f00d", {})[0]["driver_support"]["status"] == "unknown"
    assert look("102d", LIST)[0]["driver_support"]["last_branch"] == 470


def test_a_damaged_list_is_a_problem() -> None:
    device, problems = look("2684", {"/usr/share/doc/nvidia-driver-580/supported-gpus.json": "{"})
    assert device["name"] == "NVIDIA GeForce RTX 4090"
    assert problems == [{"source": "vendor_lists", "code": "unreadable",
                         "message": "/usr/share/doc/nvidia-driver-580/supported-gpus.json: not a list of chips"}]
