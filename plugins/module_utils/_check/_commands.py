# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the commands that remedies are made of, as this machine's distribution wants them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Callable

from .._knowledge.thresholds import threshold
from ._node import Node, at, older

_UBUNTU, _DEBIAN, _EL, _FEDORA, _SUSE = "ubuntu", "debian", "el", "fedora", "suse"
_EL_NAMES = ("rhel", "centos", "almalinux", "rocky", "ol", "oraclelinux", "amzn")
_SUSE_NAMES = ("suse", "sles", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sle-micro")
_FIRST_MODULELESS_EL = "10"  # from Enterprise Linux 10 on dnf has no module streams

_LAST_LEGACY = 390  # later branches are called "tesla" in Debian

_INSTALL = {_SUSE: "sudo zypper install", _EL: "sudo dnf install", _FEDORA: "sudo dnf install"}

# (distribution, flavour) -> (any branch, a given branch)
_DRIVER: dict[tuple[str, str], tuple[str, str]] = {
    (_UBUNTU, "open"): ("sudo ubuntu-drivers install", "sudo apt-get install nvidia-driver-{branch}-open"),
    (_UBUNTU, "proprietary"): ("sudo ubuntu-drivers install", "sudo apt-get install nvidia-driver-{branch}"),
    (_DEBIAN, "open"): (
        "sudo apt-get install {headers} nvidia-open",
        "sudo apt-get install nvidia-driver-pinning-{branch} && sudo apt-get install {headers} nvidia-open",
    ),
    (_DEBIAN, "proprietary"): (
        "sudo apt-get install {headers} nvidia-driver nvidia-smi",
        "sudo apt-get install nvidia-driver-pinning-{branch} && sudo apt-get install {headers} cuda-drivers",
    ),
    (_EL, "open"): ("sudo dnf module install nvidia-driver:open-dkms", "sudo dnf module install nvidia-driver:{branch}-open"),
    (_EL, "proprietary"): (
        "sudo dnf module install nvidia-driver:latest-dkms",
        "sudo dnf module install nvidia-driver:{branch}-dkms",
    ),
    (_FEDORA, "open"): (
        "sudo dnf install nvidia-open",
        "sudo dnf versionlock add '*nvidia*{branch}*' && sudo dnf install nvidia-open",
    ),
    (_FEDORA, "proprietary"): (
        "sudo dnf install cuda-drivers",
        "sudo dnf versionlock add '*nvidia*{branch}*' && sudo dnf install cuda-drivers",
    ),
    (_SUSE, "open"): ("sudo zypper install nvidia-open", "sudo zypper install 'nvidia-open={branch}*'"),
    (_SUSE, "proprietary"): ("sudo zypper install cuda-drivers", "sudo zypper install 'cuda-drivers={branch}*'"),
}
_ELSEWHERE = {  # drivers that this machine's package manager must not touch
    "wsl": "wsl.exe --update",
    "operator": "kubectl -n gpu-operator edit clusterpolicy",
    "vgpu": "sudo sh ./NVIDIA-Linux-x86_64-*-grid.run",
    "jetpack": "sudo apt-get install nvidia-jetpack",
}


def distribution(node: Node) -> str:
    """The family whose commands fit: by name, then by what it is like, then by its package manager."""
    names = [str(node.get("system.distribution") or "").lower(), *map(str, node.get("system.distribution_like") or ())]
    for one in names:
        if one in ("ubuntu", "debian", "fedora"):
            return one
        if one in _SUSE_NAMES:
            return _SUSE
        if one in _EL_NAMES:
            release = str(node.get("system.distribution_version") or "")
            return _FEDORA if release and not older(release, _FIRST_MODULELESS_EL) and one != "amzn" else _EL
    return _EL if node.get("packages.manager") == "rpm" else _DEBIAN


def wished_driver(node: Node) -> tuple[str, int | None]:
    """The flavour of module and the last branch that all cards of this machine allow; None: any branch."""
    supports = [device.get("driver_support") or {} for device in node.nvidia]
    last = [support["last_branch"] for support in supports if support.get("last_branch")]
    closed = any(support.get("open_module") == "unsupported" for support in supports)
    return ("proprietary" if closed else "open"), (min(last) if last else None)


def _driver(node: Node, flavour: str | None = None, branch: int | None = None) -> str:
    elsewhere = _ELSEWHERE.get(str("wsl" if node.wsl else node.get("nvidia.driver.managed_by")))
    if elsewhere:
        return elsewhere
    wished, last = wished_driver(node)
    branch = branch or last
    if distribution(node) == _DEBIAN and not _needs_vendor_repository(node):
        return _debian_driver(node, branch)
    any_branch, one_branch = _DRIVER[distribution(node), flavour or wished]
    return (one_branch if branch else any_branch).format(branch=branch, headers=_headers(node, node.kernel))


def _needs_vendor_repository(node: Node) -> bool:
    """Debian's own driver serves every card but those that need the open module of a later branch; who has NVIDIA's stays there."""
    required = any((device.get("driver_support") or {}).get("open_module") == "required" for device in node.nvidia)
    return required or node.get("nvidia.driver.origin") == "nvidia"


def _debian_driver(node: Node, branch: int | None) -> str:
    """Debian has one branch at a time, and packages of their own for cards that only a legacy branch serves."""
    legacy = branch is not None and branch < threshold("nvidia_recommended_branch").value
    name = f"nvidia-tesla-{branch}-driver" if branch is None or branch > _LAST_LEGACY else f"nvidia-legacy-{branch}xx-driver"
    packages = name if legacy else "nvidia-driver nvidia-smi"
    return f"sudo apt-get install {_headers(node, node.kernel)} {packages}"


def _driver_note(node: Node) -> str:
    """What must be there for the command that installs a driver; a line of its own, or nothing."""
    if distribution(node) != _DEBIAN or node.wsl:
        return ""
    if _needs_vendor_repository(node):
        return "\nThe packages are in NVIDIA's repository: Debian's own driver does not serve every card of this machine."
    return "\nThe packages are in Debian's components contrib, non-free and non-free-firmware."


def _nouveau_off(node: Node) -> str:
    """The packages of a driver keep nouveau away by themselves; without them somebody has to, and then a driver is there to load."""
    driver = node.get("nvidia.driver") or {}
    if not (driver.get("installed_version") or driver.get("library_version")):
        return f"{_driver(node)} && sudo systemctl reboot"
    reboot = f"{_initramfs(node)} && sudo systemctl reboot"
    if node.get("kernel.nouveau_blacklisted"):  # but the initramfs was not rebuilt since
        return reboot
    off = "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' | sudo tee /etc/modprobe.d/gpufleet-nouveau.conf"
    return f"{off} && {reboot}"


def _upgrade(node: Node) -> str:
    """The newest driver for these cards; packages that are there already are upgraded, not installed anew."""
    return _driver(node)


def _downgrade(node: Node) -> str:
    command = _driver(node)
    if distribution(node) in (_EL, _FEDORA):
        return "sudo dnf module reset nvidia-driver && " + command if distribution(node) == _EL else command + " --allowerasing"
    return command.replace("apt-get install", "apt-get install --allow-downgrades")


def _packages(node: Node, most: int) -> str:
    return " ".join(map(shlex.quote, sorted(node.get("nvidia.driver.packages") or {})[:most]))


def _pin(node: Node) -> str:
    branch = wished_driver(node)[1] or node.driver_branch
    return {
        _EL: f"sudo dnf module enable nvidia-driver:{branch}-dkms",
        _FEDORA: f"sudo dnf versionlock add '*nvidia*{branch}*'",
        _SUSE: "sudo zypper addlock '*nvidia*'",
    }.get(distribution(node), _hold(node))


def _hold(node: Node) -> str:
    names = _packages(node, 12)
    return {
        _EL: "sudo dnf versionlock add '*nvidia*'",
        _FEDORA: "sudo dnf versionlock add '*nvidia*'",
        _SUSE: "sudo zypper addlock '*nvidia*'",
    }.get(distribution(node), f"sudo apt-mark hold {names}" if names else "sudo apt-mark hold '?and(?installed,?name(nvidia))'")


def _headers(node: Node, kernel: str) -> str:
    found = distribution(node)
    name = "kernel-default-devel" if found == _SUSE else f"kernel-devel-{kernel}" if found in (_EL, _FEDORA) else f"linux-headers-{kernel}"
    return shlex.quote(name)


def _initramfs(node: Node) -> str:
    apt = distribution(node) in (_UBUNTU, _DEBIAN)
    return "sudo update-initramfs -u -k all" if apt else "sudo dracut --force --regenerate-all"


def _reinstall(node: Node) -> str:
    names = _packages(node, 12)
    if not names:
        return _driver(node)
    verb = {_SUSE: "sudo zypper install --force", _EL: "sudo dnf reinstall", _FEDORA: "sudo dnf reinstall"}
    return f"{verb.get(distribution(node), 'sudo apt-get install --reinstall')} {names}"


def _fabric(node: Node) -> str:
    branch, version = node.driver_branch, node.driver_version
    found = distribution(node)
    if found == _UBUNTU:
        return f"sudo apt-get install nvidia-fabricmanager-{branch}"
    if found == _DEBIAN:
        return "sudo apt-get install " + shlex.quote(f"nvidia-fabricmanager={version}*")
    package = f"nvidia-fabricmanager={version}" if found == _SUSE else f"nvidia-fabricmanager-{version}*"
    return f"{_INSTALL[found]} {shlex.quote(package)}"


def _utils(node: Node) -> str:
    """nvidia-smi, by the package that has it."""
    branch = node.driver_branch
    found = distribution(node)
    package = {
        _UBUNTU: f"nvidia-utils-{branch}" if branch else "nvidia-utils",
        _DEBIAN: "nvidia-smi",
        _SUSE: "nvidia-compute-utils",
    }
    return f"{_INSTALL.get(found, 'sudo apt-get install')} {package.get(found, 'nvidia-driver-cuda')}"


def _repair(node: Node) -> str:
    return {_SUSE: "sudo zypper verify", _EL: "sudo dnf distro-sync", _FEDORA: "sudo dnf distro-sync"}.get(
        distribution(node), "sudo dpkg --configure -a && sudo apt-get --fix-broken install"
    )


def _refresh(node: Node) -> str:
    """What makes the package manager read its sources, and name the one that it cannot read."""
    return {_SUSE: "sudo zypper refresh", _EL: "sudo dnf makecache", _FEDORA: "sudo dnf makecache"}.get(
        distribution(node), "sudo apt-get update"
    )


def _policy(node: Node) -> str:
    names = _packages(node, 6) or "'*nvidia*'"
    return {
        _SUSE: f"zypper search --details {names}",
        _EL: f"dnf list --showduplicates {names}",
        _FEDORA: f"dnf list --showduplicates {names}",
    }.get(distribution(node), f"apt-cache policy {names}")


def _sign(node: Node) -> str:
    if distribution(node) == _UBUNTU:
        return (
            "sudo update-secureboot-policy --new-key && sudo kmodsign sha512 /var/lib/shim-signed/mok/MOK.priv "
            '/var/lib/shim-signed/mok/MOK.der "$(modinfo -n nvidia)" && sudo update-secureboot-policy --enroll-key'
        )
    return "sudo dkms generate_mok && sudo dkms autoinstall --force && " + _enrol(node)


def _enrol(node: Node) -> str:
    if distribution(node) == _UBUNTU:
        return "sudo update-secureboot-policy --enroll-key"
    return "sudo mokutil --import /var/lib/dkms/mok.pub"


def _rocm(node: Node) -> str:
    found = distribution(node)
    if found == _DEBIAN and not node.get("amd.rocm.origin"):
        return "sudo apt-get install rocminfo rocm-smi hipcc"
    return f"{_INSTALL.get(found, 'sudo apt-get install')} rocm"


def _rocm_hold(node: Node) -> str:
    return {
        _SUSE: "sudo zypper addlock 'rocm*'",
        _EL: "sudo dnf versionlock add 'rocm*' 'hip*'",
        _FEDORA: "sudo dnf versionlock add 'rocm*' 'hip*'",
    }.get(distribution(node), "sudo apt-mark hold '?and(?installed,?name(^rocm))'")


def _rocm_last(node: Node, release: str) -> str:
    """Go back to the last release that serves a card."""
    found = distribution(node)
    if found in (_UBUNTU, _DEBIAN):
        return f"sudo apt-get install --allow-downgrades 'rocm={release}*'"
    return f"{_INSTALL[found]} 'rocm={release}*'" if found == _SUSE else f"{_INSTALL[found]} 'rocm-{release}*'"


def _rocm_pin(node: Node) -> str:
    if distribution(node) in (_UBUNTU, _DEBIAN):
        pin = "Package: *\\nPin: release o=repo.radeon.com\\nPin-Priority: 600\\n"
        return f"printf '{pin}' | sudo tee /etc/apt/preferences.d/rocm-pin-600"
    return _rocm_hold(node)


def _amd_firmware(node: Node) -> str:
    package = {
        _DEBIAN: "firmware-amd-graphics",
        _UBUNTU: "linux-firmware",
        _EL: "linux-firmware",
        _FEDORA: "amd-gpu-firmware",
        _SUSE: "kernel-firmware-amdgpu",
    }[distribution(node)]
    return f"{_INSTALL.get(distribution(node), 'sudo apt-get install')} {package}"


_WORDS: dict[str, Callable[[Node], str]] = {
    "install": lambda node: _INSTALL.get(distribution(node), "sudo apt-get install"),
    "initramfs": _initramfs,
    "reinstall": _reinstall,
    "hold": _hold,
    "repair": _repair,
    "refresh": _refresh,
    "utils_install": _utils,
    "policy": _policy,
    "sign": _sign,
    "enrol": _enrol,
    "fabric_install": _fabric,
    "rocm_install": _rocm,
    "rocm_pin": _rocm_pin,
    "rocm_hold": _rocm_hold,
    "amd_firmware": _amd_firmware,
    "driver_install": _driver,
    "driver_note": _driver_note,
    "nouveau_off": _nouveau_off,
    "driver_upgrade": _upgrade,
    "driver_downgrade": _downgrade,
    "driver_pin": _pin,
    "driver_open": lambda node: _driver(node, flavour="open"),
    "driver_proprietary": lambda node: _driver(node, flavour="proprietary"),
}


def word(node: Node, key: str, given: Mapping[str, Any]) -> str:
    """A command that a text asks for by its name and that its finding has not given. KeyError where there is none of that name."""
    if key == "headers":
        return _headers(node, str(given.get("kernel") or node.kernel))
    if key == "rocm_last":
        return _rocm_last(node, str(given["last"]))
    return node.kernel if key == "kernel" else _WORDS[key](node)


def python_of(installation: dict[str, Any]) -> str:
    """The interpreter that a package belongs to: /opt/v/lib/python3.12/site-packages is /opt/v/bin/python3's."""
    path = str(at(installation, "path") or "")
    prefix, found, _rest = path.partition("/lib/python")
    return f"{prefix}/bin/python3" if found and prefix else "python3"
