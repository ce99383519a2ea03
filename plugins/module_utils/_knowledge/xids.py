# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Xid numbers mean, from data/xids.yml."""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple


class XidRow(NamedTuple):
    """class_ is what fails: hardware, memory, nvlink, firmware, driver, application or security; severity as in findings.

    next_step may hold {address}, the PCI address of the GPU, to be filled in.
    """

    code: int
    class_: str
    severity: str
    meaning: str
    next_step: str


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    from .xids_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    return tables


def xid(code: int) -> XidRow | None:
    """The row of an Xid number, None where our table has none."""
    row = _tables()["xids"].get(str(code))
    if row is None:
        return None
    return XidRow(code, row["class"], row["severity"], row["meaning"], _tables()["steps"][row["step"]])
