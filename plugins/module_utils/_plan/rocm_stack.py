# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do to a node so that it has the ROCm that an operator wants. Pure: the package manager is asked by ``_enforce``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._check._node import Node
from .._inventory._inventory import Inventory
from .._knowledge.rocm_delivery import Deliverer
from .._packages.types import Change, Closure, Remover, Repository, Request
from . import _rocm_hold, _rocm_preflight
from ._preflight_shared import acknowledged
from ._record import closing_step, record_step
from ._rocm_access import access_steps, environment_steps, login_reasons
from ._rocm_here import judge
from ._rocm_module import default_steps, module_steps, reboot_reasons
from ._rocm_release import unofficial
from ._rocm_repositories import priority_steps, stale_repositories
from ._rocm_satisfied import satisfied, settings
from ._rocm_select import Selected, select
from ._rocm_stays import There, lacking, serves_target, stays
from ._rocm_transaction import package_steps
from ._transaction import repair_steps
from ._way_back import restoring
from .rocm_order import RocmOrder
from .rocm_predict import predict
from .rocm_steps import RocmChosen
from .steps import Plan, Refusal, Step

__all__ = ["Selected", "assess", "plan", "predict", "remove", "select"]


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
