# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what kind of system this is: distribution, architecture, WSL, container, virtual machine, control groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ._source import Source

_ASSIGNMENT = re.compile(r"""^\s*([A-Z][A-Z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"']*))\s*$""")
# Loaders of shared libraries name the machine they are for (each architecture's ABI supplement).
_LOADERS = {"ld-linux-x86-64.so.2": "x86_64", "ld-linux-aarch64.so.1": "aarch64", "ld64.so.2": "ppc64le",
            "ld-linux-riscv64-lp64d.so.1": "riscv64", "ld-musl-x86_64.so.1": "x86_64", "ld-musl-aarch64.so.1": "aarch64"}
_CONTAINER_PATH = re.compile(r"/(?:docker|kubepods|lxc|libpod|crio|garden|containerd|actions_job)[-/.]", re.IGNORECASE)
_CONTAINER_LAYER = re.compile(r"/(?:docker/(?:overlay2|rootfs)|containers/storage|containerd/|buildkit/|libpod/)")
# Names as systemd-detect-virt prints them, and words of the firmware (SMBIOS type 1 and 2), all of which must be there.
_HYPERVISORS = (
    (("amazon ec2",), "amazon"), (("google compute engine",), "google"),
    (("microsoft corporation", "virtual machine"), "microsoft"),
    (("vmware",), "vmware"), (("virtualbox",), "oracle"), (("innotek",), "oracle"), (("parallels",), "parallels"),
    ((" xen ",), "xen"), (("bochs",), "bochs"), (("bhyve",), "bhyve"), (("apple virtualization",), "apple"),
    ((" kvm ",), "kvm"), (("openstack",), "kvm"), (("droplet",), "kvm"), (("alibaba cloud",), "kvm"),
    (("ovirt",), "kvm"), (("kubevirt",), "kvm"),
    (("red hat enterprise virtualization",), "kvm"), (("qemu",), "qemu"),
)


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments of os-release(5), unquoted. ValueError where there is none."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _ASSIGNMENT.match(line)
        if match:
            name, double, single, bare = match.groups()
            found[name] = re.sub(r"\\(.)", r"\1", double) if double is not None else single or bare or ""
    if not found:
        raise ValueError("no assignment in os-release")
    return found


def cgroup_version(mountinfo: str) -> int | None:
    """1 or 2, from /proc/self/mountinfo. A hybrid set-up, with controllers in both, is 1: devices are controlled there."""
    kinds = set(re.findall(r"^.* - (cgroup2?) ", mountinfo, re.MULTILINE))
    return 1 if "cgroup" in kinds else 2 if "cgroup2" in kinds else None


def container_of_mounts(mountinfo: str) -> bool:
    """Whether the root of this mount table is a layer of a container engine."""
    for line in mountinfo.splitlines():
        fields = line.split()
        if len(fields) > 4 and fields[4] == "/":
            return bool(_CONTAINER_LAYER.search(line))
    return False


def container_of_cgroups(text: str) -> bool:
    """Whether /proc/1/cgroup names a container engine."""
    return bool(_CONTAINER_PATH.search(text))


def hypervisor_of(firmware: Sequence[str | None]) -> str | None:
    """The hypervisor by vendor and product names of the firmware; None on bare metal, also on a cloud's."""
    text = f" {' '.join(value for value in firmware if value)} ".lower()
    if "amazon ec2" in text and ".metal" in text:
        return None
    return next((name for words, name in _HYPERVISORS if all(word in text for word in words)), None)


def read_system(source: Source) -> dict[str, Any]:
    """The section `system`; `container`, `wsl` and `hypervisor` are None where nothing of the kernel can be read."""
    release = _os_release(source)
    kernel = " ".join(filter(None, (source.value("/proc/sys/kernel/osrelease"), source.value("/proc/version"))))
    wsl = ("microsoft" in kernel.lower()) if kernel else None
    return {
        "distribution": release.get("ID", "").lower() or None,
        "distribution_version": release.get("VERSION_ID") or None,
        "distribution_like": release.get("ID_LIKE", "").lower().split(),
        "architecture": _architecture(source),
        "container": _container(source, kernel),
        "wsl": wsl,
        "hypervisor": _hypervisor(source, bool(wsl)),
    }


def _os_release(source: Source) -> dict[str, str]:
    text = source.text("/etc/os-release") or source.text("/usr/lib/os-release")
    try:
        return parse_os_release(text) if text else {}
    except ValueError as error:
        source.problem("unreadable", str(error))
        return {}


def _architecture(source: Source) -> str | None:
    stated = source.value("/proc/sys/kernel/arch")  # kernel 6.1 and later
    if stated and re.fullmatch(r"\w{3,20}", stated):
        return stated
    for folder in ("/lib64", "/lib", "/usr/lib64", "/usr/lib"):
        for name in source.names(folder):
            if name in _LOADERS:
                return _LOADERS[name]
    output = source.run("uname", "-m")
    return (output.stdout.strip() or None) if output and output.ok else None


def _container(source: Source, kernel: str) -> bool | None:
    if ".dockerenv" in source.names("/") or ".containerenv" in source.names("/run"):
        return True
    manager = source.value("/run/systemd/container")  # systemd in WSL says "wsl", which is no container
    if manager:
        return manager != "wsl"
    mounts, groups = source.text("/proc/self/mountinfo"), source.text("/proc/1/cgroup")
    if container_of_mounts(mounts or "") or container_of_cgroups(groups or ""):
        return True
    return False if kernel or mounts or groups else None


def _hypervisor(source: Source, wsl: bool) -> str | None:
    folder = "/sys/class/dmi/id"
    named = hypervisor_of([source.value(f"{folder}/{name}") for name in ("sys_vendor", "product_name", "board_vendor")])
    if named or wsl:
        return named or "microsoft"
    return "xen" if source.value("/sys/hypervisor/type") == "xen" else None
