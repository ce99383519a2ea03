# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the findings of one machine, area by area. A plan shows them and needs no verdict, which would be sent along."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from . import (
    _amd,
    _containers,
    _events,
    _fabric,
    _links,
    _memory,
    _nvidia_driver,
    _nvidia_library,
    _nvidia_support,
    _nvidia_versions,
    _packages,
    _presence,
    _runtime,
    _software,
    _sources,
)
from ._finding import finding
from ._node import Node
from ._report import ORDER, Finding

_Check = Callable[[Node], Iterable[Finding]]

# What explains comes before what it explains: the first finding that breaks a link gives the next command.
_AREAS: tuple[tuple[str, _Check], ...] = (
    ("presence", _presence.check),
    ("driver support", _nvidia_support.check),
    ("driver", _nvidia_driver.check),
    ("driver versions", _nvidia_versions.check),
    ("AMD", _amd.check),
    ("fabric", _fabric.check),
    ("runtime", _runtime.check),
    ("events", _events.check),
    ("memory", _memory.check),
    ("links", _links.check),
    ("packages", _packages.check),
    ("containers", _containers.check),
    ("software", _software.check),
)


def findings(node: Node, acknowledge: Iterable[str] = ()) -> list[Finding]:
    """What is found on a machine, the worst first. acknowledge: codes that somebody lives with; they become info."""
    accepted = frozenset(acknowledge)
    explained: set[int] = set()

    def library(one: Node) -> Iterable[Finding]:
        findings, ids = _nvidia_library.check(one)
        explained.update(ids)
        return findings

    found: list[Finding] = []
    for area, run in (*_AREAS[:4], ("NVML", library), *_AREAS[4:], ("sources", lambda one: _sources.check(one, explained))):
        found += _guarded(node, area, run)
    found = [one.acknowledge() if one.code in accepted else one for one in found]
    found.sort(key=lambda one: ORDER.index(one.severity))
    return found


def _guarded(node: Node, area: str, run: _Check) -> list[Finding]:
    """The findings of an area. An inventory of unheard-of form must not hide what the other areas found."""
    found: list[Finding] = []
    try:
        found.extend(run(node))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        found.append(finding(node, "CHECK-FAILED", area, {"error": repr(error)}, area=area, error=repr(error)))
    return found
