# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the inventory as checks look at it. Every question answers None where nothing is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Section = dict[str, Any]

PASSED_THROUGH = ("vfio-pci", "pci-stub", "xen-pciback", "gim")  # gim: the host side of AMD's SR-IOV
DATACENTRE = ("0302",)  # PCI class of cards without a display output
VENDOR_NAMES = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel"}


def at(value: Any, path: str) -> Any:
    """The value at a path like "memory.ecc.enabled"; None as soon as something on the way is not known."""
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def address(device: Section) -> str:
    """What names a device to people and to nvidia-smi: its PCI address, else its UUID, else its number."""
    return str(at(device, "pci.address") or device.get("uuid") or f"GPU {device.get('index', '?')}")


def name(device: Section) -> str:
    """The name of a device, also where nobody told one."""
    if device.get("name"):
        return str(device["name"])
    vendor = VENDOR_NAMES.get(str(device.get("vendor")), "unknown")
    return f"{vendor} GPU {at(device, 'pci.device_id') or ''}".rstrip()


def passed_through(device: Section) -> bool:
    """Whether the device was given away to a virtual machine."""
    return at(device, "pci.kernel_driver") in PASSED_THROUGH


def number(value: Any) -> float | None:
    """A number, or None for everything else; bool is no number."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def version_key(version: Any) -> list[int]:
    """A version as a list of numbers to compare by; letters and what follows them do not count: "1.17.8-1" is [1, 17, 8]."""
    parts: list[int] = []
    for part in str(version).partition("-")[0].partition("~")[0].partition("+")[0].split("."):
        digits = ""
        for character in part:
            if not ("0" <= character <= "9"):
                break
            digits += character
        if not digits:
            break
        parts.append(int(digits[:9]))
    return parts


def older(version: Any, than: Any) -> bool:
    """Whether a version is older; versions that hold no number are not compared."""
    left, right = version_key(version), version_key(than)
    width = max(len(left), len(right))
    return bool(left and right) and left + [0] * (width - len(left)) < right + [0] * (width - len(right))


def same_version(left: Any, right: Any) -> bool:
    """Whether two versions are equal as far as the shorter one tells: 580.126 and 580.126.09 are (nvidia-smi cuts)."""
    one, two = version_key(left), version_key(right)
    width = min(len(one), len(two))
    return one[:width] == two[:width]


def join(words: Iterable[Any], limit: int = 6) -> str:
    """ "a, b and c" of the words; of more than `limit` the rest is counted."""
    items = [str(word) for word in words]
    if len(items) > limit:
        items = [*items[: limit - 1], f"{len(items) - limit + 1} more"]
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


class Node:
    """One machine for checks: the devices by vendor, and what is known at a path of the inventory."""

    def __init__(self, inventory: Any) -> None:
        self.inventory = inventory
        self.devices: list[Section] = [device for device in inventory.devices if isinstance(device, dict)]
        used = [device for device in self.devices if not passed_through(device)]
        self.nvidia = [device for device in used if device.get("vendor") == "nvidia"]
        self.amd = [device for device in used if device.get("vendor") == "amd"]

    def get(self, path: str) -> Any:
        """The value at a path that begins with the name of a section: "nvidia.driver.loaded_version"."""
        section, _dot, rest = path.partition(".")
        value = getattr(self.inventory, section, None)
        return at(value, rest) if rest else value

    def items(self, path: str) -> list[Section]:
        """The dictionaries of the list at a path; none where nothing is known."""
        value = self.get(path)
        return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

    def problems(self, *sources: str) -> list[dict[str, str]]:
        """The problems of these sources."""
        return [problem for problem in self.inventory.problems if problem.get("source") in sources]

    @property
    def wsl(self) -> bool:
        return bool(self.get("system.wsl"))

    @property
    def container(self) -> bool:
        return bool(self.get("system.container"))

    @property
    def driver_version(self) -> str | None:
        """The NVIDIA driver that counts now: the loaded one, else what is installed."""
        driver = self.get("nvidia.driver")
        version = at(driver, "loaded_version") or at(driver, "installed_version") or at(driver, "library_version")
        return str(version) if version else None

    @property
    def driver_branch(self) -> int | None:
        """The branch of that driver: 580 of 580.95.05."""
        parts = version_key(self.driver_version) if self.driver_version else []
        return parts[0] if parts else None

    @property
    def kernel(self) -> str:
        """The running kernel; the shell's own question for it where it is not known."""
        return str(self.get("kernel.release") or "$(uname -r)")

    def installed_kernel(self, release: Any) -> Section | None:
        """What is known of an installed kernel."""
        return next((item for item in self.items("kernel.installed") if item.get("release") == release), None)
