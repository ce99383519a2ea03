#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Stand-in for a tool of ROCm: the program of its name at the host's edge where there is one, else what the real one says without
# a driver. STAND_IN_ROOT tells the edge which release was called.
tool=${0##*/}
if [ -x "/opt/real/$tool" ]; then
    export STAND_IN_ROOT=@ROOT@
    exec "/opt/real/$tool" "$@"
fi
case $tool in
    rocminfo) echo "ROCk module is NOT loaded, possibly no GPU devices"; exit 255 ;;
    rocm_agent_enumerator) echo gfx000 ;;
    clinfo) printf 'Number of platforms:\t\t\t\t 1\n  Platform Name:\t\t\t\t AMD Accelerated Parallel Processing\n\n\n  Platform Name:\t\t\t\t AMD Accelerated Parallel Processing\nNumber of devices:\t\t\t\t 0\n' ;;
    amd-smi | rocm-smi) echo "ERROR:root:Driver not initialized (amdgpu not found in modules)" >&2; exit 255 ;;
    hipcc) echo "HIP version: @HIP@" ;;
esac
