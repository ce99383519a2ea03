# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan of ROCm leads to, beside the steps and plans that it has in common with the driver's (steps.py)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["RocmChosen"]


class RocmChosen(NamedTuple):
    """The ROCm to have. version: the release ("7.2.4"); of a distribution, whose components have releases of their own, that of the first
    component that was asked for, and components has (component, release) of each. origin: id of a row of data/rocm_packages.yml; stream:
    legacy | therock, None of a distribution. driver: inbox | dkms | none; driver_version: AMD's own number ("30.30.4"), None where the
    driver is the kernel's. support: what the release makes of the cards, the worst of them (supported | unofficial | unknown). override:
    the value of HSA_OVERRIDE_GFX_VERSION that they need. notes: why another one was not taken. offered: releases of the origin that serve
    these cards, empty where nobody was asked."""

    version: str
    origin: str
    stream: str | None
    driver: str
    driver_version: str | None
    gfx_targets: tuple[str, ...]
    support: str
    components: tuple[tuple[str, str], ...] = ()
    override: str | None = None
    notes: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
