# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what keeps others (apt upgrade, unattended-upgrades, dnf update, zypper up) from moving a driver, in the package manager's
own words; and what takes it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._check._node import Node
from .._knowledge.delivery import Deliverer, package_sets
from .._knowledge.delivery import deliverer as deliverer_of
from ._locks import dnf5, lacks_plugin, lock_steps, set_by, unlock
from ._names import says_enough, spelt
from .order import Order
from .steps import Chosen, Step

MODULE = "nvidia-driver"  # of dnf
PRIORITY = 995  # above 990 (the release that apt is told to prefer), below 1000: it never downgrades
_PREFERENCES = """\
# Written by gpufleet.node.nvidia_driver (hold: true): changes here are undone by its next run.
Explanation: the NVIDIA driver stays {what}
Package: {names}
Pin: version {version}
Pin-Priority: {priority}
"""
_REST = """
Explanation: what has versions of its own, such as nvidia-persistenced, stays on the branch
Package: {names}
Pin: version {version}
Pin-Priority: {priority}
"""

_BAR = """
Explanation: names of this branch that lead to another one do not get it
Package: {names}
Pin: version *
Pin-Priority: -1
"""


def held_version(order: Order, chosen: Chosen) -> tuple[str, str]:
    """(version pattern, in words) of a hold: the branch; the exact version where the wish names one.

    Prebuilt modules are held by branch whatever the wish is: those of a newer kernel want a newer user space, and without them
    the next boot would have no driver.
    """
    revision, epoch = chosen.revision or "", _epoch(chosen)
    exact = not order.wish.without and order.wish.high == (*order.wish.low, 0)
    if not exact or chosen.build == "prebuilt":
        return f"{epoch}{chosen.branch}.*", f"on branch {chosen.branch}"
    if order.wish.revision and revision:
        return revision, f"at {revision}"
    return f"{epoch}{chosen.version}{'-*' if '-' in revision else ''}", f"at {chosen.version}"


def _epoch(chosen: Chosen) -> str:
    before, sign, _rest = (chosen.revision or "").partition(":")
    return before + sign if sign else ""


def preferences_text(order: Order, chosen: Chosen, deliverer: Deliverer) -> str:
    """Our file for apt, whole."""
    version, what = held_version(order, chosen)
    names, branch = spelt(deliverer.hold_patterns), f"{_epoch(chosen)}{chosen.branch}.*"
    text = _PREFERENCES.format(what=what, names=names, version=version, priority=PRIORITY)
    text += "" if version == branch else _REST.format(names=names, version=branch, priority=PRIORITY - 1)
    return text + (_BAR.format(names=_every_name(deliverer)) if chosen.build == "dkms" and _names_lead_on(deliverer) else "")


def _every_name(deliverer: Deliverer) -> str:
    """Patterns, though they cost: the names of a branch that is to come are nobody's to know."""
    own = deliverer_of(deliverer.id)
    return " ".join((own or deliverer).hold_patterns)


def _names_lead_on(deliverer: Deliverer) -> bool:
    """Whether all driver packages carry the branch in their names. The names of a branch may lead to the next one some day, under a
    version of their own branch, and no pin of a version keeps that out: the other branches have to be barred.

    Prebuilt modules are not: where theirs lead on, the next kernel has none of the older branch, and it shall boot with a driver.
    """
    return all("{branch}" in row.core for row in package_sets(deliverer.id))


def before_packages(node: Node, order: Order, chosen: Chosen, deliverer: Deliverer, changes: Sequence[Any]) -> list[Step]:
    """Holds that the transaction has to see, and old locks that would be in its way."""
    if deliverer.hold == "preferences":
        return _preferences(node, order, chosen, deliverer, changes)
    steps = _no_preferences(node, order, "another origin's driver is held in another way")
    steps += _stream(node, chosen, deliverer) if deliverer.hold == "stream" else []
    if changes or not order.hold:
        why = "it is in the way of the new version" if order.hold else "hold is false"
        steps += unlock(node, _stale(node, order, chosen, deliverer), why)
    return steps


def after_packages(node: Node, order: Order, chosen: Chosen, deliverer: Deliverer, changes: Sequence[Any]) -> list[Step]:
    """Locks that can only be set once the packages are there."""
    if not changes and node.get("nvidia.driver.held"):
        return []
    lifted = _stale(node, order, chosen, deliverer) if changes else []
    reason = _reason(node, held_version(order, chosen)[1])
    return lock_steps(node, locks_of(order, chosen, deliverer, node), lifted, changes, reason)


