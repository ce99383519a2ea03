# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whether NVML and ``nvidia-smi`` may be asked, for how long, and whose answers are still missing.

Starting either of them loads the kernel module where it is not loaded, so they are asked only where it is: looking changes
nothing. WSL has no module of its own.
"""

from __future__ import annotations

from typing import Any

from ._inventory import Inventory
from ._source import Source

# Without persistence the driver initialises a card whenever somebody asks: 1 to 3 seconds each
# (https://docs.nvidia.com/deploy/driver-persistence/, "Background").
_INITIALISATION_S = 3.0
_SERVED_BY_DEFAULT_S = 10.0


def is_wsl(known: Inventory) -> bool:
    """Whether this is a guest of Windows, where GPUs have no PCI functions."""
    return bool(known.system.get("wsl")) or (known.nvidia.get("driver") or {}).get("managed_by") == "wsl"


def bound(known: Inventory) -> list[dict[str, Any]]:
    """The devices on PCI whose driver is nvidia, in the order of their addresses."""
    devices = [device for device in known.devices if (device.get("pci") or {}).get("kernel_driver") == "nvidia"]
    return sorted(devices, key=lambda device: (len(device["pci"]["address"]), device["pci"]["address"]))


def may_ask(source: Source, known: Inventory) -> bool:
    """Whether the module is loaded already (or is not needed)."""
    loaded = (known.nvidia.get("driver") or {}).get("loaded_version")
    return bool(loaded or bound(known) or is_wsl(known)) or "nvidia" in source.names("/sys/module")


def deadline(source: Source, known: Inventory) -> float:
    """Seconds for one answer about all cards. It grows with the cards that the default deadline would not serve."""
    if (known.nvidia.get("services") or {}).get("persistenced") == "active":
        return source.timeout
    return source.timeout * max(1.0, len(bound(known)) * _INITIALISATION_S / _SERVED_BY_DEFAULT_S)


def unseen(known: Inventory, seen_by: str) -> set[str]:
    """Addresses of cards that are bound to the driver, and that this source did not show."""
    return {device["pci"]["address"] for device in bound(known) if seen_by not in device.get("source", ())}


def presentable(devices: list[dict[str, Any]], known: Inventory) -> list[dict[str, Any]]:
    """The devices that can enter the inventory without being counted twice: known by address, or by UUID where the bus shows no
    card of the driver (or that UUID). In WSL an address is one of the Windows host, not of this system."""
    uuids = {device.get("uuid") for device in known.devices} - {None}
    told = [without_pci(device, known) for device in devices]
    return [device for device in told if (device.get("pci") or {}).get("address")
            or (device.get("uuid") and (device["uuid"] in uuids or not bound(known)))]


def without_pci(device: dict[str, Any], known: Inventory) -> dict[str, Any]:
    """The device as it may enter the inventory: in WSL the address is one of the Windows host, not of this system."""
    return {**device, "pci": None} if is_wsl(known) else device
