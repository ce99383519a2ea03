# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ubuntu and its derivatives say of themselves: the release that they are built from, and the driver that Ubuntu recommends."""

from __future__ import annotations

import re
from typing import Any

from ._inventory import Inventory
from ._source import Source
from ._system import parse_os_release

_NVIDIA = re.compile(r"modalias *: pci:v000010DEd", re.ASCII)
_RECOMMENDED = re.compile(r"driver *: (nvidia-driver-([1-9][0-9]{2,3})(-server)?(-open)?) - ((?:[a-z-]+ )*)recommended", re.ASCII)


def parse_devices(text: str) -> list[dict[str, Any]]:
    """What `ubuntu-drivers devices` recommends for NVIDIA's cards, each once: [{package, branch, server, flavour}]. Lines of other
    forms, such as a recommended nouveau, are left out."""
    found: list[dict[str, Any]] = []
    for part in re.split(r"(?m)^== .* ==$", text)[1:]:
        for line in part.splitlines() if _NVIDIA.search(part) else ():
            match = _RECOMMENDED.fullmatch(line.strip())
            if match:
                row = {"package": match[1], "branch": int(match[2]), "server": bool(match[3]),
                       "flavour": "open" if match[4] else "proprietary"}
                found += [row] if row not in found else []
    return found


def codename(source: Source, known: Inventory) -> str | None:
    """UBUNTU_CODENAME of os-release(5) on what is built from Ubuntu (noble of Mint 22); None elsewhere."""
    if "ubuntu" not in (known.system.get("distribution_like") or ()):
        return None
    text = source.text("/etc/os-release") or source.text("/usr/lib/os-release")
    try:
        return parse_os_release(text or "").get("UBUNTU_CODENAME") or None
    except ValueError:
        return None  # told by the reader of the system


def recommended(source: Source, known: Inventory) -> list[dict[str, Any]] | None:
    """The recommendations of `ubuntu-drivers devices`. It reads all lists of packages, so it is asked only where it can matter: where
    no driver is installed; None where it was not asked."""
    family = (known.system.get("distribution"), *(known.system.get("distribution_like") or ()))
    if "ubuntu" not in family or (known.nvidia.get("driver") or {}).get("installed_version"):
        return None
    if not any(device.get("vendor") == "nvidia" for device in known.devices):
        return None
    output = source.run("ubuntu-drivers", "devices")
    return parse_devices(output.stdout) if output and output.ok else None
