# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whose ROCm a node gets, of which release and with which driver: the distribution or AMD is asked; or what would do instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .._check._node import Node, join
from .._inventory._inventory import Inventory
from .._knowledge.rocm_delivery import Deliverer
from .._knowledge.rocm_releases import numbers
from .._packages.types import Offer, PackageError, Request
from ._preflight_shared import acknowledged
from ._refuse import refuse
from ._rocm_driver import choose_driver
from ._rocm_here import Here, around, here, installed, judge, targets, version_id
from ._rocm_release import cards_refused, pick, unofficial
from ._rocm_repositories import RocmAttempt, repositories_of
from ._rocm_request import Found, components_of, request_for
from ._rocm_stays import chosen_of, kind_of, serves_target
from .rocm_order import RocmOrder
from .rocm_steps import RocmChosen
from .steps import Refusal

__all__ = ["Selected", "select"]


class Selected(NamedTuple):
    """What an attempt came to."""

    attempt: RocmAttempt
    chosen: RocmChosen
    request: Request


def select(
    inventory: Inventory, order: RocmOrder, ask: Callable[[RocmAttempt], Offer], today: str | None = None
) -> Selected | list[Refusal]:
    """What serves the order: of the distribution, or of AMD. Else the refusals, with what would do. ask opens the package manager for an
    attempt and returns its offer. PackageError.

    With origin auto whoever delivered the ROCm that is there is asked alone; on a node without one the distribution, and AMD where that has
    nothing in the wish, which the plan then says.
    """
    there, every = here(inventory), around(inventory)
    kinds = [kind_of(order)] if kind_of(order) else [there.deliverer.kind] if there else ["distribution", "vendor"]
    refused: list[Refusal] = []
    notes: tuple[str, ...] = ()
    for kind in kinds:
        mine = [one for one in every if one.kind == kind]
        if not mine:
            continue
        try:
            found = (_vendor if kind == "vendor" else _distribution)(inventory, order, mine, there, ask, notes)
        except PackageError:
            if not refused:
                raise
            break
        if isinstance(found, Selected):
            return found
        notes += tuple(f"{mine[0].id} is not taken: {one.message}" for one in found if one.severity == "critical")
        refused = found if kind == "vendor" or not refused else refused
    return refused or [_nobody(inventory, order, every)]


def _nobody(inventory: Inventory, order: RocmOrder, every: Sequence[Deliverer]) -> Refusal:
    system = inventory.system
    words = f"{system.get('distribution')} {system.get('distribution_version')} on {system.get('architecture')}"
    others = sorted({"amd" if one.kind == "vendor" else "distribution" for one in every})
    return refuse(Node(inventory), "RS-UNSUPPORTED-DISTRIBUTION", distribution=words, use=tuple({"origin": one} for one in others))


def _vendor(
    inventory: Inventory, order: RocmOrder, mine: list[Deliverer], there: Here | None, ask: Callable[[RocmAttempt], Offer],
    notes: tuple[str, ...],
) -> Selected | list[Refusal]:
    found = pick(inventory, order, mine, there)
    if isinstance(found, list):
        return found
    driver = choose_driver(inventory, order, found.deliverer, found.version, found.judged)
    told = [*unofficial(Node(inventory), order, found.judged, found.version), *driver.refusals]
    if _stopped(order, told):
        return told
    repositories = repositories_of(inventory, order, found.deliverer, found.version, driver.version)
    attempt = RocmAttempt(found.deliverer, repositories, found.version, driver.version)
    offer = ask(attempt)
    chosen = chosen_of(inventory, found.deliverer, tuple((name, found.version) for name in order.components), found.judged, driver,
                       (*notes, *found.notes, *driver.reasons), found.offered)
    return _selected(inventory, order, attempt, chosen, offer)


