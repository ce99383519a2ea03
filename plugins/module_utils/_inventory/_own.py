# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the files that this collection keeps on a node. Readers look for them, plans write them."""

from __future__ import annotations

RECORD = "/var/lib/gpufleet/nvidia_driver.json"
PREFERENCES = "/etc/apt/preferences.d/gpufleet-nvidia-driver.pref"
MODPROBE = "/etc/modprobe.d/gpufleet-nvidia.conf"
# Read before the file of the hold, whose name sorts after it: the first record that fits a version counts.
TRANSACTION = "/etc/apt/preferences.d/gpufleet-nvidia-0-transaction.pref"
OWN_PREFERENCES = "/etc/apt/preferences.d/gpufleet-nvidia-"  # how the names of all our files for apt begin

ROCM_RECORD = "/var/lib/gpufleet/rocm_stack.json"
ROCM_PREFERENCES = "/etc/apt/preferences.d/gpufleet-rocm-stack.pref"
ROCM_UDEV = "/etc/udev/rules.d/70-gpufleet-rocm.rules"
ROCM_ENVIRONMENT = "/etc/environment.d/70-gpufleet-rocm.conf"  # for services of users; systemd reads it
ROCM_PROFILE = "/etc/profile.d/gpufleet-rocm.sh"  # for login shells
ROCM_FILES = (ROCM_PREFERENCES, ROCM_UDEV, ROCM_ENVIRONMENT, ROCM_PROFILE)
