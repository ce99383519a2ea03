# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operating system: os-release, kernels on disk, boot loader, firmware variables, initramfs, blacklists, /proc."""

from __future__ import annotations

from typing import Any

from .machine import Machine
from .profile import Profile

GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"
EFIVARS = "/sys/firmware/efi/efivars"
BOOT_TIME = 1795377600  # 2026-11-22T20:00:00Z
MODULES = "/usr/lib/modules"
_MOUNTS = {
    1: "32 24 0:27 / /sys/fs/cgroup/devices rw,nosuid,nodev,noexec,relatime shared:9 - cgroup cgroup rw,devices\n",
    2: "32 24 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n",
}


def is_rpm(profile: Profile) -> bool:
    """Whether this distribution has rpm and its habits (kernels in /usr/src/kernels, boot loader specification, lib64)."""
    return bool(profile.system["manager"] == "rpm")


def library_folder(profile: Profile) -> str:
    """Where shared libraries lie."""
    return "/usr/lib64" if is_rpm(profile) else f"/usr/lib/{profile.about['architecture']}-linux-gnu"


def render(machine: Machine, profile: Profile) -> None:
    """Files and commands of the system itself."""
    _os(machine, profile)
    _proc(machine, profile)
    for release in profile.kernel["installed"]:
        _kernel(machine, profile, release)
    if profile.kernel["installed"] and not profile.about.get("container"):
        (_loader_entries if is_rpm(profile) else _grub)(machine, profile)
    _firmware(machine, profile)
    _blacklist(machine, profile)


def _os(machine: Machine, profile: Profile) -> None:
    text = "".join(
        f'{key}="{value}"\n' if " " in value or "/" in value else f"{key}={value}\n" for key, value in profile.system["os_release"].items()
    )
    machine.write("/usr/lib/os-release", text)
    machine.links["/etc/os-release"] = "../usr/lib/os-release"
    for name in ("bin", "lib", "lib64", "sbin"):
        machine.links[f"/{name}"] = f"usr/{name}"
    loader = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}[profile.about["architecture"]]
    machine.write(f"/usr/lib64/{loader}" if profile.about["architecture"] == "x86_64" else f"/usr/lib/{loader}", "")
    if "dgx_release" in profile.system:
        machine.write("/etc/dgx-release", "".join(f'{key}="{value}"\n' for key, value in profile.system["dgx_release"].items()))
    machine.command("uname -m", profile.about["architecture"] + "\n")
    machine.command("uname -r", profile.kernel["running"] + "\n")
    virtual = {"kvm": "kvm", "azure": "microsoft", "xen": "xen", "vmware": "vmware", "aws": "amazon"}.get(
        str(profile.about.get("hypervisor")), "none"
    )
    kind = "wsl" if profile.about.get("wsl") else "docker" if profile.about.get("container") else virtual
    machine.command("systemd-detect-virt", kind + "\n", rc=0 if kind != "none" else 1)
    if profile.about.get("container"):
        machine.write("/.dockerenv", "")


def _proc(machine: Machine, profile: Profile) -> None:
    release = profile.kernel["running"]
    machine.values("/proc/sys/kernel", osrelease=release, ostype="Linux", arch=profile.about["architecture"])
    build = profile.about.get("kernel_build") or profile.system["build"]
    machine.write("/proc/version", f"Linux version {release} {build}\n")
    cmdline = profile.kernel.get("cmdline", "ro quiet")
    machine.write("/proc/cmdline", f"BOOT_IMAGE=/boot/vmlinuz-{release} root=UUID=0b3c5c8e-0000-4000-8000-000000000001 {cmdline}\n")
    total = profile.about["memory_mib"] * 1024
    machine.write("/proc/meminfo", f"MemTotal:       {total} kB\nMemFree:        {total // 2} kB\nMemAvailable:   {total * 3 // 4} kB\n")
    machine.write("/proc/stat", f"cpu  10132153 290696 3084719 46828483 16683 0 25195 0 0 0\nbtime {BOOT_TIME}\nprocesses 86031\n")
    machine.write("/proc/uptime", "36000.00 550000.00\n")
    root = "overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/AB" if profile.about.get("container") else "ext4 /dev/nvme0n1p2 rw"
    machine.write(
        "/proc/self/mountinfo",
        f"24 1 259:2 / / rw,relatime shared:1 - {root}\n25 24 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw\n"
        + _MOUNTS[profile.kernel["cgroup"]],
    )
    machine.write("/proc/1/cgroup", "0::/init.scope\n" if profile.kernel["cgroup"] == 2 else "4:devices:/init.scope\n")
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        machine.node(f"/dev/{name}", major=1, minor=3, mode="0666")


