# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what earlier runs left on a node; all of a change that a look at a node which needs none has to know."""

from __future__ import annotations

from ._survey import Survey


def ask(survey: Survey) -> None:
    """Record, files of ours, repositories, programs."""
    from . import kept

    survey.ask("kept", kept.read)
