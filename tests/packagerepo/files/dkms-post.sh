# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
dkms add -m @DKMS_MODULE@ -v @VERSION@ -q || :
# As the vendor's script: for the running kernel, and without it for each that has headers. A failure does not fail the package.
if [ -e "/lib/modules/$(uname -r)/build/Makefile" ]; then
    dkms build -m @DKMS_MODULE@ -v @VERSION@ -q || :
    dkms install -m @DKMS_MODULE@ -v @VERSION@ -q --force || :
else
    dkms install -m @DKMS_MODULE@ -v @VERSION@ -q --force --all || :
fi
