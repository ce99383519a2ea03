# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: locks of packages that a program sets and takes back: dnf's versionlock and zypper's."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from .._check._node import Node
from .._inventory._package_locks import VERSIONLOCK
from ._node_state import has_program
from .steps import Step

__all__ = ["dnf5", "lacks_plugin", "lock_steps", "set_by", "unlock"]

# kind of lock -> the words to add and to remove one
_VERBS = {"dnf_versionlock": ("add", "delete"), "zypper_lock": ("addlock", "removelock")}


def _argv(node: Node, kind: str, verb: str) -> list[str]:
    if kind == "zypper_lock":
        return ["zypper", "--non-interactive", verb]
    return ["dnf", "versionlock", verb] if dnf5(node) else ["dnf", "versionlock", verb, "--raw"]


def dnf5(node: Node) -> bool:
    """dnf 5 has no patterns of versions: it locks the versions that the packages of a name have now."""
    return has_program(node, "dnf5")


def lock_steps(
    node: Node, locks: Iterable[dict[str, Any]], lifted: Iterable[dict[str, Any]], changes: Sequence[Any], reason: str
) -> list[Step]:
    """Set these locks ([{kind, patterns}]), each kind by its own program, where they are not there; lifted: those that an earlier step
    takes back."""
    gone = {lock["pattern"] for lock in lifted}
    there = {_entry(node, str(lock.get("pattern"))) for lock in node.items("packages.locks") if lock.get("pattern") not in gone}
    steps = []
    for lock in locks:
        missing = [one for one in _to_lock(node, lock, changes) if one not in there]
        if missing and lock["kind"] in _VERBS:
            add, delete = (_argv(node, lock["kind"], verb) for verb in _VERBS[lock["kind"]])
            argv = [*add, *missing]
            steps.append(
                Step("command", f"lock {_count(missing)}", reason, {"argv": argv}, undo=shlex.join([*delete, *missing]))
            )
    return steps


def _to_lock(node: Node, lock: dict[str, Any], changes: Sequence[Any]) -> list[str]:
    """What to name to the program that locks. dnf 5 takes a pattern for names that have it now, would lock every version that is
    offered of what is not installed, and takes no pattern back: so it gets the names that will be there."""
    patterns: list[str] = lock["patterns"]
    if lock["kind"] != "dnf_versionlock" or not dnf5(node):
        return patterns
    gone = {change.name for change in changes if change.action == "remove"}
    names = {*(node.get("packages.installed") or {}), *(change.name for change in changes)} - gone
    return sorted(name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))


def _entry(node: Node, pattern: str) -> str:
    """What an entry of a list of locks is named by: dnf 5 has "name evr = version" in it."""
    return pattern.partition(" ")[0] if dnf5(node) else pattern


def set_by(node: Node, patterns: Iterable[str]) -> list[dict[str, Any]]:
    """The locks of the node that these patterns, of the record, have set."""
    ours = set(patterns)
    if not dnf5(node):
        return [lock for lock in node.items("packages.locks") if str(lock.get("pattern")) in ours]
    names = [re.split(r"-(?=[0-9]+[:.])", pattern, maxsplit=1)[0] for pattern in ours]
    return [lock for lock in node.items("packages.locks") if lock.get("kind") == "dnf_versionlock"
            and any(fnmatch.fnmatchcase(_entry(node, str(lock["pattern"])), name) for name in names)]


def unlock(node: Node, locks: Sequence[dict[str, Any]], reason: str) -> list[Step]:
    """Take locks back, each kind by its own program."""
    steps = []
    for kind, (_add, delete) in _VERBS.items():
        patterns = list(dict.fromkeys(_entry(node, str(lock["pattern"])) for lock in locks if lock.get("kind") == kind))
        if patterns:
            argv = [*_argv(node, kind, delete), *patterns]
            steps.append(Step("command", f"unlock {_count(patterns)}", reason, {"argv": argv}))
    return steps


def lacks_plugin(node: Node) -> bool:
    """Whether this dnf sets version locks by a plugin that is not there."""
    return not dnf5(node) and not has_program(node, VERSIONLOCK)


def _count(patterns: Sequence[str]) -> str:
    return patterns[0] if len(patterns) == 1 else f"{patterns[0]} and {len(patterns) - 1} more"
