#!/bin/sh
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Second half of host.sh, in the root of the host: boot loader, kernel and initramfs, as far as a host can tell.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
run=/run/fakegpu
units=/run/systemd/system

echo "$1" >$run/profile
cat >$run/edge <<'EOF'
#!/bin/sh
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/fakegpu/checkout/tests exec /usr/bin/python3 -m fakegpu.edge "$@"
EOF
chmod 755 $run/edge

# The tools of kmod ask the engine's kernel for its release, and would change it. Diversions outlive an upgrade of kmod.
for name in modprobe modinfo depmod; do ln -sf "$(command -v kmod)" $run/kmod/$name; done
divert() {
    if command -v dpkg-divert >/dev/null; then
        path=$(dpkg-query --search "*bin/$1" | sed -n "s/^[^ ]*: \(\/\(usr\/\)\?s\?bin\/$1\)\$/\1/p" | head -n 1)
        dpkg-divert --quiet --local --no-rename --divert "$path.kernel" --add "$path"
    else
        path=$(command -v "$1")
    fi
    cat >"$path.new"
    chmod 755 "$path.new"
    cp --archive "$path" "$path.kernel"
    mv "$path.new" "$path"
}
if [ ! -e /var/lib/fakegpu-edge ]; then
    # A dry run and a look into the configuration change nothing: the real one is fast, and mkinitramfs does hundreds.
    divert modprobe <<'EOF'
#!/bin/sh
case " $* " in
*" -S "* | *" --set-version"*) exec /run/fakegpu/kmod/modprobe "$@" ;;
*" -n "* | *" --dry-run "* | *" -D "* | *" --show-depends "* | *" -c "* | *" --showconfig "* | *" -R "* | *" --resolve-alias "*)
    exec /run/fakegpu/kmod/modprobe -S "$(cat /proc/sys/kernel/osrelease)" "$@" ;;
esac
exec /run/fakegpu/edge modprobe "$@"
EOF
    for name in rmmod insmod; do
        printf '#!/bin/sh\nexec /run/fakegpu/edge %s "$@"\n' $name | divert $name
    done
    divert lsmod <<'EOF'
#!/bin/sh
printf 'Module                  Size  Used by\n'
for file in /sys/module/*/initstate; do
    [ -e "$file" ] || continue
    folder=${file%/initstate}
    printf '%-20s %10s  %s %s\n' "${folder##*/}" "$(cat "$folder/coresize")" "$(cat "$folder/refcnt")" "$(ls "$folder/holders" | paste -sd ,)"
done
EOF
    divert modinfo <<'EOF'
#!/bin/sh
case " $* " in *" -k "* | *" --set-version"*) exec /run/fakegpu/kmod/modinfo "$@" ;; esac
exec /run/fakegpu/kmod/modinfo -k "$(cat /proc/sys/kernel/osrelease)" "$@"
EOF
    divert depmod <<'EOF'
#!/bin/sh
for last; do :; done
case "${last-}" in [0-9]*) exec /run/fakegpu/kmod/depmod "$@" ;; esac
exec /run/fakegpu/kmod/depmod "$@" "$(cat /proc/sys/kernel/osrelease)"
EOF
    printf '#!/bin/sh\ncat /run/fakegpu/kernel.log\n' | divert dmesg
    printf '#!/bin/sh\nexec /run/fakegpu/edge udevadm "$@"\n' | divert udevadm
    # The real one asks for a file system that only firmware has.
    divert mokutil <<'EOF'
#!/bin/sh
variable=$(echo /sys/firmware/efi/efivars/SecureBoot-*)
case "$*" in
--sb-state)
    [ -e "$variable" ] || { echo "EFI variables are not supported on this system" >&2; exit 255; }
    case $(od -An -tu1 -j4 -N1 "$variable") in *1) echo "SecureBoot enabled" ;; *) echo "SecureBoot disabled" ;; esac ;;
*) exec mokutil.kernel "$@" ;;
esac
EOF
    divert uname <<'EOF'
#!/bin/sh
release=$(cat /proc/sys/kernel/osrelease)
version=$(sed 's/.*) #/#/' /proc/version)
case "$*" in
-r | --kernel-release) echo "$release" ;;
-v | --kernel-version) echo "$version" ;;
-a | --all) echo "Linux $(cat /proc/sys/kernel/hostname) $release $version $(/usr/bin/uname.kernel -m 2>/dev/null || /bin/uname.kernel -m) GNU/Linux" ;;
*) if [ -x /usr/bin/uname.kernel ]; then exec /usr/bin/uname.kernel "$@"; else exec /bin/uname.kernel "$@"; fi ;;
esac
EOF
    # grub-mkconfig looks for disks; what it writes of kernels is this.
    cat >/usr/sbin/update-grub <<'EOF'
