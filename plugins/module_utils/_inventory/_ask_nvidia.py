# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the readers of NVIDIA GPUs and their driver, in their order of precedence."""

from __future__ import annotations

from typing import Any

from ._survey import Survey


def ask(survey: Survey) -> None:
    """Ask them where there is something of NVIDIA."""
    if "nvidia" not in survey.present:
        return
    from . import nvidia_driver, nvidia_proc, nvidia_smi, nvml

    readers: list[Any] = [nvidia_driver, nvml, nvidia_proc, nvidia_smi]
    for reader in readers:
        survey.ask(reader.__name__.rpartition(".")[2], reader.read)
