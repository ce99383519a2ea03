#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Stand-in for update-initramfs: an archive with the names that matter, nouveau among them unless a file of modprobe.d bars it.
set -eu
kernel=$(uname -r) every=
while [ $# -gt 0 ]; do
    case $1 in -k) kernel=$2; shift ;; -k*) kernel=${1#-k} ;; -d) rm -f "/boot/initrd.img-$kernel"; exit 0 ;; esac
    shift
done
[ "$kernel" != all ] || every=1
for image in /boot/vmlinuz-*; do
    release=${image#/boot/vmlinuz-}
    [ -n "$every" ] || [ "$release" = "$kernel" ] || continue
    scratch=$(mktemp -d)
    folder=$scratch/usr/lib/modules/$release/kernel/drivers/gpu/drm/nouveau
    if ! grep -rqs '^blacklist  *nouveau' /etc/modprobe.d /lib/modprobe.d /usr/lib/modprobe.d; then mkdir -p "$folder"; touch "$folder/nouveau.ko.zst"; fi
    mkdir -p "$scratch/usr/bin"
    echo "update-initramfs: Generating /boot/initrd.img-$release"
    python3 - "$scratch" "/boot/initrd.img-$release" <<'P'
import os, sys
top, out = sys.argv[1:]
data = bytearray()
def add(name, content, mode):
    raw = name.encode() + b"\0"
    head = "070701" + "".join("%08X" % n for n in (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0))
    data.extend(head.encode() + raw)
    data.extend(bytes(-len(data) % 4) + content)
    data.extend(bytes(-len(data) % 4))
for folder, _dirs, files in sorted(os.walk(top)):
    add(os.path.relpath(folder, top), b"", 0o40755)
    for name in files:
        add(os.path.relpath(os.path.join(folder, name), top), b"", 0o100644)
add("TRAILER!!!", b"", 0)
with open(out + ".new", "wb") as file:
    file.write(data)
os.replace(out + ".new", out)
P
    rm -rf "$scratch"
done
