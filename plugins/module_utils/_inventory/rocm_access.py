# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: who may use AMD's compute devices, for a change: groups, users, device files, and the udev rules that set them."""

from __future__ import annotations

import re
from typing import Any

from ._inventory import Inventory
from ._source import Source

# In the order in which udev prefers a file over one of the same name below (udev(7)).
_UDEV_FOLDERS = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_ASSIGNMENT = re.compile(r'\b([A-Z]+(?:\{[^}]*\})?)\s*(==|!=|\+=|:=|=)\s*"((?:[^"\\]|\\.)*)"')
_RENDER_NAMES = re.compile(r"(?:^|\|)render(?:D?\[?[\d-]*\]?\*|D\*)")


def parse_rules(text: str) -> list[dict[str, str | None]]:
    """[{device: kfd | render, mode, group}] of the rules that set mode or group of /dev/kfd or of render nodes, in their order."""
    found: list[dict[str, str | None]] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.lstrip().startswith("#"):
            continue
        matches, sets = {}, {}
        for key, operator, value in _ASSIGNMENT.findall(line):
            if operator == "==":
                matches[key] = value
            elif operator in ("=", ":="):
                sets[key] = value
        device = _device_of(matches)
        if device and ("MODE" in sets or "GROUP" in sets):
            found.append({"device": device, "mode": _mode(sets.get("MODE")), "group": sets.get("GROUP")})
    return found


def _device_of(matches: dict[str, str]) -> str | None:
    kernel, subsystem = matches.get("KERNEL", ""), matches.get("SUBSYSTEM")
    if any(key.startswith(("ATTR", "ENV", "DRIVER", "TAG")) for key in matches):
        return None  # of some devices only
    if kernel == "kfd" or (subsystem == "kfd" and kernel in ("", "*")):
        return "kfd"
    return "render" if subsystem in (None, "drm") and _RENDER_NAMES.search(kernel) else None


def _mode(text: str | None) -> str | None:
    return text.zfill(4) if text and re.fullmatch(r"[0-7]{3,4}", text) else text


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """amd.access: nodes, groups, users, udev_rules (docs/architecture.md, "Enforcing ROCm")."""
    access: dict[str, Any] = {"udev_rules": _udev_rules(source)}
    answer = source.probe("accounts", list(source.users or ()))
    if answer is not None and not is_answer(answer):
        source.problem("unreadable", "accounts: an answer that is not understood")
    elif answer is not None:
        access.update({key: answer[key] for key in ("nodes", "groups", "users")})
    return {"amd": {"access": access}}


def is_answer(answer: Any) -> bool:
    """Whether this is an answer of ``probe_accounts``, and not what somebody else put into a recording."""
    if not isinstance(answer, dict) or not isinstance(answer.get("nodes"), list):
        return False
    tables = [answer.get("groups"), answer.get("users")]
    if not all(isinstance(table, dict) and all(isinstance(entry, dict) for entry in table.values()) for table in tables):
        return False
    nodes = all(isinstance(node, dict) and {type(node.get("path")), type(node.get("mode"))} == {str} for node in answer["nodes"])
    users = all(isinstance(user.get("exists"), bool) and isinstance(user.get("groups", []), list) for user in answer["users"].values())
    return nodes and users


def _udev_rules(source: Source) -> list[dict[str, str | None]]:
    """[{path, device, mode, group}] in the order in which udev applies them: the last one counts."""
    files: dict[str, str] = {}
    for folder in _UDEV_FOLDERS:
        for name in source.names(folder):
            if name.endswith(".rules"):
                files.setdefault(name, f"{folder}/{name}")
    found: list[dict[str, str | None]] = []
    for name in sorted(files):
        text = source.text(files[name], 1 << 16) or ""
        if "kfd" in text or "render" in text:
            found += [{"path": files[name], **rule} for rule in parse_rules(text)]
    return found
