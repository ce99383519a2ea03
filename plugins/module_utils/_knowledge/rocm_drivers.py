# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which amdgpu driver goes with which release of ROCm: AMD's packages by version, the kernel's own by its release.

data/rocm_support.yml: releases, driver_windows, driver_bases, inbox.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .rocm_releases import covers, numbers, release, releases

# Kernels of these take drivers of later series over, so their number says too little: 5.14.0-570.el9_6, 6.4.0-150700.53-default, … uek
_ENTERPRISE = re.compile(r"\.el[0-9]|-default$|uek|\.azl[0-9]", re.ASCII)
# 1:6.16.13.30300400-2341068.24.04 → 30300400 (30.30.4), 1:6.12.12.60402-2187269.el9 → 60402 (6.4.2)
_ENCODED = re.compile(r"(?:[0-9]+:)?[0-9]+(?:\.[0-9]+){2,3}\.([0-9]{8}|[0-9]{5,6})(?:[-_]|$)", re.ASCII)


class Pair(NamedTuple):
    """The driver for a release: its version ("30.30.4"), the release whose pair it is, whether AMD names it with the release that was
    asked for, and what there is to say."""

    version: str
    release: str
    documented: bool
    note: str | None


class Inbox(NamedTuple):
    """Whether the kernel's own driver is enough for a card and a release; None: not known. why: a sentence. kernel: the first release of
    Linux that it may be relied on with (None: not known). counterpart: the series of AMD's driver that the kernel's is like."""

    enough: bool | None
    why: str
    kernel: str | None
    counterpart: str | None


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    from .rocm_drivers_table import TABLE

    found: dict[str, Any] = json.loads(TABLE)
    return found


def driver_for(wanted: str) -> Pair | None:
    """The driver that AMD names with a release; where none is documented the newest documented before it, which is said. None for a
    text that is no release, and for one older than our tables."""
    taken = release(wanted)
    if taken is not None and taken.amdgpu is not None:
        note = None if taken.confidence == "high" else f"AMD's page for the driver of ROCm {taken.version} was not read."
        return Pair(taken.amdgpu, taken.version, True, note)
    try:
        order = taken.order if taken else numbers(wanted.strip())
    except ValueError:
        return None
    before = [one for one in releases() if one.amdgpu and one.order <= order and (taken is None or one.stream == taken.stream)]
    if not before:
        return None
    pair = before[-1]
    note = f"The driver of ROCm {wanted.strip()[:20]} is not documented; {pair.amdgpu} is that of {pair.version}, the newest that is."
    return Pair(str(pair.amdgpu), pair.version, False, note)


def driver_fits(driver: str, wanted: str) -> bool | None:
    """Whether AMD names a driver ("30.30.4", "6.4") with a release ("7.2.4"). None: our tables do not say."""
    try:
        series = ".".join(str(part) for part in numbers(driver)[:2])
        order = numbers(wanted)
    except ValueError:
        return None
    taken = release(wanted)
    if taken is not None and taken.amdgpu is not None and numbers(taken.amdgpu)[:2] == numbers(series):
        return True
    if taken is not None and taken.stream == "preview":
        return None
    runs = next((row["rocm"] for row in _tables()["windows"] if row["amdgpu"] == series), None)
    if runs is None:
        return None
    version = ".".join(str(part) for part in order)
    if any(covers(first, last, version) for first, last in runs):
        return True
    beyond = order > numbers(runs[-1][1]) and not covers(None, runs[-1][1], version)
    if order < numbers(runs[0][0]):
        return False
    # Behind the newest release that any document speaks of, and between two runs, silence is no refusal.
    return False if beyond and runs[-1][1] != _newest_documented() else None


def driver_release(package_version: str) -> str | None:
    """The version of AMD's driver in that of its package: "1:6.16.13.30300400-2341068.24.04" → "30.30.4", "6.12.12.60402-1" → "6.4.2"."""
    match = _ENCODED.match(package_version)
    if match is None:
        return None
    digits = match[1].zfill(6) if len(match[1]) < 8 else match[1]
    return ".".join(str(int(digits[place : place + 2])) for place in (0, 2, 4))


def inbox(gfx_target: str, kernel_release: str, wanted: str) -> Inbox:
    """Whether the amdgpu of a kernel ("6.12.48+deb13-amd64") drives a target for a release of ROCm."""
    row = next((one for one in _tables()["inbox"] if gfx_target in one["gfx"]), None)
    match = re.match(r"[0-9]{1,3}(?:[.-][0-9]{1,7})*", kernel_release, re.ASCII)
    if row is None or match is None:
        what = f"the kernel {kernel_release[:60]!r}" if match is None else f"the target {gfx_target}"
        return Inbox(None, f"Our tables say nothing of {what}.", None, None)
    running = tuple(int(part) for part in re.findall("[0-9]+", match[0]))
    floor = row.get("needs") or row["kernel"]
    if running < numbers(floor) and not _backported(row, kernel_release, running):
        return _too_old(row, gfx_target, kernel_release, running, floor)
    return _beside(gfx_target, kernel_release, running, floor, wanted)


def _too_old(row: Mapping[str, Any], gfx: str, kernel: str, running: tuple[int, ...], floor: str) -> Inbox:
    if _ENTERPRISE.search(kernel):
        why = f"Linux {floor} is the first for {gfx}; {kernel} takes drivers of later series over, and its number does not tell which."
        return Inbox(None, why, floor, None)
    if running >= numbers(row["kernel"]):
        why = f"Linux drives {gfx} since {row['kernel']}, but computing on it needs changes of {floor}; {kernel} is older."
        return Inbox(False, why, floor, None)
    return Inbox(False, f"Linux drives {gfx} since {floor}; {kernel} is older.", floor, None)


def _beside(gfx: str, kernel: str, running: tuple[int, ...], floor: str, wanted: str) -> Inbox:
    """The kernel drives the target; whether its driver is of an age that AMD names with the release."""
    older = [row["amdgpu"] for row in _tables()["bases"] if numbers(row["kernel"]) <= running[:2]]
    counterpart = older[-1] if older else None
    if counterpart is None:
        return Inbox(None, f"The driver of {kernel} is older than any that AMD's tables pair with a release.", floor, None)
    fits = driver_fits(counterpart, wanted)
    like = f"the amdgpu of {kernel} drives {gfx} and is like AMD's driver {counterpart}"
    if fits is False:
        return Inbox(None, f"{like[0].upper()}{like[1:]}, which AMD does not name with ROCm {wanted[:20]}.", floor, counterpart)
    said = "" if fits else f", of which AMD says nothing for ROCm {wanted[:20]}"
    return Inbox(True, f"{like[0].upper()}{like[1:]}{said}.", floor, counterpart)


def _backported(row: Mapping[str, Any], kernel: str, running: tuple[int, ...]) -> bool:
    found = [one for one in row.get("backports", ()) if one["release"] in kernel]
    return any(running >= tuple(int(part) for part in re.findall("[0-9]+", one["kernel"])) for one in found)


@functools.lru_cache(maxsize=1)
def _newest_documented() -> str:
    ends = {run[1] for row in _tables()["windows"] for run in row["rocm"]}
    return str(max(ends, key=numbers))
