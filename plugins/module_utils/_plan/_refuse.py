# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: make a refusal from its row in data/refusals.yml."""

from __future__ import annotations

from typing import Any

from .._check._node import Node
from .steps import Refusal


def refuse(
    node: Node, code: str, subject: str = "node", severity: str | None = None, use: tuple[dict[str, str], ...] = (), **words: Any
) -> Refusal:
    """The refusal of this code with its texts filled in. severity: instead of the row's own."""
    from .._knowledge.refusals import refusal_row

    row = refusal_row(code)
    message, remedy = row.filled(words)
    return Refusal(code, severity or row.severity, message, remedy, subject, use)
