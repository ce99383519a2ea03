# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of a machine with AMD GPUs, and what each of them sees: device files, `id`, and the tools of ROCm run as that user.

```yaml
accounts:                                   # the default is alice, in render and video, and bob, in neither
  alice: {groups: [render, video]}
  carol: {groups: [render], session: []}    # her running session is older than her membership
```
"""

from __future__ import annotations

from typing import Any

from . import amd_tools, opencl
from .amd_cards import served
from .machine import Machine
from .node import is_rpm
from .profile import Profile

_DEFAULT: dict[str, Any] = {"alice": {"groups": ["render", "video"]}, "bob": {"groups": []}}
_FIRST_UID = 1000
# How `find` is asked which device files may be opened; the reader of what users see has the same words.
OPENS = ["find", "/dev/kfd", "/dev/dri", "-maxdepth", "1", "(", "-name", "kfd", "-o", "-name", "renderD*", ")", "-readable", "-writable"]
_RULES = 'SUBSYSTEM=="drm", KERNEL=="renderD*", GROUP="render", MODE="0660"\nSUBSYSTEM=="kfd", GROUP="render", MODE="0660"\n'


def render(machine: Machine, profile: Profile) -> None:
    """The account database, udev's rules, and the outcome of each tool as each user and as root."""
    if not profile.of("amd"):
        return
    machine.write("/usr/lib/udev/rules.d/50-udev-default.rules", _RULES)
    numbers = {"root": 0, "video": 39 if is_rpm(profile) else 44, "render": 105 if is_rpm(profile) else 992}
    about: dict[str, Any] = profile.about.get("accounts") or _DEFAULT
    groups = {name: [user for user, entry in about.items() if name in entry.get("groups", ())] for name in ("render", "video")}
    devices = {path: node for path, node in machine.nodes.items() if path == "/dev/kfd" or path.startswith("/dev/dri/renderD")}
    machine.probes["accounts"] = {
        "nodes": [{"path": path, "mode": node.mode, "owner": "root", "group": node.group, "gid": numbers.get(node.group, 0)}
                  for path, node in sorted(devices.items())],
        "groups": {name: {"gid": numbers[name], "members": members} for name, members in groups.items()},
        "users": {user: _account(number, user, entry) for number, (user, entry) in enumerate(about.items(), _FIRST_UID)},
    }
    for user, entry in about.items():
        _as_user(machine, profile, user, [user, *entry.get("groups", ())], devices)
    _as_user(machine, profile, None, ["root"], devices)


def _account(number: int, user: str, entry: dict[str, Any]) -> dict[str, Any]:
    session = entry.get("session")
    return {"exists": True, "uid": number, "groups": sorted([user, *entry.get("groups", ())]), "processes": 0 if session is None else 2,
            "session_groups": None if session is None else sorted([user, *session])}


def _as_user(machine: Machine, profile: Profile, user: str | None, groups: list[str], devices: dict[str, Any]) -> None:
    name = user or "root"
    opens = [path for path, node in devices.items() if user is None or node.mode.endswith("6") or node.group in groups]
    who = {} if user is None else {"user": user}
    machine.outcome(["id", "-un"], rc=0, stdout=f"{name}\n", stderr="", **who)
    machine.outcome(["id", "-Gn"], rc=0, stdout=f"{' '.join(groups)}\n", stderr="", **who)
    machine.outcome(list(OPENS), rc=0, stdout="".join(f"{path}\n" for path in opens), stderr="", **who)
    if profile.amd.get("rocm") and (user is not None or "/dev/kfd" not in devices):  # root's own is there, of a machine without trouble
        rc, text = amd_tools.said(profile, name, bool(served(profile)), "/dev/kfd" in devices, "/dev/kfd" in opens)
        machine.outcome(["rocminfo"], rc=rc, stdout=text, stderr="", **who)
    if profile.amd.get("rocm") and profile.amd.get("opencl", True):
        cards = served(profile) if "/dev/kfd" in opens else []
        machine.outcome(["clinfo"], rc=0, stdout=opencl.clinfo(cards, aligned=profile.amd.get("origin") == "debian"), stderr="", **who)
