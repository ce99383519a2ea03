# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whether a driver has room: packages in /usr, downloads and builds in /var, a new initramfs in /boot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._check._node import Node
from .._inventory._own import Own
from .._knowledge.thresholds import threshold
from ._refuse import refuse
from .steps import Refusal


def needed_mib(closure: Any, builds: bool) -> dict[str, int]:
    """MiB by place. What the package manager does not tell comes from the table of thresholds."""
    comes = any(change.action in ("install", "upgrade", "downgrade") for change in closure.changes)
    if not comes:
        return {}
    disk, download = closure.disk_kib, closure.download_kib
    usr = -(-disk // 1024) if disk is not None else threshold("driver_installed_mib").value
    var = -(-download // 1024) if download is not None else threshold("driver_download_mib").value
    if builds:
        var += threshold("driver_build_mib").value
    return {"/usr": max(usr, 0), "/var": var, "/boot": threshold("initramfs_mib").value}


def check(own: Own, node: Node, closure: Any, builds: bool) -> Iterator[Refusal]:
    """A refusal for each file system that is too small."""
    free = node.get("system.free_mib") or {}
    needed = needed_mib(closure, builds)
    groups: dict[int, list[str]] = {}
    for place in needed:
        if isinstance(free.get(place), int):
            groups.setdefault(free[place], []).append(place)  # the same number to the last MiB: one file system
    for left, places in groups.items():
        wanted = sum(needed[place] for place in places)
        if wanted > left:
            yield refuse(node, f"{own.codes}NO-SPACE", places[0], place=" and ".join(places), free=left, needed=wanted)
