# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a language model needs, from data/model_memory.yml."""

from __future__ import annotations

import functools
import json
from typing import Any

GIB = 2**30


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    from .model_memory_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    return tables


def formats() -> tuple[str, ...]:
    """Number formats and quantisations of our table, the widest first."""
    return tuple(_tables()["formats"])


def uses() -> tuple[str, ...]:
    """What a model can be wanted for."""
    return tuple(_tables()["uses"])


def precision_of(weight_format: str) -> str:
    """The number format in which the GPU computes with weights of a format."""
    return str(_tables()["formats"][weight_format]["precision"])


def needed_gib(parameters_billion: float, weight_format: str, use: str = "inference") -> float:
    """GiB that a model of so many billion parameters needs: parameters x bytes per weight x factor of the use."""
    per_weight = float(_tables()["formats"][weight_format]["bytes_per_weight"])
    return parameters_billion * 1e9 * per_weight * float(_tables()["uses"][use]["factor"]) / GIB


def largest_billion(memory_gib: float, weight_format: str, use: str = "inference") -> float:
    """The parameters, in billions, of the largest model that so many GiB hold."""
    return memory_gib / needed_gib(1.0, weight_format, use)
