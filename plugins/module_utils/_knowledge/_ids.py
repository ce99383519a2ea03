# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PCI ids as the tables write them, and tables of lines that start with one."""

from __future__ import annotations

import re

_ID = re.compile(r"(?:0x)?([0-9a-f]{1,4})\Z")


def device_id(value: str | None) -> str | None:
    """Four lower-case hex digits, from whatever case or prefix; None for anything else."""
    match = _ID.match(value.strip().lower()) if value else None
    return match.group(1).zfill(4) if match else None


def revision_id(value: str | None) -> str | None:
    """Two lower-case hex digits, or None."""
    text = device_id(value)
    return text[2:] if text and text.startswith("00") else None


def line_of(table: str, key: str) -> str | None:
    """What stands behind a key in a table of lines "key text"; such a table begins and ends with a line break."""
    start = table.find(f"\n{key} ")
    if start < 0:
        return None
    start += len(key) + 2
    return table[start : table.index("\n", start)]