def _distribution(
    inventory: Inventory, order: RocmOrder, mine: list[Deliverer], there: Here | None, ask: Callable[[RocmAttempt], Offer],
    notes: tuple[str, ...],
) -> Selected | list[Refusal]:
    attempt, node = RocmAttempt(mine[0], ()), Node(inventory)
    offer = ask(attempt)
    found = components_of(inventory, order, mine[0], None, targets(inventory), offer)
    if found.lacking:
        return _not_offered(inventory, order, mine[0], found)
    release = found.components[0][1]
    if there and there.deliverer.kind == "vendor" and numbers(there.release) > numbers(release) and not order.allow_downgrade:
        return [refuse(node, "RS-DOWNGRADE", "packages", use=({"allow_downgrade": "true"},), version=release,
                       packages=f"ROCm {there.release} of {there.deliverer.id} → {release} of {mine[0].id}")]
    judged = serves_target(mine[0], judge(inventory, release))
    if judged.bad:
        return [one._replace(use=({"origin": "amd"}, *one.use)) for one in cards_refused(node, order, judged)]
    driver = choose_driver(inventory, order, mine[0], release, judged)
    told = [*unofficial(node, order, judged, release), *driver.refusals]
    if _stopped(order, told):
        return told
    chosen = chosen_of(inventory, mine[0], found.components, judged, driver, (*notes, *driver.reasons))
    return _selected(inventory, order, attempt, chosen, offer)


def _selected(
    inventory: Inventory, order: RocmOrder, attempt: RocmAttempt, chosen: RocmChosen, offer: Offer
) -> Selected | list[Refusal]:
    found = components_of(inventory, order, attempt.deliverer, attempt.release, chosen.gfx_targets, offer)
    if found.lacking:
        return _not_offered(inventory, order, attempt.deliverer, found)
    release = attempt.deliverer.tools.get("repositories", ())
    builds = chosen.driver == "dkms" and "dkms" not in installed(inventory) and not any(one.name == "dkms" for one in offer.candidates)
    if builds and release:  # of a repository of its own, EPEL: a package manager would only tell what nothing provides
        major = version_id(inventory).partition(".")[0]
        return [refuse(Node(inventory), "RS-NO-DKMS", "packages", version=chosen.driver_version, major=major)]
    request = request_for(inventory, order, attempt.deliverer, chosen, found, offer)
    if isinstance(request, list):
        return [refuse(Node(inventory), "RS-NOT-OFFERED", "packages", packages=join(request), origin=attempt.deliverer.id)]
    return Selected(attempt, chosen, request)


def _not_offered(inventory: Inventory, order: RocmOrder, deliverer: Deliverer, found: Found) -> list[Refusal]:
    """What a deliverer has of the components that it cannot serve the wish with, and what AMD's repository has."""
    gone = [name for name, _releases in found.lacking if name not in order.components]
    if gone:
        return [refuse(Node(inventory), "RS-NOT-OFFERED", "packages", packages=join(gone), origin=deliverer.id)]
    has = [f"{name} {join(releases)}" if releases else f"no {name}" for name, releases in found.lacking]
    vendors = [one for one in around(inventory) if one.kind == "vendor"] if deliverer.kind == "distribution" else []
    other = pick(inventory, order, vendors, None) if vendors else None
    elsewhere = f"; AMD's repository has {other.version}" if other is not None and not isinstance(other, list) else ""
    use: tuple[dict[str, str], ...] = ({"origin": "amd"},) if elsewhere else ()
    releases = [one for _name, several in found.lacking for one in several]
    use += tuple({"version": one} for one in dict.fromkeys(releases[:1]))
    return [refuse(Node(inventory), "RS-VERSION-NOT-OFFERED", "packages", use=use, wish=order.wish, origin=deliverer.id,
                   reason=f"it has {join(has)}{elsewhere}")]


def _stopped(order: RocmOrder, told: Sequence[Refusal]) -> bool:
    return any(one.severity == "critical" for one in acknowledged(order, told))
