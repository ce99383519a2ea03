# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: one transaction for a release of ROCm and its driver: what to name to the package manager, what has to go, what apt is told."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .._check._node import Node
from .._inventory._inventory import Inventory
from .._knowledge import rocm_delivery
from .._knowledge.rocm_delivery import Deliverer
from .._knowledge.rocm_drivers import driver_release
from .._packages.types import Candidate, Change, Offer, Request, Wanted
from . import _locks
from ._beside import headers_of
from ._deliverables import Index
from ._present import kernels_of
from ._rocm_here import DRIVER, installed, makers, of_deliverer, version_id, wanted_names
from ._rocm_hold import hold_text
from ._rocm_repositories import priority_file
from ._templates import package_key
from .rocm_order import RocmOrder
from .rocm_steps import RocmChosen

__all__ = ["Found", "components_of", "gone_of", "request_for"]

_FIRMWARE = "amdgpu-dkms-firmware"
_ABOVE_ALL = 1001  # below that apt takes no older version of what a package depends on


class Found(NamedTuple):
    """What an offer has of the components that were asked for: packages to name, the release of each component, and what it lacks: (name
    of a component or a package, releases that there are of it)."""

    wanted: tuple[Wanted, ...]
    components: tuple[tuple[str, str], ...]
    lacking: tuple[tuple[str, tuple[str, ...]], ...]


def components_of(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, release: str | None, gfx: Sequence[str], offer: Offer
) -> Found:
    """The packages of the order's components: those of one release of AMD's, or what a distribution has in the wish."""
    names = order.components if order.components else ("runtime",)
    found = [_of_vendor(inventory, order, deliverer, one, release, gfx, offer) if release
             else _of_distribution(inventory, order, deliverer, one, gfx, offer) for one in names]
    return Found(tuple(dict.fromkeys(wanted for one in found for wanted in one.wanted)),
                 tuple(pair for one in found for pair in one.components), tuple(pair for one in found for pair in one.lacking))


def _candidates(offer: Offer, deliverer: Deliverer, name: str) -> list[Candidate]:
    """What a maker offers under a name, the newest first. AMD's driver comes from a repository of its own."""
    mine = []
    for one in offer.candidates:
        row = rocm_delivery.deliverer(one.origin) if one.origin and one.name == name else None
        if row is not None and row.maker == deliverer.maker:
            mine.append(one)
    return sorted(mine, key=lambda one: package_key(one.version), reverse=True)


def _of_vendor(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, component: str, release: str, gfx: Sequence[str], offer: Offer
) -> Found:
    names = wanted_names(deliverer, component, release, version_id(inventory), gfx, order.side_by_side)
    if names == [component] and component != "rocm":
        return Found((), (), ((component, ()),))
    wanted, lacking = [], []
    for name in names:
        every = _candidates(offer, deliverer, name)
        mine = [one for one in every if rocm_delivery.release_of_package(deliverer.id, one.version) == release]
        if mine:
            wanted.append(Wanted(name, mine[0].version))
        else:
            has = (rocm_delivery.release_of_package(deliverer.id, one.version) for one in every)
            lacking.append((name, tuple(dict.fromkeys(one for one in has if one))))
    return Found(tuple(wanted), ((component, release),), tuple(lacking))


def _of_distribution(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, component: str, gfx: Sequence[str], offer: Offer
) -> Found:
    row = rocm_delivery.component(deliverer.id, component, None, version_id(inventory))
    if row is None:
        return Found((), (), ((component, ()),))
    there = installed(inventory).get(row.core)
    mine = rocm_delivery.release_of_package(deliverer.id, str(there["version"])) if there else None
    offered = [(one, rocm_delivery.release_of_package(deliverer.id, one.version)) for one in _candidates(offer, deliverer, row.core)]
    fits = [(one.version, told) for one, told in offered if told and order.wish.allows(told)]
    if there and mine and order.wish.allows(mine) and order.state == "present":
        return Found(tuple(Wanted(name) for name in row.install if name not in installed(inventory)), ((component, mine),), ())
    if not fits:
        return Found((), (), ((component, tuple(dict.fromkeys(told for _one, told in offered if told))),))
    version, told = fits[0]
    others = [Wanted(name, next((one.version for one in _candidates(offer, deliverer, name)), None))
              for name in row.install if name != row.core]
    return Found((Wanted(row.core, version), *others), ((component, str(told)),), ())


