# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of one execution of the module, with files in the place of the package manager."""

from __future__ import annotations

from typing import Any

from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Closure, Offer
from ansible_collections.gpufleet.node.plugins.module_utils._plan import nvidia_driver
from ansible_collections.gpufleet.node.plugins.module_utils._plan.order import ARGUMENTS, Order
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan

from .offers import Archive
from .remover import PackagesThere, packages_there
from .resolver import Resolver

TODAY = "2026-11-23"


def order_of(**options: Any) -> Order:
    """An order with the defaults of the module."""
    return Order.parse({**{name: row.get("default") for name, row in ARGUMENTS.items()}, **options})


class Laboratory:
    """Plans for one machine. asked: the deliverers that were asked, in this order; offered: what the last one answered."""

    offered: Offer

    def __init__(self, inventory: Inventory, order: Order, archive: Archive) -> None:
        self.inventory, self.order, self.archive = inventory, order, archive
        self.asked: list[str] = []

    def run(self) -> Plan:
        plan = nvidia_driver.assess(self.inventory, self.order, TODAY)
        if plan is not None:
            return plan
        installed = {name: entry["version"] for name, entry in (self.inventory.packages.get("installed") or {}).items()}
        if self.order.state == "absent":
            asked = self.inventory.packages["record"].get("asked") or ()
            return nvidia_driver.remove(self.inventory, self.order, PackagesThere(packages_there(installed, self.archive, asked)))
        found = nvidia_driver.select(self.inventory, self.order, self._ask, TODAY)
        if isinstance(found, list):
            return Plan("refused", refusals=tuple(found))
        request = found.request
        origins = self._origins(found.attempt)
        asked = request.install or request.remove
        closure = Resolver(self.archive, installed, request, origins).run() if asked else Closure(())
        return nvidia_driver.plan(self.inventory, self.order, found.attempt.deliverer, found.chosen, found.request, closure,
                                  found.attempt.repositories, TODAY)

    def _ask(self, attempt: nvidia_driver.Attempt) -> Offer:
        self.asked.append(attempt.deliverer.id)
        self.offered = self.archive.seen_by(attempt.deliverer.patterns, self._origins(attempt))
        return self.offered

    def _origins(self, attempt: nvidia_driver.Attempt) -> set[str]:
        """Whose packages are seen: the release's own always, others with their repository."""
        kept = {"debian", "ubuntu"}
        there = " ".join(str(entry) for entry in self.inventory.packages.get("repositories") or ())
        for origin, mark in (("debian_backports", "-backports'"), ("nvidia_debian", "/compute/cuda/"), ("nvidia_ubuntu", "/compute/cuda/"),
                             ("nvidia_el", "/compute/cuda/"), ("nvidia_dnf", "/compute/cuda/"), ("nvidia_suse", "/compute/cuda/")):
            if mark in there:
                kept.add(origin)
        return {*kept, attempt.deliverer.id}
