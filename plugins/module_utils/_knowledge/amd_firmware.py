# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which firmware files amdgpu asks for, by gfx target."""

from __future__ import annotations

import json


def prefixes(gfx_target: str) -> tuple[str, ...]:
    """How their names in the folder amdgpu begin ("sienna_cichlid"): a chip asks for those of one of these. Empty: not known."""
    from .amd_firmware_table import TABLE

    return next((tuple(row["prefixes"]) for row in json.loads(TABLE)["firmware"] if row["gfx"] == gfx_target), ())
