# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our tables know about AMD GPUs. PCI ids and revisions are lower-case hex without 0x. What ROCm says of them: rocm_products.py."""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple

from ._ids import device_id as _device_id
from ._ids import line_of
from ._ids import revision_id as _revision_id


class AmdChip(NamedTuple):
    """name is the product (with its vendor) where id and revision tell it; vram_gib where the product has one size.

    virtual: a virtual function. certainty 'listed': the id is in our table, 'block': only the range of ids it lies in.
    """

    name: str | None
    codename: str
    gfx_target: str
    architecture: str
    vram_gib: int | None
    apu: bool
    virtual: bool
    certainty: str


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    from .amd_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    return tables


@functools.lru_cache(maxsize=64)
def chip(device_id: str, revision: str | None = None) -> AmdChip | None:
    """The GPU behind a PCI device id (and revision), its family where only the range of ids is known, else None."""
    wanted = _device_id(device_id)
    if wanted is None:
        return None
    found = _discrete(wanted, _revision_id(revision))
    if found is not None:
        return found
    found = _apu(wanted) or _family(wanted)
    if found is None or _revision_id(revision) is None:
        return found
    from .amd_names_table import TABLE

    return found._replace(name=line_of(TABLE, f"{wanted}:{_revision_id(revision)}") or found.name)


def _discrete(wanted: str, revision: str | None) -> AmdChip | None:
    rows = [row for row in _tables()["discrete"] if row["id"] == wanted]
    if not rows:
        return None
    exact = [row for row in rows if revision is not None and revision in row.get("rev", ())]
    candidates = exact or [row for row in rows if "rev" not in row] or rows
    name = _common(candidates, "name")
    gfx = str(candidates[0]["gfx"])
    return AmdChip(
        f"AMD {name}" if name else None,
        candidates[0]["codename"],
        gfx,
        architecture_of_gfx(gfx) or "",
        _size(_common(candidates, "vram_gib")),
        False,
        all(row.get("virtual", False) for row in candidates),
        "listed",
    )


def _apu(wanted: str) -> AmdChip | None:
    for row in _tables()["apus"]:
        if row["id"] == wanted:
            name = f"AMD {row['names'][0]}" if len(row["names"]) == 1 else None
            return AmdChip(name, row["codename"], row["gfx"], row["architecture"], None, True, False, "listed")
    return None


def _family(wanted: str) -> AmdChip | None:
    for row in _tables()["families"]:
        if any(first <= wanted <= last for first, last in row["pci"]):
            apu = row.get("apu", False)
            return AmdChip(None, row["codename"], row["gfx"], row["architecture"], None, apu, False, "block")
    return None


def _common(rows: list[dict[str, Any]], column: str) -> Any:
    """The value that all rows share, else None."""
    values = [row.get(column) for row in rows]
    return values[0] if all(value == values[0] for value in values) else None


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def gfx_from_number(number: int) -> str:
    """The target name of KFD's gfx_target_version: 90402 -> 'gfx942', 90010 -> 'gfx90a', 110501 -> 'gfx1151'."""
    major, rest = divmod(number, 10000)
    minor, stepping = divmod(rest, 100)
    return f"gfx{major}{minor:x}{stepping:x}"


def architecture_of_gfx(gfx_target: str) -> str | None:
    """The architecture of a gfx target: 'gfx942' -> 'cdna3'; None where our tables do not have it."""
    for row in (*_tables()["families"], *_tables()["apus"]):
        if row["gfx"] == gfx_target:
            architecture: str = row["architecture"]
            return architecture
    return None
