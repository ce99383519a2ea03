# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the record of what this collection did on a node, as it will be after a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .._inventory._inventory import Inventory
from .._inventory._own import Own
from .._packages.types import Change, Repository
from ._way_back import KEY, as_text, closed, journal
from .steps import Step

__all__ = ["closing_step", "record_step"]


def record_step(
    own: Own, inventory: Inventory, steps: Sequence[Step], changes: Sequence[Change],
    repositories: Sequence[Repository], locks: Sequence[Mapping[str, Any]],
) -> list[Step]:
    """The step that writes the record, before the first change; none where it says all of this already. locks: those of the hold.

    Packages count where this collection installs them; those that were there before belong to somebody else, and stay that way
    when they are upgraded. asked are those of them that a step names: package managers mark them as wanted by somebody. The way back is
    written along with the rest; it alone is no reason to write.
    """
    before = {key: value for key, value in (inventory.packages.get("record") or {}).items() if key != KEY}
    removed = {step.values["path"] for step in steps if step.kind == "file_absent"}
    ours = {entry["path"]: dict(entry) for entry in before.get("repositories") or () if entry.get("path")}
    ours.update({one.path: {"id": one.id, "path": one.path, "key_path": one.key_path} for one in repositories})
    theirs = {*_paths(repositories), *ours}
    written = [step.values["path"] for step in steps if step.kind == "file" and step.values["path"] not in theirs]
    packages = _packages(before.get("packages") or {}, changes, inventory.packages.get("installed") or {})
    after = {
        "schema_version": 1,
        "packages": packages,
        "asked": sorted(({*(before.get("asked") or ())} | _named(steps)) & set(packages)),
        "files": sorted({*(before.get("files") or ()), *written} - removed),
        "repositories": [ours[path] for path in sorted(ours)],
        "locks": list(locks) if any(_locks(own, step) for step in steps) else list(before.get("locks") or ()),
    }
    if after == {"packages": {}, "asked": [], "files": [], "repositories": [], "locks": [], **before}:
        return []
    way_back = journal(inventory, steps, changes)
    content = as_text({**after, KEY: way_back} if way_back else after)
    return [_written(own, content, "state: absent takes back what stands there and nothing else")]


def closing_step(own: Own, inventory: Inventory) -> list[Step]:
    """For a node where nothing else is left to do: the end of a change whose run was cut off after its last step."""
    content = closed(own, inventory, ())
    return [_written(own, content, "a run that was cut off had done all of it")] if content is not None else []


def _written(own: Own, content: str, reason: str) -> Step:
    return Step("file", f"write {own.record}", reason, {"path": own.record, "content": content, "mode": "0600"})


def _paths(repositories: Iterable[Repository]) -> set[str]:
    return {path for one in repositories for path in (one.path, one.key_path)}


def _named(steps: Iterable[Step]) -> set[str]:
    return {one["name"] for step in steps if step.kind == "packages" for one in step.values["install"]}


def _packages(before: Mapping[str, str], changes: Sequence[Change], installed: Collection[str]) -> dict[str, str]:
    """Versions by name, with blanks between where rpm keeps several of one (a kernel's)."""
    after = {name: version.split() for name, version in before.items()}
    new: set[str] = set()
    for change in changes:
        there = after.get(change.name, [])
        if change.action == "install" and change.after:
            kept = there if change.name in installed or change.name in new else []  # else somebody has removed it since
            after[change.name] = [*(version for version in kept if version != change.after), change.after]
            new.add(change.name)
        elif change.after and there:
            after[change.name] = [change.after]
        elif change.action == "remove" and len(there) > 1 and change.before in there:
            there.remove(change.before)
        elif change.action == "remove":
            after.pop(change.name, None)
    return {name: " ".join(versions) for name, versions in after.items()}


def _locks(own: Own, step: Step) -> bool:
    """Whether a step sets or takes back what holds the driver; a hold of somebody else stays theirs."""
    argv = step.values.get("argv") or ()
    return step.values.get("path") == own.preferences or bool({"versionlock", "addlock", "removelock", "module"} & set(argv))
