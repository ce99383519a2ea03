#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
set -e
rm -f /lib/modules/@KERNEL@/kernel/@PREBUILT_FOLDER@/*.ko
depmod @KERNEL@ || true
