# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of findings, from data/findings.yml."""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple


class FindingRow(NamedTuple):
    """severity is info, warning, critical or unknown; link is a link of the chain or None; texts hold {words} to fill in."""

    code: str
    severity: str
    link: str | None
    message: str
    remedy: str
    reference: str


@functools.lru_cache(maxsize=1)
def _rows() -> dict[str, dict[str, Any]]:
    from .findings_table import TABLE

    rows: dict[str, dict[str, Any]] = json.loads(TABLE)["findings"]
    return rows


def finding_row(code: str) -> FindingRow:
    """The row of a code; KeyError for a code that is not in the table (a fault of ours)."""
    row = _rows()[code]
    return FindingRow(code, row["severity"], row.get("link"), row["message"], row["remedy"], row["reference"])


def codes() -> tuple[str, ...]:
    """Every code, in the order of the table."""
    return tuple(_rows())
