# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: how a person takes back a change that has not come to its end, also where several runs have worked at it.

A run does not do again what an earlier one did, so its own steps are only half of the way. The record of the node therefore has the
way back of the whole change, from before its first step until a run has done the last one.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._inventory._inventory import Inventory
from .._inventory._own import Own
from .._packages.types import Change
from ._templates import bare
from .steps import Step

__all__ = ["KEY", "as_text", "closed", "journal", "merged", "restoring", "told"]

KEY = "way_back"  # of the record: [{undo, …}], what was done last first; the other key tells how it is seen that it was done


def restoring(own: Own, inventory: Inventory, steps: Iterable[Step]) -> list[Step]:
    """The steps; what overwrites or removes a file of ours is undone by writing it as it is now."""
    files: Mapping[str, str] = inventory.packages.get("own_files") or {}
    return [_restored(own, step, files) if step.kind in ("file", "file_absent", "key") else step for step in steps]


def _restored(own: Own, step: Step, files: Mapping[str, str]) -> Step:
    path = step.values["path"]
    if path not in files or path == own.record:
        return step
    lines = shlex.join(files[path].splitlines())
    return step._replace(undo=f"printf '%s\\n' {lines} >{shlex.quote(path)}")


def journal(inventory: Inventory, steps: Iterable[Step], changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The way back of a plan, and after it that of the runs before which did not come to their end.

    Services are left out: they go with their packages. So is what only moves modules: the next boot does that too.
    """
    new = [entry for entry in (_entry(step, changes) for step in steps) if entry]
    before = (inventory.packages.get("record") or {}).get(KEY) or []
    found = {entry["undo"]: entry for entry in [*before, *new]}
    return [found[line] for line in merged([*(entry["undo"] for entry in reversed(new)), *(entry["undo"] for entry in before)])]


def _entry(step: Step, changes: Sequence[Change]) -> dict[str, Any] | None:
    if not step.undo:
        return None
    if step.kind in ("file", "file_absent", "key"):
        path = step.values["path"]
        return {"undo": step.undo, "path": path} if step.undo == f"rm {path}" else {"undo": step.undo}
    if step.kind == "packages_absent":
        return {"undo": step.undo, "gone": list(step.values["names"])}
    if step.kind == "packages":
        return {"undo": step.undo, "packages": {one.name: one.after for one in changes if one.after and one.action != "reinstall"}}
    argv = step.values.get("argv") or []
    if "enable" in argv and "module" in argv:
        return {"undo": step.undo, "stream": argv[-1]}
    if {"versionlock", "addlock"} & set(argv):
        return {"undo": step.undo, "locks": sorted({*argv} & {*shlex.split(step.undo)})}
    return None


def told(inventory: Inventory) -> list[str]:
    """The way back that the record has, without what was not done or is taken back already."""
    record = inventory.packages.get("record") or {}
    return [str(entry["undo"]) for entry in record.get(KEY) or () if _is_done(inventory, entry)]


def _is_done(inventory: Inventory, entry: Mapping[str, Any]) -> bool:
    packages = inventory.packages
    if "path" in entry:
        return entry["path"] in (packages.get("own_files") or {})
    if "packages" in entry:
        there = packages.get("installed") or {}
        now = {name: bare(str(one.get("version"))) for name, one in there.items()}
        return any(now.get(name) == bare(str(version)) for name, version in entry["packages"].items())
    if "gone" in entry:
        return any(name not in (packages.get("installed") or {}) for name in entry["gone"])
    if "stream" in entry:
        name, _colon, stream = str(entry["stream"]).partition(":")
        return (packages.get("streams") or {}).get(name) == stream
    if "locks" in entry:
        return any(lock.get("pattern") in entry["locks"] for lock in packages.get("locks") or ())
    return True


def merged(lines: Iterable[str]) -> list[str]:
    """Command lines in their order, each once, without those that another one does too (`apt-get remove a` beside
    `apt-get remove a b`)."""
    once = list(dict.fromkeys(lines))
    words = [set(line.split()) for line in once]
    return [line for line, own in zip(once, words) if not any(own < other for other in words)]


def closed(own: Own, inventory: Inventory, steps: Iterable[Step]) -> str | None:
    """The content of the record after a plan whose steps all went through: without the way back. None where nothing is to be closed."""
    record: Mapping[str, Any] = inventory.packages.get("record") or {}
    for step in steps:
        if step.values.get("path") == own.record:
            if step.kind == "file_absent":
                return None
            record = json.loads(step.values["content"])
    return as_text({key: value for key, value in record.items() if key != KEY}) if record.get(KEY) else None


def as_text(record: Mapping[str, Any]) -> str:
    """A record as its file."""
    return json.dumps(record, indent=1, sort_keys=True) + "\n"
