# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do to a node so that it has the ROCm that an operator wants. Pure: the package manager is asked by ``_enforce``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .._check._node import Node, join
from .._inventory._inventory import Inventory
from .._knowledge.rocm_delivery import Deliverer
from .._packages.types import Change, Closure, Offer, PackageError, Remover, Repository, Request
from . import _rocm_hold, _rocm_preflight
from ._preflight_shared import acknowledged
from ._record import closing_step, record_step
from ._refuse import refuse
from ._rocm_access import access_steps, environment_steps, login_reasons
from ._rocm_driver import choose_driver
from ._rocm_here import Here, around, here, judge, targets
from ._rocm_module import default_steps, module_steps, reboot_reasons
from ._rocm_release import cards_refused, pick, unofficial
from ._rocm_repositories import RocmAttempt, priority_steps, repositories_of, stale_repositories
from ._rocm_request import Found, components_of, request_for
from ._rocm_satisfied import satisfied, settings
from ._rocm_stays import There, chosen_of, kind_of, lacking, serves_target, stays
from ._rocm_transaction import package_steps
from ._transaction import repair_steps
from ._way_back import restoring
from .rocm_order import RocmOrder
from .rocm_predict import predict
from .rocm_steps import RocmChosen
from .steps import Plan, Refusal, Step

__all__ = ["Selected", "assess", "plan", "predict", "remove", "select"]


class Selected(NamedTuple):
    """What an attempt came to."""

    attempt: RocmAttempt
    chosen: RocmChosen
    request: Request


def assess(inventory: Inventory, order: RocmOrder, today: str | None = None) -> Plan | None:
    """The whole plan where no package has to change or nothing may be done; None where the package manager has to be asked."""
    if order.state == "absent":
        from . import _rocm_absent

        return _rocm_absent.assess(inventory, order)
    found = satisfied(inventory, order, today)
    if found is not None:
        return found
    there = stays(inventory, order)
    if there is not None and not lacking(inventory, order, there):
        return _without_packages(inventory, order, there)
    refusals = tuple(_rocm_preflight.before(inventory, order))
    return Plan("refused", refusals=refusals) if _stopped(refusals) else None


def remove(inventory: Inventory, order: RocmOrder, remover: Remover) -> Plan:
    """The plan for state absent where `assess` gives none. PackageError."""
    from . import _rocm_absent

    return _rocm_absent.plan(inventory, order, remover)


def _stopped(refusals: Sequence[Refusal]) -> bool:
    return any(one.severity == "critical" for one in refusals)


def _without_packages(inventory: Inventory, order: RocmOrder, there: There) -> Plan:
    """Packages are as they should be: what is left is configuration, or the end of a transaction that broke off."""
    deliverer, chosen = there.here.deliverer, there.chosen
    steps = restoring(order.own, inventory, [*repair_steps(inventory, order, deliverer), *settings(inventory, order, there)])
    reasons = (*reasons_of(inventory, chosen, there.driver.reasons), *login_reasons(inventory, order, steps))
    node = Node(inventory)
    refusals = (*_rocm_preflight.before(inventory, order), *unofficial(node, order, there.judged, chosen.version), *there.driver.refusals)
    if _stopped(refusals):
        return Plan("refused", reasons=reasons, refusals=refusals, chosen=chosen)
    reboot = tuple(reboot_reasons(inventory, chosen, ()))
    last = [] if steps else closing_step(order.own, inventory)
    if not steps and not last:
        return Plan("nothing_to_do", reasons=reasons, refusals=refusals, chosen=chosen, reboot_reasons=reboot)
    locks = _rocm_hold.locks_of(inventory, order, deliverer, ())
    record = last or record_step(order.own, inventory, steps, (), (), locks)
    return Plan("change", (*record, *steps), reasons, refusals, chosen, (), reboot, _touched(inventory, steps))


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
    if _stopped(acknowledged(order, told)):
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
    judged = serves_target(mine[0], judge(inventory, found.components[0][1]))
    if judged.bad:
        return [one._replace(use=({"origin": "amd"}, *one.use)) for one in cards_refused(node, order, judged)]
    driver = choose_driver(inventory, order, mine[0], found.components[0][1], judged)
    told = [*unofficial(node, order, judged, found.components[0][1]), *driver.refusals]
    if _stopped(acknowledged(order, told)):
        return told
    chosen = chosen_of(inventory, mine[0], found.components, judged, driver, (*notes, *driver.reasons))
    return _selected(inventory, order, attempt, chosen, offer)


