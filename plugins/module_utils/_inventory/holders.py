# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: processes that hold a GPU's device files open. A driver is not reloaded, a GPU not reset, while they do."""

from __future__ import annotations

import os
import re
from typing import Any

from ._inventory import Inventory
from ._source import Source

_DEVICE = re.compile(r"/dev/(?:nvidia(?:\d+|ctl|-modeset|-uvm|-caps/.+)|kfd|dri/(?:renderD|card)\d+)")
_LIMIT = 500  # processes; one that has several files open counts once
# Daemons that come with the drivers and keep them open for good (NVIDIA driver installation guide, DCGM, container toolkit).
_SERVICES = {"nvidia-persiste", "nv-fabricmanage", "nvidia-imex", "nv-hostengine", "dcgm-exporter", "nvidia-powerd", "nvidia-gridd"}
_NAME_LENGTH = 15  # characters of /proc/PID/comm (TASK_COMM_LEN is 16 with the end)


def is_gpu_file(path: str) -> bool:
    """Whether an open file is a GPU's: nvidia0, nvidiactl, kfd, renderD128 … Display files count, since reloading needs them too."""
    return bool(_DEVICE.fullmatch(path))


def parse_holders(answer: Any) -> list[dict[str, Any]]:
    """[{pid, name, path, service}] of a probe's answer; service: a daemon of the drivers' own. ValueError for another form."""
    found = answer.get("holders") if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise ValueError("no list of holders")
    holders = []
    for entry in found[:_LIMIT]:
        if not isinstance(entry, dict) or not isinstance(entry.get("pid"), int) or not isinstance(entry.get("path"), str):
            raise ValueError("a holder without pid and path")
        name = str(entry.get("name") or "") or None
        holders.append({"pid": entry["pid"], "name": name, "path": entry["path"],
                        "service": name is not None and name[:_NAME_LENGTH] in _SERVICES})
    return holders


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """health.gpu_holders; left out where other users' processes cannot be seen and nothing was found among one's own."""
    answer = source.probe("gpu_holders")
    if answer is None:
        return {}
    try:
        holders = parse_holders(answer)
    except ValueError as error:
        source.problem("unreadable", f"gpu_holders: {error}")
        return {}
    return {"health": {"gpu_holders": holders}} if holders or answer.get("complete") is True else {}


def probe_gpu_holders(_argument: Any) -> dict[str, Any]:
    """{holders: [{pid, name, path}], complete} from /proc of this machine; runs in a child. complete: no process was hidden."""
    holders: list[dict[str, Any]] = []
    complete = True
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
        try:
            path = _held(f"/proc/{pid}/fd")
        except PermissionError:
            complete = False
            continue
        except OSError:  # it ended meanwhile
            continue
        if path and len(holders) < _LIMIT:
            holders.append({"pid": pid, "name": _name(pid), "path": path})
    return {"holders": holders, "complete": complete}


def _held(folder: str) -> str | None:
    """The first GPU device file among the open files of a process."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                target = os.readlink(entry.path)
            except OSError:
                continue
            if target.startswith("/dev/") and is_gpu_file(target):
                return target
    return None


def _name(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read(64).strip() or None
    except OSError:
        return None
