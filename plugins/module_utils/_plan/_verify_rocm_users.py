# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the links of a verification of ROCm that are seen with the eyes of users: device files, rocminfo, clinfo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from .._check._amd import boards
from .._check._node import Node, Section, address, at, join, name
from ._verify_disk import State
from ._verify_rocm_disk import RocmOrder

_PLATFORM = "AMD Accelerated Parallel Processing"  # of AMD's OpenCL; Mesa's and others list the same cards under other names


def waits_for(node: Node) -> str | None:
    """Why links of the running driver cannot hold yet; None where it is loaded, or the host of a WSL or container has it."""
    return "amdgpu is not loaded" if node.get("amd.driver.loaded") is False and not node.wsl else None


def parts_of(device: Section) -> int:
    """The compute partitions of a board: so many agents and OpenCL devices it is."""
    return int(at(device, "partitioning.partitions") or 1)


def _views(node: Node, order: RocmOrder) -> Iterator[tuple[str, Section | None]]:
    """Each user with what was seen through their eyes; without named users the caller."""
    seen: dict[str, Any] = node.get("amd.seen_by") or {}
    for user in order.users or tuple(seen) or ("root",):
        yield user, seen.get(user)


def _is_nobody(node: Node, user: str) -> bool:
    """Whether the account database was asked for a user and has none of that name."""
    accounts = node.get("amd.access.users")
    return isinstance(accounts, dict) and not (accounts.get(user) or {}).get("exists")


def _unseen(node: Node, user: str) -> str:
    return f"there is no user {user}" if _is_nobody(node, user) else "only root can look as somebody else"


def access(node: Node, order: RocmOrder) -> State:
    """Each named user may open the compute device and the render nodes that belong to it."""
    if not order.users:
        return "not_applicable", "no users are named"
    waits = waits_for(node)
    if waits:
        return "after_reboot", waits
    there = {str(one.get("path")): one for one in node.items("amd.access.nodes")}
    wanted = ["/dev/kfd", *(f"/dev/dri/renderD{minor}" for minor in node.get("amd.render_minors") or ())]
    if node.wsl:
        wanted = []
    again = []
    for user, view in _views(node, order):
        if _is_nobody(node, user):
            return "broken", f"there is no user {user}"
        if view is None:
            return "unknown", f"what {user} may open cannot be seen: {_unseen(node, user)}"
        for path in wanted:
            if path not in view.get("opens", ()):
                return "broken", _refused(path, there.get(path), user, view)
        if _stale(at(node.get("amd.access.users"), user) or {}, there):
            again.append(user)
    note = f"; {join(again)} must log in again, running sessions do not have the groups yet" if again else ""
    return "ok", f"{join(order.users)} may use /dev/kfd{note}"


def _refused(path: str, device: Section | None, user: str, view: Section) -> str:
    if device is None:
        return f"{path} is not there"
    groups = join(view.get("groups") or ()) or "no group"
    return f"{user} may not open {path} ({device.get('mode')}, group {device.get('group')}), being in {groups}"


def _stale(account: Section, there: dict[str, Section]) -> bool:
    """Whether processes of the user that run now lack a group that the account has and the devices ask for."""
    session = account.get("session_groups")
    asked = {str(device.get("group")) for device in there.values()}
    return isinstance(session, list) and bool(asked & set(account.get("groups") or ()) - set(session))


def _targets(device: Section) -> set[str]:
    """The target of a card, and the one that it answers with under its override."""
    told = {str(device.get("gfx_target"))}
    parts = str(at(device, "rocm_support.override") or "").split(".")
    if len(parts) == 3 and all(part.isdecimal() for part in parts):
        told.add(f"gfx{parts[0]}{parts[1]}{int(parts[2]):x}")
    return told


def _missing(node: Node, listed: Iterable[Section]) -> Iterator[tuple[Section, int]]:
    """Boards that a list of agents or devices does not show, or not in all their parts, with how many parts it shows. By address where
    each has one, else by target."""
    items = list(listed)
    left = Counter(str(item.get("target")) for item in items)
    placed = all(item.get("address") for item in items)
    for device in boards(node):
        targets, parts = _targets(device), parts_of(device)
        if placed:
            shown = sum(item.get("address") == address(device) and item.get("target") in targets for item in items)
        else:
            target = next((one for one in sorted(targets) if left[one] > 0), "")
            shown = min(left[target], parts)
            left[target] -= shown
        if shown < parts:
            yield device, shown


def _lacks(node: Node, listed: Iterable[Section], program: str, user: str) -> str | None:
    for device, shown in _missing(node, listed):
        parts = parts_of(device)
        count = f" {shown} of the {parts} parts of" if parts > 1 and shown else ""
        return f"{program} as {user} lists{count or ' no'} {device.get('gfx_target')} for {name(device)} at {address(device)}"
    return None


def rocminfo(node: Node, order: RocmOrder) -> State:
    """Each user's rocminfo lists every board in all its parts, with its target."""
    waits = waits_for(node)
    if waits:
        return "after_reboot", waits
    for user, view in _views(node, order):
        if view is None:
            return "unknown", f"what {user} sees cannot be told: {_unseen(node, user)}"
        told = view.get("rocminfo")
        if told is None:
            return "broken", f"{user} finds no rocminfo"
        lacks = _lacks(node, told.get("agents") or (), "rocminfo", user)
        if lacks:
            trouble = at(told, "trouble.message")
            return "broken", f"rocminfo as {user}: {trouble}" if trouble else lacks
    return "ok", f"{_all(node, order)} {join(sorted({str(device.get('gfx_target')) for device in boards(node)}))}"


def _all(node: Node, order: RocmOrder) -> str:
    names = [user for user, _view in _views(node, order)]
    return f"{join(names)} {'sees' if len(names) == 1 else 'see'} {sum(map(parts_of, boards(node)))} of"


def clinfo(node: Node, order: RocmOrder) -> State:
    """Where OpenCL is wanted: each user's clinfo lists them too, on AMD's platform."""
    if "opencl" not in order.components:
        return "not_applicable", "components has no opencl"
    waits = waits_for(node)
    if waits:
        return "after_reboot", waits
    for user, view in _views(node, order):
        if view is None:
            return "unknown", f"what {user} sees cannot be told: {_unseen(node, user)}"
        told = view.get("clinfo")
        if told is None:  # AMD's new stream is not known to bring one
            return "unknown", f"{user} finds no clinfo, so what OpenCL lists cannot be seen"
        platforms = [one for one in told.get("platforms") or () if one.get("name") == _PLATFORM]
        devices = [device for one in platforms for device in one.get("devices") or () if device.get("kind") == "gpu"]
        lacks = _lacks(node, devices, "clinfo", user)
        if lacks:
            trouble = at(told, "trouble.message") or (None if platforms else f"no platform is called {_PLATFORM}")
            return "broken", f"clinfo as {user}: {trouble}" if trouble else lacks
    return "ok", f"{_all(node, order)} {join(sorted({str(device.get('gfx_target')) for device in boards(node)}))} in OpenCL"
