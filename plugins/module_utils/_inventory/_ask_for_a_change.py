# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what stands in the way of a change, and what an earlier one left."""

from __future__ import annotations

from . import _ask_what_is_kept
from ._survey import Survey


def ask(survey: Survey) -> None:
    """Who uses GPUs, room, files and records of ours, workload managers."""
    from . import holders, room, workloads

    survey.ask("holders", holders.read)
    _ask_what_is_kept.ask(survey)
    survey.ask("room", room.read)
    survey.ask("workloads", workloads.read)
