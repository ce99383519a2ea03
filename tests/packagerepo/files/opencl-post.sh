#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The driver for OpenCL loaders, and its library's folder for the linker. The latter is one file for all releases.
set -e
case ${1:-} in
    configure | [0-9]*)
        mkdir -p /etc/OpenCL/vendors /etc/ld.so.conf.d
        echo libamdocl64.so >/etc/OpenCL/vendors/amdocl64_@STAMP@_@NUMBER@.icd
        echo @ROOT@/lib >/etc/ld.so.conf.d/10-rocm-opencl.conf
        ldconfig || true ;;
esac
