#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The root is Debian's: its update-alternatives with this distribution's folder for its records.
exec /usr/bin/update-alternatives --admindir @ALTERNATIVES_FOLDER@ "$@"
