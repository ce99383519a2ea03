# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our tables know about NVIDIA GPUs and driver branches. PCI ids are lower-case hex without 0x.

Rows are named tuples: as fixed as frozen dataclasses, and cheaper to define where there is no bytecode.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ._ids import device_id as _device_id

if TYPE_CHECKING:
    from .nvidia_branches import (
        Branch,
        branch,
        branch_of,
        branches,
        container_driver,
        cuda_of_branch,
        minimum_driver,
        recommended_branch,
    )
    from .versions import DriverVersion

__all__ = [
    "Branch",
    "DriverVersion",
    "NvidiaChip",
    "branch",
    "branch_of",
    "branches",
    "chip",
    "container_driver",
    "cuda_of_branch",
    "driver_support",
    "is_nvswitch",
    "minimum_driver",
    "newest_table_date",
    "open_module_since",
    "recommended_branch",
    "unknown_id_note",
]


class NvidiaChip(NamedTuple):
    """What a PCI device id says; certainty 'listed': a chip of our table, 'block': only the block of ids it lies in."""

    architecture: str
    compute_capability: str | None
    chip: str | None
    certainty: str


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    from .nvidia_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    tables["by_name"] = {row["name"]: row for row in tables["architectures"]}
    return tables


def _row_of(rows: list[dict[str, Any]], wanted: str) -> dict[str, Any] | None:
    # Four hex digits of one case compare as text as they do as numbers.
    for row in rows:
        if any(first <= wanted <= last for first, last in row["pci"]):
            return row
    return None


def _exception(wanted: str) -> dict[str, Any]:
    return next((row for row in _tables()["exceptions"] if wanted in row["ids"]), {})


@functools.lru_cache(maxsize=64)
def chip(device_id: str) -> NvidiaChip | None:
    """The chip behind a PCI device id, its family where only the block of ids is known, else None."""
    wanted = _device_id(device_id)
    if wanted is None:
        return None
    row = _row_of(_tables()["chips"], wanted)
    if row is not None:
        return NvidiaChip(row["architecture"], row.get("compute_capability"), row.get("chip"), "listed")
    block = _row_of(_tables()["blocks"], wanted)
    if block is None:
        return None
    family = _tables()["by_name"][block["architecture"]]
    return NvidiaChip(family["name"], _only(family["compute_capabilities"]), None, "block")


def _only(values: list[str]) -> str | None:
    return values[0] if len(values) == 1 else None


def driver_support(device_id: str) -> dict[str, Any]:
    """{status, first_branch, last_branch, open_module} in the form of the facts.

    status is 'ended' where the newest branches no longer drive the GPU (last_branch is the last that does), 'served' where
    they do, 'unknown' for an id that no table names. first_branch is the first branch that lists the id, for older chips the
    first that knows the chip; it is None for an id of which only the block is known.
    """
    wanted = _device_id(device_id) or ""
    known = chip(wanted)
    if known is None:
        return {"status": "unknown", "first_branch": None, "last_branch": None, "open_module": None}
    family = _tables()["by_name"][known.architecture]
    row = (_row_of(_tables()["chips"], wanted) if known.certainty == "listed" else None) or {}
    exception = _exception(wanted)
    last = exception.get("last_branch") or row.get("last_branch") or family.get("last_branch")
    first = _listed_since(wanted) or row.get("first_branch") or family.get("first_branch")
    return {
        "status": "served" if last is None else "ended",
        "first_branch": first if known.certainty == "listed" else None,
        "last_branch": last,
        "open_module": exception.get("open_module") or _open_module(family["kernel_module"]),
    }


def _listed_since(wanted: str) -> int | None:
    for row in _tables()["listed_since"]:
        if wanted in row["ids"]:
            branch_number: int = row["branch"]
            return branch_number
    return None


def _open_module(policy: str) -> str:
    return {"proprietary_only": "unsupported", "open_required": "required"}.get(policy, "supported")


def open_module_since(device_id: str) -> int | None:
    """The first branch whose open kernel module drives the GPU; None where none does or the id is unknown."""
    wanted = _device_id(device_id) or ""
    known = chip(wanted)
    if known is None:
        return None
    family = _tables()["by_name"][known.architecture]
    since: int | None = _exception(wanted).get("open_first_branch") or family.get("open_first_branch")
    listed = _listed_since(wanted)
    return max(since, listed) if since and listed else since


def is_nvswitch(device_id: str) -> bool:
    """Whether the id is an NVSwitch, which asks for Fabric Manager."""
    return any(row["pci_id"] == _device_id(device_id) for row in _tables()["nvswitch"])


def unknown_id_note(device_id: str) -> str | None:
    """Why nothing, or only the family, is known of an id, in words; None for an id of our tables."""
    wanted = _device_id(device_id)
    known = chip(wanted) if wanted is not None else None
    if known is not None:
        by_block = f"not in this table of {newest_table_date()}; its block of ids is {known.architecture}"
        return by_block if known.certainty == "block" else None
    newest = max(last for row in _tables()["chips"] for first, last in row["pci"])
    if wanted is not None and wanted > newest:
        return f"unknown, newer than this table of {newest_table_date()}"
    return f"unknown to this table of {newest_table_date()}"


def newest_table_date() -> str:
    """The day (YYYY-MM-DD) to which our tables of chips and branches were checked."""
    from . import nvidia_branches

    return str(max(_tables()["checked"], nvidia_branches.table_date()))


def __getattr__(name: str) -> Any:
    # Branches are read by checks and plans, not by the facts: they are loaded when the first of their names is asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from . import nvidia_branches

    return getattr(nvidia_branches, name)
