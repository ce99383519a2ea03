# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which PyTorch wheel fits a GPU and a driver, from data/torch_wheels.yml."""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple

from .versions import at_least, order

CPU = "cpu"


class Variant(NamedTuple):
    """A wheel variant. architectures: compute capabilities ('8.6') or gfx targets of its newest build that is asked for.

    min_driver is the floor of minor version compatibility, full_driver the driver of the toolkit; torch is the first and the
    last release that has the variant. ptx is the compute capability that is shipped as PTX too.
    """

    name: str
    backend: str
    min_driver: str | None
    full_driver: str | None
    architectures: tuple[str, ...]
    ptx: str | None
    torch: tuple[str, str] | None


class Wheel(NamedTuple):
    """The variant to install, the newest release that has it, the index to name, and why."""

    variant: str
    torch: str | None
    index_url: str
    reason: str


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    from .torch_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    return tables


def _index_url(name: str) -> str:
    return str(_tables()["index_url"]).replace("{variant}", name)


def _holds(row: dict[str, Any], torch: str | None) -> bool:
    first, last = row["torch"]
    return torch is None or order(first) <= order(torch)[:2] <= order(last)


def variant(name: str, torch: str | None = None) -> Variant | None:
    """A variant by its name ('cu126', 'rocm7.2', 'cpu'), as built for a torch release (default: the newest that has it)."""
    if name == CPU:
        return Variant(CPU, CPU, None, None, (), None, None)
    for row in _tables()["variants"]:
        builds = [build for build in row["sm"] if _holds(build, torch)]
        if row["variant"] == name and builds:
            build = builds[-1]
            span = (builds[0]["torch"][0], build["torch"][1])
            return Variant(name, "cuda", row["min_driver"], row["full_driver"], tuple(build["list"]), build.get("ptx"), span)
    rows = sorted(_tables()["rocm"], key=lambda row: (row.get("confidence") != "low", order(row["torch"][1])))
    for row in reversed(rows):
        if name.startswith("rocm") and name[4:] in row["rocm"] and _holds(row, torch):
            return Variant(name, "rocm", None, None, tuple(row["gfx"]), None, (row["torch"][0], row["torch"][1]))
    return None


def runs_on(architectures: tuple[str, ...], ptx: str | None, compute_capability: str) -> bool:
    """Whether code built for these capabilities runs: same major and no newer minor, or PTX of an older one."""
    wanted = order(compute_capability)
    same = any(order(entry)[0] == wanted[0] and order(entry) <= wanted for entry in architectures)
    return same or (ptx is not None and order(ptx) <= wanted)


def wheel_for(compute_capability: str | None, driver_version: str | None) -> Wheel:
    """The wheel for an NVIDIA GPU: the newest torch whose build has code for it and whose floor the driver reaches.

    Of the variants with the same newest torch, the newest whose own driver is reached; a driver of None is not looked at.
    """
    best: tuple[Any, ...] | None = None
    for row in _tables()["variants"]:
        if compute_capability is None or row.get("confidence") == "low":
            continue
        if driver_version is not None and not at_least(driver_version, row["min_driver"]):
            continue
        release = _newest_release(row, compute_capability)
        if release is None:
            continue
        full = driver_version is None or bool(at_least(driver_version, row["full_driver"]))
        key = (order(release), full, order(row["full_driver"]) if full else tuple(-part for part in order(row["full_driver"])))
        if best is None or key > best[0]:
            best = (key, row["variant"], release, row["min_driver"])
    if best is None:
        return Wheel(CPU, None, _index_url(CPU), _why_cpu(compute_capability, driver_version))
    name, release, floor = best[1:]
    reason = f"torch {release} for {name} has code for compute capability {compute_capability} and needs driver {floor}"
    return Wheel(name, release, _index_url(name), reason)


def _newest_release(row: dict[str, Any], compute_capability: str) -> str | None:
    """The newest confirmed release whose build of a variant runs on the capability."""
    confirmed = [entry["torch"] for entry in _tables()["releases"] if entry.get("confidence") != "low"]
    builds = [build for build in row["sm"] if runs_on(tuple(build["list"]), build.get("ptx"), compute_capability)]
    fitting = [torch for torch in confirmed if any(_holds(build, torch) for build in builds)]
    return max(fitting, key=order, default=None)


def _why_cpu(compute_capability: str | None, driver_version: str | None) -> str:
    if compute_capability is None:
        return "the compute capability of the GPU is not known"
    if driver_version is not None and wheel_for(compute_capability, None).variant != CPU:
        return f"no wheel with code for compute capability {compute_capability} runs on driver {driver_version}"
    return f"no wheel has code for compute capability {compute_capability}"


def wheel_for_gfx(gfx_target: str | None) -> Wheel:
    """The wheel for an AMD GPU: the newest whose build lists its gfx target."""
    rows = [row for row in _tables()["rocm"] if gfx_target in row["gfx"]]
    if not rows:
        return Wheel(CPU, None, _index_url(CPU), f"no ROCm wheel is built for {gfx_target or 'an unknown gfx target'}")
    row = ([row for row in rows if row.get("confidence") != "low"] or rows)[-1]
    release = str(row["torch"][1])
    rocm = max(next(entry["rocm"] for entry in _tables()["releases"] if entry["torch"] == release), key=order)
    name = f"rocm{rocm}"
    return Wheel(name, release, _index_url(name), f"torch {release} for {name} is built for {gfx_target}")
