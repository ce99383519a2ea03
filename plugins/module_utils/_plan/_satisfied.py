# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whether a node is as ordered already, told with as little as possible of the planner: most nodes are, on most days."""

from __future__ import annotations

from .._check import _packages
from .._check._node import Node
from .._inventory._inventory import Inventory
from .._inventory._own import Own
from .._knowledge.delivery import Deliverer
from . import _configuration
from ._lacking import lacking, others_driver, reasons_of, stays
from ._node_state import record_trouble
from ._others import others_steps
from ._owners import no_gpu, owner_serves, owner_words
from ._pinning import holding
from ._priority import priority_steps
from .order import Order
from .steps import Chosen, Plan, Step

__all__ = ["satisfied", "settings"]


def satisfied(inventory: Inventory, order: Order, today: str | None = None) -> Plan | None:
    """The plan of a node on which nothing is to be done, for whatever reason; None where something may have to be, or where something
    is to be told that takes the whole planner. today: YYYY-MM-DD."""
    if order.state == "absent":
        return None
    nobody = no_gpu(inventory, order)
    if nobody is not None:
        return Plan("refused" if nobody.severity == "critical" else "skipped", reasons=(nobody.message,), refusals=(nobody,))
    if owner_serves(inventory, order):
        return Plan("nothing_to_do", reasons=(owner_words(inventory, order),))
    words = others_driver(inventory, order)
    if words:
        return Plan("nothing_to_do", reasons=(words,))
    there = stays(inventory, order, today)
    if there is None or lacking(inventory, order, there):
        return None
    if _half_done(order.own, inventory) or _stops_the_next_change(order.own, inventory):
        return None
    if settings(inventory, order, there.chosen, holding(inventory, there.deliverer)):
        return None
    reasons = (*reasons_of(inventory, order, there.chosen, today), *_configuration.drift(inventory, order))
    reboot = tuple(_configuration.reboot_reasons(inventory, order, there.chosen, ()))
    return Plan("nothing_to_do", reasons=reasons, chosen=there.chosen, reboot_reasons=reboot)


def settings(inventory: Inventory, order: Order, chosen: Chosen, deliverer: Deliverer) -> list[Step]:
    """What is left to do where packages are as they should be."""
    return [*others_steps(inventory, order, deliverer, False), *priority_steps(inventory, order, deliverer, False),
            *_configuration.steps(inventory, order, chosen, deliverer, ())]


def _half_done(own: Own, inventory: Inventory) -> bool:
    """Whether a transaction, or a run of ours, broke off and has an end to be made to."""
    packages = inventory.packages
    pinned = any(lock.get("path") == own.transaction for lock in packages.get("locks") or ())
    return bool(packages.get("broken") or pinned or (packages.get("record") or {}).get("way_back"))


def _stops_the_next_change(own: Own, inventory: Inventory) -> bool:
    """Whether there is what would stop the next change, or a removal, and so is told while nothing has to change."""
    node = Node(inventory)
    mixed = any(one.code == "NV-MIXED-ORIGIN" for one in _packages.check(node))
    return mixed or bool(inventory.packages.get("runfile")) or record_trouble(node, own.record, "unreadable") is not None
