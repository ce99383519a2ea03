# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the steps that change packages and their repositories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._check._node import join
from .._inventory._inventory import Inventory
from .._knowledge.delivery import Deliverer
from .._packages.types import Change, Closure, Repository, Request, Wanted
from ._pinning import is_pinning
from .order import Order
from .steps import Chosen, Step

__all__ = ["absent_step", "install_step", "package_steps", "repair_steps", "repository_steps"]


def repair_steps(inventory: Inventory, order: Any, deliverer: Deliverer) -> list[Step]:
    """What a transaction that broke off left: packages that are not configured, and a pin of ours."""
    steps = []
    broken = inventory.packages.get("broken") or []
    if broken:
        values = {"manager": deliverer.manager, "lock_timeout": order.wait_for_lock}
        reason = f"an installation broke off: {join(broken)}"
        steps.append(Step("repair", "finish what a package manager left half-done", reason, values, disruptive=True, slow=True))
    path = order.own.transaction
    if any(lock.get("path") == path for lock in inventory.packages.get("locks") or ()):
        steps.append(Step("file_absent", f"remove {path}", "a transaction that broke off left it", {"path": path}))
    return steps


def package_steps(
    inventory: Inventory, order: Order, deliverer: Deliverer, chosen: Chosen, request: Request, closure: Closure,
    repositories: Sequence[Repository], before: Sequence[Step],
) -> list[Step]:
    """Repositories, holds (before: those that the transaction must see), and the packages in one transaction."""
    if not closure.changes:
        return list(before)
    pinning = [one for one in request.install if is_pinning(one.name, deliverer)]
    wanted = [one for one in request.install if one not in pinning]
    others = [name for name in request.remove if is_pinning(name, deliverer)]
    steps = [step for one in repositories for step in repository_steps(one, deliverer)]
    # Its pin is a file below /etc, which outlives the package unless that is purged.
    steps += [absent_step(others, deliverer, order, "it pins another version", purge=True)] if others else []
    if pinning and any(change.name == pinning[0].name for change in closure.changes):
        alone = request._replace(erase=False)
        steps.append(install_step(pinning, "the packages that follow have to find its pin", order, deliverer, alone, ()))
    steps += before
    path = order.own.transaction
    exact = dict(request.files).get(path)
    if exact:
        steps.append(Step("file", f"write {path}", f"apt would take another version than {chosen.revision}",
                          {"path": path, "content": exact, "mode": "0644"}, undo=f"rm {path}"))
    if any(change.name not in {one.name for one in pinning} for change in closure.changes):  # a driver may lack nothing but its pin
        steps.append(install_step(wanted, _reason(inventory, chosen), order, deliverer, request, closure.changes))
    if exact:
        steps.append(Step("file_absent", f"remove {path}", "the transaction is done", {"path": path}))
    left = [name for name in request.remove if name not in others]
    return steps + ([absent_step(left, deliverer, order, f"it is not of driver {chosen.version}")] if left else [])


def repository_steps(one: Repository, deliverer: Deliverer) -> list[Step]:
    steps = []
    if one.key_path:
        values = {"path": one.key_path, "content": one.key, "fingerprint": one.fingerprint, "manager": deliverer.manager}
        steps.append(Step("key", f"write {one.key_path}", "it signs the repository", values, undo=f"rm {one.key_path}"))
    steps.append(Step("file", f"write {one.path}", f"the node has not yet what {deliverer.id} offers there",
                      {"path": one.path, "content": one.content, "mode": "0644"}, undo=f"rm {one.path}"))
    return steps


def _reason(inventory: Inventory, chosen: Chosen) -> str:
    version = (inventory.nvidia.get("driver") or {}).get("installed_version")
    if not version:
        return "no driver is installed"
    if version == chosen.version:
        return f"driver {version} is here, but not all of {chosen.revision or chosen.version} in the wanted build"
    return f"driver {version} is installed, {chosen.version} is wanted"


def install_step(
    wanted: Sequence[Wanted], reason: str, order: Any, deliverer: Deliverer, request: Request, changes: Sequence[Change]
) -> Step:
    values: dict[str, Any] = {
        "manager": deliverer.manager,
        "install": [{"name": one.name, "version": one.version} for one in wanted],
        "refresh": True,
        "downgrade": request.downgrade,
        "erase": request.erase,
        "lock_timeout": order.wait_for_lock,
        "proxy": order.proxy,
    }
    # All are named to the package manager, those that are there already too; people are told of what changes.
    changed = {change.name for change in changes if change.action != "remove"}
    lead = next((one for one in wanted if one.name in changed), wanted[0])
    more = (len(changes) or len(wanted)) - 1
    what = f"install {lead.name} {lead.version or ''}".rstrip() + (f" and {more} more" if more else "")
    return Step("packages", what, reason, values, disruptive=bool(changes), slow=True, undo=_undo(deliverer, changes))


def _undo(deliverer: Deliverer, changes: Sequence[Change]) -> str:
    """How a person goes back to what was there."""
    program = {"apt": "apt-get", "zypper": "zypper"}.get(deliverer.manager, "dnf")
    new = [change.name for change in changes if change.action == "install"]
    sign = "-" if program == "dnf" else "="
    old = [f"{change.name}{sign}{change.before}" for change in changes if change.before and change.action != "reinstall"]
    lines = [f"{program} remove {' '.join(new)}"] if new else []
    if old:
        verb = {"apt-get": "install --allow-downgrades", "zypper": "install --oldpackage"}.get(program, "install --allowerasing")
        lines.append(f"{program} {verb} {' '.join(old)}")
    return "; ".join(lines)


def absent_step(
    names: Sequence[str], deliverer: Deliverer, order: Any, reason: str, purge: bool = False, disruptive: bool = False,
    changes: Sequence[Change] = (),
) -> Step:
    """Remove packages. changes: those that they are in the transaction, for the way back."""
    values = {"manager": deliverer.manager, "names": list(names), "purge": purge, "lock_timeout": order.wait_for_lock}
    return Step("packages_absent", f"remove {join(names)}", reason, values, disruptive, True, _undo(deliverer, changes))
