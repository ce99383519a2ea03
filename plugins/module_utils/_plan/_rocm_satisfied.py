# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whether a node needs nothing: no AMD GPU, or a ROCm that serves the order and is set up as it says. Most nodes need
no more."""

from __future__ import annotations

from .._check._node import Node
from .._inventory._inventory import Inventory
from . import _rocm_hold
from ._rocm_access import access_steps, environment_steps, login_reasons, users_refused
from ._rocm_here import around, judge, makers
from ._rocm_module import default_steps, module_steps, reboot_reasons
from ._rocm_preflight import no_gpu, troubles
from ._rocm_release import unofficial
from ._rocm_repositories import priority_steps
from ._rocm_stays import There, lacking, stays
from .rocm_order import RocmOrder
from .steps import Plan, Step

__all__ = ["satisfied", "settings"]


def satisfied(inventory: Inventory, order: RocmOrder, today: str | None = None) -> Plan | None:
    """The plan that says so; None where more has to be looked at."""
    if order.state == "absent":
        return None
    none = no_gpu(inventory, order)
    if none is not None:
        status = "refused" if none.severity == "critical" else "skipped"
        return Plan(status, reasons=(none.message,), refusals=(none,))
    node, there = Node(inventory), stays(inventory, order)
    if there is None or lacking(inventory, order, there) or _half_done(inventory, order) or settings(inventory, order, there):
        return None
    if len(makers(inventory, around(inventory))) > 1 or node.items("amd.blacklists") or any(users_refused(node, order)):
        return None
    told = (*unofficial(node, order, there.judged, there.chosen.version), *there.driver.refusals)
    if any(one.severity == "critical" for one in told):
        return None
    reasons = (*dict.fromkeys(told.why for _device, told in judge(inventory, there.chosen.version).cards), *there.driver.reasons,
               *troubles(inventory, there.chosen.version), *login_reasons(inventory, order))
    return Plan("nothing_to_do", reasons=reasons, refusals=tuple(told), chosen=there.chosen,
                reboot_reasons=tuple(reboot_reasons(inventory, there.chosen, ())))


def settings(inventory: Inventory, order: RocmOrder, there: There) -> list[Step]:
    """What is left to do where packages are as they should be."""
    deliverer, chosen = there.here.deliverer, there.chosen
    return [
        *priority_steps(inventory, order, deliverer, chosen.version, False),
        *_rocm_hold.before_packages(inventory, order, deliverer, ()),
        *_rocm_hold.after_packages(inventory, order, deliverer, chosen, ()),
        *default_steps(inventory, order, chosen, ()),
        *module_steps(inventory, order, chosen, ()),
        *access_steps(inventory, order),
        *environment_steps(inventory, chosen.override, order.allow_unsupported_gpu),
    ]


def _half_done(inventory: Inventory, order: RocmOrder) -> bool:
    """Whether a transaction, or a run of ours, broke off and has an end to be made to."""
    packages = inventory.packages
    pinned = any(lock.get("path") == order.own.transaction for lock in packages.get("locks") or ())
    return bool(packages.get("broken") or pinned or (packages.get("record") or {}).get("way_back"))
