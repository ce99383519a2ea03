# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the record of what this collection did on a node, as it will be after a plan."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._inventory._inventory import Inventory
from .._inventory._own import RECORD
from .._packages.types import Change, Repository
from .steps import Step

__all__ = ["record_step"]

_LOCKS = {("dnf", "versionlock", "add"): "dnf_versionlock", ("zypper", "--non-interactive", "addlock"): "zypper_lock"}


def record_step(
    inventory: Inventory, steps: Sequence[Step], changes: Sequence[Change], repositories: Sequence[Repository]
) -> list[Step]:
    """The step that writes the record, before the first change; none where it says all of this already.

    Packages count where this collection installs them; those that were there before belong to somebody else, and stay that way
    when they are upgraded.
    """
    before: Mapping[str, Any] = inventory.packages.get("record") or {}
    written = [step.values["path"] for step in steps if step.kind == "file" and step.values["path"] not in _paths(repositories)]
    removed = {step.values["path"] for step in steps if step.kind == "file_absent"}
    ours = {entry["path"]: dict(entry) for entry in before.get("repositories") or () if entry.get("path")}
    ours.update({one.path: {"id": one.id, "path": one.path, "key_path": one.key_path} for one in repositories})
    after = {
        "schema_version": 1,
        "packages": _packages(before.get("packages") or {}, changes),
        "files": sorted({*(before.get("files") or ()), *written} - removed),
        "repositories": [ours[path] for path in sorted(ours)],
        "locks": _locks(before.get("locks") or (), steps),
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


def _locks(before: Iterable[Mapping[str, Any]], steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Locks by kind: those that the steps set come to those that were there, those that they take back go."""
    found: dict[str, list[str]] = {str(lock.get("kind")): [str(pattern) for pattern in lock.get("patterns", ())] for lock in before}
    for step in steps:
        argv = [word for word in step.values.get("argv", ()) if word != "--raw"]
        kind = _LOCKS.get(tuple(argv[:3]))
        if kind:
            found[kind] = sorted({*found.get(kind, ()), *argv[3:]})
        elif argv[:4] == ["dnf", "-y", "module", "enable"]:
            found["stream"] = argv[4:]
        elif "delete" in argv[:3] or "removelock" in argv[:3]:
            found = {one: [pattern for pattern in patterns if pattern not in argv[3:]] for one, patterns in found.items()}
    return [{"kind": kind, "patterns": patterns} for kind, patterns in sorted(found.items()) if patterns]
