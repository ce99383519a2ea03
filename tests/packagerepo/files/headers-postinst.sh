#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
set -e
if [ "$1" = configure ] && [ -x /usr/sbin/dkms ] && [ -d /lib/modules/@KERNEL@ ]; then dkms autoinstall -k @KERNEL@ || true; fi