def _kernel(machine: Machine, profile: Profile, release: str) -> None:
    rpm = is_rpm(profile)
    folder = f"{MODULES}/{release}"
    machine.write(f"{folder}/modules.order", "kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko\nkernel/drivers/gpu/drm/nouveau/nouveau.ko\n")
    machine.write(f"{folder}/modules.builtin", "kernel/drivers/pci/pcie/portdrv.ko\n")
    if not profile.about.get("container"):
        machine.write(f"/boot/vmlinuz-{release}", "")
        machine.write(f"/boot/config-{release}", "CONFIG_MODULES=y\nCONFIG_HSA_AMD=y\nCONFIG_MODULE_SIG=y\n")
        initramfs(machine, profile, release)
    if rpm:
        machine.write(f"{folder}/vmlinuz", "")
    source = f"/usr/src/kernels/{release}" if rpm else f"/usr/src/linux-headers-{release}"
    machine.links[f"{folder}/build"] = source
    if release in profile.kernel["headers"]:
        machine.write(f"{source}/Makefile", "# GNU Makefile\n")


def initramfs(machine: Machine, profile: Profile, release: str) -> None:
    """An initramfs without compression, and what the distribution's own tool lists of it."""
    names = [f"usr/lib/modules/{release}", f"usr/lib/modules/{release}/modules.dep", f"usr/lib/modules/{release}/kernel/fs/ext4/ext4.ko.xz"]
    if profile.kernel["nouveau_in_initramfs"]:
        names.append(f"usr/lib/modules/{release}/kernel/drivers/gpu/drm/nouveau/nouveau.ko.xz")
    path = f"/boot/initramfs-{release}.img" if is_rpm(profile) else f"/boot/initrd.img-{release}"
    machine.write(path, b"".join(map(_cpio, [*names, "TRAILER!!!"])))
    if is_rpm(profile):
        rows = "".join(f"-rw-r--r--   1 root     root        48532 Nov  1  2025 {name}\n" for name in names)
        machine.command(f"lsinitrd {path}", f"Image: {path}: 42M\n{'=' * 72}\n{rows}{'=' * 72}\n")
    else:
        machine.command(f"lsinitramfs {path}", "".join(f"{name}\n" for name in names))


def _cpio(name: str) -> bytes:
    """One empty member of a newc archive."""
    fields = [0, 0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + "".join(f"{field:08X}" for field in fields).encode() + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4)


def _grub(machine: Machine, profile: Profile) -> None:
    """grub.cfg as grub-mkconfig writes it: the newest kernel on top, all of them in a submenu."""
    newest: list[str] = profile.kernel["installed"][::-1]
    title = profile.system["os_release"]["NAME"]
    root = "0b3c5c8e-0000-4000-8000-000000000001"

    def entry(name: str, number: str, release: str, indent: str) -> str:
        return (
            f"{indent}menuentry '{name}' --class gnu-linux --class os $menuentry_id_option '{number}' {{\n"
            f"{indent}\tlinux\t/boot/vmlinuz-{release} root=UUID={root} ro quiet\n"
            f"{indent}\tinitrd\t/boot/initrd.img-{release}\n{indent}}}\n"
        )

    chosen = profile.kernel["next_boot"]
    advanced, inside = f"gnulinux-advanced-{root}", f"gnulinux-{chosen}-advanced-{root}"
    default = "0" if chosen == newest[0] else f"{advanced}>{inside}"
    text = f'if [ -s $prefix/grubenv ]; then\n  load_env\nfi\nset default="{default}"\n\n'
    text += entry(title, f"gnulinux-simple-{root}", newest[0], "")
    text += f"submenu 'Advanced options for {title}' $menuentry_id_option '{advanced}' {{\n"
    text += "".join(entry(f"{title}, with Linux {release}", f"gnulinux-{release}-advanced-{root}", release, "\t") for release in newest)
    machine.write("/boot/grub/grub.cfg", text + "}\n")
    machine.write("/boot/grub/grubenv", "# GRUB Environment Block\n" + "#" * 999)
    machine.write("/etc/default/grub", f'GRUB_DEFAULT="{default}"\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n')


