#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# As the vendor's script: a kernel without headers is passed over, a build that fails leaves the package half configured.
set -e
if [ "$1" = configure ]; then
    dkms add -m @DKMS_MODULE@ -v @VERSION@ || true
    for folder in /lib/modules/*/; do
        kernel=$(basename "$folder")
        if [ -e "/lib/modules/$kernel/build/Makefile" ]; then
            dkms build -m @DKMS_MODULE@ -v @VERSION@ -k "$kernel"
            dkms install -m @DKMS_MODULE@ -v @VERSION@ -k "$kernel" --force
        else
            echo "Module build for kernel $kernel was skipped since the kernel headers for this kernel do not seem to be installed."
        fi
    done
fi
