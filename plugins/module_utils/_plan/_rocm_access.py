# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: who may use the cards: groups, users, a udev rule where nobody has one, the override of a target in the environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .._check._node import Node, at, join
from .._inventory._inventory import Inventory
from .._inventory._own import ROCM_ENVIRONMENT, ROCM_PROFILE, ROCM_UDEV
from ._refuse import refuse
from .rocm_order import RocmOrder
from .steps import Refusal, Step

__all__ = ["access_steps", "environment_steps", "login_reasons", "users_refused"]

_GROUPS = ("render", "video")
_RULES = """\
# Written by gpufleet.node.rocm_stack: no other rule gives these devices to a group.
KERNEL=="kfd", SUBSYSTEM=="kfd", GROUP="render", MODE="0660"
SUBSYSTEM=="drm", KERNEL=="renderD*", GROUP="render", MODE="0660"
"""
_VARIABLE = "HSA_OVERRIDE_GFX_VERSION"
_HEAD = "# Written by gpufleet.node.rocm_stack (allow_unsupported_gpu: true): the card passes for one that ROCm supports.\n"


def users_refused(node: Node, order: RocmOrder) -> Iterator[Refusal]:
    """Users that there are not."""
    known: dict[str, Any] = node.get("amd.access.users") or {}
    gone = [user for user in order.users if user in known and not known[user].get("exists")]
    if gone:
        yield refuse(node, "RS-NO-USER", "users", users=join(gone), names=" ".join(gone))


def access_steps(inventory: Inventory, order: RocmOrder) -> list[Step]:
    """What the named users lack: groups, memberships (others stay), and rules for the devices. Nothing where nobody looked."""
    node = Node(inventory)
    access: dict[str, Any] = node.get("amd.access") or {}
    if not access or (order.driver == "none" and not order.users):
        return []
    groups: dict[str, Any] = access.get("groups") or {}
    steps = []
    if order.users or order.driver != "none":
        steps += [Step("group", f"make the group {name}", "device files of GPUs belong to it", {"name": name, "system": True})
                  for name in _GROUPS if name not in groups]
    steps += _udev(node, access)
    wanted = wanted_groups(access)
    for user in order.users:
        about = (access.get("users") or {}).get(user) or {}
        missing = [name for name in wanted if name not in (about.get("groups") or ())]
        if about.get("exists") and missing:
            reason = f"the devices of the GPUs belong to {join(_with_number(groups, access, name) for name in missing)}"
            steps.append(Step("user", f"add {user} to {join(missing)}", reason, {"name": user, "groups": missing},
                              undo="; ".join(f"gpasswd --delete {user} {name}" for name in missing)))
    return steps


def wanted_groups(access: dict[str, Any]) -> list[str]:
    """The groups whose members may use the cards: those of the device files where they are there, with those of all distributions."""
    own = [str(one.get("group")) for one in access.get("nodes") or () if one.get("group") not in (None, "root")]
    return list(dict.fromkeys([*own, *_GROUPS]))


def _with_number(groups: dict[str, Any], access: dict[str, Any], name: str) -> str:
    """A group with its number, which a container has to be given."""
    number = at(groups.get(name), "gid") or next((one.get("gid") for one in access.get("nodes") or () if one.get("group") == name), None)
    return f"{name} (gid {number})" if number is not None else name


def _udev(node: Node, access: dict[str, Any]) -> list[Step]:
    """Our file where the last rule for a device gives it to no group, or there is none. Files of ours count as if they were not there."""
    rules = [rule for rule in access.get("udev_rules") or () if rule.get("path") != ROCM_UDEV]
    last = {str(rule.get("device")): rule for rule in rules}
    served = all(last.get(device) and last[device].get("group") not in (None, "root") for device in ("kfd", "render"))
    there = (node.get("packages.own_files") or {}).get(ROCM_UDEV)
    if (served and there is None) or there == _RULES:
        return []
    if served:
        return [Step("file_absent", f"remove {ROCM_UDEV}", "another rule does it now", {"path": ROCM_UDEV}), *_reload()]
    write = Step("file", f"write {ROCM_UDEV}", "no rule of udev gives /dev/kfd and the render nodes to a group",
                 {"path": ROCM_UDEV, "content": _RULES, "mode": "0644"}, undo=f"rm {ROCM_UDEV}")
    return [write, *_reload()]


def _reload() -> list[Step]:
    return [Step("command", "read udev's rules again", "they have changed", {"argv": ["udevadm", "control", "--reload"]}),
            Step("command", "apply udev's rules to the devices", "they have changed",
                 {"argv": ["udevadm", "trigger", "--subsystem-match=kfd", "--subsystem-match=drm", "--action=change"]})]


def environment_steps(inventory: Inventory, override: str | None, allowed: bool) -> list[Step]:
    """The override of a target for services and login shells; taken away where it is not needed or no longer allowed."""
    files: dict[str, str] = inventory.packages.get("own_files") or {}
    wanted = {ROCM_ENVIRONMENT: f"{_HEAD}{_VARIABLE}={override}\n", ROCM_PROFILE: f"{_HEAD}export {_VARIABLE}={override}\n"}
    steps = []
    for path, text in wanted.items():
        if not override or not allowed:
            steps += [Step("file_absent", f"remove {path}", "no card needs the override", {"path": path})] if path in files else []
        elif files.get(path) != text:
            steps.append(Step("file", f"write {path}", f"{_VARIABLE}={override} makes the card usable, unofficially",
                              {"path": path, "content": text, "mode": "0644"}, undo=f"rm {path}"))
    return steps


def login_reasons(inventory: Inventory, order: RocmOrder, steps: Sequence[Step] = ()) -> list[str]:
    """Users who have the groups and whose running sessions have them not: they have to log in again."""
    users: dict[str, Any] = (inventory.amd.get("access") or {}).get("users") or {}
    changed = {step.values["name"] for step in steps if step.kind == "user"}
    late = [user for user in order.users if _stale(users.get(user) or {}, user in changed)]
    return [f"{join(late)} must log in again: running sessions lack the groups"] if late else []


def _stale(about: dict[str, Any], changed: bool) -> bool:
    if not about.get("processes"):
        return False
    have: Iterable[str] = about.get("session_groups") or ()
    return changed or any(name in (about.get("groups") or ()) and name not in have for name in _GROUPS)