def _loader_entries(machine: Machine, profile: Profile) -> None:
    """Boot loader specification, as Enterprise Linux has it: one file an entry, the default in grubenv."""
    ident = "5f0c0e3dcf3b4d1e8a8b6f1d2c3b4a59"
    for release in profile.kernel["installed"]:
        machine.write(
            f"/boot/loader/entries/{ident}-{release}.conf",
            f"title {profile.system['os_release']['PRETTY_NAME']} ({release})\nversion {release}\nlinux /vmlinuz-{release}\n"
            f"initrd /initramfs-{release}.img\noptions root=UUID=0b3c5c8e-0000-4000-8000-000000000001 ro\ngrub_class kernel\n",
        )
    env = f"# GRUB Environment Block\nsaved_entry={ident}-{profile.kernel['next_boot']}\nboot_success=1\n"
    machine.write("/boot/grub2/grubenv", env.ljust(1024, "#"))
    machine.write("/boot/grub2/grub.cfg", 'load_env -f ${config_directory}/grubenv\nset default="${saved_entry}"\ninsmod blscfg\nblscfg\n')
    machine.write("/etc/default/grub", "GRUB_DEFAULT=saved\nGRUB_ENABLE_BLSCFG=true\n")


def _firmware(machine: Machine, profile: Profile) -> None:
    """EFI variables; `secure_boot: null` is a machine without EFI."""
    secure = profile.kernel["secure_boot"]
    if secure is None:
        machine.folder("/sys/firmware/acpi")
        machine.command("mokutil --sb-state", rc=255, stderr="EFI variables are not supported on this system\n")
        return
    machine.write(f"{EFIVARS}/SecureBoot-{GLOBAL}", bytes([6, 0, 0, 0, 1 if secure else 0]))
    machine.command("mokutil --sb-state", f"SecureBoot {'enabled' if secure else 'disabled'}\n")
    if profile.kernel.get("mok") is not None:
        machine.write(f"{EFIVARS}/MokListRT-{SHIM}", b"\x06\0\0\0" + b"".join(map(_signature_list, profile.kernel["mok"])))


def _signature_list(name: str) -> bytes:
    """An EFI signature list with one X.509 certificate, of which only issuer and subject are told."""
    common = b"\x06\x03\x55\x04\x03\x0c" + bytes([len(name)]) + name.encode()
    body = (
        b"\x30\x82"
        + (len(common) * 2 + 8).to_bytes(2, "big")
        + b"\x30"
        + bytes([len(common)])
        + common
        + b"\x30"
        + bytes([len(common)])
        + common
    )
    x509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
    size = 16 + len(body)
    return x509 + (28 + size).to_bytes(4, "little") + b"\0\0\0\0" + size.to_bytes(4, "little") + bytes(16) + body


def _blacklist(machine: Machine, profile: Profile) -> None:
    """What the driver packages put there; by default where an NVIDIA driver is installed."""
    machine.write("/usr/lib/modprobe.d/README", "")
    wanted: Any | None = profile.kernel["blacklist_nouveau"]
    if wanted if wanted is not None else bool(profile.nvidia) and not profile.about.get("wsl"):
        machine.write(
            "/etc/modprobe.d/nvidia-blacklists-nouveau.conf",
            "# generated by the driver package\nblacklist nouveau\noptions nouveau modeset=0\n",
        )
