# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the plan that takes back what this collection did on a node, by its record, and nothing else."""

from __future__ import annotations

import json
from typing import Any

from .._check._node import Node, join
from .._inventory._own import MODPROBE, Own
from .._packages.types import Remover
from . import _locks, _preflight
from ._configuration import initramfs_command
from ._modprobe import BLACKLIST
from ._node_state import SERVICES, family, has_program, record_trouble
from ._refuse import refuse
from ._removal import Removal, removal
from .order import Order
from .steps import Plan, Refusal, Step


def assess(inventory: Any, order: Order) -> Plan | None:
    """The plan for state absent where the package manager does not have to be asked, else None. Without a record there is nothing
    of ours; a driver that is there all the same is refused."""
    node = Node(inventory)
    record = node.get("packages.record")
    if not record:
        return _without_record(node, order.own)
    if record.get("packages"):
        refusals = _before(inventory, order)
        return Plan("refused", refusals=refusals) if any(one.severity == "critical" for one in refusals) else None
    return plan(inventory, order, None)


def plan(inventory: Any, order: Order, remover: Remover | None) -> Plan:
    """The plan for a node with a record; remover is asked where packages are in it. PackageError."""
    node = Node(inventory)
    record = node.get("packages.record")
    gone = removal(inventory, record, remover) if remover is not None and record.get("packages") else Removal()
    stay = tuple(f"{name} stays: {why}" for name, why in gone.kept)
    if gone.refusals:
        return Plan("refused", reasons=stay, refusals=gone.refusals)
    steps = _steps(node, order, record, gone, remover.name if remover else "")
    if not steps:
        return Plan("nothing_to_do", reasons=("all that was installed here by this collection is gone", *stay))
    refusals = _before(inventory, order)
    if any(one.severity == "critical" for one in refusals):
        return Plan("refused", refusals=refusals)
    count = len(gone.names)
    words = f"state is absent: {count} packages, files and locks of this collection go" if count else "state is absent"
    return Plan(
        "change",
        tuple(steps),
        (words, *stay),
        refusals,
        packages=gone.changes,
        reboot_reasons=tuple(_reboot(node, order, gone)),
        touches={"services": [step.values["name"] for step in steps if step.kind == "service"]},
    )


def manager_of(inventory: Any) -> str:
    """apt, dnf, dnf5 or zypper: whom to ask."""
    node = Node(inventory)
    if node.get("packages.manager") == "dpkg":
        return "apt"
    return "zypper" if family(node) == "suse" else "dnf5" if has_program(node, "dnf5") else "dnf"


def _before(inventory: Any, order: Order) -> tuple[Refusal, ...]:
    return tuple(one for one in _preflight.before(inventory, order) if one.code not in _IRRELEVANT)


# Preflight that concerns an installation only.
_IRRELEVANT = ("ND-HELD", "ND-LOCKED-VERSION", "ND-MIXED-ORIGIN", "ND-RUNFILE", "ND-PASSED-THROUGH")


def _without_record(node: Node, own: Own) -> Plan:
    trouble = record_trouble(node, own.record)
    if trouble is not None:
        return Plan("refused", refusals=(refuse(node, "ND-RECORD-BROKEN", own.record, path=own.record, error=trouble),))
    version = node.get("nvidia.driver.installed_version")
    if not version:
        return Plan("nothing_to_do", reasons=("this collection has installed no driver here, and none is installed",))
    names = sorted(node.get("nvidia.driver.packages") or {})
    words = {"packages": " ".join(names)} if names else {"remove": "sudo nvidia-uninstall", "packages": "--silent"}  # of a .run file
    refusal = refuse(node, "ND-NO-RECORD", "node", None, (), path=own.record, version=version, **words)
    return Plan("refused", refusals=(refusal,))


