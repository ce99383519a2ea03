# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our tables know about NVIDIA GPUs and driver branches. PCI ids are lower-case hex without 0x.

Rows are named tuples: as fixed as a frozen dataclass, and a fifth of its cost where there is no bytecode.
"""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple

from ._ids import device_id as _device_id
from .versions import DriverVersion, order

__all__ = [
    "Branch",
    "DriverVersion",
    "NvidiaChip",
    "branch",
    "branch_of",
    "branches",
    "chip",
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
    from .nvidia_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    tables["by_name"] = {row["name"]: row for row in tables["architectures"]}
    return tables


@functools.lru_cache(maxsize=1)
def _branch_tables() -> dict[str, Any]:
    from .nvidia_branches_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
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
    newest = max(last for row in _tables()["chips"] for _, last in row["pci"])
    if wanted is not None and wanted > newest:
        return f"unknown, newer than this table of {newest_table_date()}"
    return f"unknown to this table of {newest_table_date()}"


def newest_table_date() -> str:
    """The day (YYYY-MM-DD) to which our tables of chips and branches were checked."""
    return str(max(_tables()["checked"], _branch_tables()["checked"]))


@functools.lru_cache(maxsize=1)
def branches() -> tuple[Branch, ...]:
    """Every branch of our table, oldest first."""
    columns = ("type", "first", "latest", "eol", "supported", "cuda", "min_kernel", "newest_architecture")
    rows = _branch_tables()["branches"]
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
    rows = _branch_tables()["recommendation"]
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
        for row in _branch_tables()["compatibility"]:
            if row["cuda_major"] == wanted[0]:
                floor: str = row["minor_version_min_driver"]
                return floor
    found = [row for row in _branch_tables()["toolkits"] if order(row["toolkit"])[: len(wanted)] == wanted]
    return next((row["driver"] for row in found if "driver" in row), None)
