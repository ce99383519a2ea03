# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the transaction to ask a package manager for, so that it installs one driver and nothing of another."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

from .._check._node import Node
from .._inventory._inventory import Inventory
from .._inventory._package_text import upstream_version
from .._knowledge.delivery import Deliverer
from .._packages.types import Candidate, Pin, Request, Wanted
from . import _hold
from ._beside import extras_of, headers_of
from ._deliverables import Deliverable, Index
from ._names import named
from ._pinning import holding, pinning_here
from ._preferences import preference_files
from ._present import around, installed, names_of, sets_of
from ._templates import Kernel, filled, package_key, pattern_of
from .order import Order
from .steps import Chosen

__all__ = ["pinning_of", "request_for"]

_NVIDIA = re.compile(r"(?:lib|linux-[a-z]+-|kmod-|firmware-|xserver-xorg-video-)?nvidia|libcuda|libnv|cuda-drivers")
_MODULES = re.compile(r"linux-(?:modules|objects|signatures)-nvidia")  # these have versions of their own


def request_for(
    inventory: Inventory, order: Order, deliverer: Deliverer, picked: Deliverable, index: Index, kernels: Sequence[Kernel]
) -> Request:
    """One transaction: the set, what goes with it, headers where modules are built, and old names that would stay behind. For a driver
    that stays as it is (picked has nothing wanted) only what it lacks."""
    wanted = [*picked.wanted, *extras_of(inventory, order, picked, index)]
    if picked.packages.build == "dkms":
        wanted += headers_of(inventory, deliverer, kernels, index)
    tools = _hold.tools_of(Node(inventory), order, _chosen(deliverer, picked), deliverer)
    wanted += [Wanted(name) for name in tools if index.of(name)]
    pinning = pinning_of(order, deliverer, picked, index)
    wanted += [Wanted(pinning)] if pinning else []
    others = [name for name in pinning_here(inventory, deliverer) if name != pinning]
    stale = [name for name in others if _in_the_way(name, inventory, order, deliverer, picked)]
    stays = not picked.wanted
    if stays:  # named without a version, what is there would be upgraded
        wanted = [one for one in wanted if one.version or one.name not in installed(inventory)]
    remove = [] if stays else _left_behind(inventory, deliverer, picked, index, kernels)
    wanted += _successors(picked, index) if remove and deliverer.manager == "apt" else []
    before = str((inventory.nvidia.get("driver") or {}).get("installed_version") or "")
    lower = order.allow_downgrade and _lower(inventory, picked, wanted)
    stream = f"nvidia-driver:{picked.stream}"
    enabled = (inventory.packages.get("streams") or {}).get("nvidia-driver")
    request = Request(
        install=tuple(dict.fromkeys(wanted)),
        remove=tuple(sorted({*remove, *stale})),
        pins=(Pin(deliverer.hold_patterns, _held(order, deliverer, picked), 1000),) if pinning else (),
        streams=(stream,) if picked.stream and picked.stream != enabled else (),
        downgrade=lower,
        erase=bool(before) and bool(remove or (picked.stream and picked.stream != enabled)),
        held=named(inventory.packages, deliverer, index.names()) if deliverer.manager == "apt" else (),
    )
    held = holding(inventory, deliverer, request)
    exact = picked.revision if lower else None if stays else _exact(order, deliverer, picked, index)
    return request._replace(files=preference_files(inventory, order, held, _chosen(deliverer, picked), exact, request))


def _lower(inventory: Inventory, picked: Deliverable, wanted: Sequence[Wanted]) -> bool:
    """Whether the driver, or a package of the same driver, goes down."""
    before, there = str((inventory.nvidia.get("driver") or {}).get("installed_version") or ""), installed(inventory)
    same = [one for one in wanted if one.name in there and upstream_version(one.version or "") == picked.version]
    lower = any(package_key(there[one.name]["version"]) > package_key(str(one.version)) for one in same)
    return bool(before) and (lower or package_key(picked.version) < package_key(before))


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


