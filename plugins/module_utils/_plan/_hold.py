# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what keeps others (apt upgrade, unattended-upgrades, dnf update, zypper up) from moving a driver, in the package manager's
own words; and what takes it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._check._node import Node
from .._inventory._own import PREFERENCES
from .._knowledge.delivery import Deliverer
from .order import Order
from .steps import Chosen, Step

PRIORITY = 995  # above 990 (the release that apt is told to prefer), below 1000: it never downgrades
_PREFERENCES = """\
# Written by gpufleet.node.nvidia_driver (hold: true): changes here are undone by its next run.
Explanation: the NVIDIA driver stays {what}
Package: {names}
Pin: version {version}
Pin-Priority: {priority}
"""


def held_version(order: Order, chosen: Chosen) -> tuple[str, str]:
    """(version pattern, in words) of a hold: the branch; the exact version where the wish names one.

    Prebuilt modules are held by branch whatever the wish is: those of a newer kernel want a newer user space, and without them
    the next boot would have no driver.
    """
    revision = chosen.revision or ""
    epoch = revision.partition(":")[0] + ":" if ":" in revision else ""
    exact = not order.wish.without and order.wish.high == (*order.wish.low, 0)
    if not exact or chosen.build == "prebuilt":
        return f"{epoch}{chosen.branch}.*", f"on branch {chosen.branch}"
    if order.wish.revision and revision:
        return revision, f"at {revision}"
    return f"{epoch}{chosen.version}{'-*' if '-' in revision else ''}", f"at {chosen.version}"


def preferences_text(order: Order, chosen: Chosen, deliverer: Deliverer) -> str:
    """Our file for apt, whole."""
    version, what = held_version(order, chosen)
    return _PREFERENCES.format(what=what, names=" ".join(deliverer.hold_patterns), version=version, priority=PRIORITY)


def before_packages(node: Node, order: Order, chosen: Chosen, deliverer: Deliverer, changes: Sequence[Any]) -> list[Step]:
    """Holds that the transaction has to see, and old locks that would be in its way."""
    if deliverer.hold == "preferences":
        return _preferences(node, order, chosen, deliverer, changes)
    steps = list(_stream(node, chosen, deliverer)) if deliverer.hold == "stream" else []
    if deliverer.hold in ("versionlock", "zypper_lock", "stream") and (changes or not order.hold):
        steps += unlock(
            node, _stale(node, order, chosen, deliverer), "it is in the way of the new version" if order.hold else "hold is false"
        )
    return steps


def after_packages(node: Node, order: Order, chosen: Chosen, deliverer: Deliverer, changes: Sequence[Any]) -> list[Step]:
    """Locks that can only be set once the packages are there."""
    kinds = {"versionlock": "dnf_versionlock", "zypper_lock": "zypper_lock"}
    kind = kinds.get(deliverer.hold)
    if not order.hold or kind is None or (not changes and node.get("nvidia.driver.held")):
        return []
    wanted = lock_patterns(order, chosen, deliverer)
    there = {str(lock.get("pattern")) for lock in node.items("packages.locks")}
    missing = [pattern for pattern in wanted if pattern not in there]
    if not missing:
        return []
    verb = ["dnf", "versionlock", "add", "--raw"] if kind == "dnf_versionlock" else ["zypper", "--non-interactive", "addlock"]
    return [
        Step(
            "command",
            f"lock {_count(missing)}",
            _reason(node, held_version(order, chosen)[1]),
            {"argv": [*verb, *missing]},
            undo=" ".join([*verb[: -2 if kind == "dnf_versionlock" else -1], _UNDO[kind], *missing]),
        )
    ]


_UNDO = {"dnf_versionlock": "delete", "zypper_lock": "removelock"}


def lock_patterns(order: Order, chosen: Chosen, deliverer: Deliverer) -> list[str]:
    """What a version lock names: NAME-EPOCH:VERSION for dnf, names alone for zypper."""
    if deliverer.hold == "zypper_lock":
        return list(deliverer.hold_patterns)
    version = held_version(order, chosen)[0]
    version = version if ":" in version else f"*:{version}"
    return [f"{pattern}-{version}" if version.endswith("*") else f"{pattern}-{version}.*" for pattern in deliverer.hold_patterns]


