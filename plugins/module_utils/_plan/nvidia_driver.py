# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for the NVIDIA driver of a node. Pure: what the package manager is asked in between is the caller's.

`assess` decides without the package manager where that is possible. Else the caller goes through `attempts`, asks each for its
`Offer`, takes the first that `choose` can serve from (`select` is this loop), has the request resolved, and calls `plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .._check._node import Node
from .._inventory._inventory import Inventory
from .._knowledge.delivery import Deliverer
from .._packages.types import Change, Closure, Offer, PackageError, Remover, Repository, Request
from . import _configuration, _preflight
from ._choose import UNSERVED, choose, impossible
from ._closure import refusals_of
from ._hold import locks_of
from ._lacking import lacking, reasons_of, stays
from ._node_state import coming_kernels
from ._others import others_steps
from ._pinning import holding
from ._predict import predict
from ._priority import priority_steps
from ._record import closing_step, record_step
from ._repositories import Attempt, attempts
from ._satisfied import satisfied, settings
from ._transaction import package_steps, repair_steps
from ._way_back import restoring
from .order import Order
from .steps import Chosen, Plan, Refusal, Step

__all__ = ["Attempt", "Selected", "assess", "attempts", "choose", "plan", "predict", "remove", "select"]


# What would stop the next change, or a removal, is told while nothing has to change, too.
_NEXT_TIME = ("ND-RUNFILE", "ND-MIXED-ORIGIN", "ND-RECORD-BROKEN")


class Selected(NamedTuple):
    """What an attempt came to."""

    attempt: Attempt
    chosen: Chosen
    request: Request


def assess(inventory: Inventory, order: Order, today: str | None = None) -> Plan | None:
    """The whole plan where no package has to change or nothing may be done; None where the package manager has to be asked.
    today: YYYY-MM-DD."""
    if order.state == "absent":
        from . import _absent

        return _absent.assess(inventory, order)
    found = satisfied(inventory, order, today)
    if found is not None:
        return found
    there = stays(inventory, order, today)
    if there is not None and not lacking(inventory, order, there):
        return _without_packages(inventory, order, holding(inventory, there.deliverer), there.chosen, today)
    refusals = (*impossible(inventory, order, today), *_preflight.before(inventory, order, today))
    return Plan("refused", refusals=refusals) if _stopped(refusals) else None


def remove(inventory: Inventory, order: Order, remover: Remover) -> Plan:
    """The plan for state absent where `assess` gives none. PackageError."""
    from . import _absent

    return _absent.plan(inventory, order, remover)


def _stopped(refusals: Sequence[Refusal]) -> bool:
    return any(one.severity == "critical" for one in refusals)


def _without_packages(inventory: Inventory, order: Order, deliverer: Deliverer, chosen: Chosen, today: str | None) -> Plan:
    """Packages are as they should be: what is left is configuration, or the end of a transaction that broke off."""
    repair = repair_steps(inventory, order, deliverer)
    steps = restoring(order.own, inventory, [*repair, *settings(inventory, order, chosen, deliverer)])
    reasons = (*reasons_of(inventory, order, chosen, today), *_configuration.drift(inventory, order))
    reboot = tuple(_configuration.reboot_reasons(inventory, order, chosen, ()))
    last = [] if steps else closing_step(order.own, inventory)
    refusals = tuple(_preflight.before(inventory, order, today))
    if not steps and not last:
        told = tuple(one._replace(severity="warning") for one in refusals if one.code in _NEXT_TIME)
        return Plan("nothing_to_do", reasons=reasons, refusals=told, chosen=chosen, reboot_reasons=reboot)
    if _stopped(refusals):
        return Plan("refused", reasons=reasons, refusals=refusals, chosen=chosen)
    record = last or record_step(order.own, inventory, steps, (), (), locks_of(order, chosen, deliverer))
    return Plan("change", (*record, *steps), reasons, refusals, chosen, (), reboot, _touched(inventory, steps))


def select(
    inventory: Inventory, order: Order, ask: Callable[[Attempt], Offer], today: str | None = None
) -> Selected | list[Refusal]:
    """The first attempt that serves the order; ask opens the package manager for one and returns its offer. Else the refusals of
    the first, with the origin to ask for where a later one may serve what was wished. PackageError, but not for what would only be
    an addition to one that was asked."""
    refused: list[Refusal] = []
    passed: list[Refusal] = []
    for attempt in attempts(inventory, order):
        if attempt.unserved_only and not all(one.code in UNSERVED for one in refused):
            refused = [one._replace(use=(*one.use, {"origin": "nvidia"})) if one.code == "ND-VERSION-NOT-OFFERED" else one
                       for one in refused]
            continue
        try:
            offer = ask(attempt)
        except PackageError as error:
            if not refused or attempt.unserved_only:
                raise
            # Many mirrors have no backports: what the release itself lacks is the answer then.
            passed.append(_unasked(inventory, attempt, error))
            continue
        found = choose(inventory, order, attempt.deliverer, offer, today)
        if isinstance(found, tuple):
            return Selected(attempt, *found)
        refused = refused or found
    return [*refused, *passed] or [_nobody(inventory)]


def _unasked(inventory: Inventory, attempt: Attempt, error: PackageError) -> Refusal:
    from ._refuse import refuse

    who = attempt.deliverer
    found = refuse(Node(inventory), "ND-PACKAGE-MANAGER", "packages", manager=who.manager, error=f"{who.id} was not asked: {error}")
    return found._replace(severity="warning")


def _nobody(inventory: Inventory) -> Refusal:
    from ._refuse import refuse

    system = inventory.system
    words = f"{system.get('distribution')} {system.get('distribution_version')} on {system.get('architecture')}"
    return refuse(Node(inventory), "ND-UNSUPPORTED-DISTRIBUTION", distribution=words)


def plan(
    inventory: Inventory,
    order: Order,
    deliverer: Deliverer,
    chosen: Chosen,
    request: Request,
    closure: Closure,
    repositories: Sequence[Repository],
    today: str | None = None,
) -> Plan:
    """What to do, in its order: repair, key and file of repositories, holds, packages, configuration; the record of it comes
    first. Or what stands in the way, with the transaction that was resolved."""
    there = stays(inventory, order, today)
    reasons = (*reasons_of(inventory, order, chosen, today), *(lacking(inventory, order, there) if there else ()),
               *_configuration.drift(inventory, order))
    before = _preflight.before(inventory, order, today)
    after = [] if closure.error is not None else _preflight.after(inventory, order, chosen, closure, today)
    refusals = (*before, *refusals_of(inventory, order, chosen, request, closure), *after)
    if _stopped(refusals):
        return Plan("refused", (), reasons, refusals, chosen, closure.changes)
    changes, deliverer = closure.changes, holding(inventory, deliverer, request)
    new = coming_kernels(Node(inventory), changes)
    reasons += tuple(f"kernel {one} comes along: what brings modules to new kernels follows the newest" for one in new)
    steps = [
        *repair_steps(inventory, order, deliverer),
        *package_steps(inventory, order, deliverer, chosen, request, closure, repositories, [
            *others_steps(inventory, order, deliverer, bool(changes)),
            *priority_steps(inventory, order, deliverer, bool(changes), [one.path for one in repositories]),
            *_configuration.before_packages(inventory, order, chosen, deliverer, changes),
        ]),
        *_configuration.after_packages(inventory, order, chosen, deliverer, changes),
    ]
    steps = restoring(order.own, inventory, steps)
    reboot = tuple(_configuration.reboot_reasons(inventory, order, chosen, changes))
    record = record_step(order.own, inventory, steps, changes, repositories if changes else (), locks_of(order, chosen, deliverer))
    if not steps:
        return Plan("nothing_to_do", (), reasons, refusals, chosen, (), reboot)
    return Plan("change", (*record, *steps), reasons, refusals, chosen, changes, reboot, _touched(inventory, steps, changes))


def _touched(inventory: Inventory, steps: Sequence[Step], changes: Sequence[Change] = ()) -> dict[str, list[str]]:
    """Services, processes and kernels that a plan touches."""
    holders: list[dict[str, Any]] = inventory.health.get("gpu_holders") or []
    disruptive = any(step.disruptive for step in steps)
    kernels = [entry["release"] for entry in inventory.kernel.get("installed") or ()] if changes else []
    new = [f"{release} (new)" for release in coming_kernels(Node(inventory), changes)]
    return {
        "services": sorted({str(step.values["name"]) for step in steps if step.kind == "service"}),
        "processes": [f"{one.get('name')} ({one.get('pid')})" for one in holders if not one.get("service")] if disruptive else [],
        "kernels": [*map(str, kernels), *new],
    }
