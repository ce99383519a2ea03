# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what a change of ROCm and its verification want to know besides."""

from __future__ import annotations

from ._survey import Survey


def ask(survey: Survey) -> None:
    """What earlier runs left, who may use the devices, and what users see of them."""
    from . import rocm_access, rocm_state, rocm_users

    survey.ask("rocm_state", rocm_state.read)
    if "amd" in survey.present:
        survey.ask("rocm_access", rocm_access.read)
        survey.ask("rocm_users", rocm_users.read)