def unlock(node: Node, locks: Sequence[dict[str, Any]], reason: str) -> list[Step]:
    """Take locks back, each kind by its own program."""
    steps = []
    for kind, verb in (
        ("dnf_versionlock", ["dnf", "versionlock", "delete", "--raw"]),
        ("zypper_lock", ["zypper", "--non-interactive", "removelock"]),
    ):
        patterns = [str(lock["pattern"]) for lock in locks if lock.get("kind") == kind]
        if patterns:
            steps.append(Step("command", f"unlock {_count(patterns)}", reason, {"argv": [*verb, *patterns]}))
    return steps


def _preferences(node: Node, order: Order, chosen: Chosen, deliverer: Deliverer, changes: Sequence[Any]) -> list[Step]:
    there = (node.get("packages.own_files") or {}).get(PREFERENCES)
    if not order.hold:
        return [Step("file_absent", f"remove {PREFERENCES}", "hold is false", {"path": PREFERENCES})] if there is not None else []
    text = preferences_text(order, chosen, deliverer)
    if there == text or (there is None and not changes and node.get("nvidia.driver.held")):
        return []
    return [
        Step(
            "file",
            f"write {PREFERENCES}",
            _reason(node, held_version(order, chosen)[1]),
            {"path": PREFERENCES, "content": text, "mode": "0644"},
            undo=f"rm {PREFERENCES}",
        )
    ]


def _reason(node: Node, what: str) -> str:
    """Why a lock is set; where the record knows of one that is gone, somebody removed it."""
    record = node.get("packages.record") or {}
    gone = record.get("locks") and not node.get("nvidia.driver.held")
    return f"the lock that was set here is gone: the driver stays {what}" if gone else f"the driver stays {what}, whoever upgrades"


def _stream(node: Node, chosen: Chosen, deliverer: Deliverer) -> list[Step]:
    """Enable the module stream of the branch instead of another one."""
    name, stream = "nvidia-driver", _stream_of(chosen, deliverer)
    there = (node.get("packages.streams") or {}).get(name)
    if stream is None or there == stream:
        return []
    steps = []
    if there:
        steps.append(
            Step(
                "command",
                f"reset the module stream {name}:{there}",
                "dnf keeps to one stream of a module",
                {"argv": ["dnf", "-y", "module", "reset", name]},
                undo=f"dnf -y module enable {name}:{there}",
            )
        )
    steps.append(
        Step(
            "command",
            f"enable the module stream {name}:{stream}",
            f"it keeps the driver on branch {chosen.branch}",
            {"argv": ["dnf", "-y", "module", "enable", f"{name}:{stream}"]},
            undo=f"dnf -y module reset {name}",
        )
    )
    return steps


def _stream_of(chosen: Chosen, deliverer: Deliverer) -> str | None:
    from .._knowledge.delivery import package_sets

    for row in package_sets(deliverer.id):
        fits = (row.first is None or chosen.branch >= row.first) and (row.last is None or chosen.branch <= row.last)
        if fits and row.stream and row.flavour == chosen.flavour and row.build == (chosen.build or row.build):
            return row.stream.format(branch=chosen.branch)
    return None


def _stale(node: Node, order: Order, chosen: Chosen, deliverer: Deliverer) -> list[dict[str, Any]]:
    """Our own locks that do not say what is wanted now: those that the record names."""
    ours = {str(pattern) for lock in (node.get("packages.record") or {}).get("locks") or () for pattern in lock.get("patterns", ())}
    wanted = set(lock_patterns(order, chosen, deliverer)) if order.hold else set()
    return [lock for lock in node.items("packages.locks") if str(lock.get("pattern")) in ours - wanted]


def _count(patterns: Sequence[str]) -> str:
    return patterns[0] if len(patterns) == 1 else f"{patterns[0]} and {len(patterns) - 1} more"
