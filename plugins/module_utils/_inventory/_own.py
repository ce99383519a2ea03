# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what a module of this collection owns on a node, and is called there. Readers look for the files, plans write them."""

from __future__ import annotations

from typing import NamedTuple

MODPROBE = "/etc/modprobe.d/gpufleet-nvidia.conf"

ROCM_MODPROBE = "/etc/modprobe.d/gpufleet-rocm.conf"
ROCM_UDEV = "/etc/udev/rules.d/70-gpufleet-rocm.rules"
ROCM_ENVIRONMENT = "/etc/environment.d/70-gpufleet-rocm.conf"  # for services of users; systemd reads it
ROCM_PROFILE = "/etc/profile.d/gpufleet-rocm.sh"  # for login shells


class Own(NamedTuple):
    """One of the modules that enforce: its name, the words for what it enforces, and the paths that are its own."""

    module: str  # nvidia_driver
    codes: str  # how the codes of its refusals begin: ND-…
    findings: tuple[str, ...]  # how the codes of findings about it begin
    title: str  # NVIDIA driver
    what: str  # "the driver", in sentences
    record: str  # what it did on the node
    preferences: str  # apt's file of the hold
    transaction: str  # apt's file for one transaction; read before that of the hold: the first record that fits a version counts
    others: str  # apt's file that keeps other makers out; it sorts before both
    own_preferences: str  # how the names of all its files for apt begin
    files: tuple[str, ...]  # files of fixed names besides; the record has those of other names


NVIDIA = Own(
    module="nvidia_driver",
    codes="ND-",
    findings=("NV-", "GPU-"),
    title="NVIDIA driver",
    what="the driver",
    record="/var/lib/gpufleet/nvidia_driver.json",
    preferences="/etc/apt/preferences.d/gpufleet-nvidia-driver.pref",
    transaction="/etc/apt/preferences.d/gpufleet-nvidia-0-transaction.pref",
    others="/etc/apt/preferences.d/gpufleet-nvidia-0-others.pref",
    own_preferences="/etc/apt/preferences.d/gpufleet-nvidia-",
    files=(MODPROBE,),
)
ROCM = Own(
    module="rocm_stack",
    codes="RS-",
    findings=("AMD-", "GPU-"),
    title="ROCm",
    what="ROCm",
    record="/var/lib/gpufleet/rocm_stack.json",
    preferences="/etc/apt/preferences.d/gpufleet-rocm-stack.pref",
    transaction="/etc/apt/preferences.d/gpufleet-rocm-0-transaction.pref",
    others="/etc/apt/preferences.d/gpufleet-rocm-0-others.pref",
    own_preferences="/etc/apt/preferences.d/gpufleet-rocm-",
    files=(ROCM_MODPROBE, ROCM_UDEV, ROCM_ENVIRONMENT, ROCM_PROFILE),
)
