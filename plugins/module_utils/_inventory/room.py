# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what may stand in the way of a change: space, the package manager's lock; and what the distribution recommends."""

from __future__ import annotations

import re
from typing import Any

from ._inventory import Inventory
from ._source import Source
from .ubuntu import recommended

PLACES = ("/boot", "/usr", "/var")
_DF = re.compile(r"[ \t](\d+)[ \t]+(\d+)[ \t]+(-?\d+)[ \t]+(?:\d+%|-)[ \t]+/")


def parse_df(text: str, paths: list[str]) -> dict[str, int]:
    """{path: MiB that are free} from `df -kP PATHS`. ValueError where there is not one line for each."""
    lines = text.splitlines()[1:]
    free = [match[3] for match in map(_DF.search, lines) if match]
    if len(free) != len(paths) or len(lines) != len(paths):
        raise ValueError(f"df: {len(free)} file systems for {len(paths)} folders")
    return {path: max(int(kib), 0) // 1024 for path, kib in zip(paths, free)}


def parse_lock(answer: Any) -> dict[str, Any] | None:
    """{pid, name} of a probe's answer, None where nobody holds a lock. ValueError for another form."""
    if not isinstance(answer, dict) or "holder" not in answer:
        raise ValueError("no word of a holder")
    holder = answer["holder"]
    if holder is None:
        return None
    if not isinstance(holder, dict) or not isinstance(holder.get("pid"), (int, type(None))):
        raise ValueError("a holder without pid")
    return {"pid": holder.get("pid"), "name": str(holder.get("name") or "") or None}


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """system.free_mib, packages.lock_holder and packages.recommended (docs/architecture.md, "Enforcing a driver")."""
    return {"system": {"free_mib": _free(source)},
            "packages": {"lock_holder": _lock_holder(source), "recommended": recommended(source, known)}}


def _free(source: Source) -> dict[str, int]:
    root = source.names("/")
    paths = [path for path in PLACES if path[1:] in root]
    output = source.run("df", "-kP", *paths) if paths else None
    if output is None or output.error:
        return {}
    try:
        return parse_df(output.stdout, paths)
    except ValueError as error:
        source.problem("unreadable", f"{error}: {output.stderr.strip()[:120]}")
        return {}


def _lock_holder(source: Source) -> dict[str, Any] | None:
    answer = source.probe("package_lock")
    try:
        return parse_lock(answer) if answer is not None else None
    except ValueError as error:
        source.problem("unreadable", f"package_lock: {error}")
        return None
