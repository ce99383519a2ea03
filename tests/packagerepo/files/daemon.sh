#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Stand-in for a daemon of the driver: it fails without the module, and does nothing with it.
if [ ! -d /sys/module/nvidia ]; then
    echo "Failed to query NVIDIA devices. Please ensure that the NVIDIA device files (/dev/nvidia*) exist." >&2
    exit 1
fi
exec sleep infinity