def _steps(node: Node, order: Order, record: dict[str, Any], gone: Removal, manager: str) -> list[Step]:
    """In the order that leaves a working node wherever it breaks off: locks, daemons, packages, repositories, files, record."""
    files: dict[str, str] = node.get("packages.own_files") or {}
    reason = "this collection set it up"
    steps = _locks.unlock(node, _recorded(node, record), reason)
    steps += _streams(node, record)
    if gone.names:
        steps += _stop(node)
        steps.append(
            Step(
                "packages_absent",
                f"remove {join(gone.names)}",
                "this collection installed them",
                {"manager": manager, "names": list(gone.names), "purge": manager == "apt", "lock_timeout": order.wait_for_lock},
                disruptive=True,
                slow=True,
            )
        )
    for repository in record.get("repositories") or ():
        for key in ("path", "key_path"):
            if repository.get(key) and repository[key] in files:
                steps.append(Step("file_absent", f"remove {repository[key]}", reason, {"path": repository[key]}))
    kept = _kept_files(order, files)
    for path in record.get("files") or ():
        if path in files and path not in kept:
            steps.append(Step("file_absent", f"remove {path}", reason, {"path": path}))
    if kept and files[MODPROBE] != BLACKLIST:
        steps.append(
            Step(
                "file",
                f"write {MODPROBE}",
                "nouveau stays away (restore_nouveau is false)",
                {"path": MODPROBE, "content": BLACKLIST, "mode": "0644"},
            )
        )
    if order.restore_nouveau and MODPROBE in files and order.update_initramfs:
        steps.append(
            Step("command", "rebuild the initramfs of every kernel", "nouveau comes back", {"argv": initramfs_command(node)}, slow=True)
        )
    return steps + (_record(order.own, kept) if steps or gone.kept else [])


def _kept_files(order: Order, files: dict[str, str]) -> list[str]:
    """Without our blacklist nouveau would come back at the next boot, and that has to be asked for."""
    return [MODPROBE] if MODPROBE in files and not order.restore_nouveau else []


def _record(own: Own, kept: list[str]) -> list[Step]:
    """The record goes last; it stays for files that are left. Packages that stay are those of others from now on."""
    if not kept:
        return [Step("file_absent", f"remove {own.record}", "nothing of this collection is left", {"path": own.record})]
    left = {"schema_version": 1, "packages": {}, "files": kept, "repositories": [], "locks": []}
    content = json.dumps(left, indent=1, sort_keys=True) + "\n"
    return [Step("file", f"write {own.record}", f"{join(kept)} is left", {"path": own.record, "content": content, "mode": "0600"})]


def _recorded(node: Node, record: dict[str, Any]) -> list[dict[str, Any]]:
    return _locks.set_by(node, (str(pattern) for lock in record.get("locks") or () for pattern in lock.get("patterns", ())))


def _streams(node: Node, record: dict[str, Any]) -> list[Step]:
    there = node.get("packages.streams") or {}
    names = [
        str(pattern).partition(":")[0] for lock in record.get("locks") or () if lock.get("kind") == "stream" for pattern in lock["patterns"]
    ]
    return [
        Step(
            "command",
            f"reset the module stream {name}:{there[name]}",
            "this collection enabled it",
            {"argv": ["dnf", "-y", "module", "reset", name]},
        )
        for name in names
        if name in there
    ]


def _stop(node: Node) -> list[Step]:
    return [
        Step("service", f"stop {unit}", "its package goes", {"name": unit, "state": "stopped", "enabled": False}, disruptive=True)
        for fact, unit in reversed(list(SERVICES.items()))
        if node.get(f"nvidia.services.{fact}") == "active" and fact != "dcgm"
    ]


def _reboot(node: Node, order: Order, gone: Removal) -> list[str]:
    loaded = node.get("nvidia.driver.loaded_version")
    found = [f"module {loaded} stays loaded until the next boot"] if loaded and gone.names else []
    if order.restore_nouveau and MODPROBE in (node.get("packages.own_files") or {}):
        found.append("nouveau comes back with the next boot")
    return found
