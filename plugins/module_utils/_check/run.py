# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check one machine: findings and verdict from its inventory, without touching the machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ._areas import findings
from ._node import Node
from ._report import Report
from ._verdict import verdict


def check(inventory: Any, acknowledge: Iterable[str] = ()) -> Report:
    """The report of a machine (see docs/architecture.md). acknowledge: codes that somebody lives with; they become info."""
    node = Node(inventory)
    found = findings(node, acknowledge)
    return Report(found, verdict(node, found))
