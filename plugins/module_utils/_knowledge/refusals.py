# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of what stops nvidia_driver or is to be known before it, from data/refusals.yml."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["RefusalRow", "codes", "refusal_row"]


class RefusalRow(NamedTuple):
    """severity is critical (stops) or warning; texts hold {words} to fill in; defaults are words that a caller may leave out,
    texts of the same kind. The first line of remedy is the command to type or the option to set."""

    code: str
    severity: str
    message: str
    remedy: str
    reference: str
    defaults: Mapping[str, str]


@functools.lru_cache(maxsize=1)
def _rows() -> dict[str, dict[str, Any]]:
    from .refusals_table import TABLE

    rows: dict[str, dict[str, Any]] = json.loads(TABLE)["refusals"]
    return rows


def refusal_row(code: str) -> RefusalRow:
    """The row of a code; KeyError for a code that is not in the table (a fault of ours)."""
    row = _rows()[code]
    return RefusalRow(code, row["severity"], row["message"], row["remedy"], row["reference"], row.get("defaults", {}))


def codes() -> tuple[str, ...]:
    """Every code, in the order of the table."""
    return tuple(_rows())
