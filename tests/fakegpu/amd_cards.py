# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of AMD cards that several renderings need."""

from __future__ import annotations

import uuid

from .profile import Gpu, Profile

MIB = 1 << 20


PARTITIONS = {"SPX": 1, "DPX": 2, "QPX": 4, "CPX": 8}


def served(profile: Profile) -> list[Gpu]:
    """Cards that amdgpu drives."""
    return [gpu for gpu in profile.of("amd") if gpu.driver == "amdgpu"]


def gfx_name(number: int) -> str:
    """90402 → gfx942, 90010 → gfx90a, 100300 → gfx1030: the stepping is written in hex."""
    return f"gfx{number // 10000}{number // 100 % 100}{number % 100:x}"


def unique_id(gpu: Gpu) -> int:
    """The number in the fuses; 0 for cards that do not tell one."""
    return int(uuid.UUID(gpu.uuid[4:]).int & 0xFFFFFFFFFFFFFFFF | 1 << 60) if gpu.get("unique") else 0


def partitions(gpu: Gpu) -> int:
    """Compute partitions of the card."""
    return PARTITIONS[gpu.get("compute_partition", "SPX")]
