#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Stand-in: the real program where the machine has it, else what the real one says without a driver.
if [ -x /opt/real/nvidia-smi ]; then exec /opt/real/nvidia-smi "$@"; fi
echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver." \
    "Make sure that the latest NVIDIA driver is installed and running."
exit 9
