# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA driver branches, and the drivers that CUDA asks for. _knowledge.nvidia offers the same names."""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple

from .versions import DriverVersion, order


class Branch(NamedTuple):
    """A driver branch. type is LTSB, PB, NFB, legacy or None; eol is YYYY-MM; cuda is what nvidia-smi shows."""

    number: int
    type: str | None
    first: str | None
    latest: str | None
    eol: str | None
    supported: bool
    cuda: str | None
    min_kernel: str | None
    newest_architecture: str | None


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    from .nvidia_branches_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    return tables


def table_date() -> str:
    """The day (YYYY-MM-DD) to which this table was checked."""
    return str(_tables()["checked"])


@functools.lru_cache(maxsize=1)
def branches() -> tuple[Branch, ...]:
    """Every branch of our table, oldest first."""
    columns = ("type", "first", "latest", "eol", "supported", "cuda", "min_kernel", "newest_architecture")
    rows = _tables()["branches"]
    return tuple(Branch(number=row["branch"], **{column: row.get(column) for column in columns}) for row in rows)


def branch(number: int) -> Branch | None:
    """The branch of that number, or None where our table has none."""
    return next((entry for entry in branches() if entry.number == number), None)


def branch_of(version: str | None) -> int | None:
    """The branch of a driver version ('550.163.01' -> 550); None where it is no version."""
    try:
        return DriverVersion.parse(version).branch if version else None
    except ValueError:
        return None


def cuda_of_branch(number: int) -> str | None:
    """The newest CUDA version that a branch serves without a compatibility package."""
    entry = branch(number)
    return entry.cuda if entry else None


def recommended_branch(architecture: str) -> int | None:
    """The branch that our table recommends for an architecture."""
    rows = _tables()["recommendation"]
    found: int | None = next((row["branch"] for row in rows if architecture in row["for"]), None)
    return found


def minimum_driver(cuda_version: str, full: bool = False) -> str | None:
    """The oldest driver that runs programs built with a CUDA version ('12.4' -> '525.60.13').

    From CUDA 11 on one floor holds for all toolkits of a major (minor version compatibility). full asks for the driver of the
    toolkit itself, which code shipped as PTX only, and features newer than the floor, need.
    """
    try:
        wanted = order(cuda_version)
    except ValueError:
        return None
    if not full:
        for row in _tables()["compatibility"]:
            if row["cuda_major"] == wanted[0]:
                floor: str = row["minor_version_min_driver"]
                return floor
    found = [row for row in _tables()["toolkits"] if order(row["toolkit"])[: len(wanted)] == wanted]
    return next((row["driver"] for row in found if "driver" in row), None)


def container_driver(software: str) -> str | None:
    """The oldest driver that container software ('container_toolkit') is supported with."""
    found: str | None = next((row["min_driver"] for row in _tables()["containers"] if row["software"] == software), None)
    return found
