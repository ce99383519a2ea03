# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run gives back when one of its steps fails: a reload of the module stops daemons and unloads modules, and where it goes no
further the node must not be left without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["giving_back"]


def giving_back(steps: Sequence[Mapping[str, Any]], number: int) -> list[Mapping[str, Any]]:
    """Of the steps after the failed one (number, from 1) those that start what was stopped and load what was unloaded."""
    begun, left = steps[:number], steps[number:]
    stopped = {one["values"]["name"] for one in begun if _service(one, "stopped")}
    unloaded = any(_program(one) == "rmmod" for one in begun)  # rmmod of several modules may have ended half-way
    return [one for one in left if (_service(one, "started") and one["values"]["name"] in stopped)
            or (unloaded and _program(one) in ("modprobe", "nvidia-modprobe"))]


def _service(step: Mapping[str, Any], state: str) -> bool:
    return bool(step["kind"] == "service" and step["values"].get("state") == state)


def _program(step: Mapping[str, Any]) -> str:
    return str((step["values"].get("argv") or [""])[0]) if step["kind"] == "command" else ""