def _selected(
    inventory: Inventory, order: RocmOrder, attempt: RocmAttempt, chosen: RocmChosen, offer: Offer
) -> Selected | list[Refusal]:
    found = components_of(inventory, order, attempt.deliverer, attempt.release, chosen.gfx_targets, offer)
    if found.lacking:
        return _not_offered(inventory, order, attempt.deliverer, found)
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


def plan(
    inventory: Inventory,
    order: RocmOrder,
    deliverer: Deliverer,
    chosen: RocmChosen,
    request: Request,
    closure: Closure,
    repositories: Sequence[Repository],
    today: str | None = None,
) -> Plan:
    """What to do, in its order: repair, what goes, keys and files of repositories, holds, packages, module, access, environment; the record
    of it comes first. Or what stands in the way, with the transaction that was resolved."""
    node, judged = Node(inventory), judge(inventory, chosen.version)
    there = stays(inventory, order)
    reasons = (*reasons_of(inventory, chosen, ()), *(lacking(inventory, order, there) if there else ()))
    refusals = (*_rocm_preflight.before(inventory, order), *_rocm_preflight.after(inventory, order, chosen, request, closure),
                *acknowledged(order, unofficial(node, order, serves_target(deliverer, judged), chosen.version)))
    if _stopped(refusals):
        return Plan("refused", (), reasons, refusals, chosen, closure.changes)
    changes = closure.changes
    steps = [*repair_steps(inventory, order, deliverer),
             *package_steps(inventory, order, deliverer, chosen, request, closure, repositories, [
                 *priority_steps(inventory, order, deliverer, chosen.version, bool(changes)),
                 *_rocm_hold.before_packages(inventory, order, deliverer, changes, request.held)]),
             *stale_repositories(inventory, deliverer, chosen.version, chosen.driver_version),
             *_configured(inventory, order, deliverer, chosen, changes)]
    steps = restoring(order.own, inventory, steps)
    reasons += tuple(login_reasons(inventory, order, steps))
    reboot = tuple(reboot_reasons(inventory, chosen, changes))
    if not steps:
        return Plan("nothing_to_do", (), reasons, refusals, chosen, (), reboot)
    locks = _rocm_hold.locks_of(inventory, order, deliverer, changes)
    record = record_step(order.own, inventory, steps, changes, repositories if changes else (), locks)
    return Plan("change", (*record, *steps), reasons, refusals, chosen, changes, reboot, _touched(inventory, steps))


def _configured(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, chosen: RocmChosen, changes: Sequence[Change]
) -> list[Step]:
    return [*_rocm_hold.after_packages(inventory, order, deliverer, chosen, changes), *default_steps(inventory, order, chosen, changes),
            *module_steps(inventory, order, chosen, changes), *access_steps(inventory, order),
            *environment_steps(inventory, chosen.override, order.allow_unsupported_gpu)]


def reasons_of(inventory: Inventory, chosen: RocmChosen, driver: Sequence[str]) -> list[str]:
    """Why this release and this driver, and what is known to be trouble with them."""
    told = dict.fromkeys(why.why for _device, why in judge(inventory, chosen.version).cards)
    return [*told, *dict.fromkeys((*chosen.notes, *driver)), *_rocm_preflight.troubles(inventory, chosen.version)]


def _touched(inventory: Inventory, steps: Sequence[Step]) -> dict[str, list[str]]:
    """Processes and kernels that a plan touches."""
    holders: list[dict[str, Any]] = inventory.health.get("gpu_holders") or []
    disruptive = any(step.disruptive for step in steps)
    packages = any(step.kind == "packages" for step in steps)
    return {
        "services": [],
        "processes": [f"{one.get('name')} ({one.get('pid')})" for one in holders if not one.get("service")] if disruptive else [],
        "kernels": [str(entry["release"]) for entry in inventory.kernel.get("installed") or ()] if packages else [],
    }
