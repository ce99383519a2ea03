# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the ROCm that is on a node and may stay: whether it serves the order, what its packages lack, and what it is in a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .._check._node import Node, join
from .._inventory._inventory import Inventory
from .._knowledge import rocm_delivery
from .._knowledge.rocm_delivery import Deliverer
from .._knowledge.rocm_releases import numbers
from .._packages.types import Wanted
from . import _locks
from ._node_state import kernels_to_boot, newer_or_running
from ._rocm_driver import DriverChoice, choose_driver
from ._rocm_here import DRIVER, Here, Judged, driver_here, here, installed, judge, lacks, targets, version_id, wanted_names
from ._rocm_request import gone_of
from .rocm_order import RocmOrder
from .rocm_steps import RocmChosen

__all__ = ["There", "chosen_of", "kind_of", "lacking", "serves_target", "stays"]


class There(NamedTuple):
    """A ROCm that serves the order, with its driver."""

    here: Here
    judged: Judged
    driver: DriverChoice
    chosen: RocmChosen


def kind_of(order: RocmOrder) -> str | None:
    """The kind of deliverer that the order names."""
    return {"distribution": "distribution", "amd": "vendor"}.get(order.origin)


def serves_target(deliverer: Deliverer, judged: Judged) -> Judged:
    """What a distribution's packages make of the cards: a target that its libraries are built for is served though AMD ended it."""
    built = rocm_delivery.delivery_of(deliverer.id).targets
    cards = tuple((device, told._replace(status="unofficial") if told.gfx_target in built and told.status in ("ended", "unsupported")
                   else told) for device, told in judged.cards)
    return judged._replace(cards=cards)


def stays(inventory: Inventory, order: RocmOrder) -> There | None:
    """The ROCm of the node where it serves the wish, every card and the driver that is asked for."""
    there = here(inventory)
    if there is None or order.state != "present" or kind_of(order) not in (None, there.deliverer.kind):
        return None
    there = _beside(inventory, order, there) if order.side_by_side else there
    components = _components(inventory, order, there)
    if components is None:
        return None
    judged = serves_target(there.deliverer, judge(inventory, components[0][1]))
    driver = choose_driver(inventory, order, there.deliverer, components[0][1], judged)
    stop = judged.bad or any(one.severity == "critical" for one in driver.refusals)
    if stop or (judged.overrides != [None] and judged.overrides and not order.allow_unsupported_gpu):
        return None
    chosen = chosen_of(inventory, there.deliverer, components, judged, driver)
    return There(there, judged, driver, chosen)


def _beside(inventory: Inventory, order: RocmOrder, there: Here) -> Here:
    """Of several releases the newest that the wish allows."""
    told = {rocm_delivery.release_of_package(there.deliverer.id, installed(inventory)[name]["version"]) for name in there.packages}
    fits = [one for one in told if one and order.wish.allows(one)]
    return there._replace(release=max(fits, key=numbers)) if fits else there


def _components(inventory: Inventory, order: RocmOrder, there: Here) -> tuple[tuple[str, str], ...] | None:
    """(component, release) of what was asked for; None where one is of another release than the wish allows, or is not there at all."""
    if there.deliverer.kind == "vendor":
        return tuple((name, there.release) for name in order.components) if order.wish.allows(there.release) else None
    found = []
    for name in order.components:
        row = rocm_delivery.component(there.deliverer.id, name, None, version_id(inventory))
        entry = installed(inventory).get(row.core) if row else None
        release = rocm_delivery.release_of_package(there.deliverer.id, str(entry["version"])) if entry else None
        if release is None or not order.wish.allows(release):
            return None
        found.append((name, release))
    return tuple(found)


def chosen_of(
    inventory: Inventory, deliverer: Deliverer, components: tuple[tuple[str, str], ...], judged: Judged, driver: DriverChoice,
    notes: tuple[str, ...] = (), offered: tuple[str, ...] = (),
) -> RocmChosen:
    """What a plan leads to."""
    override = next((one for one in judged.overrides if one), None)
    return RocmChosen(components[0][1], deliverer.id, rocm_delivery.delivery_of(deliverer.id).stream, driver.kind, driver.version,
                      targets(inventory), judged.support, components, override, notes, offered)


def lacking(inventory: Inventory, order: RocmOrder, there: There) -> list[str]:
    """What the packages lack of the order, in words; the package manager is needed for it."""
    return [*_packages(inventory, order, there), *_driver(inventory, there), *_extras(inventory, order, there)]


def _packages(inventory: Inventory, order: RocmOrder, there: There) -> Iterator[str]:
    chosen, deliverer = there.chosen, there.here.deliverer
    for name, release in chosen.components:
        missing = lacks(inventory, deliverer, name, release, chosen.gfx_targets, order.side_by_side)
        if missing:
            yield f"{join(missing)} of {name} {'is' if len(missing) == 1 else 'are'} not installed"
    names = [name for component, release in chosen.components
             for name in wanted_names(deliverer, component, release, version_id(inventory), chosen.gfx_targets, order.side_by_side)]
    gone = gone_of(inventory, order, deliverer, chosen, map(Wanted, names))
    if gone:
        yield f"{join(gone)} {'is' if len(gone) == 1 else 'are'} of another ROCm or driver"


def _driver(inventory: Inventory, there: There) -> Iterator[str]:
    version = there.driver.version
    if there.driver.kind != "dkms":
        return
    if driver_here(inventory) != version:
        yield f"{DRIVER} is {driver_here(inventory) or 'not installed'}, {version} is wanted"
    node = Node(inventory)
    without = [str(entry["release"]) for entry in kernels_to_boot(node, None)
               if newer_or_running(node, entry) and entry.get("headers") is False]
    if without:
        yield f"kernel {join(without)} has no headers"


def _extras(inventory: Inventory, order: RocmOrder, there: There) -> Iterator[str]:
    for name in order.extra_packages:
        if name not in installed(inventory):
            yield f"whether {name} of extra_packages is installed is not known"
    held = all(entry.get("held") for name, entry in installed(inventory).items() if name in there.here.packages)
    if order.hold and not held and there.here.deliverer.hold == "versionlock" and _locks.lacks_plugin(Node(inventory)):
        yield from (f"{name} is not installed" for name in there.here.deliverer.tools.get("hold", ()))
