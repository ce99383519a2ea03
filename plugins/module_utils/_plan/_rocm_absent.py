# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the plan that takes back what this collection did for ROCm on a node, by its record, and nothing else."""

from __future__ import annotations

import fnmatch
from typing import Any

from .._check._node import Node, join
from .._inventory._inventory import Inventory
from .._inventory._own import ROCM, ROCM_UDEV
from .._packages.types import Installed, Remover
from . import _locks, _rocm_preflight
from ._refuse import refuse
from ._removal import Removal, removal
from ._rocm_here import DRIVER, around, here
from .rocm_order import RocmOrder
from .steps import Plan, Refusal, Step

__all__ = ["assess", "plan"]

_IRRELEVANT = ("RS-HELD", "RS-LOCKED-VERSION", "RS-MIXED-ORIGIN", "RS-PASSED-THROUGH", "RS-NO-USER")


def assess(inventory: Inventory, order: RocmOrder) -> Plan | None:
    """The plan for state absent where the package manager does not have to be asked, else None."""
    node = Node(inventory)
    record = node.get("packages.record")
    if not record:
        return _without_record(inventory, node)
    if record.get("packages"):
        refusals = _before(inventory, order)
        return Plan("refused", refusals=refusals) if any(one.severity == "critical" for one in refusals) else None
    return plan(inventory, order, None)


def plan(inventory: Inventory, order: RocmOrder, remover: Remover | None) -> Plan:
    """The plan for a node with a record; remover is asked where packages are in it. PackageError."""
    node = Node(inventory)
    record = node.get("packages.record")
    asked = remover is not None and record.get("packages")
    gone = removal(inventory, record, remover, ROCM, _core(inventory)) if asked and remover else Removal()
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
    members = "users stay in the groups: nobody knows what else they need them for"
    reboot = ("amdgpu of amdgpu-dkms stays loaded until the next boot",) if DRIVER in gone.names and node.get("amd.driver.loaded") else ()
    return Plan("change", tuple(steps), (words, members, *stay), refusals, packages=gone.changes, reboot_reasons=reboot)


def _core(inventory: Inventory) -> Any:
    """Whether a package is of ROCm or its driver."""
    patterns = [pattern for one in around(inventory) for pattern in one.hold_patterns]

    def of_rocm(one: Installed) -> bool:
        return any(fnmatch.fnmatchcase(one.name, pattern) for pattern in patterns)

    return of_rocm


def _before(inventory: Inventory, order: RocmOrder) -> tuple[Refusal, ...]:
    return tuple(one for one in _rocm_preflight.before(inventory, order) if one.code not in _IRRELEVANT)


def _without_record(inventory: Inventory, node: Node) -> Plan:
    """Without a record there is nothing of ours; a ROCm that is there all the same is refused."""
    problem = next((one for one in node.problems("room") if ROCM.record in str(one.get("message"))), None)
    if problem is not None:
        told = refuse(node, "RS-RECORD-BROKEN", ROCM.record, path=ROCM.record, error=problem.get("message"))
        return Plan("refused", refusals=(told,))
    there = here(inventory)
    if there is None:
        return Plan("nothing_to_do", reasons=("this collection has installed no ROCm here, and none is installed",))
    return Plan("refused", refusals=(refuse(node, "RS-NO-RECORD", path=ROCM.record, version=there.release,
                                            packages=" ".join(there.packages)),))


def _steps(node: Node, order: RocmOrder, record: dict[str, Any], gone: Removal, manager: str) -> list[Step]:
    """In the order that leaves a working node wherever it breaks off: locks, packages, repositories, files, record."""
    files: dict[str, str] = node.get("packages.own_files") or {}
    reason = "this collection set it up"
    patterns = (str(one) for lock in record.get("locks") or () for one in lock.get("patterns", ()))
    steps = _locks.unlock(node, _locks.set_by(node, patterns), reason)
    if gone.names:
        values = {"manager": manager, "names": list(gone.names), "purge": manager == "apt", "lock_timeout": order.wait_for_lock}
        steps.append(Step("packages_absent", f"remove {join(gone.names)}", "this collection installed them", values, True, True))
    paths = [repository.get(key) for repository in record.get("repositories") or () for key in ("path", "key_path")]
    paths += list(record.get("files") or ())
    for path in dict.fromkeys(str(one) for one in paths if one in files):
        steps.append(Step("file_absent", f"remove {path}", reason, {"path": path}))
    if ROCM_UDEV in files and ROCM_UDEV in paths:
        steps.append(Step("command", "read udev's rules again", "one is gone", {"argv": ["udevadm", "control", "--reload"]}))
    if not steps and not gone.kept:
        return []
    return [*steps, Step("file_absent", f"remove {ROCM.record}", "nothing of this collection is left", {"path": ROCM.record})]