def tools_of(node: Node, order: Order, chosen: Chosen, deliverer: Deliverer) -> tuple[str, ...]:
    """The packages that a hold of this driver needs on this node and that are not there: dnf 4 sets version locks by a plugin."""
    locks = {lock["kind"] for lock in locks_of(order, chosen, deliverer, node)}
    return deliverer.tools.get("hold", ()) if "dnf_versionlock" in locks and lacks_plugin(node) else ()


def locks_of(order: Order, chosen: Chosen, deliverer: Deliverer, node: Node | None = None) -> list[dict[str, Any]]:
    """[{kind, patterns}] of what a hold of this driver is: what the record of a node says of locks. node tells dnf 4 from dnf 5."""
    version = held_version(order, chosen)[0]
    exact = not version.endswith(f"{chosen.branch}.*")
    raw = [pattern if node and dnf5(node) else f"{pattern}-{version}" for pattern in deliverer.hold_patterns]
    if deliverer.hold == "stream":
        stream = _stream_of(chosen, deliverer)
        found = [{"kind": "stream", "patterns": [f"{MODULE}:{stream}"]}] if stream else []
        return [*found, {"kind": "dnf_versionlock", "patterns": raw}] if exact and order.hold else found
    if not order.hold:
        return []
    return {
        "preferences": [{"kind": "apt_pin", "patterns": list(deliverer.hold_patterns)}],
        "versionlock": [{"kind": "dnf_versionlock", "patterns": raw}],
        "zypper_lock": [{"kind": "zypper_lock", "patterns": list(deliverer.hold_patterns)}],
    }.get(deliverer.hold, [])


def _preferences(node: Node, order: Order, chosen: Chosen, deliverer: Deliverer, changes: Sequence[Any]) -> list[Step]:
    if not order.hold:
        return _no_preferences(node, order, "hold is false")
    path = order.own.preferences
    there = (node.get("packages.own_files") or {}).get(path)
    text = preferences_text(order, chosen, deliverer)
    if there is None and not changes and node.get("nvidia.driver.held"):
        return []
    # A transaction was resolved with this very text; without one it is only missed where it holds less.
    if there == text or (there is not None and not changes and says_enough(there, text, node.get("packages") or {})):
        return []
    return [
        Step(
            "file",
            f"write {path}",
            _reason(node, held_version(order, chosen)[1]),
            {"path": path, "content": text, "mode": "0644"},
            undo=f"rm {path}",
        )
    ]


def _no_preferences(node: Node, order: Order, reason: str) -> list[Step]:
    path = order.own.preferences
    if path not in (node.get("packages.own_files") or {}):
        return []
    return [Step("file_absent", f"remove {path}", reason, {"path": path})]


def _reason(node: Node, what: str) -> str:
    """Why a lock is set; where the record knows of one that is gone, somebody removed it."""
    record = node.get("packages.record") or {}
    gone = record.get("locks") and not node.get("nvidia.driver.held")
    return f"the lock that was set here is gone: the driver stays {what}" if gone else f"the driver stays {what}, whoever upgrades"


def _stream(node: Node, chosen: Chosen, deliverer: Deliverer) -> list[Step]:
    """Enable the module stream of the branch instead of another one."""
    name, stream = MODULE, _stream_of(chosen, deliverer)
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
    for row in package_sets(deliverer.id):
        fits = (row.first is None or chosen.branch >= row.first) and (row.last is None or chosen.branch <= row.last)
        if fits and row.stream and row.flavour == chosen.flavour and row.build == (chosen.build or row.build):
            return row.stream.format(branch=chosen.branch)
    return None


def _stale(node: Node, order: Order, chosen: Chosen, deliverer: Deliverer) -> list[dict[str, Any]]:
    """Our own locks (those that the record names) that would be in the way: of another version, or of no version at all, as those of
    zypper and dnf 5 are, which keep a package as it is."""
    whole = deliverer.hold == "zypper_lock" or dnf5(node)
    ours = {str(pattern) for lock in (node.get("packages.record") or {}).get("locks") or () for pattern in lock.get("patterns", ())}
    wanted = {pattern for lock in locks_of(order, chosen, deliverer, node) for pattern in lock["patterns"]}
    named = ours if whole else ours - wanted
    return set_by(node, named)
