# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: AMD GPUs as the amdgpu driver shows them below their PCI device in sysfs, and the driver itself.

Files that the driver answers from its memory are read directly; those for which it asks the hardware are read in a child, since
a dead GPU may never answer, and not at all on a card that sleeps, since reading would wake it.
"""

from __future__ import annotations

import re
from typing import Any, Callable

from ._inventory import Inventory
from ._source import Source

DEVICES = "/sys/bus/pci/devices"
MODULE = "/sys/module/amdgpu"

_MIB = 1 << 20
_ECC_BLOCKS = ("umc", "gfx", "sdma")  # where memory with ECC is: video memory, caches and registers, copy engines
_UMC_BIT = 1  # AMDGPU_RAS_BLOCK__UMC is the first bit of the feature mask; amdgpu_ras.h
_PLACEHOLDERS = ("", "n/a", "unknown", "none", "0")


def parse_error_counts(text: str) -> dict[str, int]:
    """{"ue": 0, "ce": 3} of a ras/*_err_count: uncorrectable and correctable errors since the driver was loaded."""
    found = {row[1]: int(row[2]) for row in re.finditer(r"^(ue|ce): *(\d{1,20})$", text[:4096], re.MULTILINE | re.ASCII)}
    if "ue" not in found:
        raise ValueError("no count of uncorrectable errors")
    return found


def parse_feature_mask(text: str) -> int:
    """The number in "feature mask: 0x5ffd" of ras/features."""
    match = re.match(r"feature mask: *(0x[0-9a-fA-F]{1,16})\b", text)
    if not match:
        raise ValueError("no feature mask")
    return int(match[1], 16)


def parse_bad_pages(text: str) -> dict[str, int]:
    """Pages by state from ras/gpu_vram_bad_pages: {"R": retired, "P": pending, "F": failed to be retired}."""
    counts = {"R": 0, "P": 0, "F": 0}
    for line in filter(None, map(str.strip, text.splitlines())):
        match = re.fullmatch(r"0x[0-9a-fA-F]+ *: *0x[0-9a-fA-F]+ *: *([RPF])", line)
        if not match:
            raise ValueError(f"not a row of a page, its size and its state: {line[:40]!r}")
        counts[match[1]] += 1
    return counts


def parse_levels(text: str) -> dict[str, int]:
    """Clock levels in MHz from pp_dpm_sclk or pp_dpm_mclk: {"max": 2100, "current": 852}; current where one is marked."""
    rows = re.findall(r"^[0-9S]{1,3}: *(\d{1,6})Mhz *(\*?)", text[:65536], re.MULTILINE | re.ASCII | re.IGNORECASE)
    if not rows:
        raise ValueError("no clock levels")
    marked = [int(clock) for clock, mark in rows if mark]
    return {"max": max(int(clock) for clock, _mark in rows), **({"current": marked[0]} if marked else {})}


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """Devices that amdgpu serves, and amd.driver: loaded, version, method, kfd."""
    driver = _driver(source, known)
    devices = []
    for device in known.devices:
        pci = device.get("pci") or {}
        if device.get("vendor") == "amd" and pci.get("address") and pci.get("kernel_driver") in ("amdgpu", None):
            devices.append(_Card(source, pci["address"]).device())
    return {"devices": [device for device in devices if device], "amd": {"driver": driver} if driver else {}}


def _driver(source: Source, known: Inventory) -> dict[str, Any]:
    """Only the module that AMD's packages build carries a version of its own; the kernel's own one has the kernel's."""
    names = source.names(MODULE)
    if not names:
        return {"loaded": False, "kfd": False} if any(device.get("vendor") == "amd" for device in known.devices) else {}
    version = source.value(f"{MODULE}/version")
    state = source.value(f"{MODULE}/initstate")
    return {"loaded": state in ("live", None), "version": version, "method": "dkms" if version else "inbox",
            "kfd": bool((known.amd.get("driver") or {}).get("kfd"))}


class _Card:
    """One device's folder. What is not there stays None."""

    def __init__(self, source: Source, address: str) -> None:
        self._source, self._address = source, address
        self._folder = f"{DEVICES}/{address}"
        self._names = frozenset(source.names(self._folder))
        self._asleep = False

    def device(self) -> dict[str, Any]:
        """The device entry; empty where the driver shows nothing."""
        if "mem_info_vram_total" not in self._names and "vbios_version" not in self._names:
            return {}
        self._asleep = self._value("power/runtime_status") in ("suspended", "suspending")
        device: dict[str, Any] = {
            "vendor": "amd",
            "pci": {"address": self._address},
            "name": self._word("product_name"),
            "serial": self._word("serial_number"),
            "uuid": self._uuid(),
            "vbios_version": self._word("vbios_version"),
            "memory": self._memory(),
            "partitioning": self._partitioning(),
            "xgmi": self._xgmi() if self._source.wants("topology") else None,
            "apu": True if "apu_thermal_cap" in self._names else None,
        }
        hwmon = self._hwmon()
        device["power"], device["temperature_c"] = self._power(hwmon), self._temperatures(hwmon)
        if self._source.wants("runtime"):
            device.update(clocks_mhz=self._clocks(hwmon), utilization_percent={
                "gpu": self._live_number("gpu_busy_percent"), "memory": self._live_number("mem_busy_percent")})
        return device

    # --- files of the driver's memory

    def _value(self, name: str) -> str | None:
        return self._source.value(f"{self._folder}/{name}") if name.partition("/")[0] in self._names else None

    def _word(self, name: str) -> str | None:
        """A text that says something; boards without a FRU have blanks, zeros or "N/A"."""
        text = self._value(name)
        return None if text is None or text.lower() in _PLACEHOLDERS or not text.isprintable() else text

    def _number(self, name: str) -> int | None:
        text = self._value(name) or ""
        return int(text) if re.fullmatch(r"\d{1,20}", text, re.ASCII) else None

    def _mebibytes(self, name: str) -> int | None:
        number = self._number(name)
        return None if number is None else number // _MIB

    def _uuid(self) -> str | None:
        from .kfd import uuid_of

        text = self._value("unique_id") or ""
        return uuid_of(int(text, 16)) if re.fullmatch(r"(0x)?[0-9a-fA-F]{1,16}", text) else None

    def _partitioning(self) -> dict[str, Any] | None:
        compute, memory = (self._word(f"current_{kind}_partition") for kind in ("compute", "memory"))
        if not compute and not memory:
            return None
        # In other modes the number is the compute driver's business; without it there is nobody to tell.
        return {"compute": compute, "memory": memory, "partitions": 1 if compute == "SPX" else None}

    def _xgmi(self) -> dict[str, int | None] | None:
        """The members of the hive are links named node1, node2 … in its folder; their state is not told."""
        if "xgmi_hive_info" not in self._names:
            return None
        members = sum(name.startswith("node") for name in self._source.names(f"{self._folder}/xgmi_hive_info"))
        return {"links_total": members - 1, "links_active": None} if members > 1 else None

    def _memory(self) -> dict[str, Any]:
        ecc: dict[str, Any] = {}
        memory: dict[str, Any] = {"total_mib": self._mebibytes("mem_info_vram_total") or None, "ecc": ecc}
        if self._source.wants("runtime"):
            memory["used_mib"] = self._mebibytes("mem_info_vram_used")
        names = frozenset(self._source.names(f"{self._folder}/ras")) if "ras" in self._names else frozenset()
        if "features" in names:
            mask = self._parsed("ras/features", parse_feature_mask)
            ecc["enabled"] = None if mask is None else bool(mask & _UMC_BIT)
        if "gpu_vram_bad_pages" in names:
            pages = self._parsed("ras/gpu_vram_bad_pages", parse_bad_pages)
            memory["retired_pages"] = pages and {"double_bit": sum(pages.values()), "pending": pages["P"] > 0}
        counts = [self._parsed(f"ras/{block}_err_count", parse_error_counts, live=True)
                  for block in _ECC_BLOCKS if f"{block}_err_count" in names]
        for key, kind in (("volatile_corrected", "ce"), ("volatile_uncorrected", "ue")):
            told = [count[kind] for count in counts if count and kind in count]
            ecc[key] = sum(told) if told else None
        return memory

    # --- files for which the driver asks the hardware

    def _live(self, name: str) -> str | None:
        if self._asleep or name.partition("/")[0] not in self._names:
            return None
        return self._source.text(f"{self._folder}/{name}", 65536, guarded=True)

    def _live_number(self, name: str) -> int | None:
        text = (self._live(name) or "").strip()
        return int(text) if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else None

    def _parsed(self, name: str, parse: Callable[[str], Any], live: bool = False) -> Any:
        text = self._live(name) if live else self._source.text(f"{self._folder}/{name}")
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self._source.problem("unreadable", f"{self._folder}/{name}: {error}")
            return None

    def _hwmon(self) -> str | None:
        folders = self._source.names(f"{self._folder}/hwmon") if "hwmon" in self._names else []
        return f"hwmon/{folders[0]}" if folders else None

    def _watts(self, hwmon: str, *names: str) -> float | None:
        """Power in W of the first of these files, which tell µW, that says more than 0."""
        there = self._source.names(f"{self._folder}/{hwmon}")
        values = (self._live_number(f"{hwmon}/{name}") for name in names if name in there)
        value = next((value for value in values if value), None)
        return None if value is None else round(value / 1e6, 1)

    def _power(self, hwmon: str | None) -> dict[str, float | None] | None:
        if hwmon is None:
            return None
        power: dict[str, float | None] = {
            "limit_w": self._watts(hwmon, "power1_cap"),
            "default_limit_w": self._watts(hwmon, "power1_cap_default"),
            "max_limit_w": self._watts(hwmon, "power1_cap_max"),
        }
        if self._source.wants("runtime"):
            power["draw_w"] = self._watts(hwmon, "power1_average", "power1_input")
        return power

    def _temperatures(self, hwmon: str | None) -> dict[str, int | None] | None:
        """Temperatures in °C, told in thousandths: of the hottest spot where there is a sensor for it, else of the edge."""
        if hwmon is None:
            return None
        sensors = {self._value(f"{hwmon}/{name}"): name[:-6] for name in self._source.names(f"{self._folder}/{hwmon}")
                   if re.fullmatch(r"temp\d_label", name)}
        hottest = sensors.get("junction") or sensors.get("edge") or "temp1"
        wanted = {"slowdown": f"{hottest}_crit", "shutdown": f"{hottest}_emergency"}
        if self._source.wants("runtime"):
            wanted.update(gpu=f"{hottest}_input", memory=f"{sensors.get('mem', 'none')}_input")
        there = self._source.names(f"{self._folder}/{hwmon}")
        told = {key: self._live_number(f"{hwmon}/{name}") for key, name in wanted.items() if name in there}
        return {key: value // 1000 for key, value in told.items() if value is not None}

    def _clocks(self, hwmon: str | None) -> dict[str, int | None]:
        clocks: dict[str, int | None] = {}
        for kind, file, fallback in (("sm", "pp_dpm_sclk", "freq1_input"), ("memory", "pp_dpm_mclk", "freq2_input")):
            levels = self._parsed(file, parse_levels, live=True) if file in self._names else None
            hertz = self._live_number(f"{hwmon}/{fallback}") if hwmon else None
            clocks[kind] = hertz // 1000000 if hertz else (levels or {}).get("current")
            clocks[f"max_{kind}"] = (levels or {}).get("max")
        return clocks

