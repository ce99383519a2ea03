#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
set -e
if [ "$1" = configure ] && command -v update-initramfs >/dev/null; then update-initramfs -u -k all; fi