def _in_the_way(name: str, inventory: Inventory, order: Order, deliverer: Deliverer, picked: Deliverable) -> bool:
    """Whether a package pins another driver, or is one of ours that is no longer wanted."""
    fits = {filled(template, branch=picked.branch, version=picked.version) for template in deliverer.pinning}
    ours = (inventory.packages.get("record") or {}).get("packages") or {}
    return name not in fits or order.hold or name in ours


def _chosen(deliverer: Deliverer, picked: Deliverable) -> Chosen:
    return Chosen(picked.version, picked.branch, picked.packages.flavour, deliverer.id, picked.packages.build, picked.revision)


def _held(order: Order, deliverer: Deliverer, picked: Deliverable) -> str:
    return _hold.held_version(order, _chosen(deliverer, picked))[0]


def _exact(order: Order, deliverer: Deliverer, picked: Deliverable, index: Index) -> str | None:
    """The version to prefer for this transaction, where the hold alone would let apt prefer another one; None where it would not."""
    held = _held(order, deliverer, picked) if order.hold else None
    eligible = [one.version for one in index.of(_core(picked, index).name) if held is None or fnmatch.fnmatchcase(one.version, held)]
    others = any(version != picked.revision for version in eligible)
    return picked.revision if others and (held is None or max(eligible, key=package_key) != picked.revision) else None


def _core(picked: Deliverable, index: Index) -> Candidate:
    return next(one for one in index.matching_name(filled(picked.packages.core, branch=picked.branch)) if one.version == picked.revision)


def _left_behind(inventory: Inventory, deliverer: Deliverer, picked: Deliverable, index: Index, kernels: Sequence[Kernel]) -> list[str]:
    """Installed packages of the driver that are not of the new one: those whose names it no longer has, and the kernel module of
    another flavour or kind."""
    there, row = installed(inventory), picked.packages
    mine = index.names_below(picked.wanted, _core(picked, index))
    same = [one for one in sets_of(inventory, deliverer) if one.components == row.components and one != row]
    rivals = {name for one in same for name in names_of(one.install, picked.branch, kernels)} - mine
    if row.build == "dkms":  # prebuilt modules of each release too: they want a driver of their own version
        by_kernel = {filled(name, branch=picked.branch) for one in same for name in one.install if "{kernel_flavour}" in name}
        rivals |= {name for name in there if any(pattern_of(template).fullmatch(name) for template in by_kernel)} - mine
    driver = inventory.nvidia.get("driver") or {}
    old = driver.get("installed_version")
    # Firmware and libraries that nobody names too: apt finds no way where one of them conflicts with the name of its successor.
    before = {name: str(entry["version"]) for name, entry in there.items() if _NVIDIA.match(name)}
    before.update(driver.get("packages") or {})
    gone = [name for name, version in before.items() if old not in (None, picked.version) and upstream_version(version) == old]
    others = _of_another_maker(inventory, deliverer, str(old))
    gone = [name for name in gone if not _offered(name, picked, index)]
    return sorted({*(name for name in rivals if name in there), *gone, *others} - mine)


def _of_another_maker(inventory: Inventory, deliverer: Deliverer, old: str) -> list[str]:
    """The driver packages of another maker: two of them do not mix, also where no relation of theirs says so."""
    makers = {one.maker for one in around(inventory)} - {deliverer.maker}
    theirs = {name: str(entry["version"]) for name, entry in installed(inventory).items()
              if entry.get("origin") in makers and _NVIDIA.match(name)}
    return [name for name, version in theirs.items() if upstream_version(version) == old or _MODULES.match(name)]


def _successors(picked: Deliverable, index: Index) -> list[Wanted]:
    """All packages of the driver by name. Older releases of apt keep an installed package that conflicts with a new one which nobody
    named, and then find no way; our removals come after the installation, so that they are no help."""
    below = sorted(index.names_below(picked.wanted, _core(picked, index)))
    found = [next(iter(index.of(name, picked.revision)), None) for name in below]
    return [Wanted(one.name, one.version) for one in found if one and upstream_version(one.version) == picked.version]


def _offered(name: str, picked: Deliverable, index: Index) -> bool:
    return any(upstream_version(one.version) == picked.version for one in index.of(name))
