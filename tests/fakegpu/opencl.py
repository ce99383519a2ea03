# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""clinfo over AMD's OpenCL, in the layout of the distributions' program (aligned) or of AMD's own."""

from __future__ import annotations

from typing import Any

from .amd_cards import gfx_name, partitions
from .profile import Gpu

_PLATFORM = "AMD Accelerated Parallel Processing"
_VENDOR = "Advanced Micro Devices, Inc."
_VERSION = "OpenCL 2.1 AMD-APP (3649.0)"


def clinfo(cards: list[Gpu], aligned: bool) -> str:
    """One platform; a device a partition. Without a card that may be opened the platform is there, and empty."""
    devices = [(gpu, part) for gpu in cards for part in range(partitions(gpu))]
    if aligned:
        return _aligned(devices)
    rows: list[tuple[str, Any]] = [("Number of platforms", 1), ("  Platform Profile", "FULL_PROFILE"), ("  Platform Version", _VERSION),
                                   ("  Platform Name", _PLATFORM), ("  Platform Vendor", _VENDOR),
                                   ("  Platform Extensions", "cl_khr_icd cl_amd_event_callback ")]
    text = "".join(map(_tabbed, rows)) + "\n\n"
    text += "".join(map(_tabbed, [("  Platform Name", _PLATFORM), ("Number of devices", len(devices))]))
    for gpu, part in devices:
        bus, slot = _location(gpu)
        text += "".join(map(_tabbed, [
            ("  Device Type", "CL_DEVICE_TYPE_GPU"), ("  Vendor ID", "1002h"), ("  Board name", gpu.get("name")),
            ("  Device Topology", f"PCI[ B#{bus}, D#{slot}, F#{part} ]"), ("  Max compute units", gpu.get("cu") // partitions(gpu)),
            ("  Name", _name(gpu)), ("  Vendor", _VENDOR), ("  Device OpenCL C version", "OpenCL C 2.0 "),
            ("  Driver version", "3649.0 (HSA1.1,LC)"), ("  Profile", "FULL_PROFILE"), ("  Version", "OpenCL 2.0 "),
        ])) + "\n\n"  # fmt: skip
    return text


def _aligned(devices: list[tuple[Gpu, int]]) -> str:
    rows: list[tuple[str, Any]] = [("Number of platforms", 1), ("  Platform Name", _PLATFORM), ("  Platform Vendor", _VENDOR),
                                   ("  Platform Version", _VERSION), ("  Platform Profile", "FULL_PROFILE")]
    text = "".join(map(_columns, rows)) + "\n"
    text += "".join(map(_columns, [("  Platform Name", _PLATFORM), ("Number of devices", len(devices))]))
    for gpu, part in devices:
        domain, (bus, slot) = gpu.address.partition(":")[0], _location(gpu)
        text += "".join(map(_columns, [
            ("  Device Name", _name(gpu)), ("  Device Vendor", _VENDOR), ("  Device Vendor ID", "0x1002"),
            ("  Device Version", "OpenCL 2.0 "), ("  Driver Version", "3649.0 (HSA1.1,LC)"), ("  Device OpenCL C Version", "OpenCL C 2.0 "),
            ("  Device Type", "GPU"), ("  Device Board Name (AMD)", gpu.get("name")), ("  Device PCI-e ID (AMD)", f"0x{gpu.get('device')}"),
            ("  Device Topology (AMD)", f"PCI-E, {domain}:{bus:02x}:{slot:02x}.{part}"),
            ("  Max compute units", gpu.get("cu") // partitions(gpu)),
        ]))  # fmt: skip
    return f"{text}\nICD loader properties\n{_columns(('  ICD loader Name', 'OpenCL ICD Loader'))}"


def _name(gpu: Gpu) -> str:
    """The target with the features that can be switched."""
    return gfx_name(gpu.get("gfx")) + (":sramecc+:xnack-" if gpu.get("ecc") else "")


def _location(gpu: Gpu) -> tuple[int, int]:
    _domain, bus, slot = gpu.address.split(":")
    return int(bus, 16), int(slot.split(".")[0], 16)


def _tabbed(row: tuple[str, Any]) -> str:
    return f"{row[0] + ':':<32}\t\t {row[1]}\n"


def _columns(row: tuple[str, Any]) -> str:
    return f"{row[0]:<50}{row[1]}\n"
