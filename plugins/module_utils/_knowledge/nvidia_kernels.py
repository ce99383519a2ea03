# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernels are too new for an NVIDIA driver that is built on the node (data/nvidia_kernels.yml)."""

from __future__ import annotations

import functools
import json
import re
from typing import Any, NamedTuple

_TAIL = re.compile(r"[~+]")  # 550.163.01-4~bpo13+1 is the source of 550.163.01-4, built for an older release


class Break(NamedTuple):
    """Why a module does not build for a kernel: the first release of Linux that breaks it, and the first version of the branch that
    is known to build (None: none is). sure: read first-hand; else a single report says so."""

    kernel: str
    builds: str | None
    sure: bool


@functools.lru_cache(maxsize=1)
def _rows() -> list[dict[str, Any]]:
    from .nvidia_kernels_table import TABLE

    rows: list[dict[str, Any]] = json.loads(TABLE)["breaks"]
    return rows


def _numbers(text: str) -> list[int]:
    return [int(digits[:9]) for digits in re.findall(r"[0-9]+", text)]


def too_new(release: str, maker: str, version: str, flavour: str | None = None) -> Break | None:
    """The break that a kernel's release ('6.17.13-2-pve') is for a driver; None where none is known.

    maker is the word of driver.origin. version is upstream's for nvidia, and the package's without epoch for a distribution, which
    patches its own: '550.163.01-4~bpo13+1'. Of several the sure ones count first; builds is what all of them need.
    """
    kernel, mine = _numbers(release), _numbers(_TAIL.split(version)[0])
    found = [row for row in _rows() if row["maker"] == maker and mine[:1] == [row["branch"]] and _meant(row, release, kernel)
             and row.get("flavour") in (None, flavour) and mine <= _numbers(row["fails"])]
    if not found:
        return None
    first = min(found, key=lambda row: (not _sure(row), _numbers(row["kernel"])))
    fixes = [row.get("builds") for row in found]
    return Break(first["kernel"], None if None in fixes else max(map(str, fixes), key=_numbers), _sure(first))


def _sure(row: dict[str, Any]) -> bool:
    return bool(row.get("confidence", "high") == "high")


def _meant(row: dict[str, Any], release: str, kernel: list[int]) -> bool:
    ended = "until" in row and kernel >= _numbers(row["until"])
    return kernel >= _numbers(row["kernel"]) and not ended and row.get("release", "") in release
