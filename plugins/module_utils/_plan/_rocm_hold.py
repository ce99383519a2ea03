# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: how ROCm is kept at its release, in the package manager's own words: apt's preferences, dnf's version locks, zypper's locks.

A release of AMD's is in the version of each of its packages; a distribution's packages have releases of their own, so each stays in its
series. The driver has a version of its own, too.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._check._node import Node
from .._inventory._inventory import Inventory
from .._knowledge import rocm_delivery
from .._knowledge.rocm_delivery import Deliverer
from .._packages.types import Change
from . import _hold, _locks
from ._names import says_enough, spelt
from .rocm_order import RocmOrder
from .rocm_steps import RocmChosen
from .steps import Step

__all__ = ["after_packages", "before_packages", "hold_text", "locks_of", "packages_after", "versions"]

_HEAD = "# Written by gpufleet.node.rocm_stack (hold: true): changes here are undone by its next run.\n"
_ONCE = "# Written by gpufleet.node.rocm_stack for one transaction.\n"
_RECORD = "Explanation: {what}\nPackage: {names}\nPin: version {version}\nPin-Priority: {priority}\n"


def packages_after(inventory: Inventory, deliverer: Deliverer, changes: Iterable[Change]) -> dict[str, str]:
    """Versions of what a hold of this deliverer covers and what will be there."""
    row = rocm_delivery.delivery_of(deliverer.id)
    patterns = (*row.hold_rocm, *row.hold_driver)
    there = {name: str(entry["version"]) for name, entry in (inventory.packages.get("installed") or {}).items()
             if entry.get("origin") in (deliverer.maker, None) or deliverer.kind == "distribution"}
    for change in changes:
        if change.action == "remove":
            there.pop(change.name, None)
        elif change.after:
            there[change.name] = change.after
    return {name: version for name, version in there.items() if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)}


def versions(deliverer: Deliverer, there: Mapping[str, str]) -> dict[str, list[str]]:
    """Names by the pattern of versions that they are kept at."""
    found: dict[str, list[str]] = {}
    for name in sorted(there):
        found.setdefault(_kept_at(deliverer, name, there[name]), []).append(name)
    return found


def _kept_at(deliverer: Deliverer, name: str, version: str) -> str:
    """A release in the version of a package, whatever stands before it and however often it was built."""
    row = rocm_delivery.delivery_of(deliverer.id)
    epoch, colon, rest = version.rpartition(":")
    upstream = rest.rpartition("-")[0] or rest
    if _of_driver(row.hold_driver, name):
        return f"{epoch}{colon}{upstream}*"
    release = rocm_delivery.release_of_package(deliverer.id, version)
    if release is None:
        return f"{epoch}{colon}{upstream}*"
    if row.stream == "legacy":
        major, minor, patch = (int(part) for part in release.split("."))
        # apt takes a star off the end and compares beginnings, then what is left as a glob: with one star this would fit nothing.
        return f"*.{major}{minor:02d}{patch:02d}-**"
    return f"{epoch}{colon}{release if row.stream else '.'.join(release.split('.')[:2])}*"


def _of_driver(patterns: Iterable[str], name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def hold_text(
    inventory: Inventory, deliverer: Deliverer, changes: Iterable[Change], held: Iterable[str] = (), priority: int = _hold.PRIORITY
) -> str:
    """Our file for apt, whole. held: names of the same release besides, which nobody may take from elsewhere. With a priority above 1000,
    for one transaction, apt goes down to these versions as well."""
    there = packages_after(inventory, deliverer, changes)
    groups = versions(deliverer, there)
    row = rocm_delivery.delivery_of(deliverer.id)
    releases = [pattern for pattern, names in groups.items() if row.stream and not _of_driver(row.hold_driver, names[0])]
    for name in held if len(releases) == 1 else ():
        if name not in there:
            groups[releases[0]].append(name)
    groups = {pattern: sorted(names) for pattern, names in groups.items()}
    records = [_RECORD.format(what=f"{names[0]} and what belongs to it stay as they are", names=spelt(names), version=version,
                              priority=priority) for version, names in sorted(groups.items())]
    return (_HEAD if priority == _hold.PRIORITY else _ONCE) + "\n".join(records)


def locks_of(inventory: Inventory, order: RocmOrder, deliverer: Deliverer, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """[{kind, patterns}] of what a hold is: what the record of a node says of locks."""
    there = packages_after(inventory, deliverer, changes)
    if not order.hold or not there:
        return []
    if deliverer.hold == "preferences":
        return [{"kind": "apt_pin", "patterns": sorted(there)}]
    if deliverer.hold == "zypper_lock":
        return [{"kind": "zypper_lock", "patterns": sorted(there)}]
    node = Node(inventory)
    raw = [name if _locks.dnf5(node) else f"{name}-{version.rpartition('-')[0] or version}-*" for name, version in there.items()]
    return [{"kind": "dnf_versionlock", "patterns": sorted(raw)}]


def before_packages(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, changes: Sequence[Change], held: Iterable[str] = ()
) -> list[Step]:
    """The file of the hold, which the transaction has to see, and old locks that would be in its way."""
    node, path = Node(inventory), order.own.preferences
    files: Mapping[str, str] = inventory.packages.get("own_files") or {}
    if deliverer.hold != "preferences" or not order.hold:
        steps = [Step("file_absent", f"remove {path}", "hold is false" if not order.hold else "it is held in another way",
                      {"path": path})] if path in files else []
        stale = _ours(node, inventory) if changes or not order.hold else []
        return steps + _locks.unlock(node, stale, "it is in the way of the new release" if order.hold else "hold is false")
    text = hold_text(inventory, deliverer, changes, held)
    if files.get(path) == text or (path in files and not changes and says_enough(files[path], text, inventory.packages)):
        return []
    if path not in files and not changes and _is_held(inventory, deliverer):
        return []
    gone = path not in files and path in ((inventory.packages.get("record") or {}).get("files") or ())
    reason = "the lock that was set here is gone" if gone else "ROCm stays at its release, whoever upgrades"
    return [Step("file", f"write {path}", reason, {"path": path, "content": text, "mode": "0644"}, undo=f"rm {path}")]


def _is_held(inventory: Inventory, deliverer: Deliverer) -> bool:
    """Whether somebody else holds all of it already."""
    names = packages_after(inventory, deliverer, ())
    installed = inventory.packages.get("installed") or {}
    return bool(names) and all((installed.get(name) or {}).get("held") for name in names)


def after_packages(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, chosen: RocmChosen, changes: Sequence[Change]
) -> list[Step]:
    """Locks that can only be set once the packages are there."""
    node = Node(inventory)
    if not changes and _is_held(inventory, deliverer):
        return []
    lifted = _ours(node, inventory) if changes else []
    reason = f"ROCm stays at {chosen.version}, whoever upgrades"
    return _locks.lock_steps(node, locks_of(inventory, order, deliverer, changes), lifted, changes, reason)


def _ours(node: Node, inventory: Inventory) -> list[dict[str, Any]]:
    """The locks of the node that the record names."""
    record = inventory.packages.get("record") or {}
    return _locks.set_by(node, (str(one) for lock in record.get("locks") or () for one in lock.get("patterns", ())))
