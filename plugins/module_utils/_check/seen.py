# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine in a few words beside a report: which GPUs were seen, and the versions that findings speak of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._knowledge.findings import codes
from ._node import Node, at, name


def seen(inventory: Any) -> dict[str, Any]:
    """{count, vendors, devices, driver_version, cuda_version, rocm_version}; devices: [{index, name, address, …}]."""
    node = Node(inventory)
    devices = [
        {
            "index": device.get("index"),
            "name": name(device),
            "address": at(device, "pci.address"),
            "kernel_driver": at(device, "pci.kernel_driver"),
            "memory_mib": at(device, "memory.total_mib"),
        }
        for device in node.devices
    ]
    return {
        "count": len(devices),
        "vendors": sorted({str(device["vendor"]) for device in node.devices if device.get("vendor")}),
        "devices": devices,
        "driver_version": node.driver_version,
        "cuda_version": node.get("nvidia.cuda_driver_version"),
        "rocm_version": node.get("amd.rocm.version"),
    }


def known_codes(wanted: Iterable[str]) -> list[str]:
    """The codes as given; ValueError for one that no finding has: a slip would silently acknowledge nothing."""
    asked, known = list(wanted), codes()
    wrong = [code for code in asked if code not in known]
    if wrong:
        area = [code for code in known if code.split("-")[0] == wrong[0].upper().split("-")[0]]
        some = ", ".join((area or known)[:5])
        raise ValueError(f"acknowledge: {wrong[0]!r} is the code of no finding; docs/findings.md lists them, such as {some}")
    return asked
