# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the transaction to ask a package manager for, so that it installs one driver and nothing of another."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

from .._inventory._inventory import Inventory
from .._inventory._package_text import upstream_version
from .._knowledge.delivery import Deliverer
from .._packages.types import Candidate, Pin, Request, Wanted
from . import _hold
from ._deliverables import Deliverable, Index, Kernel, filled, package_key, pattern_of
from ._packages_part import around, extras_of, headers_of, installed, names_of, sets_of
from .order import Order
from .steps import Chosen

__all__ = ["EXACT_PRIORITY", "holding", "is_pinning", "pinning_here", "pinning_of", "request_for"]

_NVIDIA = re.compile(r"(?:lib|linux-[a-z]+-|kmod-|firmware-|xserver-xorg-video-)?nvidia|libcuda|libnv|cuda-drivers")
_MODULES = re.compile(r"linux-(?:modules|objects|signatures)-nvidia")  # these have versions of their own

EXACT_PRIORITY = _hold.PRIORITY + 1  # above the hold, which may allow other versions of the branch


def request_for(
    inventory: Inventory, order: Order, deliverer: Deliverer, picked: Deliverable, index: Index, kernels: Sequence[Kernel]
) -> Request:
    """One transaction: the set, what goes with it, headers where modules are built, and old names that would stay behind."""
    wanted = [*picked.wanted, *extras_of(inventory, order, picked, index)]
    if picked.packages.build == "dkms":
        wanted += headers_of(inventory, deliverer, kernels, index)
    pinning = pinning_of(order, deliverer, picked, index)
    wanted += [Wanted(pinning)] if pinning else []
    others = [name for name in pinning_here(inventory, deliverer) if name != pinning]
    stale = [name for name in others if _in_the_way(name, inventory, order, deliverer, picked)]
    remove = _left_behind(inventory, deliverer, picked, index, kernels)
    before = str((inventory.nvidia.get("driver") or {}).get("installed_version") or "")
    lower = bool(before) and package_key(picked.version) < package_key(before)
    stream = f"nvidia-driver:{picked.stream}"
    enabled = (inventory.packages.get("streams") or {}).get("nvidia-driver")
    return Request(
        install=tuple(dict.fromkeys(wanted)),
        remove=tuple(sorted({*remove, *stale})),
        pins=tuple(_pins(order, deliverer, picked, index, pinning)),
        streams=(stream,) if picked.stream and picked.stream != enabled else (),
        downgrade=lower and order.allow_downgrade,
        erase=bool(before) and bool(remove or (picked.stream and picked.stream != enabled)),
    )


def pinning_of(order: Order, deliverer: Deliverer, picked: Deliverable, index: Index) -> str | None:
    """The package to pin a driver by: by version where the wish names one; None where there is none or none is wanted."""
    if not order.hold or deliverer.hold != "pinning_package":
        return None
    exact = order.wish.high == (*order.wish.low, 0)
    for template in sorted(deliverer.pinning, key=lambda one: ("{version}" in one) != exact):
        name = filled(template, branch=picked.branch, version=picked.version)
        if index.of(name) and ("{version}" not in template or exact):
            return name
    return None


def pinning_here(inventory: Inventory, deliverer: Deliverer) -> list[str]:
    """The packages on the node that pin drivers."""
    return sorted(name for name in installed(inventory) if is_pinning(name, deliverer))


def _in_the_way(name: str, inventory: Inventory, order: Order, deliverer: Deliverer, picked: Deliverable) -> bool:
    """Whether a package pins another driver, or is one of ours that is no longer wanted."""
    fits = {filled(template, branch=picked.branch, version=picked.version) for template in deliverer.pinning}
    ours = (inventory.packages.get("record") or {}).get("packages") or {}
    return name not in fits or order.hold or name in ours


def is_pinning(name: str, deliverer: Deliverer) -> bool:
    """Whether a package is one of those that pin drivers."""
    return any(pattern_of(template.replace("{version}", "{branch}")).match(name) for template in deliverer.pinning)


def holding(inventory: Inventory, deliverer: Deliverer, request: Request | None = None) -> Deliverer:
    """The deliverer with the hold that serves on this node: where it has no package that pins its driver, a file of ours does."""
    if deliverer.hold != "pinning_package":
        return deliverer
    wanted = request.install if request else ()
    pinned = any(is_pinning(one.name, deliverer) for one in wanted) or (request is None and pinning_here(inventory, deliverer))
    return deliverer if pinned else deliverer._replace(hold="preferences")


def _pins(order: Order, deliverer: Deliverer, picked: Deliverable, index: Index, pinning: str | None) -> list[Pin]:
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
    driver = inventory.nvidia.get("driver") or {}
    before, old = driver.get("packages") or {}, driver.get("installed_version")
    gone = [name for name, version in before.items() if old not in (None, picked.version) and upstream_version(version) == old]
    others = _of_another_maker(inventory, deliverer, str(old))
    gone = [name for name in gone if not _offered(name, picked, index)]
    return sorted({*(name for name in rivals if name in there), *gone, *others} - mine)


def _of_another_maker(inventory: Inventory, deliverer: Deliverer, old: str) -> list[str]:
    """The driver packages of another maker: two of them do not mix, also where no relation of theirs says so."""
    makers = {one.maker for one in around(inventory)} - {deliverer.maker}
    return [name for name, entry in installed(inventory).items()
            if entry["origin"] in makers and _NVIDIA.match(name) and (upstream_version(entry["version"]) == old or _MODULES.match(name))]


def _offered(name: str, picked: Deliverable, index: Index) -> bool:
    return any(upstream_version(one.version) == picked.version for one in index.of(name))