#!/bin/sh
for menu in /boot/grub2/grub.cfg /boot/grub/grub.cfg; do [ ! -d "${menu%/*}" ] || break; done
mkdir -p "${menu%/*}"
{
    printf 'set default="0"\n'
    for image in $(ls /boot | sed -n 's/^vmlinuz-//p' | sort --version-sort --reverse); do
        printf "menuentry 'Debian GNU/Linux, with Linux %s' --class debian {\n\tlinux\t/boot/vmlinuz-%s root=/dev/vda1 ro quiet\n\tinitrd\t/boot/initrd.img-%s\n}\n" "$image" "$image" "$image"
    done
} >"$menu.new"
mv "$menu.new" "$menu"
EOF
    chmod 755 /usr/sbin/update-grub
    for folder in postinst.d postrm.d; do
        mkdir -p /etc/kernel/$folder
        printf '#!/bin/sh\nexec update-grub\n' >/etc/kernel/$folder/zz-update-grub
        chmod 755 /etc/kernel/$folder/zz-update-grub
    done
    # Where the distribution is another one than the image's, its own kernel comes from its own repository.
    if [ -n "${2-}" ]; then
        command -v apt-get >/dev/null || mkdir -p /boot/grub2
        sh /fakegpu/checkout/extensions/molecule/default/host-distribution.sh "$2" "${3-}"
    fi
    update-grub
    # Not the folder itself: apt locks it, and hosts run side by side.
    cat >/usr/local/sbin/keep-archives <<'EOF'
#!/bin/sh
for file in /var/cache/apt/archives/*.deb; do
    kept=/fakegpu/archives/${file##*/}
    if [ -e "$file" ] && [ ! -e "$kept" ]; then cp "$file" "$kept.$$" && mv "$kept.$$" "$kept"; fi
done
EOF
    chmod 755 /usr/local/sbin/keep-archives
    if [ -d /etc/apt/apt.conf.d ]; then
        echo 'DPkg::Pre-Invoke { "keep-archives || true"; };' >/etc/apt/apt.conf.d/99keep-archives
        find /fakegpu/archives -name '*.deb*' -mtime +90 -delete
        cp /fakegpu/archives/*.deb /var/cache/apt/archives/ 2>/dev/null || true
    fi
    # As with packages, hosts share what was compiled. Debian's kernel headers name the compiler as the kernel's makers called it.
    if command -v ccache >/dev/null; then
        printf '%s\n' 'cache_dir = /fakegpu/archives/ccache' 'max_size = 1G' 'umask = 000' >/etc/ccache.conf
        for path in /usr/bin/*-linux-gnu*-gcc-[0-9]*; do ln -s ../../bin/ccache "/usr/local/bin/${path##*/}"; done
        echo 'DPkg::Path "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";' >/etc/apt/apt.conf.d/98ccache
    fi
    : >/var/lib/fakegpu-edge
fi

# The boot loader takes the first entry of its menu.
release=$(cat /boot/grub*/grub.cfg | sed -n 's/^\tlinux\t\/boot\/vmlinuz-\([^ ]*\) .*/\1/p' | head -n 1)
compiler=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\(.*\)"/\1/p' "/boot/config-$release")
package=$(dpkg-query --show --showformat '${Version}' "linux-image-$release" 2>/dev/null || echo "$release")
mkdir -p $run/proc $run/proc-driver
echo "$release" >$run/proc/osrelease
echo "Linux version $release (debian-kernel@lists.debian.org) ($compiler, GNU ld (GNU Binutils for Debian) 2.44) #1 SMP PREEMPT_DYNAMIC Debian $package" >$run/proc/version
echo "BOOT_IMAGE=/boot/vmlinuz-$release root=/dev/vda1 ro quiet" >$run/proc/cmdline
cat /proc/sys/kernel/random/uuid >$run/proc/boot_id
for path in sys/kernel/osrelease version cmdline sys/kernel/random/boot_id; do
    mount --bind $run/proc/"${path##*/}" /proc/$path
done
if [ -d /proc/driver ]; then mount --bind $run/proc-driver /proc/driver; fi
$run/edge boot "$release"

# What a container cannot have, and what would run at a time of its own.
for unit in systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service getty.target \
    console-getty.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer; do
    ln -s /dev/null $units/$unit
done
# systemd has to know that it is in a container; the programs of this host do not. The last thing of the boot puts the host's root
# over the image's, so that `docker exec` gets there.
mkdir -p $units/nvidia-persistenced.service.d
cat >$units/machine-ready.service <<'EOF'
[Unit]
DefaultDependencies=no
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/rm -f /run/systemd/container
ExecStart=/bin/touch /run/machine-ready
ExecStart=/usr/bin/nsenter --mount=/proc/1/ns/mnt /bin/mount --move /machine /
EOF
mkdir -p $units/graphical.target.wants $units/multi-user.target.wants
ln -s ../machine-ready.service "$units/$(basename "$(readlink -f /usr/lib/systemd/system/default.target)").wants/"
cat >$units/nvidia-persistenced.service.d/edge.conf <<'EOF'
[Service]
Type=simple
PIDFile=
ExecStart=
ExecStart=/run/fakegpu/edge nvidia-persistenced
ExecStopPost=
EOF

exec env --ignore-environment PATH=$PATH container=docker /lib/systemd/systemd --log-target=journal
