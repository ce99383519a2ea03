# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How data/*.yml become the tables that nodes carry, and the pages made of them. Needs PyYAML only."""

from __future__ import annotations

from pathlib import Path

from . import pages, tables


def render_all(data: Path) -> dict[str, str]:
    """Every generated file: its path in the checkout -> its text."""
    return {**tables.render(data), **pages.render(data)}