def gone_of(inventory: Inventory, order: RocmOrder, deliverer: Deliverer, chosen: RocmChosen, wanted: Iterable[Wanted]) -> list[str]:
    """Installed packages that have to go: those of other makers and of AMD's other stream, whose files or names these would meet; another
    release of the same stream where its packages have other names; AMD's driver where the kernel's own is wanted."""
    every = [one for origin in (*_rivals(inventory, deliverer),) if (one := rocm_delivery.deliverer(origin))]
    gone = {name for one in every for name in of_deliverer(inventory, one)}
    row = rocm_delivery.delivery_of(deliverer.id)
    mine = of_deliverer(inventory, deliverer) if row.stream else []
    names = {one.name for one in wanted}
    for name in mine:
        told = rocm_delivery.release_of_package(deliverer.id, installed(inventory)[name]["version"])
        single = not name.endswith(chosen.version)
        if row.side_by_side == "series" and told and told != chosen.version:
            other = told.split(".")[:2] != chosen.version.split(".")[:2]
            gone |= {name} if other and not order.side_by_side else set()
        elif row.stream == "legacy" and name not in names and single == order.side_by_side and told == chosen.version:
            gone.add(name)  # the same files under another name
    if chosen.driver == "inbox":
        gone |= {name for name in installed(inventory) if name.startswith(DRIVER)}
    return sorted(gone - names)


def _rivals(inventory: Inventory, deliverer: Deliverer) -> list[str]:
    """Ids of the deliverers whose packages are here and are not those of this one."""
    rows = rocm_delivery.deliverers(str(inventory.system.get("distribution")), version_id(inventory),
                                    inventory.system.get("distribution_like") or (), "x86_64", inventory.system.get("ubuntu_codename"))
    return [origin for origin in makers(inventory, rows) if origin != deliverer.id]


def request_for(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, chosen: RocmChosen, found: Found, offer: Offer
) -> Request | list[str]:
    """The transaction; or the names of what the driver needs and nobody offers."""
    wanted, lacking = list(found.wanted), list[str]()
    if chosen.driver == "dkms":
        driver, lacking = _driver(inventory, deliverer, chosen, offer)
        wanted += driver
    if lacking:
        return lacking
    names = {one.name for one in wanted}
    wanted += [Wanted(name) for name in (*_firmware(inventory, deliverer, chosen, offer), *_tools(inventory, order, deliverer),
                                         *order.extra_packages) if name not in names]
    gone = gone_of(inventory, order, deliverer, chosen, wanted)
    moved = _other_release(inventory, order, deliverer, chosen)
    theirs = [name for name in gone if name not in of_deliverer(inventory, deliverer)]
    names = {one.name for one in wanted}
    wanted += [one for one in _instead(deliverer, chosen, [*theirs, *moved], offer) if one.name not in names]
    gone = sorted({*gone, *moved} - {one.name for one in wanted})
    there = installed(inventory)
    lower = any(one.version and one.name in there and one.name not in gone
                and package_key(one.version) < package_key(str(there[one.name]["version"])) for one in wanted)
    request = Request(tuple(wanted), tuple(gone), downgrade=lower, erase=bool(gone), held=_covered(deliverer, chosen, offer))
    return request._replace(files=_files(inventory, order, deliverer, chosen, request))


def _other_release(inventory: Inventory, order: RocmOrder, deliverer: Deliverer, chosen: RocmChosen) -> list[str]:
    """Packages of the classic stream that are here of another release under the same names: all of them move, or go where the release has
    them no more, since they work with those of their own release alone. Sets that stand side by side have other names."""
    if chosen.stream != "legacy" or order.side_by_side:
        return []
    told = {name: rocm_delivery.release_of_package(deliverer.id, str(installed(inventory)[name]["version"]))
            for name in of_deliverer(inventory, deliverer)}
    return [name for name, release in told.items() if release and release != chosen.version and not name.endswith(release)]


