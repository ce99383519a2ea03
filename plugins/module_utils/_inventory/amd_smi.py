# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: AMD GPUs as `amd-smi static --json` (ROCm 6 and 7) tells them.

A slow program (half a second of Python): it is asked only where the kernel's own files left something open.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ._amd_cards import amd_addresses, board_of, has_name, served_cards
from ._inventory import Inventory
from ._source import Source

COMMAND = ("amd-smi", "static", "--json")

_STARTS = 20  # places where the JSON may begin, after lines of advice; some of those begin with a bracket, too
_UNITS = {"KB": 1 / 1024, "MB": 1, "GB": 1024, "TB": 1 << 20}  # in MiB: the tool divides by 1024 and writes MB
_NOTHING = ("", "N/A", "NA", "NONE", "UNKNOWN", "0", "0X0")
_DENIED = re.compile(r"permission (needed|denied)", re.IGNORECASE)

Entry = dict[str, Any]


class Static(NamedTuple):
    """entries: one section tree a GPU. advice: what stood before the JSON."""

    entries: list[Entry]
    advice: str


def parse_static(text: str) -> Static:
    """The output of `static --json`: a bare array, or {"gpu_data": […]}; lines of advice may precede it."""
    starts = [match.start() for match in re.finditer(r"^[\[{]", text, re.MULTILINE)][:_STARTS]
    for start in starts:
        try:
            document, _end = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        entries = document.get("gpu_data") if isinstance(document, dict) else document
        if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries) and _is_static(entries):
            return Static(entries, text[:start].strip())
    raise ValueError("no JSON of amd-smi static in it")


def _is_static(entries: list[Entry]) -> bool:
    return all("asic" in entry or "bus" in entry for entry in entries)


def word(value: Any) -> str | None:
    """A text that says something: no "N/A", no name of an error."""
    text = value.strip() if isinstance(value, str) else ""
    return None if text.upper() in _NOTHING or text.startswith("AMDSMI_STATUS") or not text.isprintable() else text


def quantity(value: Any) -> float | None:
    """A positive number, given as such, as {"value": 300, "unit": "W"} or as "300 W"; sizes in MiB."""
    unit = ""
    if isinstance(value, dict):
        value, unit = value.get("value"), str(value.get("unit", ""))
    if isinstance(value, str):
        match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?) ?([A-Za-z]*)", value.strip(), re.ASCII)
        value, unit = (float(match[1]), match[2] or unit) if match else (None, unit)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e12:
        return None
    return value * _UNITS.get(unit.upper(), 1)


def _section(entry: Entry, *path: str) -> Entry:
    for name in path:
        inner = entry.get(name)
        entry = inner if isinstance(inner, dict) else {}
    return entry


def _hex(value: Any) -> str | None:
    match = re.fullmatch(r"0x([0-9a-f]{1,4})", value.strip().lower()) if isinstance(value, str) else None
    return match[1].zfill(4) if match else None


def _whole(value: Any) -> int | None:
    number = quantity(value)
    return None if number is None else int(number)


def describe(entry: Entry) -> dict[str, Any]:
    """The device entry of one GPU, with pci.address where the tool tells it."""
    asic, board, limit = (_section(entry, name) for name in ("asic", "board", "limit"))
    firmware = _section(entry, "ifwi") or _section(entry, "vbios")
    name = word(asic.get("market_name")) or word(board.get("product_name"))
    target = re.fullmatch(r"gfx[0-9a-f]{3,5}", word(asic.get("target_graphics_version")) or "")
    return {
        "vendor": "amd",
        "name": None if name is None or "[" in name else name,  # a bracket: a row of pci.ids, the chip and not the product
        "gfx_target": target[0] if target else None,
        "serial": word(board.get("product_serial")),
        "vbios_version": word(firmware.get("part_number")) or word(firmware.get("version")),
        "pci": {"address": _address(entry), "vendor_id": _hex(asic.get("vendor_id")), "device_id": _hex(asic.get("device_id"))},
        "memory": {"total_mib": _whole(_section(entry, "vram").get("size")), "ecc": {"enabled": _ecc(entry)}},
        "power": _power(limit),
        "temperature_c": {key: _whole(limit.get(f"{key}_hotspot_temperature")) for key in ("slowdown", "shutdown")},
        "partitioning": _partitioning(entry),
    }


