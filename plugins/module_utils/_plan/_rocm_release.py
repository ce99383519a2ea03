# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which release of AMD's own packages serves a node's cards, its system and the wish; or what stands in the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .._check._node import Node, address, join, name
from .._inventory._inventory import Inventory
from .._knowledge import rocm, rocm_delivery
from .._knowledge.rocm_delivery import Deliverer
from .._knowledge.rocm_releases import numbers
from ._refuse import refuse
from ._rocm_here import Here, Judged, judge
from .rocm_order import RocmOrder
from .steps import Refusal

__all__ = ["Picked", "cards_refused", "pick", "unofficial"]


class Picked(NamedTuple):
    """A release to have, who delivers it, what it makes of the cards, why it and not another, and the releases that would do as well."""

    version: str
    deliverer: Deliverer
    judged: Judged
    notes: tuple[str, ...]
    offered: tuple[str, ...]


def pick(inventory: Inventory, order: RocmOrder, vendors: Sequence[Deliverer], there: Here | None) -> Picked | list[Refusal]:
    """Of AMD's releases that the wish allows and that serve every card: the one that is there; else those whose lists have the cards and
    the system before others, and of these the newest. A preview only where the wish names it. Never down unasked."""
    node = Node(inventory)
    every = _delivered(inventory, vendors)
    fits = [(one, who, judge(inventory, one)) for one, who in every if order.wish.allows(one) and _asked(order, one)]
    if not fits:
        return [_not_known(node, order, [one for one, _who in every])]
    good = [entry for entry in fits if not entry[2].bad]
    if not good:
        others = [one for one, _who in every if _asked(order, one) and not judge(inventory, one).bad]
        return cards_refused(node, order, fits[-1][2], others)
    mine = there.release if there and there.deliverer.kind == "vendor" and not order.side_by_side else None
    if mine and order.state == "present":
        kept = [entry for entry in good if entry[0] == mine]
        if kept:
            return Picked(*kept[0], (), _versions(good))
    if mine and not order.allow_downgrade:
        higher = [entry for entry in good if numbers(entry[0]) >= numbers(mine)]
        if not higher:
            words = f"ROCm {mine} → {good[-1][0]}"
            return [refuse(node, "RS-DOWNGRADE", "packages", use=({"allow_downgrade": "true"},), packages=words, version=good[-1][0])]
        good = higher
    return _best(order, good, there, mine)


def _best(order: RocmOrder, good: list[tuple[str, Deliverer, Judged]], there: Here | None, mine: str | None) -> Picked:
    notes: list[str] = []
    same = [entry for entry in good if mine and there and entry[1].id == there.deliverer.id]
    if same and len(same) < len(good):
        newer = max((entry[0] for entry in good if entry not in same), key=numbers)
        if numbers(newer) > numbers(same[-1][0]):
            notes.append(f"{newer} is of another stream of packages: ask for it by its version")
        good = same
    ranked = sorted(good, key=lambda entry: (entry[2].support == "supported", entry[2].listed, numbers(entry[0])))
    best, newest = ranked[-1], max(good, key=lambda entry: numbers(entry[0]))
    if newest[0] != best[0]:
        told = next((one for _device, one in newest[2].cards if one.status != "supported"), newest[2].cards[0][1])
        notes.append(f"{newest[0]} is newer: {told.why if told.status != 'supported' else told.system.why}")
    return Picked(*best, tuple(notes), _versions(good))


def _versions(entries: Iterable[tuple[str, Deliverer, Judged]]) -> tuple[str, ...]:
    return tuple(entry[0] for entry in entries)


def _delivered(inventory: Inventory, vendors: Sequence[Deliverer]) -> list[tuple[str, Deliverer]]:
    """AMD's releases with who delivers them to this distribution, the oldest first."""
    system = inventory.system
    found = []
    for one in rocm.releases():
        for who in vendors:
            stream = rocm_delivery.delivery_of(who.id).stream
            if stream == one.stream and rocm_delivery.repositories(
                    who.id, str(system.get("distribution")), str(system.get("distribution_version")), one.version, None,
                    system.get("distribution_like") or (), system.get("ubuntu_codename")):
                found.append((one.version, who))
    return found


def _asked(order: RocmOrder, version: str) -> bool:
    """Whether a release may be taken: a preview has to be named."""
    one = rocm.release(version)
    return one is not None and (one.stream != "preview" or order.wish.series == one.series)


def _not_known(node: Node, order: RocmOrder, has: list[str]) -> Refusal:
    """No release of AMD's repositories is in the wish."""
    use = _around(order, has)
    told = f"its repositories have {join(use)} for this system, among others" if use else "it has no repository for this system"
    return refuse(node, "RS-VERSION-NOT-OFFERED", "packages", use=tuple({"version": one} for one in use), wish=order.wish, origin="AMD",
                  reason=told)


def _around(order: RocmOrder, has: list[str]) -> list[str]:
    """Releases near a wish, the nearest first."""
    low, high = order.wish.low, order.wish.high
    below = [one for one in has if numbers(one) < low]
    above = [one for one in has if numbers(one) >= high]
    return [*above[:1], *reversed(below[-2:])] or has[-2:]


def cards_refused(node: Node, order: RocmOrder, judged: Judged, others: Sequence[str] = ()) -> list[Refusal]:
    """A refusal for each card that a release does not serve; others: releases that serve all cards of the node."""
    found = []
    for device, told in judged.bad:
        near = [one for one in (told.nearest, *reversed(others)) if one and (not others or one in others)][:1]
        code = {"ended": "RS-GPU-ENDED", "not_yet": "RS-GPU-NOT-YET"}.get(told.status, "RS-GPU-UNSUPPORTED")
        found.append(refuse(node, code, address(device), use=tuple({"version": one} for one in near), gpu=name(device),
                            gfx=told.gfx_target or "unknown", version=judged.version, wish=order.wish, reason=told.why,
                            advice=f"use version {near[0]}" if near else "no release of AMD's serves every card of this node"))
    return found


def unofficial(node: Node, order: RocmOrder, judged: Judged, version: str) -> list[Refusal]:
    """What is to be known of cards that no list has; those that need an override stop where nobody asked for that."""
    found = []
    for device, told in judged.cards:
        words: dict[str, Any] = {"gpu": name(device), "gfx": told.gfx_target or "unknown", "version": version, "reason": told.why}
        if told.override:
            severity = "warning" if order.allow_unsupported_gpu else None
            found.append(refuse(node, "RS-GPU-OVERRIDE", address(device), severity, ({"allow_unsupported_gpu": "true"},),
                                override=told.override, **words))
        elif told.status == "unofficial":
            found.append(refuse(node, "RS-GPU-UNOFFICIAL", address(device), **words))
        elif told.status == "unknown":
            found.append(refuse(node, "RS-GPU-UNKNOWN", address(device), **words))
    needed = [one for one in judged.overrides if one]
    if needed and len(judged.overrides) > 1 and order.allow_unsupported_gpu:
        found.append(refuse(node, "RS-OVERRIDE-MIXED", override=join(needed)))
    return found