def _instead(deliverer: Deliverer, chosen: RocmChosen, gone: Iterable[str], offer: Offer) -> list[Wanted]:
    """Of what would go the packages that the release has under the same names: they are exchanged, since others of it need them."""
    if deliverer.kind != "vendor":
        return []
    fits = {name: [one for one in _candidates(offer, deliverer, name)
                   if rocm_delivery.release_of_package(deliverer.id, one.version) == chosen.version] for name in gone}
    return [Wanted(name, found[0].version) for name, found in fits.items() if found]


def _driver(inventory: Inventory, deliverer: Deliverer, chosen: RocmChosen, offer: Offer) -> tuple[list[Wanted], list[str]]:
    """AMD's driver with its firmware, and headers for every kernel that boots."""
    wanted: list[Wanted] = []
    for name in (DRIVER, _FIRMWARE):
        fits = [one for one in _candidates(offer, deliverer, name) if driver_release(one.version) == chosen.driver_version]
        there = installed(inventory).get(name)
        if there and driver_release(str(there["version"])) == chosen.driver_version:
            continue
        if fits:
            wanted.append(Wanted(name, fits[0].version))
        elif name == DRIVER:
            return [], [f"{name} {chosen.driver_version}"]
    index = Index(offer, deliverer.id)
    kernels = kernels_of(inventory, deliverer, index)
    return wanted + headers_of(inventory, deliverer, kernels, index), []


def _firmware(inventory: Inventory, deliverer: Deliverer, chosen: RocmChosen, offer: Offer) -> list[str]:
    """The distribution's firmware, where the kernel's own driver is used, says that it lacks some or is not loaded, and it is offered."""
    row = rocm_delivery.component(deliverer.id, "firmware", None, version_id(inventory))
    node = Node(inventory)
    asks = any(hint.get("kind") == "firmware_missing" for hint in node.items("amd.hints")) or node.get("amd.driver.loaded") is False
    if deliverer.kind == "vendor" or row is None or not asks or chosen.driver != "inbox":
        return []
    return [name for name in row.install if name not in installed(inventory) and any(one.name == name for one in offer.candidates)]


def _tools(inventory: Inventory, order: RocmOrder, deliverer: Deliverer) -> tuple[str, ...]:
    """What a hold needs and is not there: dnf 4 sets version locks by a plugin."""
    asks = order.hold and deliverer.hold == "versionlock" and _locks.lacks_plugin(Node(inventory))
    return deliverer.tools.get("hold", ()) if asks else ()


def _files(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, chosen: RocmChosen, request: Request
) -> tuple[tuple[str, str | None], ...]:
    """apt's preferences as they will be when packages change."""
    if deliverer.manager != "apt":
        return ()
    own = order.own
    coming = [*(Change("remove", name, None, None) for name in request.remove),
              *(Change("install", one.name, None, one.version) for one in request.install if one.version)]
    held = hold_text(inventory, deliverer, coming, request.held) if order.hold else None
    once = hold_text(inventory, deliverer, coming, request.held, _ABOVE_ALL) if request.downgrade else None
    files: list[tuple[str, str | None]] = [(own.transaction, once), (own.preferences, held)]
    priority = priority_file(inventory, order, deliverer, chosen.version)
    return (*files, *priority) if priority else (*files, (f"{own.own_preferences}amd.pref", None))


def _covered(deliverer: Deliverer, chosen: RocmChosen, offer: Offer) -> tuple[str, ...]:
    """What the hold of a release covers besides what is installed: all that is offered of it."""
    row = rocm_delivery.delivery_of(deliverer.id)
    names = {one.name for one in offer.candidates if any(fnmatch.fnmatchcase(one.name, pattern) for pattern in row.hold_rocm)
             and rocm_delivery.release_of_package(deliverer.id, one.version) == chosen.version} if row.stream else set()
    return tuple(sorted(names)) if deliverer.manager == "apt" else ()
