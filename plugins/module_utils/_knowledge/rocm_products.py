# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD's lists of products that ROCm supports, and the targets that stand in for others (data/rocm_support.yml).

PCI ids and revisions are lower-case hex without 0x. What a release makes of a card is in rocm.py.
"""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple

from . import amd
from ._ids import device_id as _device_id
from ._ids import revision_id as _revision_id


class Product(NamedTuple):
    """A row of AMD's lists. family: instinct | radeon | ryzen. first, last: releases ("6.4.1", "6.3" with all its patches; last None:
    the newest list has it). listed False: named, and not supported by any release of our tables."""

    name: str
    gfx_target: str
    family: str
    first: str | None
    last: str | None
    listed: bool


class Override(NamedTuple):
    """HSA_OVERRIDE_GFX_VERSION for a target: its value, and the target that the card then passes for."""

    value: str
    stands_for: str


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    from .rocm_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    return tables


@functools.lru_cache(maxsize=1)
def products() -> list[tuple[Product, tuple[str, ...]]]:
    """All rows with their PCI ids, "74a1" or "744c:ce" with a revision."""
    return [(Product(row["product"], row["gfx"], row["family"], row.get("from"), row.get("to"), row.get("supported", True)),
             tuple(row["pci"])) for row in _tables()["gpu_support"]]


def product(device_id: str | None, revision: str | None = None) -> Product | None:
    """The row of a card, by device id and revision, else by device id alone."""
    wanted = _device_id(device_id) if device_id else None
    keys = (f"{wanted}:{_revision_id(revision)}", wanted) if wanted else ()
    return next((row for key in keys for row, ids in products() if key in ids), None)


def override(gfx_target: str) -> Override | None:
    """What makes a target pass for one that the libraries are built for; rows of low confidence are no advice, so they do not count."""
    for row in _tables()["hsa_override"]:
        if row["gfx"] == gfx_target and row["confidence"] != "low" and row.get("value"):
            return Override(row["value"], row["as"])
    return None


def support(device_id: str | None, revision: str | None, gfx_target: str | None) -> dict[str, Any]:
    """{status, first_release, last_release, override} in the form of the facts, which do not ask for a release.

    AMD supports products, not gfx targets. 'supported' and 'ended' come from AMD's own lists; 'unofficial' is a product that
    no list names but whose target the libraries are built for, or for which the override (HSA_OVERRIDE_GFX_VERSION) makes it
    pass for one that they are built for; 'unsupported' is the rest of what our tables know.
    """
    row = product(device_id, revision)
    if row is not None:
        status = "unsupported" if not row.listed else "ended" if row.last else "supported"
        return _form(status, row.first, row.last)
    known = amd.chip(device_id, revision) if device_id else None
    gfx = gfx_target or (known.gfx_target if known else None)
    if gfx is None or (known is None and amd.architecture_of_gfx(gfx) is None):
        return _form("unknown")
    answer = _by_target(gfx)
    # A product that we do not know may be on a list that we have not read, unless its whole target is left out.
    unsure = known is not None and known.certainty == "block" and answer["status"] == "unofficial"
    return _form("unknown") if unsure else answer


def _by_target(gfx: str) -> dict[str, Any]:
    if any(row.gfx_target == gfx and row.listed and row.last is None for row, _ids in products()):
        return _form("unofficial")
    found = override(gfx)
    return _form("unofficial", override=found.value) if found else _form("unsupported")


def _form(status: str, first: str | None = None, last: str | None = None, override: str | None = None) -> dict[str, Any]:
    return {"status": status, "first_release": first, "last_release": last, "override": override}
