# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the record of what this collection did on a node, as it will be after a plan."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._inventory._inventory import Inventory
from .._inventory._own import PREFERENCES, RECORD
from .._packages.types import Change, Repository
from .steps import Step

__all__ = ["record_step"]

def record_step(
    inventory: Inventory, steps: Sequence[Step], changes: Sequence[Change], repositories: Sequence[Repository],
    locks: Sequence[Mapping[str, Any]],
) -> list[Step]:
    """The step that writes the record, before the first change; none where it says all of this already. locks: those of the hold.

    Packages count where this collection installs them; those that were there before belong to somebody else, and stay that way
    when they are upgraded.
    """
    before: Mapping[str, Any] = inventory.packages.get("record") or {}
    removed = {step.values["path"] for step in steps if step.kind == "file_absent"}
    ours = {entry["path"]: dict(entry) for entry in before.get("repositories") or () if entry.get("path")}
    ours.update({one.path: {"id": one.id, "path": one.path, "key_path": one.key_path} for one in repositories})
    theirs = {*_paths(repositories), *ours}
    written = [step.values["path"] for step in steps if step.kind == "file" and step.values["path"] not in theirs]
    after = {
        "schema_version": 1,
        "packages": _packages(before.get("packages") or {}, changes),
        "files": sorted({*(before.get("files") or ()), *written} - removed),
        "repositories": [ours[path] for path in sorted(ours)],
        "locks": list(locks) if any(map(_locks, steps)) else list(before.get("locks") or ()),
    }
    if after == {"packages": {}, "files": [], "repositories": [], "locks": [], **before}:
        return []
    content = json.dumps(after, indent=1, sort_keys=True) + "\n"
    reason = "state: absent takes back what stands there and nothing else"
    return [Step("file", f"write {RECORD}", reason, {"path": RECORD, "content": content, "mode": "0600"})]


def _paths(repositories: Iterable[Repository]) -> set[str]:
    return {path for one in repositories for path in (one.path, one.key_path)}


def _packages(before: Mapping[str, str], changes: Sequence[Change]) -> dict[str, str]:
    after = dict(before)
    for change in changes:
        if change.action == "remove":
            after.pop(change.name, None)
        elif change.after and (change.action == "install" or change.name in after):
            after[change.name] = change.after
    return after


def _locks(step: Step) -> bool:
    """Whether a step sets or takes back what holds the driver; a hold of somebody else stays theirs."""
    argv = step.values.get("argv") or ()
    return step.values.get("path") == PREFERENCES or bool({"versionlock", "addlock", "removelock", "module"} & set(argv))
