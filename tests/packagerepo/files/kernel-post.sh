# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
depmod @KERNEL@ || :
if command -v dracut >/dev/null; then dracut --force --kver @KERNEL@ || :; fi
if command -v update-grub >/dev/null; then update-grub; fi
if command -v dkms >/dev/null && [ -e /lib/modules/@KERNEL@/build/Makefile ]; then dkms autoinstall -k @KERNEL@ || :; fi
