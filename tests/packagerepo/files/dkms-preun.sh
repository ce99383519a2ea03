# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
dkms remove -m @DKMS_MODULE@ -v @VERSION@ -q --all || :
