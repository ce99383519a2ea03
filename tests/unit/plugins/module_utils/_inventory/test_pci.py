# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs as sysfs shows them: what counts as one, its link and its slot, and devices that answer no more."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import ReplayHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import pci
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source

BUS = "/sys/bus/pci/devices"


def host(files: dict[str, Any], links: dict[str, str] | None = None) -> ReplayHost:
    return ReplayHost({"files": files, "dirs": {}, "links": links or {}, "commands": [], "probes": {}})


def function(address: str, pci_id: str, pci_class: str, **more: Any) -> dict[str, Any]:
    """The files of a PCI function; more: file name → content."""
    uevent = f"PCI_CLASS={int(pci_class + '00', 16):X}\nPCI_ID={pci_id.upper()}\nPCI_SUBSYS_ID=1458:40E5\nPCI_SLOT_NAME={address}\n"
    return {f"{BUS}/{address}/{name}": content for name, content in {"uevent": uevent, "revision": "0xa1\n", **more}.items()}


def look(replay: ReplayHost, *wanted: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    problems: list[dict[str, str]] = []
    return pci.read(Source(replay, "pci", problems, 1.0, frozenset(wanted)), Inventory()), problems


@pytest.mark.parametrize(
    ("vendor", "pci_class", "expected"),
    [
        ("10de", "0300", True), ("10de", "0302", True), ("10de", "0403", False), ("10de", "0680", False), ("1002", "0380", True),
        ("1002", "1200", True), ("8086", "0300", True), ("8086", "0380", True), ("8086", "1200", False), ("1a03", "0300", False),
        ("102b", "0300", False), ("1af4", "0380", False),
    ],
)
def test_what_counts_as_a_gpu(vendor: str, pci_class: str, expected: bool) -> None:
    assert pci.is_gpu(vendor, pci_class) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0000:1A:00.0", "0000:1a:00.0"), ("00000000:1A:00.0", "0000:1a:00.0"), ("1a:00.0", "0000:1a:00.0"),
     ("00001580:00:00.0", "1580:00:00.0"), ("12345:00:1f.7", "12345:00:1f.7")],
)
def test_addresses_are_written_as_sysfs_does(text: str, expected: str) -> None:
    assert pci.normal_address(text) == expected


@pytest.mark.parametrize("text", ["", "N/A", "0000:1a:00", "0000:1a:00.8", "1a:00.0 x", "0000:zz:00.0"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a PCI address"):
        pci.normal_address(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2.5 GT/s PCIe", 1), ("5.0 GT/s PCIe", 2), ("8 GT/s", 3), ("16.0 GT/s PCIe", 4), ("32.0 GT/s PCIe", 5), ("64.0 GT/s PCIe", 6),
     ("Unknown", None), ("", None), (None, None)],
)
def test_link_generation(text: str | None, expected: int | None) -> None:
    assert pci.link_generation(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("16", 16), ("0", None), ("255", None), ("x16", None), ("²", None), (None, None)])
def test_link_width(text: str | None, expected: int | None) -> None:
    assert pci.link_width(text) == expected


def test_a_card_with_its_link_and_the_port_above_it() -> None:
    card, port = "0000:01:00.0", "0000:00:01.0"
    files = {
        **function(card, "10de:2684", "0300", numa_node="-1\n", max_link_speed="16.0 GT/s PCIe\n", max_link_width="16\n",
                   current_link_speed="2.5 GT/s PCIe\n", current_link_width="8\n", config={"base64": "3hCEJg=="}),
        **function(port, "8086:a70d", "0604", max_link_speed="8.0 GT/s PCIe\n", max_link_width="16\n"),
    }
    links = {f"{BUS}/{card}": f"../../../devices/pci0000:00/{port}/{card}", f"{BUS}/{card}/driver": "../../../../bus/pci/drivers/nvidia"}
    seen, problems = look(host(files, links))
    assert problems == []
    assert seen["devices"] == [{"vendor": "nvidia", "pci": {
        "address": card, "vendor_id": "10de", "device_id": "2684", "subsystem_vendor_id": "1458", "subsystem_device_id": "40e5",
        "revision": "a1", "class": "0300", "kernel_driver": "nvidia", "numa_node": None, "readable": True,
        "link": {"generation": {"current": None, "max": 4}, "width": {"current": 8, "max": 16}},
        "bridge": {"address": port, "generation_max": 3, "width_max": 16}}}]
    assert look(host(files, links), "runtime")[0]["devices"][0]["pci"]["link"]["generation"] == {"current": 1, "max": 4}


