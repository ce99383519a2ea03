# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of ROCm and their order (data/rocm_support.yml)."""

from __future__ import annotations

import functools
import json
import re
from typing import Any, NamedTuple

__all__ = ["Release", "covers", "folder", "newest", "newest_of_series", "numbers", "release", "releases"]

PRODUCTION = ("legacy", "therock")
_RELEASE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){1,2}", re.ASCII)


class Release(NamedTuple):
    """One release. version has three numbers ("7.2.4", "10.1.0"); date is a day or a month (ISO 8601).

    stream: legacy (AMD's classic packages, up to 7.2), preview (7.9 to 7.13) or therock (7.14 and 10.x). amdgpu: the driver that AMD
    names with it (None: not read). confidence: high | medium | low, of date and driver.
    """

    version: str
    date: str
    stream: str
    amdgpu: str | None
    confidence: str

    @property
    def order(self) -> tuple[int, ...]:
        """To sort by: 7.10 comes after 7.2."""
        return numbers(self.version)

    @property
    def series(self) -> str:
        """"7.2" of 7.2.4."""
        return self.version.rpartition(".")[0]


@functools.lru_cache(maxsize=1)
def tables() -> dict[str, Any]:
    """Releases, targets, systems and troubles, as rendered."""
    from .rocm_matrix_table import TABLE

    found: dict[str, Any] = json.loads(TABLE)
    return found


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version of a release or a driver, ValueError for another text."""
    return tuple(int(part) for part in version.split("."))


def covers(first: str | None, last: str | None, version: str) -> bool:
    """Whether a release lies between two: first "6.4.1" begins with 6.4.1, last "6.4" ends with the last of 6.4 (None: open end)."""
    wanted = numbers(version)
    end = numbers(last) if last else ()
    return (first is None or wanted >= numbers(first)) and (last is None or wanted[: len(end)] <= end)


@functools.lru_cache(maxsize=1)
def releases() -> list[Release]:
    """All that our tables have, the oldest first."""
    found = [Release(row["release"], row["date"], row["stream"], row.get("amdgpu"), row.get("confidence", "high"))
             for row in tables()["releases"]]
    return sorted(found, key=lambda one: one.order)


def release(text: str) -> Release | None:
    """The release that a text names: "7.2.4", or the newest of "7.2". None where our tables have none, and for other texts."""
    text = text.strip()
    if not _RELEASE.fullmatch(text):
        return None
    fits = [one for one in releases() if covers(text, text, one.version)]
    return fits[-1] if fits else None


def newest(*streams: str) -> Release:
    """The newest release of these streams; without one, the newest that is no preview."""
    return [one for one in releases() if one.stream in (streams or PRODUCTION)][-1]


@functools.lru_cache(maxsize=1)
def newest_of_series() -> list[Release]:
    """The newest release of each series that is no preview, the oldest first: 6.3.3, 6.4.4 …"""
    found = {one.series: one for one in releases() if one.stream in PRODUCTION}
    return list(found.values())


def folder(version: str) -> str:
    """How AMD's servers write a release or a driver in an address: without a last .0 ("7.2.0" → 7.2, "10.1.0" → 10.1)."""
    parts = version.split(".")
    return ".".join(parts[:-1] if len(parts) == 3 and parts[-1] == "0" else parts)
