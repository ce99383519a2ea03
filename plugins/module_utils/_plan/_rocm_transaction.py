# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the steps that change packages of ROCm: what has to go goes first, since its files would mix with those that come."""

from __future__ import annotations

from collections.abc import Sequence

from .._inventory._inventory import Inventory
from .._knowledge.rocm_delivery import Deliverer
from .._packages.types import Closure, Repository, Request
from ._rocm_here import here
from ._transaction import absent_step, install_step, repository_steps
from .rocm_order import RocmOrder
from .rocm_steps import RocmChosen
from .steps import Step

__all__ = ["package_steps"]


def package_steps(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, chosen: RocmChosen, request: Request, closure: Closure,
    repositories: Sequence[Repository], before: Sequence[Step],
) -> list[Step]:
    """Repositories, holds (before: those that the transaction must see), what goes, and what comes in one transaction."""
    if not closure.changes:
        return list(before)
    steps, known = [], set()
    for one in repositories:
        for step in repository_steps(one, deliverer):
            if step.values["path"] not in known:  # several have one key
                known.add(step.values["path"])
                steps.append(step)
    steps += before
    once = dict(request.files).get(order.own.transaction)
    removed = [change for change in closure.changes if change.action == "remove" and change.name in request.remove]
    if removed and request.install:
        steps.append(absent_step([change.name for change in removed], deliverer, order, _why_gone(deliverer, chosen), False, True, removed))
    if once:
        path = order.own.transaction
        steps.append(Step("file", f"write {path}", "packages that have to go down are named by their versions",
                          {"path": path, "content": once, "mode": "0644"}, undo=f"rm {path}"))
    rest = [change for change in closure.changes if change not in removed]
    if request.install and any(change.action != "remove" for change in rest):
        steps.append(install_step(request.install, _reason(inventory, chosen), order, deliverer, request, rest))
    if once:
        steps.append(Step("file_absent", f"remove {order.own.transaction}", "the transaction is done", {"path": order.own.transaction}))
    if removed and not request.install:
        steps.append(absent_step([change.name for change in removed], deliverer, order, _why_gone(deliverer, chosen), False, True, removed))
    return steps


def _why_gone(deliverer: Deliverer, chosen: RocmChosen) -> str:
    return f"its files or names would meet those of ROCm {chosen.version} of {deliverer.id}"


def _reason(inventory: Inventory, chosen: RocmChosen) -> str:
    there = here(inventory)
    if there is None:
        return "no ROCm is installed"
    if there.release == chosen.version and there.deliverer.id == chosen.origin:
        return f"ROCm {chosen.version} is here, but not all that was asked for"
    return f"ROCm {there.release} of {there.deliverer.id} is installed, {chosen.version} of {chosen.origin} is wanted"
