#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Stand-in for dkms 3: the same verbs, options, output, tree and exit statuses, for modules that lie ready below /usr/src.
# /etc/dkms/stand-in.conf may set BUILD_SECONDS (how long a build takes) and FAIL_KERNELS (releases whose builds fail).
set -eu
tree=/var/lib/dkms place=@DKMS_PLACE@ compress=@DKMS_COMPRESS@ arch=x86_64
BUILD_SECONDS=0 FAIL_KERNELS=
if [ -r /etc/dkms/stand-in.conf ]; then . /etc/dkms/stand-in.conf; fi

action=${1:-} module='' version='' kernels='' all=''
[ $# -eq 0 ] || shift
while [ $# -gt 0 ]; do
    case $1 in
        -m) module=$2; shift ;;
        -v) version=$2; shift ;;
        -k) kernels=$2; shift ;;
        -a | --arch) shift ;;
        --all) all=1 ;;
        -*) ;;
        */*) module=${1%%/*} version=${1#*/} ;;
        *) [ -n "$module" ] && version=$1 || module=$1 ;;
    esac
    shift
done
case $module in */*) version=${module#*/} module=${module%%/*} ;; esac

with_headers() { for release in /lib/modules/*; do [ ! -e "$release/build/Makefile" ] || echo "${release##*/}"; done; }

build() {  # kernel
    home=$tree/$module/$version/$1/$arch
    if [ ! -e "/lib/modules/$1/build/Makefile" ]; then
        echo "Error! Your kernel headers for kernel $1 cannot be found at /lib/modules/$1/build or /lib/modules/$1/source." >&2
        exit 21
    fi
    echo "Building module:"
    echo "make -j$(nproc) KERNEL_UNAME=$1 modules..."
    mkdir -p "$home/log" "$home/module"
    echo "DKMS make.log for $module-$version for kernel $1 ($arch)" >"$home/log/make.log"
    sleep "$BUILD_SECONDS"
    case " $FAIL_KERNELS " in *" $1 "*)
        echo "nv-mmap.c:1: error: stand-in for a module that does not fit this kernel" >>"$home/log/make.log"
        rm -rf "$home/module"
        echo "Error! Bad return status for module build on kernel: $1 ($arch)" >&2
        echo "Consult $home/log/make.log for more information." >&2
        exit 10 ;;
    esac
    for source in "/usr/src/$module-$version"/*.ko; do
        name=${source##*/}
        LC_ALL=C sed "s/~KERNEL~*/$(printf '%-64s' "$1")/" "$source" >"$home/module/$name"
        sign "$home/module/$name"
        case $compress in zst) zstd -q -f --rm "$home/module/$name" ;; xz) xz -f "$home/module/$name" ;; esac
    done
}

sign() {  # file; as the kernel's sign-file does, with the machine's own key where it has one
    for key in /var/lib/shim-signed/mok/MOK.priv:/var/lib/shim-signed/mok/MOK.der /var/lib/dkms/mok.key:/var/lib/dkms/mok.pub; do
        [ -e "${key%:*}" ] && [ -e "${key#*:}" ] || continue
        openssl x509 -inform DER -in "${key#*:}" -out "$1.pem"
        openssl cms -sign -binary -noattr -nocerts -md sha256 -signer "$1.pem" -inkey "${key%:*}" -outform DER -in "$1" -out "$1.p7s"
        size=$(($(wc -c <"$1.p7s")))
        # shellcheck disable=SC2059  # the format is made of octal numbers
        { cat "$1.p7s"; printf '\000\000\002\000\000\000\000\000'; printf "$(printf '\\%03o' $((size >> 24)) $((size >> 16 & 255)) \
            $((size >> 8 & 255)) $((size & 255)))"; printf '~Module signature appended~\n'; } >>"$1"
        rm -f "$1.pem" "$1.p7s"
        return
    done
}

install() {  # kernel
    [ -d "$tree/$module/$version/$1/$arch/module" ] || build "$1"
    mkdir -p "/lib/modules/$1/$place"
    for file in "$tree/$module/$version/$1/$arch/module"/*; do
        rm -f "/lib/modules/$1/$place/$(basename "${file%.ko*}")".ko*
        cp "$file" "/lib/modules/$1/$place/"
        echo "Installing /lib/modules/$1/$place/${file##*/}"
    done
    rm -f "$tree/$module/kernel-$1-$arch"
    ln -s "$version/$1/$arch" "$tree/$module/kernel-$1-$arch"
    depmod "$1" || :
}

remove() {  # kernel
    if [ "$(readlink "$tree/$module/kernel-$1-$arch" 2>/dev/null)" = "$version/$1/$arch" ]; then
        for file in "$tree/$module/$version/$1/$arch/module"/*; do  # another package may have put its own there meanwhile
            if cmp -s "$file" "/lib/modules/$1/$place/${file##*/}"; then rm -f "/lib/modules/$1/$place/${file##*/}"; fi
        done
        rm -f "$tree/$module/kernel-$1-$arch"
        depmod "$1" || :
    fi
    rm -rf "${tree:?}/$module/$version/$1"
}

known() { for home in "$tree/$module/$version"/*/"$arch"; do [ ! -d "$home" ] || basename "${home%/*}"; done; }

case $action in
    add)
        if [ -e "$tree/$module/$version" ]; then
            echo "Error! DKMS tree already contains: $module/$version" >&2
            exit 3
        fi
        mkdir -p "$tree/$module/$version"
        ln -s "/usr/src/$module-$version" "$tree/$module/$version/source"
        echo "Creating symlink $tree/$module/$version/source -> /usr/src/$module-$version" ;;
    build | install)
        [ -n "$kernels" ] || { [ -n "$all" ] && kernels=$(with_headers) || kernels=$(uname -r); }
        [ -e "$tree/$module/$version" ] || { mkdir -p "$tree/$module/$version"; ln -s "/usr/src/$module-$version" "$tree/$module/$version/source"; }
        for kernel in $kernels; do "$action" "$kernel"; done ;;
    autoinstall)
        for kernel in ${kernels:-$(uname -r)}; do
            for home in "$tree"/*/*/source; do
                [ -e "$home" ] || continue
                home=${home%/source} version=${home##*/} home=${home%/*}
                module=${home##*/}
                install "$kernel"
            done
        done ;;
    remove)
        if [ ! -e "$tree/$module/$version" ]; then
            echo "Error! There are no instances of module: $module $version located in the DKMS tree." >&2
            exit 3
        fi
        for kernel in ${kernels:-$(known)}; do remove "$kernel"; done
        [ -z "$all" ] || rm -rf "${tree:?}/$module/$version"
        rmdir "$tree/$module" 2>/dev/null || : ;;
    status)
        for home in "$tree"/*/*/source; do
            [ -L "$home" ] || continue
            home=${home%/source} version=${home##*/} home=${home%/*}
            module=${home##*/}
            if [ -z "$(known)" ]; then echo "$module/$version: added"; fi
            for kernel in $(known); do
                state=built
                [ "$(readlink "$tree/$module/kernel-$kernel-$arch" 2>/dev/null)" != "$version/$kernel/$arch" ] || state=installed
                [ -d "$tree/$module/$version/$kernel/$arch/module" ] || continue
                echo "$module/$version, $kernel, $arch: $state"
            done
        done ;;
    *) echo "dkms stand-in: unknown action '$action'" >&2; exit 1 ;;
esac
