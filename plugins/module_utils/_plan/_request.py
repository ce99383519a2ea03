# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the transaction to ask a package manager for, so that it installs one driver and nothing of another."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import NamedTuple

from .._inventory._inventory import Inventory
from .._inventory._package_text import upstream_version
from .._knowledge.delivery import Deliverer
from .._packages.types import Candidate, Pin, Request, Wanted
from . import _hold
from ._deliverables import Deliverable, Index, Kernel, bare, filled, package_key, pattern_of
from ._packages_part import extras_of, headers_of, installed, names_of, sets_of
from .order import Order
from .steps import Chosen

__all__ = ["EXACT_PRIORITY", "Pinning", "holding", "is_pinning", "pinning_of", "request_for"]

EXACT_PRIORITY = _hold.PRIORITY + 1  # above the hold, which may allow other versions of the branch


class Pinning(NamedTuple):
    """A package that pins the driver, to be installed first, and those of other versions that must go before."""

    wanted: Wanted
    others: tuple[str, ...]


def request_for(
    inventory: Inventory, order: Order, deliverer: Deliverer, picked: Deliverable, index: Index, kernels: Sequence[Kernel]
) -> Request:
    """One transaction: the set, what goes with it, headers where modules are built, and old names that would stay behind."""
    wanted = [*picked.wanted, *extras_of(inventory, order, picked, index)]
    if picked.packages.build == "dkms":
        wanted += headers_of(inventory, deliverer, kernels, index)
    pinning = pinning_of(inventory, order, deliverer, picked, index)
    if pinning:
        wanted.append(pinning.wanted)
    remove = _left_behind(inventory, deliverer, picked, index, kernels)
    before = str((inventory.nvidia.get("driver") or {}).get("installed_version") or "")
    lower = bool(before) and package_key(picked.version) < package_key(before)
    stream = f"nvidia-driver:{picked.stream}"
    enabled = (inventory.packages.get("streams") or {}).get("nvidia-driver")
    return Request(
        install=tuple(dict.fromkeys(wanted)),
        remove=tuple(sorted({*remove, *(pinning.others if pinning else ())})),
        pins=tuple(_pins(order, deliverer, picked, index, pinning)),
        streams=(stream,) if picked.stream and picked.stream != enabled else (),
        downgrade=lower and order.allow_downgrade,
        erase=bool(before) and bool(remove or (picked.stream and picked.stream != enabled)),
    )


def pinning_of(inventory: Inventory, order: Order, deliverer: Deliverer, picked: Deliverable, index: Index) -> Pinning | None:
    """The pinning package for a hold, by version where the wish names one; None where there is none or none is wanted."""
    if not order.hold or deliverer.hold != "pinning_package":
        return None
    exact = order.wish.high == (*order.wish.low, 0)
    for template in sorted(deliverer.pinning, key=lambda one: ("{version}" in one) != exact):
        name = filled(template, branch=picked.branch, version=picked.version)
        if index.of(name) and ("{version}" not in template or exact):
            others = tuple(sorted(one for one in installed(inventory) if is_pinning(one, deliverer) and one != name))
            return Pinning(Wanted(name), others)
    return None


def is_pinning(name: str, deliverer: Deliverer) -> bool:
    """Whether a package is one of those that pin drivers."""
    return any(pattern_of(template.replace("{version}", "{branch}")).match(name) for template in deliverer.pinning)


def holding(inventory: Inventory, deliverer: Deliverer, request: Request | None = None) -> Deliverer:
    """The deliverer with the hold that serves on this node: where it has no package that pins its driver, a file of ours does."""
    if deliverer.hold != "pinning_package":
        return deliverer
    wanted = request.install if request else ()
    pinned = any(is_pinning(one.name, deliverer) for one in wanted) or (request is None and any(
        is_pinning(name, deliverer) for name in installed(inventory)))
    return deliverer if pinned else deliverer._replace(hold="preferences")


def _pins(order: Order, deliverer: Deliverer, picked: Deliverable, index: Index, pinning: Pinning | None) -> list[Pin]:
    """What the hold will say, and before it the exact version where the hold alone would let apt prefer another one."""
    if deliverer.manager != "apt":
        return []
    row = picked.packages
    chosen = Chosen(picked.version, picked.branch, row.flavour, deliverer.id, row.build, picked.revision)
    held = _hold.held_version(order, chosen)[0] if order.hold else None
    pins = [Pin(deliverer.hold_patterns, held, 1000 if pinning else _hold.PRIORITY)] if held else []
    core = _core(picked, index)
    eligible = [one.version for one in index.of(core.name) if held is None or fnmatch.fnmatchcase(one.version, held)]
    if any(version != picked.revision for version in eligible) and (held is None or max(eligible, key=package_key) != picked.revision):
        pins.insert(0, Pin(deliverer.hold_patterns, picked.revision, 1001 if pinning else EXACT_PRIORITY))
    return pins


def _core(picked: Deliverable, index: Index) -> Candidate:
    return next(one for one in index.matching_name(filled(picked.packages.core, branch=picked.branch)) if one.version == picked.revision)


def _left_behind(inventory: Inventory, deliverer: Deliverer, picked: Deliverable, index: Index, kernels: Sequence[Kernel]) -> list[str]:
    """Installed packages of the driver that are not of the new one: those whose names it no longer has, and the kernel module of
    another flavour or kind."""
    there, row = installed(inventory), picked.packages
    mine = index.names_below(picked.wanted, _core(picked, index))
    same = [one for one in sets_of(inventory, deliverer) if one.components == row.components and one != row]
    rivals = {name for one in same for name in names_of(one.install, picked.branch, kernels)} - mine
    before = (inventory.nvidia.get("driver") or {}).get("packages") or {}
    gone = [name for name in before if name not in mine and not _offered(name, picked, index) and _of_driver(bare(before[name]))]
    return sorted({*(name for name in rivals if name in there), *gone} - mine)


def _of_driver(version: str) -> bool:
    return upstream_version(version)[:3].isdecimal()


def _offered(name: str, picked: Deliverable, index: Index) -> bool:
    return any(upstream_version(one.version) == picked.version for one in index.of(name))
