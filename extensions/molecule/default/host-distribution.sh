#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# First boot of a host of another distribution than Debian, in its root: the distribution's local repository, a kernel and what is
# on every such host. usage: sh host-distribution.sh REPOSITORY [KERNEL], the package that brings the kernel; its root is one of Debian with that distribution's package manager.
set -eu
. /usr/lib/os-release
# Where apt and dnf would find it is the container's matter, so hosts see it at a place of its own.
at=/fakegpu/repositories
ln -sfn /fakegpu/checkout/build/molecule/repositories $at
# NVIDIA's, as a mirror has them: below the path of NVIDIA's own server.
for repository in "$at"/nvidia-*; do
    folder=/srv/mirror/compute/cuda/repos/${repository##*/nvidia-}
    mkdir -p "$folder"
    ln -sfn "$repository" "$folder/x86_64"
done

yum_repository() {  # folder, id, name, base, key
    printf '[%s]\nname=%s\nbaseurl=%s\nenabled=1\ngpgcheck=1\ngpgkey=file://%s\n' "$2" "$3" "$4" "$5" >"$1/$2.repo"
}

case $ID in
    debian | ubuntu)
        components="main restricted multiverse" kernel=linux-generic
        [ "$ID" = ubuntu ] || components=main kernel=linux-image-amd64
        cat >"/etc/apt/sources.list.d/$ID.sources" <<S
Types: deb
URIs: file:$at/$1
Suites: $VERSION_CODENAME $VERSION_CODENAME-updates $VERSION_CODENAME-security
Components: $components
Signed-By: $at/$1/repository-key.asc
S
        # A suite that the smaller repositories do not have.
        for suite in "$VERSION_CODENAME" "$VERSION_CODENAME-updates" "$VERSION_CODENAME-security"; do
            [ -d "$at/$1/dists/$suite" ] || sed -i "s/ $suite\b//" "/etc/apt/sources.list.d/$ID.sources"
        done
        apt-get --quiet --quiet update
        DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet --yes install initramfs-tools "${2:-$kernel}" ;;
    rocky)
        yum_repository /etc/yum.repos.d rocky-base "Rocky Linux and EPEL" "file://$at/$1" "$at/$1/repository-key.asc"
        rpm --import "$at/$1/repository-key.asc"
        dnf --quiet --assumeyes install rocky-release epel-release bash gcc make kernel kernel-headers ;;
    fedora)
        yum_repository /etc/yum.repos.d fedora "Fedora" "file://$at/$1" "$at/$1/repository-key.asc"
        rpm --import "$at/$1/repository-key.asc"
        dnf --quiet --assumeyes install fedora-release bash gcc make kernel kernel-headers ;;
    sles)
        mkdir -p /etc/zypp/repos.d
        yum_repository /etc/zypp/repos.d sles-base "SLES 15" "dir://$at/$1" "$at/$1/repository-key.asc"
        rpm --import "$at/$1/repository-key.asc"
        zypper --quiet --non-interactive install bash gcc make kernel-default ;;
esac
