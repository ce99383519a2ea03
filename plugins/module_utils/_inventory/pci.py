# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: GPUs as the PCI bus shows them in sysfs, driver or not. `lspci` is not asked: sysfs is there on every node."""

from __future__ import annotations

import re
from typing import Any

from ._inventory import Inventory
from ._source import Source

DEVICES = "/sys/bus/pci/devices"
VENDORS = {"10de": "nvidia", "1002": "amd", "8086": "intel"}

_ADDRESS = re.compile(r"([0-9a-f]{4,8}):[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# GT/s per lane → PCI Express generation (PCI Express base specification 6.0, table of data rates)
_GENERATIONS = {"2.5": 1, "5": 2, "5.0": 2, "8": 3, "8.0": 3, "16": 4, "16.0": 4, "32": 5, "32.0": 5, "64": 6, "64.0": 6, "128.0": 7}
_UNREADABLE = "ffff"  # what a device that fell off the bus answers to every read of its configuration space


def normal_address(text: str) -> str:
    """0000:1A:00.0, 00000000:1A:00.0 and 1a:00.0 as sysfs writes them: 0000:1a:00.0. ValueError for anything else."""
    match = re.fullmatch(r"(?:([0-9a-fA-F]{1,8}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])", text.strip())
    if not match:
        raise ValueError(f"not a PCI address: {text[:40]!r}")
    return f"{int(match[1] or '0', 16):04x}:{match[2]}:{match[3]}.{match[4]}".lower()


def address_key(address: str) -> Any:
    """Sorts addresses as the bus does: domains have four digits, or more on large cloud machines."""
    return (len(address), address)


def link_generation(text: str | None) -> int | None:
    """"16.0 GT/s PCIe" → 4; None for "Unknown" and the like."""
    match = re.match(r"([\d.]+) ?GT/s", text or "")
    return _GENERATIONS.get(match[1]) if match else None


def link_width(text: str | None) -> int | None:
    """A number of lanes; None for 0 and 255, which mean that nothing is known."""
    match = re.fullmatch("[0-9]{1,3}", text or "")
    number = int(match[0]) if match else 0
    return number if 0 < number < 255 else None


def is_gpu(vendor: str, pci_class: str) -> bool:
    """Display controllers (class 03) of the three vendors, and accelerators (1200), which from Intel are NPUs."""
    return vendor in VENDORS and (pci_class.startswith("03") or (pci_class.startswith("1200") and vendor != "8086"))


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """Devices, and the number of NVSwitches (bridges of NVIDIA, class 0680) as nvidia.fabric.nvswitch_count."""
    devices: list[dict[str, Any]] = []
    switches, broken = 0, []
    for address in sorted(source.names(DEVICES), key=address_key):
        if not _ADDRESS.fullmatch(address):
            continue
        folder = f"{DEVICES}/{address}"
        uevent = _uevent(source, folder)
        vendor, pci_class = uevent.get("vendor"), uevent.get("class")
        if vendor is None or pci_class is None:
            continue
        if vendor == "10de" and pci_class == "0680" and _is_nvswitch(uevent["device"]):
            switches += 1
        if is_gpu(vendor, pci_class) and source.link(f"{folder}/physfn") is None:
            devices.append(_device(source, folder, address, uevent))
        elif vendor == _UNREADABLE:
            broken.append(address)
    for address in broken:
        source.problem("unreadable", f"{address}: the configuration space answers ffff only, the device does not respond")
    return {"devices": devices, "nvidia": {"fabric": {"nvswitch_count": switches}} if switches else {}}


def read_nothing(source: Source, known: Inventory) -> dict[str, Any]:
    """Asked where nobody saw a GPU. An offline image has no sysfs: then there may be GPUs, and nobody could see them."""
    if not source.names("/sys"):
        source.problem("unreadable", "/sys: nothing is mounted there, so that no PCI device can be seen")
    return {}


def _is_nvswitch(device_id: str) -> bool:
    from .._knowledge.nvidia import is_nvswitch

    return is_nvswitch(device_id)


def _uevent(source: Source, folder: str) -> dict[str, str]:
    """Ids and class of a function from its uevent (one read), else from the files of their own."""
    text = source.text(f"{folder}/uevent") or ""
    rows = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    found: dict[str, str] = {}
    vendor, _colon, device = rows.get("PCI_ID", "").lower().partition(":")
    if re.fullmatch(r"[0-9a-f]{1,4}", vendor) and re.fullmatch(r"[0-9a-f]{1,4}", device) and rows.get("PCI_CLASS"):
        found = {"vendor": vendor.zfill(4), "device": device.zfill(4), "class": rows["PCI_CLASS"].lower().zfill(6)[:4]}
    else:
        for name in ("vendor", "device", "class"):
            match = re.fullmatch(r"0x([0-9a-f]{1,6})", (source.value(f"{folder}/{name}") or "").lower())
            if match:
                found[name] = match[1].zfill(6)[:4] if name == "class" else match[1].zfill(4)
    subsystem = rows.get("PCI_SUBSYS_ID", "").lower()
    if re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", subsystem):
        found["subsystem"] = subsystem
    if rows.get("DRIVER"):
        found["driver"] = rows["DRIVER"]
    return found


def _device(source: Source, folder: str, address: str, uevent: dict[str, str]) -> dict[str, Any]:
    subsystem = uevent.get("subsystem") or ":".join(
        (source.value(f"{folder}/{name}") or "").lower()[2:] for name in ("subsystem_vendor", "subsystem_device"))
    board_vendor, _colon, board = subsystem.partition(":")
    revision = (source.value(f"{folder}/revision") or "").lower()[2:]
    node = source.number(f"{folder}/numa_node")
    pci = {
        "address": address,
        "vendor_id": uevent["vendor"],
        "device_id": uevent.get("device"),
        "subsystem_vendor_id": board_vendor or None,
        "subsystem_device_id": board or None,
        "revision": revision or None,
        "class": uevent["class"],
        "kernel_driver": uevent.get("driver") or source.link_name(f"{folder}/driver"),
        "numa_node": node if node is not None and node >= 0 else None,
        "readable": _readable(source, folder),
        "bridge": _bridge(source, folder),
    }
    if pci["readable"] is not False:  # else all bits are set: 64 GT/s over 63 lanes
        pci["link"] = _link(source, folder)
    device: dict[str, Any] = {"vendor": VENDORS[uevent["vendor"]], "pci": pci}
    if pci["kernel_driver"] == "vfio-pci":
        device["virtualization"] = "passthrough"
    return device


def _readable(source: Source, folder: str) -> bool | None:
    """Whether the device answers. The ids in sysfs are the kernel's memory, only the configuration space is the device; one that
    sleeps without power is not woken for it."""
    if source.value(f"{folder}/power_state") == "D3cold":
        return None
    config = source.data(f"{folder}/config", 64)
    return config[:4] != b"\xff" * 4 if config else None


def _link(source: Source, folder: str) -> dict[str, Any]:
    def both(kind: str) -> dict[str, str | None]:
        return {which: source.value(f"{folder}/{which}_link_{kind}") for which in ("current", "max")}

    current_speed = source.wants("runtime")  # an idle link slows down to save power: not a constant fact
    speed, width = both("speed"), both("width")
    return {"generation": {"current": link_generation(speed["current"]) if current_speed else None,
                           "max": link_generation(speed["max"])},
            "width": {"current": link_width(width["current"]), "max": link_width(width["max"])}}


def _bridge(source: Source, folder: str) -> dict[str, Any] | None:
    """What the port above the device can do: a fast card in a slow slot is not a fault of the card."""
    target = source.link(folder)
    if not target:
        return None
    address = target.rstrip("/").split("/")[-2] if target.count("/") > 1 else ""
    if not _ADDRESS.fullmatch(address):
        return None
    above = f"{DEVICES}/{address}"
    return {"address": address, "generation_max": link_generation(source.value(f"{above}/max_link_speed")),
            "width_max": link_width(source.value(f"{above}/max_link_width"))}
