# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
if command -v dkms >/dev/null && [ -d /lib/modules/@KERNEL@/kernel ]; then dkms autoinstall -k @KERNEL@ || :; fi
