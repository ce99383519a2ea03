#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# On the host: `sh state.sh note` writes down every file, package and service of the machine, `sh state.sh compare` shows what is other.
# Left out is what a mere look or Ansible itself writes: /root, /run, /tmp, /srv (of these tests), its folders, logs and locks.
set -eu
state() {
    dpkg-query --show --showformat '${Package} ${Version} ${Status}\n'
    apt-mark showhold
    find / -xdev \( -path /root -o -path /run -o -path /tmp -o -path /srv -o -path /var/log -o -path /var/tmp -o -path /home \
        -o -name 'ansible-tmp-*' \) -prune -o \
        \( -type f -o -type l \) ! -name 'lock*' ! -name '*.bin' ! -name __pycache__ -printf '%p %s %T@ %l\n' | sort
    systemctl list-unit-files --no-legend 'nvidia*' || true
}
case $1 in
note) state >/root/state ;;
compare) state | diff /root/state - ;;
esac
