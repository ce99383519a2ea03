# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: groups, users and device files of AMD's compute devices, as the account database and the kernel have them. Runs in a child:
a directory service may never answer."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import Any

GROUPS = ("render", "video")
_KFD = "/dev/kfd"
_RENDER_FOLDER = "/dev/dri"
_PROCESS_LIMIT = 200000  # processes looked at; a machine has some thousands


def probe_accounts(argument: Any) -> dict[str, Any]:
    """{nodes: [{path, mode, owner, group, gid}], groups: {name: {gid, members}}, users: {name: {exists, uid, groups, processes,
    session_groups}}} of the users named in `argument`. A group that is not there is left out; session_groups: the groups that all
    processes of a user have, None where none runs."""
    users = [str(name) for name in argument or ()]
    return {"nodes": _nodes(), "groups": _groups(), "users": _users(users)}


def _nodes() -> list[dict[str, Any]]:
    paths = [_KFD]
    with contextlib.suppress(OSError):
        paths += sorted((f"{_RENDER_FOLDER}/{name}" for name in os.listdir(_RENDER_FOLDER) if name.startswith("renderD")), key=_number)
    return [node for node in map(_node, paths) if node]


def _number(path: str) -> int:
    digits = re.search(r"\d+$", path)
    return int(digits[0]) if digits else 0


def _node(path: str) -> dict[str, Any] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return {"path": path, "mode": f"{stat.S_IMODE(status.st_mode):04o}", "owner": _user_name(status.st_uid),
            "group": _group_name(status.st_gid), "gid": status.st_gid}


def _groups() -> dict[str, Any]:
    import grp

    found: dict[str, Any] = {}
    for name in GROUPS:
        try:
            entry = grp.getgrnam(name)
        except KeyError:
            continue
        found[name] = {"gid": entry.gr_gid, "members": sorted(entry.gr_mem)}
    return found


def _users(names: list[str]) -> dict[str, Any]:
    import pwd

    found: dict[str, Any] = {}
    for name in names:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            found[name] = {"exists": False}
            continue
        numbers = os.getgrouplist(name, account.pw_gid)
        found[name] = {"exists": True, "uid": account.pw_uid, "groups": sorted({_group_name(number) for number in numbers})}
    sessions = _sessions({about["uid"]: name for name, about in found.items() if about["exists"]})
    for name, (processes, groups) in sessions.items():
        found[name].update(processes=processes, session_groups=sorted(map(_group_name, groups)) if processes else None)
    return found


def _sessions(names: dict[int, str]) -> dict[str, tuple[int, set[int]]]:
    """{user: (number of processes, groups that all of them have)}: a process keeps the groups of the login that it came from."""
    found: dict[str, tuple[int, set[int]]] = {name: (0, set()) for name in names.values()}
    pids = [name for name in os.listdir("/proc") if name.isdecimal()][:_PROCESS_LIMIT] if names else []
    for pid in pids:
        try:
            if os.stat(f"/proc/{pid}").st_uid not in names:
                continue
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                text = file.read(8192)
        except OSError:  # it has ended
            continue
        user, groups = parse_status(text)
        if user in names:
            count, common = found[names[user]]
            found[names[user]] = (count + 1, groups if not count else common & groups)
    return found


def parse_status(text: str) -> tuple[int | None, set[int]]:
    """(real user, group and further groups) of /proc/PID/status; (None, empty) where it does not say."""
    rows = dict(re.findall(r"^(Uid|Gid|Groups):[ \t]*([\d \t]*)$", text, re.MULTILINE | re.ASCII))
    user, group = rows.get("Uid", "").split(), rows.get("Gid", "").split()
    if not user or not group:
        return None, set()
    return int(user[0]), {int(group[1] if len(group) > 1 else group[0]), *map(int, rows.get("Groups", "").split())}


def _user_name(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group_name(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
