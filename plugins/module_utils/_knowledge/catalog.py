# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of PCI ids, and the cards commonly used for AI with their memory, bandwidth and precisions."""

from __future__ import annotations

import functools
import json
import re
from typing import Any, NamedTuple

from ._ids import device_id as _device_id
from ._ids import line_of
from ._ids import revision_id as _revision_id

_BRANDS = {"nvidia", "amd", "geforce", "radeon", "instinct", "generation", "edition"}


class Card(NamedTuple):
    """vram_gib is the marketing capacity, bandwidth_gbs the theoretical peak in GB/s; None where unknown or where the cards
    that share an id differ. nvlink is the NVLink generation (0: none); mig_max the largest number of MIG instances."""

    name: str
    vram_gib: int | None
    bandwidth_gbs: int | None
    native_precisions: tuple[str, ...]
    form: str | None
    nvlink: int | None
    mig_max: int | None
    xgmi: bool | None


@functools.lru_cache(maxsize=2)
def _cards(vendor: str) -> dict[str, Any]:
    # One vendor's table is enough for most machines.
    if vendor == "nvidia":
        from .catalog_nvidia_table import TABLE
    else:
        from .catalog_amd_table import TABLE
    tables: dict[str, Any] = json.loads(TABLE)
    return tables


def card(vendor: str, device_id: str | None, revision: str | None = None, name: str | None = None) -> Card | None:
    """The card of an id (and revision); name, as a driver reports it, tells cards of one id apart and serves without an id."""
    if vendor not in ("nvidia", "amd"):
        return None
    rows = _cards(vendor)["cards"]
    wanted, wanted_revision = _device_id(device_id), _revision_id(revision)
    found = [row for row in rows if wanted in row["pci"] and (wanted_revision in row.get("rev", [wanted_revision]))]
    if name and not found:
        # Other boards carry the name of a card in theirs (laptop versions): without an id of ours, only the whole name counts.
        found = [row for row in rows if _words(row["name"]) == _words(name)]
    if name and len(found) > 1:
        found = _named(found, name) or found
    return _merged(vendor, found) if found else None


def _words(name: str) -> frozenset[str]:
    text = re.sub(r"(\d)\s+(gb|gib)\b", r"\1gb", name.lower())
    return frozenset(re.findall(r"[a-z0-9]+", text)) - _BRANDS


def _named(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The rows whose words all stand in the name; of these the ones with the most words."""
    wanted = _words(name)
    found = [(len(_words(row["name"])), row) for row in rows if _words(row["name"]) <= wanted]
    most = max((count for count, row in found), default=0)
    return [row for count, row in found if count == most]


def _merged(vendor: str, rows: list[dict[str, Any]]) -> Card:
    def common(column: str) -> Any:
        values = [row.get(column) for row in rows]
        return values[0] if all(value == values[0] for value in values) else None

    precision = common("precision")
    native = _cards(vendor)["precision_sets"][precision]["native"] if precision else ()
    return Card(
        " / ".join(row["name"] for row in rows),
        common("vram_gib"),
        common("bandwidth_gbs"),
        tuple(native),
        common("form"),
        common("nvlink"),
        common("mig_max"),
        common("xgmi"),
    )


def name(vendor: str, device_id: str | None, revision: str | None = None, subsystem: str | None = None) -> str | None:
    """The product name of an id as drivers report it; subsystem is 'vendor:device' in hex. None where unknown."""
    wanted = _device_id(device_id)
    if wanted is None:
        return None
    if vendor == "amd":
        from .amd import chip

        known = chip(wanted, revision)
        return known.name if known else None
    if vendor != "nvidia":
        return None
    from .nvidia_names_table import TABLE

    return (line_of(TABLE, f"{wanted}:{subsystem.lower()}") if subsystem else None) or line_of(TABLE, wanted)
