# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node will be like once a plan of ROCm is done: what check mode shows as ``after``."""

from __future__ import annotations

from typing import Any

from .._inventory._facts import facts
from .._inventory._inventory import Inventory
from .._knowledge import rocm_delivery
from .rocm_steps import RocmChosen
from .steps import Plan

__all__ = ["predict", "present"]


def present(inventory: Inventory) -> dict[str, Any] | None:
    """{driver, rocm} of the facts' `amd`; None where nothing of AMD is here."""
    found = facts(inventory, ("devices", "driver", "kernel")).get("amd")
    return {"driver": found.get("driver"), "rocm": found.get("rocm")} if found else None


def predict(inventory: Inventory, plan: Plan) -> dict[str, Any]:
    """The same once the plan is done and, where that is needed, the node has rebooted."""
    before = present(inventory) or {"driver": None, "rocm": None}
    if plan.status != "change":
        return before
    chosen: RocmChosen | None = plan.chosen
    driver, rocm = dict(before["driver"] or {}), dict(before["rocm"] or {})
    gone = {change.name for change in plan.packages if change.action == "remove"}
    gone |= {name for step in plan.steps if step.kind == "packages_absent" for name in step.values["names"]}
    packages = {name: version for name, version in (rocm.get("packages") or {}).items() if name not in gone}
    if chosen is None:  # state: absent
        return {"driver": driver or None, "rocm": {**rocm, "packages": packages} if packages else None}
    from .._inventory.packages import rocm_packages

    maker = getattr(rocm_delivery.deliverer(chosen.origin), "maker", None)
    new = {change.name: str(change.after) for change in plan.packages if change.action != "remove"}
    every = {name: {"version": version, "origin": maker} for name, version in {**packages, **new}.items()}
    told = rocm_packages(every)
    rocm.update({"version": chosen.version, "origin": maker, "packages": told.get("packages", packages)})
    if plan.packages:
        rocm["path"] = _path(chosen)
    if chosen.driver != "none" and (plan.reboot_reasons or not driver.get("loaded")):
        driver.update(loaded=True, method=chosen.driver)
    return {"driver": driver or None, "rocm": rocm}


def _path(chosen: RocmChosen) -> str | None:
    """Where AMD's packages lie; a distribution's are in /usr and have no folder of their own."""
    if chosen.stream == "therock":
        return f"/opt/rocm/core-{'.'.join(chosen.version.split('.')[:2])}"
    return f"/opt/rocm-{chosen.version}" if chosen.stream else None
