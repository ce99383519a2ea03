# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: AMD GPUs as the amdgpu driver shows them below their PCI device in sysfs, and the driver itself.

Files that the driver answers from its memory are read directly; those for which it asks the hardware are read in a child, since
a dead GPU may never answer, and not at all on a card that sleeps, since reading would wake it.
"""

from __future__ import annotations

import re
from typing import Any, Callable

from ._amd_cards import uuid_of
from ._inventory import Inventory
from ._source import Source

DEVICES = "/sys/bus/pci/devices"
MODULE = "/sys/module/amdgpu"

_MIB = 1 << 20
# Where memory with ECC is: video memory, caches and registers, copy engines
_ERROR_COUNTS = frozenset({"umc_err_count", "gfx_err_count", "sdma_err_count"})
_LIMITS = frozenset({"power1_cap", "power1_cap_default", "power1_cap_max"})
_READING = re.compile(r"power1_(average|input)|temp\d_input|freq[12]_input")
_ACTIVITY = frozenset({"gpu_busy_percent", "mem_busy_percent", "pp_dpm_sclk", "pp_dpm_mclk"})
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
        self._hwmon = next((f"hwmon/{name}" for name in self._listed("hwmon")), "hwmon/none")
        self._sensors = frozenset(self._listed(self._hwmon))
        self._ras = frozenset(self._listed("ras"))
        self._told: dict[str, str] = {}

    def device(self) -> dict[str, Any]:
        """The device entry; empty where the driver shows nothing."""
        if "mem_info_vram_total" not in self._names and "vbios_version" not in self._names:
            return {}
        self._ask_hardware()
        device: dict[str, Any] = {
            "vendor": "amd",
            "pci": {"address": self._address},
            "name": self._word("product_name"),
            "serial": self._word("serial_number"),
            "uuid": self._uuid(),
            "vbios_version": self._word("vbios_version"),
            "memory": self._memory(),
            "power": self._power(),
            "temperature_c": self._temperatures(),
            "partitioning": self._partitioning(),
            "xgmi": self._xgmi() if self._source.wants("topology") else None,
            "apu": True if "apu_thermal_cap" in self._names else None,
        }
        if self._source.wants("runtime"):
            device["clocks_mhz"] = self._clocks()
            busy = {"gpu": "gpu_busy_percent", "memory": "mem_busy_percent"}
            device["utilization_percent"] = {kind: self._live_number(name) for kind, name in busy.items()}
        return device

    # --- files of the driver's memory

    def _listed(self, folder: str) -> list[str]:
        return self._source.names(f"{self._folder}/{folder}") if folder.partition("/")[0] in self._names else []

    def _value(self, name: str) -> str | None:
        return self._source.value(f"{self._folder}/{name}") if name.partition("/")[0] in self._names else None

    def _word(self, name: str) -> str | None:
        """A text that says something; boards without a FRU have blanks, zeros or "N/A"."""
        text = self._value(name)
        return None if text is None or text.lower() in _PLACEHOLDERS or not text.isprintable() else text

    def _mebibytes(self, name: str) -> int | None:
        number = _number(self._value(name))
        return None if number is None else number // _MIB

    def _uuid(self) -> str | None:
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
        members = sum(name.startswith("node") for name in self._listed("xgmi_hive_info"))
        return {"links_total": members - 1, "links_active": None} if members > 1 else None

    def _memory(self) -> dict[str, Any]:
        ecc: dict[str, Any] = {}
        memory: dict[str, Any] = {"total_mib": self._mebibytes("mem_info_vram_total") or None, "ecc": ecc}
        if self._source.wants("runtime"):
            memory["used_mib"] = self._mebibytes("mem_info_vram_used")
        if "features" in self._ras:
            mask = self._parsed("ras/features", parse_feature_mask)
            ecc["enabled"] = None if mask is None else bool(mask & _UMC_BIT)
        if "gpu_vram_bad_pages" in self._ras:
            pages = self._parsed("ras/gpu_vram_bad_pages", parse_bad_pages)
            memory["retired_pages"] = pages and {"double_bit": sum(pages.values()), "pending": pages["P"] > 0}
        counts = [self._parsed(f"ras/{name}", parse_error_counts, live=True) for name in sorted(self._ras & _ERROR_COUNTS)]
        for key, kind in (("volatile_corrected", "ce"), ("volatile_uncorrected", "ue")):
            told = [count[kind] for count in counts if count and kind in count]
            ecc[key] = sum(told) if told else None
        return memory

    # --- files for which the driver asks the hardware, or waits for a lock that a hanging driver holds

    def _ask_hardware(self) -> None:
        if self._value("power/runtime_status") in ("suspended", "suspending"):
            return
        names = [f"ras/{name}" for name in self._ras & _ERROR_COUNTS]
        names += [f"{self._hwmon}/{name}" for name in self._sensors & _LIMITS]
        if self._source.wants("runtime"):
            names += [f"{self._hwmon}/{name}" for name in self._sensors if _READING.fullmatch(name)]
            names += self._names & _ACTIVITY
        told = self._source.texts([f"{self._folder}/{name}" for name in sorted(names)])
        self._told = {path[len(self._folder) + 1:]: text for path, text in told.items()}

    def _live_number(self, name: str) -> int | None:
        return _number(self._told.get(name))

    def _parsed(self, name: str, parse: Callable[[str], Any], live: bool = False) -> Any:
        text = self._told.get(name) if live else self._source.text(f"{self._folder}/{name}")
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self._source.problem("unreadable", f"{self._folder}/{name}: {error}")
            return None

    def _watts(self, *names: str) -> float | None:
        """Power in W from the first of these files, which tell µW, that says more than 0."""
        values = (self._live_number(f"{self._hwmon}/{name}") for name in names)
        value = next((value for value in values if value), None)
        return None if value is None else round(value / 1e6, 1)

    def _power(self) -> dict[str, float | None]:
        return {"limit_w": self._watts("power1_cap"), "default_limit_w": self._watts("power1_cap_default"),
                "max_limit_w": self._watts("power1_cap_max"), "draw_w": self._watts("power1_average", "power1_input")}

    def _temperatures(self) -> dict[str, int | None]:
        """Temperatures in °C, told in thousandths: of the hottest spot where there is a sensor for it, else of the edge."""
        labels = sorted(name for name in self._sensors if re.fullmatch(r"temp\d_label", name))
        sensors = {self._value(f"{self._hwmon}/{name}"): name[:-6] for name in labels}
        hottest = sensors.get("junction") or sensors.get("edge") or "temp1"
        limits = {"slowdown": f"{hottest}_crit", "shutdown": f"{hottest}_emergency"}
        there = {key: name for key, name in limits.items() if name in self._sensors}
        thresholds = {key: _number(self._value(f"{self._hwmon}/{name}")) for key, name in there.items()}
        readings = {key: self._live_number(f"{self._hwmon}/{sensor}_input")
                    for key, sensor in (("gpu", hottest), ("memory", sensors.get("mem")))}
        return {key: value // 1000 for key, value in {**thresholds, **readings}.items() if value is not None}

    def _clocks(self) -> dict[str, int | None]:
        clocks: dict[str, int | None] = {}
        for kind, file, frequency in (("sm", "pp_dpm_sclk", "freq1_input"), ("memory", "pp_dpm_mclk", "freq2_input")):
            levels = self._parsed(file, parse_levels, live=True) or {}
            hertz = self._live_number(f"{self._hwmon}/{frequency}")
            clocks[kind] = hertz // 1000000 if hertz else levels.get("current")
            clocks[f"max_{kind}"] = levels.get("max")
        return clocks


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?\d{1,20}", text.strip(), re.ASCII) else None
