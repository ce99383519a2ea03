#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The modules lie in pieces until they are linked and signed on the machine; here they are only moved to their place.
set -e
if [ "$1" = configure ]; then
    cp /lib/modules/@KERNEL@/kernel/@PREBUILT_FOLDER@/bits/*.ko /lib/modules/@KERNEL@/kernel/@PREBUILT_FOLDER@/
    depmod @KERNEL@ || true
fi
