# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of what a card is good for, from data/fitness.yml."""

from __future__ import annotations

import functools
import json
from typing import Any


@functools.lru_cache(maxsize=1)
def rules() -> dict[str, Any]:
    """Every table of data/fitness.yml: its name -> its rows as they stand there."""
    from .fitness_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    return tables
