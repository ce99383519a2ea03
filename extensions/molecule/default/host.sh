#!/usr/bin/env bash
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# First process of a simulated host: a root of its own, the kernel's edge of a profile, then the image's systemd.
# usage: bash host.sh PROFILE [REPOSITORY [KERNEL]]: the distribution's local repository, and the package with its kernel. Mounted are the checkout as /fakegpu/checkout, /fakegpu/lib, /fakegpu/archives
# (packages that an earlier host fetched), and /machine, which the root is copied to.
#
# The root is not a layer of the engine, for two reasons: dpkg and DKMS run several times faster outside one, and programs
# that look whether they run in a container (ours do) find a host. A restart of the container is a reboot. Until the host is up,
# `docker exec` lands in the image, where there is no /bin/sh any more: Ansible cannot reach a machine that boots.
set -eu
new=/machine
run=$new/run/fakegpu

if [ ! -e $new/var/lib/fakegpu-root ]; then
    cp --archive --one-file-system / $new 2>/dev/null || cp -ax /. $new
    rm -f $new/.dockerenv
    : >$new/var/lib/fakegpu-root
    rm -f /bin/sh
fi
for name in resolv.conf hosts hostname; do cat /etc/$name >$new/etc/$name; done

for name in proc dev; do mount --rbind /$name $new/$name; done
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs $new/run
mount -t tmpfs -o mode=755,nosuid,nodev,noexec sysfs $new/sys
mkdir -p $new/sys/fs/cgroup $new/fakegpu $run/kmod $run/proc $run/proc-driver $new/run/systemd/system
mount -t cgroup2 cgroup2 $new/sys/fs/cgroup
mount --rbind /fakegpu $new/fakegpu

exec chroot $new /bin/sh /fakegpu/checkout/extensions/molecule/default/host-boot.sh "$@"
