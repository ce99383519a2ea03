# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what a screen and an answer say of ROCm: the release and the driver beside it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from .._inventory._own import ROCM
from .answer import answer as shared_answer
from .steps import Plan
from .text import About

__all__ = ["ABOUT", "answer"]


def before(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """{driver, rocm} of `amd` of the facts; None where nothing of AMD is there."""
    amd = facts.get("amd")
    return {"driver": amd["driver"], "rocm": amd["rocm"]} if amd else None


def _rows(plan: Plan, amd: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    now, driver = _release(amd.get("rocm") or {}), _driver(amd.get("driver") or {})
    chosen: Any = plan.chosen
    if plan.status != "change":
        yield "ROCm", now
        yield "Driver", driver
    elif chosen is None:
        yield "ROCm", f"{now} -> none"
    else:
        yield "ROCm", f"{now} -> {chosen.version}, from {chosen.origin}"
        comes = f"{driver} -> {' '.join(filter(None, (chosen.driver, chosen.driver_version)))}"
        yield "Driver", driver if chosen.driver in ("none", (amd.get("driver") or {}).get("method")) else comes


def _release(rocm: Mapping[str, Any]) -> str:
    if not rocm.get("packages") and not rocm.get("version"):
        return "none"
    words = [rocm.get("version") or f"{len(rocm.get('packages') or ())} packages", f"from {rocm['origin']}" if rocm.get("origin") else None]
    return ", ".join(str(word) for word in words if word)


def _driver(driver: Mapping[str, Any]) -> str:
    """inbox; dkms 6.14.14, not loaded."""
    if not driver.get("method"):
        return "loaded" if driver.get("loaded") else "not loaded"
    words = [" ".join(str(word) for word in (driver["method"], driver.get("version")) if word)]
    return ", ".join([*words, *(["not loaded"] if driver.get("loaded") is False else [])])


def _there(amd: Mapping[str, Any]) -> bool:
    rocm = amd.get("rocm") or {}
    return bool(rocm.get("packages") or rocm.get("version"))


ABOUT = About(ROCM, before, _rows, _there, lambda amd: _there(amd) and bool((amd.get("driver") or {}).get("loaded")))
answer = functools.partial(shared_answer, about=ABOUT)
