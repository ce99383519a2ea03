# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: OpenCL platforms and devices as `clinfo` lists them: the distributions' own program (aligned columns), and the one that
comes with AMD's runtime and other vendors' (names with a colon)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

from ._amd_cards import board_of

_TEXT_LIMIT = 8 << 20  # characters; 64 devices have less than 1 MiB
_COLON = re.compile(r"\s*([A-Za-z][\w /()-]*?):\s*(.*)")
_ALIGNED = re.compile(r"\s*([A-Za-z][\w /()-]*?)\s{2,}(.*)")
# Where the lists end: questions with no platform named follow, whose answers repeat names.
_END = re.compile(r"^(?:NULL platform behavior|ICD loader properties)", re.MULTILINE)
_ERROR = re.compile(r"(?:ERROR: |what\(\):\s*|clinfo: )?(cl[A-Z]\w+)\s?\(?(-\d{1,5})?\)?")
_NO_PLATFORM = "-1001"  # CL_PLATFORM_NOT_FOUND_KHR of cl_khr_icd: the loader found no driver
_KINDS = ("gpu", "cpu", "accelerator", "custom")


class Device(NamedTuple):
    """kind: gpu, cpu, accelerator, custom or None. name: for AMD's runtime the target (gfx1030). address: of its PCI function."""

    name: str | None
    board: str | None
    vendor: str | None
    kind: str | None
    version: str | None
    driver: str | None
    address: str | None

    @property
    def target(self) -> str | None:
        """The gfx target, without the features that follow it (gfx90a:sramecc+:xnack-)."""
        match = re.match(r"gfx[0-9a-f]{3,5}\b", self.name or "")
        return match[0] if match else None


class Platform(NamedTuple):
    """A driver of the loader, with its devices."""

    name: str | None
    vendor: str | None
    version: str | None
    devices: tuple[Device, ...] = ()


# Rows of a device in the two layouts, in the order of Device's fields but for `kind` and `address`.
_ROWS = {
    True: {"Name": "name", "Board name": "board", "Vendor": "vendor", "Version": "version", "Driver version": "driver",
           "Device Type": "kind", "Device Topology": "address"},
    False: {"Device Name": "name", "Device Board Name (AMD)": "board", "Device Vendor": "vendor", "Device Version": "version",
            "Driver Version": "driver", "Device Type": "kind", "Device Topology (AMD)": "address",
            "Device Topology (NV)": "address", "Device PCI bus info (KHR)": "address"},
}


def parse_clinfo(text: str) -> list[Platform]:
    """The platforms in their order. ValueError where the text does not even say how many there are."""
    if len(text) > _TEXT_LIMIT:
        raise ValueError("more text than clinfo can say")
    start = re.search(r"^Number of platforms(:?)\s+(\d{1,3})\s*$", text, re.MULTILINE | re.ASCII)
    if not start:
        raise ValueError("no number of platforms")
    colon, count = bool(start[1]), int(start[2])
    end = _END.search(text, start.end())
    rows = [(match[1], match[2].strip()) for match in map((_COLON if colon else _ALIGNED).fullmatch,
                                                          text[start.end(): end.start() if end else None].splitlines()) if match]
    told: dict[str, list[str]] = {"Platform Name": [], "Platform Vendor": [], "Platform Version": []}
    devices: list[list[dict[str, str]]] = [[] for _number in range(count)]
    for key, value in rows:
        if key in told and (key == "Platform Name" or len(told[key]) < count):
            told[key].append(value)
            continue
        place = len(told["Platform Name"]) - count - 1  # after the list of platforms each is named again, before its devices
        if 0 <= place < count and key in _ROWS[colon]:
            _note(devices[place], key, value, colon)
    names, vendors, versions = ([*map(_word, column[:count]), *[None] * (count - len(column))] for column in told.values())
    return [Platform(names[number], vendors[number], versions[number], tuple(map(_device, devices[number]))) for number in range(count)]


def _note(devices: list[dict[str, str]], key: str, value: str, colon: bool) -> None:
    """A row of a device; the first of a device begins it."""
    if key == ("Device Type" if colon else "Device Name"):
        devices.append({})
    if devices:
        devices[-1].setdefault(_ROWS[colon][key], value)


def _device(rows: dict[str, str]) -> Device:
    kind = rows.get("kind", "").removeprefix("CL_DEVICE_TYPE_").partition(",")[0].strip().lower()
    return Device(_word(rows.get("name")), _word(rows.get("board")), _word(rows.get("vendor")), kind if kind in _KINDS else None,
                  _word(rows.get("version")), _word(rows.get("driver")), parse_topology(rows.get("address", "")))


def _word(text: str | None) -> str | None:
    return text if text and text.isprintable() else None


def parse_topology(text: str) -> str | None:
    """The PCI address in "PCI-E, 0000:03:00.0", "PCI-E, 03:00.0" or "PCI[ B#3, D#0, F#0 ]" (decimal); None for other texts. The bus is
    a signed byte to these programs: of number 0x80 and above they make ffffff80, or -128."""
    match = re.fullmatch(r"PCI-E, (?:([0-9a-fA-F]{4,8}):)?(?:ffffff)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])", text)
    if match:
        return f"{match[1] or '0000'}:{match[2]}:{match[3]}.{match[4]}".lower()
    numbers = re.fullmatch(r"PCI\[ B#(-?\d{1,3}), D#(\d{1,2}), F#([0-7]) \]", text, re.ASCII)
    return f"0000:{int(numbers[1]) & 0xff:02x}:{int(numbers[2]):02x}.{numbers[3]}" if numbers else None


def parse_error(text: str) -> dict[str, str] | None:
    """{code, message} of what went wrong by the program's own words: no_platform (the loader found no driver) or runtime_failed; None
    where it complains of nothing."""
    for line in text.splitlines():
        match = _ERROR.match(line.strip())
        if match and (match[2] or "what()" in line) and match[2] != "-30":  # CL_INVALID_VALUE: an attribute that an old driver lacks
            return {"code": "no_platform" if match[2] == _NO_PLATFORM else "runtime_failed", "message": line.strip()[:200]}
    return None


def as_plain(platforms: list[Platform], present: Collection[str] = ()) -> list[dict[str, Any]]:
    """[{name, vendor, version, devices: [{name, target, board, vendor, kind, version, driver, address}]}]; a partition has the address of
    its board among those that are present."""
    return [{**platform._asdict(), "devices": [
        {**device._asdict(), "target": device.target, "address": device.address and board_of(device.address, present)}
        for device in platform.devices]} for platform in platforms]
