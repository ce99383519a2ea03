# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what the NVIDIA cards of a machine ask of a driver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .._knowledge import nvidia

FLAVOURS = frozenset(("open", "proprietary"))
MODULES = {"required": "open", "unsupported": "proprietary"}  # open_module of the facts, and the flavour that it leaves


class Card(NamedTuple):
    """Cards of one model, and what drives them. None: no limit, or none that is known; open_since is a branch."""

    label: str
    name: str | None
    architecture: str | None
    addresses: tuple[str, ...]
    first: int | None
    last: int | None
    open_module: str | None
    open_since: int | None
    note: str | None

    def flavours(self, branch: int) -> frozenset[str]:
        """The kernel modules of a branch that drive this card; empty where the branch does not serve it."""
        if (self.first is not None and branch < self.first) or (self.last is not None and branch > self.last):
            return frozenset()
        barred = {"proprietary"} if self.open_module == "required" else set()
        if self.open_module == "unsupported" or (self.open_since is not None and branch < self.open_since):
            barred.add("open")
        return FLAVOURS - barred


def cards_of(devices: Iterable[Mapping[str, Any]]) -> list[Card]:
    """The NVIDIA cards among devices in the form of the facts, those of one model together."""
    found: dict[Card, list[str]] = {}
    for number, device in enumerate(devices):
        if device.get("vendor") == "nvidia":
            address = (device.get("pci") or {}).get("address")
            found.setdefault(_card(device, number), []).extend([str(address)] if address else [])
    return [card._replace(addresses=tuple(addresses)) for card, addresses in found.items()]


def _card(device: Mapping[str, Any], number: int) -> Card:
    pci = device.get("pci") or {}
    device_id = str(pci.get("device_id") or "")
    support = device.get("driver_support") or {}
    if support.get("status") in (None, "unknown"):
        support = nvidia.driver_support(device_id)
    chip = nvidia.chip(device_id)
    name, architecture = device.get("name"), device.get("architecture") or (chip.architecture if chip else None)
    label = str(name or f"GPU {pci.get('address') or device_id or number}")
    return Card(
        label=f"{label} ({architecture})" if architecture else label,
        name=str(name) if name else None,
        architecture=architecture,
        addresses=(),
        first=support.get("first_branch"),
        last=support.get("last_branch"),
        open_module=support.get("open_module"),
        open_since=nvidia.open_module_since(device_id),
        note=nvidia.unknown_id_note(device_id) if support.get("status") == "unknown" else None,
    )


def flavours(cards: Iterable[Card], branch: int) -> frozenset[str]:
    """The kernel modules of a branch that drive all cards."""
    left = FLAVOURS
    for card in cards:
        left &= card.flavours(branch)
    return left


def limits(card: Card, branches: Iterable[int]) -> str:
    """What keeps a card from branches that do not serve all cards, in words."""
    numbers = sorted(branches)
    if card.last is not None and card.last < numbers[0]:
        return f"ends with branch {card.last}"
    if card.first is not None and numbers[-1] < card.first:
        return f"is served from branch {card.first} on"
    words = []
    if card.first is not None and numbers[0] < card.first:
        words.append(f"is served from branch {card.first} on")
    if card.last is not None and card.last < numbers[-1]:
        words.append(f"ends with branch {card.last}")
    if card.open_module in MODULES:
        words.append(f"needs the {MODULES[card.open_module]} kernel module")
    elif card.open_since is not None and numbers[0] < card.open_since:
        words.append(f"has an open kernel module from branch {card.open_since} on")
    return " and ".join(words) or "is served"
