# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what the readers of AMD's sources share: which cards there are, which board a partition belongs to, what is open."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ._inventory import Inventory


def address_of_location(location: int, domain: int | None, present: Collection[str]) -> str:
    """The PCI address of the board that `location` (bus << 8 | device << 3 | function) stands for.

    A partition is told by function bits that do not exist on the bus, or, in newer kernels, by bits 28 to 31: it belongs to
    the function that does exist. `present` holds the addresses of this machine, where a domain that is not told is looked up.
    """
    slot = f":{location >> 8 & 0xff:02x}:{location >> 3 & 0x1f:02x}."
    return board_of(f"{_domain(domain, slot, present)}{slot}{location & 7}", present)


def board_of(address: str, present: Collection[str]) -> str:
    """The address itself if it is present, else the first function of its slot."""
    slot = address[:-1]
    return address if address in present else min((other for other in present if other[:-1] == slot), default=f"{slot}0")


def _domain(domain: int | None, slot: str, present: Collection[str]) -> str:
    if domain is not None:
        return f"{domain & 0xffffffff:04x}"
    domains = {address.partition(":")[0] for address in present if slot in address}
    return domains.pop() if len(domains) == 1 else "0000"


def amd_addresses(known: Inventory) -> list[str]:
    """Addresses of the AMD devices that are known so far."""
    return [device["pci"]["address"] for device in known.devices
            if device.get("vendor") == "amd" and (device.get("pci") or {}).get("address")]


def uuid_of(unique_id: int | None) -> str | None:
    """The uuid as AMD's tools print it; None for the zero of a consumer card."""
    return f"GPU-{unique_id:016x}" if unique_id else None


def served_cards(known: Inventory) -> list[dict[str, Any]]:
    """AMD devices that amdgpu drives or may drive; none where the driver is not loaded."""
    if not (known.amd.get("driver") or {}).get("loaded"):
        return []
    return [device for device in known.devices if device.get("vendor") == "amd"
            and (device.get("pci") or {}).get("kernel_driver") in ("amdgpu", None)]


def has_name(device: dict[str, Any]) -> bool:
    """Whether the card told its name, or our tables will: of an APU they often know the family only."""
    from .._knowledge.catalog import name

    pci = device.get("pci") or {}
    return bool(device.get("name") or name("amd", pci.get("device_id"), pci.get("revision")))
