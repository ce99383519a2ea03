# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what a node's driver will be after a plan, for check mode."""

from __future__ import annotations

from typing import Any

from .._inventory._inventory import Inventory
from .._inventory._own import NVIDIA
from .._knowledge import delivery
from .steps import Plan, Step

__all__ = ["predict"]


def predict(inventory: Inventory, plan: Plan) -> dict[str, Any]:
    """`nvidia.driver` of the facts as it will be once the plan is done and, where that is needed, the node has rebooted."""
    before: dict[str, Any] = dict(inventory.nvidia.get("driver") or {})
    if plan.status != "change":
        return before
    packages = _driver_after(inventory, plan)
    if plan.chosen is None:  # state: absent
        return {**before, **packages, "next_boot_ready": None} if packages else before
    chosen = plan.chosen
    held = not _unlocks(plan) and (before.get("held") or any(map(_locks, plan.steps)))
    after = {**before, **packages, "installed_version": chosen.version, "branch": chosen.branch, "managed_by": "packages"}
    after["held"] = bool(held)
    if plan.packages:
        after.update(library_version=chosen.version, next_boot_ready=True)
    loads = any((step.values.get("argv") or [""])[0] == "modprobe" for step in plan.steps)
    if plan.reboot_reasons or loads or before.get("loaded_version") == chosen.version:
        after.update(loaded_version=chosen.version, kernel_module=chosen.flavour)
    return after


def _driver_after(inventory: Inventory, plan: Plan) -> dict[str, Any]:
    """What the packages will say of the driver, by the reader's own rules."""
    from .._inventory.packages import nvidia_driver

    installed: dict[str, dict[str, Any]] = dict(inventory.packages.get("installed") or {})
    deliverer = delivery.deliverer(plan.chosen.origin) if plan.chosen and plan.chosen.origin else None
    maker = deliverer.maker if deliverer else None
    for change in plan.packages:
        if change.action == "remove":
            installed.pop(change.name, None)
        else:
            new = {"origin": maker, "architecture": change.architecture, "source": None, "held": False}
            installed[change.name] = {**new, **installed.get(change.name, {}), "version": change.after}
    for step in plan.steps:
        for name in step.values["names"] if step.kind == "packages_absent" else ():
            installed.pop(name, None)
    driver = nvidia_driver(installed)
    return driver or ({"installed_version": None, "origin": None, "packages": {}, "held": None} if inventory.nvidia.get("driver") else {})


def _locks(step: Step) -> bool:
    if step.kind == "file":
        return bool(step.values["path"] == NVIDIA.preferences)
    argv = [str(word) for word in step.values.get("argv") or ()]
    pins = step.kind == "packages" and any("pinning" in str(one["name"]) for one in step.values["install"])
    return pins or bool({"versionlock", "addlock"} & set(argv) and "delete" not in argv)


def _unlocks(plan: Plan) -> bool:
    return any(step.kind == "file_absent" and step.values["path"] == NVIDIA.preferences for step in plan.steps)
