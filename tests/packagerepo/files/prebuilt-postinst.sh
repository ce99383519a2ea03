#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The modules lie in pieces, which are no modules to depmod, until they are linked and signed on the machine; here they only move.
set -e
if [ "$1" = configure ]; then
    folder=/lib/modules/@KERNEL@/kernel/@PREBUILT_FOLDER@
    for part in "$folder"/bits/*.o; do
        name=${part##*/}
        cp "$part" "$folder/${name%.o}.ko"
    done
    depmod @KERNEL@ || true
fi
