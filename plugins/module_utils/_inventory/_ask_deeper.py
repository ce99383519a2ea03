# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what only a check reads."""

from __future__ import annotations

from ._survey import Survey


def ask(survey: Survey) -> None:
    """The kernel's log, and who uses GPUs."""
    from . import logs

    survey.ask("logs", logs.read)
    if survey.present:
        from . import holders

        survey.ask("holders", holders.read)
