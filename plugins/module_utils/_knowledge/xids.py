# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Xid numbers mean, from data/xids.yml."""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple


class XidRow(NamedTuple):
    """class_ is the part that fails (hardware, memory, nvlink, firmware, driver, application …); severity as in findings."""

    code: int
    class_: str
    severity: str
    meaning: str
    next_step: str


@functools.lru_cache(maxsize=1)
def _rows() -> dict[str, dict[str, Any]]:
    from .xids_table import TABLE

    rows: dict[str, dict[str, Any]] = json.loads(TABLE)["xids"]
    return rows


def xid(code: int) -> XidRow | None:
    """The row of an Xid number, None where our table has none."""
    row = _rows().get(str(code))
    return XidRow(code, row["class"], row["severity"], row["meaning"], row["next_step"]) if row else None