def test_without_uevent_the_files_of_their_own_count() -> None:
    folder = f"{BUS}/0008:01:00.0"
    files = {f"{folder}/vendor": "0x10de\n", f"{folder}/device": "0x2941\n", f"{folder}/class": "0x030200\n",
             f"{folder}/subsystem_vendor": "0x10de\n", f"{folder}/subsystem_device": "0x2046\n"}
    (device,) = look(host(files))[0]["devices"]
    assert (device["pci"]["device_id"], device["pci"]["class"], device["pci"]["subsystem_device_id"]) == ("2941", "0302", "2046")


def test_order_of_domains_and_what_is_no_gpu() -> None:
    files: dict[str, Any] = {}
    for address, pci_id, pci_class in [("10000:01:00.0", "10de:2684", "0300"), ("0002:00:00.0", "10de:2331", "0302"),
                                       ("0002:00:00.1", "10de:22ba", "0403"), ("0001:00:00.0", "1002:74a1", "1200"),
                                       ("0000:00:02.0", "8086:7d45", "0300"), ("0000:00:0b.0", "8086:7d1d", "1200"),
                                       ("0000:02:00.0", "1a03:2000", "0300"), ("0000:07:00.0", "10de:22a3", "0680")]:
        files.update(function(address, pci_id, pci_class))
    seen, _problems = look(host(files))
    assert [device["pci"]["address"] for device in seen["devices"]] == ["0000:00:02.0", "0001:00:00.0", "0002:00:00.0", "10000:01:00.0"]
    assert seen["nvidia"] == {"fabric": {"nvswitch_count": 1}}


def test_a_virtual_function_counts_only_where_its_physical_function_is_not() -> None:
    files = {**function("0000:05:00.0", "1002:74a1", "1200"), **function("0000:05:02.0", "1002:74b5", "1200")}
    links = {f"{BUS}/0000:05:02.0/physfn": "../0000:05:00.0"}
    assert len(look(host(files, links))[0]["devices"]) == 1
    assert len(look(host(files))[0]["devices"]) == 2


@pytest.mark.parametrize(
    ("more", "expected"),
    [({"config": {"base64": "/////w=="}}, False), ({"config": {"base64": "/////w=="}, "power_state": "D3cold\n"}, None), ({}, None)],
    ids=["off the bus", "asleep", "not readable"],
)
def test_readable(more: dict[str, Any], expected: bool | None) -> None:
    (device,) = look(host(function("0000:01:00.0", "10de:2684", "0300", max_link_width="63\n", **more)))[0]["devices"]
    assert device["pci"]["readable"] is expected
    assert ("link" in device["pci"]) is (expected is not False)


def test_no_sysfs_at_all() -> None:
    assert look(host({})) == ({"devices": [], "nvidia": {}}, [])


def test_without_sysfs_nobody_can_say_that_there_is_no_gpu() -> None:
    """An offline image, or a container without /sys; a machine without a PCI bus has a sysfs nevertheless."""
    problems: list[dict[str, str]] = []
    assert pci.read_nothing(Source(host({"/sys/kernel/uevent_seqnum": "1"}), "pci", problems), Inventory()) == {}
    assert problems == []
    pci.read_nothing(Source(host({}), "pci", problems), Inventory())
    assert [(problem["code"], problem["message"].partition(":")[0]) for problem in problems] == [("unreadable", "/sys")]


def test_a_bus_that_may_not_be_read_is_a_problem() -> None:
    replay = ReplayHost({"files": {}, "dirs": {BUS: {"error": "EACCES"}}, "links": {}, "commands": [], "probes": {}})
    seen, problems = look(replay)
    assert seen["devices"] == []
    assert problems == [{"source": "pci", "code": "not_permitted", "message": f"{BUS}: permission denied; read as root to see it"}]


def test_a_device_that_goes_away_while_the_bus_is_read() -> None:
    replay = ReplayHost({"files": function("0000:01:00.0", "10de:2684", "0300"), "links": {}, "commands": [], "probes": {},
                         "dirs": {BUS: ["0000:01:00.0", "0000:41:00.0"]}})
    seen, problems = look(replay)
    assert [device["pci"]["address"] for device in seen["devices"]] == ["0000:01:00.0"]
    assert problems == []
