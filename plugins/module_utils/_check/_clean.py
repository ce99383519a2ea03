# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: text that a screen can show."""

from __future__ import annotations

from typing import Any

__all__ = ["clean"]


def clean(text: Any) -> str:
    """One line without control characters: names and log lines come from hardware and from files of others."""
    return "".join(character if character.isprintable() else " " for character in str(text))
