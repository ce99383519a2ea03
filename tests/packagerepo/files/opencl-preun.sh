#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
set -e
case ${1:-} in
    remove | upgrade | deconfigure | [0-9]*)
        rm -f /etc/OpenCL/vendors/amdocl64_@STAMP@_@NUMBER@.icd
        ! grep -qs '^@ROOT@/' /etc/ld.so.conf.d/10-rocm-opencl.conf || rm -f /etc/ld.so.conf.d/10-rocm-opencl.conf
        ldconfig || true ;;
esac
