#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
set -e
if [ "$1" = configure ]; then
    depmod @KERNEL@ || true
    ln -sf vmlinuz-@KERNEL@ /boot/vmlinuz
    if [ -x /usr/sbin/dkms ] && [ -e /lib/modules/@KERNEL@/build/Makefile ]; then dkms autoinstall -k @KERNEL@ || true; fi
    if command -v update-initramfs >/dev/null; then update-initramfs -c -k @KERNEL@; fi
    if command -v update-grub >/dev/null; then update-grub; fi
fi
