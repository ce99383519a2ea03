#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# On the host, in the place of a program, by its name: waits while /run/faults/wait is there. Where that names "step", a package's script
# does not wait, a step of ours does.
if [ -z "${DPKG_RUNNING_VERSION-}" ] || ! grep -qs step /run/faults/wait; then
    mkdir -p /run/faults
    : >/run/faults/waiting
    while [ -e /run/faults/wait ]; do sleep 0.1; done
fi
exec "/usr/sbin/${0##*/}" "$@"
