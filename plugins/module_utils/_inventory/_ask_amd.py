# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the readers of AMD GPUs and of ROCm, in their order of precedence."""

from __future__ import annotations

from typing import Any

from ._survey import Survey


def ask(survey: Survey) -> None:
    """Ask them where there is something of AMD."""
    if "amd" not in survey.present:
        return
    from . import amd_smi, amdgpu, kfd, rocm, rocminfo

    readers: list[Any] = [kfd, amdgpu, amd_smi, rocminfo, rocm]
    for reader in readers:
        survey.ask(reader.__name__.rpartition(".")[2], reader.read)
