#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
set -e
case $1 in remove | upgrade | deconfigure) dkms remove -m @DKMS_MODULE@ -v @VERSION@ --all || true ;; esac
