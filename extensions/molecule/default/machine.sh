#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# First process of a simulated machine: lays what `fakegpu tree` rendered over the container, then waits for its end.
# /fakegpu/tree, /fakegpu/lib and /fakegpu/hang_server.py are mounted; arguments are real tools to link from /opt/real.
set -eu
tree=/fakegpu/tree

tar -C "$tree/root" -cf - . | tar -C / --keep-directory-symlink --no-same-owner -xf -
if [ -d "$tree/proc-driver" ]; then mount --bind "$tree/proc-driver" /proc/driver; fi

# The kernel that the profile runs. What the engine's kernel does not have cannot be mounted over.
for path in cmdline version sys/kernel/osrelease; do
    if [ -f "$tree/proc/$path" ] && [ -f "/proc/$path" ]; then mount --bind "$tree/proc/$path" "/proc/$path"; fi
done

# path type major minor mode group; a group of another number than the image's is made on the way
if [ -f "$tree/nodes" ]; then
    while read -r path type major minor mode group; do
        mkdir -p "${path%/*}"
        [ -e "$path" ] || mknod "$path" "$type" "$major" "$minor"
        chmod "$mode" "$path"
        getent group "$group" >/dev/null || groupadd --system "$group"
        chgrp "$group" "$path"
    done <"$tree/nodes"
fi

if [ -f /etc/fakegpu/nvml.conf ]; then
    library=/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1
    rm -f "$(readlink -f "$library")"
    cp /fakegpu/lib/libnvidia-ml.so.1 "$(readlink -f "$library")"
fi

# The real dpkg-query then knows the packages of the profile, and no others.
if [ -f "$tree/dpkg-status" ]; then cp "$tree/dpkg-status" /var/lib/dpkg/status; fi

# AMD's tools open /dev/kfd, behind which there is no driver here.
for tool in "$@"; do
    rm -f "/usr/local/bin/$tool"
    printf '#!/bin/sh\nLD_PRELOAD=/fakegpu/lib/libfakekfd.so exec /opt/real/%s "$@"\n' "$tool" >"/usr/local/bin/$tool"
    chmod 755 "/usr/local/bin/$tool"
done

# Every name below /run/fakegpu then holds whoever touches it, SIGKILL or not.
if [ -c /dev/fuse ]; then
    python3 /fakegpu/hang_server.py /run/fakegpu &
    until grep -q ' /run/fakegpu fuse' /proc/mounts; do sleep 0.1; done
fi

touch /run/machine-ready
exec sleep infinity
