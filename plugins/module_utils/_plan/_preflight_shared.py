# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what stops a change of either vendor's stack: jobs, another package manager at work, holds of others. Codes begin as the
module's do (`Own.codes`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .._check._node import Node, at, join
from .._inventory._own import Own
from ._locks import set_by
from ._node_state import record_trouble
from ._refuse import refuse
from .steps import Refusal

__all__ = ["acknowledged", "at_work", "damaged_record", "half_configured", "held", "jobs", "managers", "ours", "severe"]


def severe(order: Any, found: Iterable[Refusal]) -> list[Refusal]:
    """Jobs by when_busy: critical where it is refuse, else warnings, and for `wait` the one who executes asks again until none is left."""
    severity = "critical" if order.when_busy == "refuse" else "warning"
    return [one if one.severity == "warning" else one._replace(severity=severity) for one in found]


def jobs(own: Own, node: Node, users: list[str] | None) -> Iterator[Refusal]:
    """Processes that use GPUs."""
    if users:
        yield refuse(node, f"{own.codes}BUSY", processes=join(users))


def managers(own: Own, node: Node) -> Iterator[Refusal]:
    """A kubelet or slurmd that may start jobs at any time."""
    for manager in node.items("health.workload_managers"):
        manages, drained, host = str(manager.get("name")), manager.get("drained"), manager.get("node") or "NODE"
        if drained is None:
            yield refuse(node, f"{own.codes}DRAIN-UNKNOWN", manages, name=manages, host=host)
        elif not drained:
            yield refuse(node, f"{own.codes}NOT-DRAINED-{manages.upper()}", manages, host=host)


def half_configured(own: Own, node: Node) -> Iterator[Refusal]:
    """What a package manager left half-done; a plan finishes that first."""
    broken = [str(package) for package in node.get("packages.broken") or ()]
    if broken:
        yield refuse(node, f"{own.codes}HALF-CONFIGURED", "packages", packages=join(broken))


def damaged_record(own: Own, node: Node) -> Iterator[Refusal]:
    """A record that is damaged, as a warning: a removal would not know what to take back. Without root it may only be hidden."""
    trouble = record_trouble(node, own.record, "unreadable")
    if trouble is not None:
        yield refuse(node, f"{own.codes}RECORD-BROKEN", own.record, severity="warning", path=own.record, error=trouble)


def held(
    own: Own, node: Node, packages: list[str], apt_marks_only: bool = False, replaced: Iterable[dict[str, Any]] = ()
) -> Iterator[Refusal]:
    """Holds of others on these packages; replaced: those that the plan replaces besides our own."""
    from .._inventory._package_locks import holds

    mine = [*ours(own, node), *replaced]
    locks = [lock for lock in node.items("packages.locks") if lock not in mine]
    installed: dict[str, Any] = node.get("packages.installed") or {}
    held = {package: [lock for lock in locks if holds(lock, package)] for package in packages}
    marked = [
        package
        for package in packages
        if at(installed.get(package), "held")
        and not held[package]
        and not any(holds(lock, package) for lock in node.items("packages.locks"))
    ]
    paths = sorted({str(lock.get("path")) for found in held.values() for lock in found})
    names = sorted({*marked, *(package for package, found in held.items() if found and not apt_marks_only)})
    if marked:
        yield refuse(node, f"{own.codes}HELD", "packages", packages=join(marked), names=" ".join(marked))
    elif names:
        yield refuse(node, f"{own.codes}LOCKED-VERSION", "packages", packages=join(names), paths=join(paths), path=paths[0])


def ours(own: Own, node: Node) -> list[dict[str, Any]]:
    """The locks that this module has set: by the names of its files, and by its record."""
    record = node.get("packages.record") or {}
    recorded = set_by(node, (str(pattern) for entry in record.get("locks") or () for pattern in entry.get("patterns", ())))
    return [lock for lock in node.items("packages.locks") if str(lock.get("path")).startswith(own.own_preferences) or lock in recorded]


def at_work(own: Own, node: Node, seconds: int) -> Iterator[Refusal]:
    """Another package manager at work: a run waits for it as long as wait_for_lock says."""
    holder = node.get("packages.lock_holder")
    if holder:
        severity = None if seconds == 0 else "warning"
        yield refuse(node, f"{own.codes}PACKAGE-MANAGER-BUSY", "packages", severity=severity, name=holder.get("name") or "unknown",
                     pid=holder.get("pid"), seconds=seconds)


def acknowledged(order: Any, found: Iterable[Refusal]) -> list[Refusal]:
    """What the operator lives with does not stop."""
    return [one._replace(severity="warning") if order.allows_acknowledged(one.code) else one for one in found]
