# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that checks compare with, from data/thresholds.yml."""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple


class Threshold(NamedTuple):
    """value in unit; origin says who uses it."""

    value: Any
    unit: str
    origin: str


@functools.lru_cache(maxsize=1)
def _rows() -> dict[str, dict[str, Any]]:
    from .thresholds_table import TABLE

    rows: dict[str, dict[str, Any]] = json.loads(TABLE)["thresholds"]
    return rows


def threshold(name: str) -> Threshold:
    """The threshold of that name; KeyError for a name that is not in the table (a fault of ours)."""
    row = _rows()[name]
    return Threshold(row["value"], row["unit"], row["source"])