def _address(entry: Entry) -> str | None:
    from .pci import normal_address

    try:
        return normal_address(str(_section(entry, "bus").get("bdf")))
    except ValueError:
        return None


def _ecc(entry: Entry) -> bool | None:
    state = _section(entry, "ras", "ecc_block_state").get("UMC")
    return {"ENABLED": True, "DISABLED": False}.get(state) if isinstance(state, str) else None


def _power(limit: Entry) -> dict[str, float | None]:
    first = _section(limit, "ppt0")  # ROCm 7.1 and later; before, the limits stood in the section itself
    return {"limit_w": quantity(first.get("socket_power_limit", limit.get("socket_power"))),
            "max_limit_w": quantity(first.get("max_power_limit", limit.get("max_power")))}


def _partitioning(entry: Entry) -> dict[str, Any] | None:
    partition = _section(entry, "partition")
    compute = word(partition.get("compute_partition")) or word(partition.get("accelerator_partition"))
    memory = word(partition.get("memory_partition"))
    return {"compute": compute, "memory": memory} if compute or memory else None


def driver_of(entries: list[Entry], kernel_release: str | None) -> dict[str, Any]:
    """amd.driver: the version of a driver from AMD's packages. Of the kernel's own one the tool tells the kernel's release, or
    the whole of /proc/version."""
    told = next(filter(None, (word(_section(entry, "driver").get("version")) for entry in entries)), None)
    if told is None:
        return {}
    own = re.fullmatch(r"\d+(\.\d+)+(-\d+)?", told, re.ASCII) and told != kernel_release
    return {"loaded": True, "version": told, "method": "dkms"} if own else {"loaded": True, "method": "inbox"}


def place(devices: list[dict[str, Any]], known: Inventory) -> list[dict[str, Any]]:
    """Devices with an address each. Entries without one are those cards, in the order of the bus, that no other entry names; an
    entry for a function that is not on the bus is a partition of its board."""
    present = sorted(amd_addresses(known))
    for device in devices:
        if device["pci"]["address"]:
            device["pci"]["address"] = board_of(device["pci"]["address"], present)
    named = {device["pci"]["address"] for device in devices}
    chips = {device["pci"]["address"]: device["pci"].get("device_id") for device in known.devices if device.get("pci")}
    free = [address for address in present if address not in named]
    for device in devices:
        if device["pci"]["address"] is None:
            chip = device["pci"]["device_id"]
            found = next((address for address in free if chip is None or chips.get(address) == chip), None)
            device["pci"]["address"] = found
            free = [address for address in free if address != found]
    for device in devices:
        partitions = sum(other["pci"]["address"] == device["pci"]["address"] for other in devices)
        if partitions > 1:
            device["partitioning"] = {**(device["partitioning"] or {}), "partitions": partitions}
    return [device for device in devices if device["pci"]["address"]]


def is_open(known: Inventory) -> bool:
    """Whether the driver is there and the kernel's own files left kind, memory or name of a card open."""
    return any(not device.get("gfx_target") or not (device.get("memory") or {}).get("total_mib") or not has_name(device)
               for device in served_cards(known))


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """Devices and amd.driver, where something is open and the tool is installed."""
    output = source.run(*COMMAND) if is_open(known) else None
    if output is None:
        return {}
    try:
        static = parse_static(output.stdout)
    except ValueError as error:
        if not output.error:
            _complain(source, output.rc, f"{output.stdout}\n{output.stderr}", str(error))
        return {}
    if _DENIED.search(static.advice):
        source.problem("not_permitted", f"{' '.join(COMMAND)}: {static.advice}")
    devices = place([describe(entry) for entry in static.entries], known)
    driver = driver_of(static.entries, known.kernel.get("release"))
    return {"devices": devices, "amd": {"driver": driver} if driver else {}}


def _complain(source: Source, status: int | None, text: str, error: str) -> None:
    said = " ".join(text.split())
    if _DENIED.search(said):
        source.problem("not_permitted", f"{' '.join(COMMAND)}: {said}")
    elif status:
        source.problem("refused", f"{' '.join(COMMAND)}: {said or f'exit status {status}'}")
    else:
        source.problem("unreadable", f"{' '.join(COMMAND)}: {error}")
