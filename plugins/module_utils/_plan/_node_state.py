# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what several parts of a plan ask a node: its kernels, its programs, who uses its GPUs. Pure."""

from __future__ import annotations

import re
from typing import Any

from .._check._node import Node, Section, at
from .._inventory._versions import version_key
from .._knowledge import delivery

BUILT = ("installed", "installed-weak")
# fact of nvidia.services -> unit; in the order in which they are started
SERVICES = {"persistenced": "nvidia-persistenced", "fabricmanager": "nvidia-fabricmanager", "imex": "nvidia-imex", "dcgm": "nvidia-dcgm"}
# Names of the daemons of these units as /proc/PID/comm cuts them: they stop with their unit.
_DAEMONS = {"nvidia-persiste": "persistenced", "nv-fabricmanage": "fabricmanager", "nvidia-imex": "imex", "nv-hostengine": "dcgm"}
# In the order in which they can be unloaded: each uses those after it.
MODULES = ("nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia_peermem", "nvidia")
_IMAGE = re.compile(r"linux-image-(?:unsigned-)?([0-9][0-9A-Za-z.+~-]{0,100})", re.ASCII)
_DEBIAN_LIKE = ("debian", "ubuntu")
_SUSE_LIKE = ("suse", "sles", "opensuse")


def kernels_to_boot(node: Node, module: str | None = "nvidia") -> list[Section]:
    """The installed kernels that should boot with a driver: the running one, the next one, every newer one, and those that the
    driver is built for already (module; None for one that each kernel brings) or has headers for. An old kernel without headers is
    left alone."""
    running = str(node.get("kernel.release") or "")
    chosen = []
    for entry in node.items("kernel.installed"):
        release = str(entry.get("release"))
        newer = bool(running) and version_key(release) > version_key(running)
        if release == running or entry.get("next_boot") or newer or entry.get("headers") or (module and at(entry, f"modules.{module}")):
            chosen.append(entry)
    return chosen


def has_program(node: Node, name: str) -> bool:
    """Whether a program is in the folders for programs; False where nobody looked."""
    programs = node.get("system.programs")
    return isinstance(programs, list) and name in programs


def family(node: Node) -> str:
    """debian, suse or el: whose commands and paths fit."""
    names = [str(node.get("system.distribution") or ""), *map(str, node.get("system.distribution_like") or ())]
    for name in names:
        word = name.lower().partition("-")[0]
        if word in _DEBIAN_LIKE:
            return "debian"
        if word in _SUSE_LIKE:
            return "suse"
    return "debian" if node.get("packages.manager") == "dpkg" else "el"


def stoppable(node: Node, holder: Section) -> bool:
    """Whether a process that holds a GPU is the daemon of a unit that runs here and that can be stopped."""
    fact = _DAEMONS.get(str(holder.get("name") or "")[:15])
    return fact is not None and node.get(f"nvidia.services.{fact}") == "active"


def users(node: Node) -> list[str] | None:
    """Who uses NVIDIA GPUs, as "python3 (4242)", daemons of the driver left out; None where nobody can tell."""
    holders = node.get("health.gpu_holders")
    told = [item for item in holders or () if isinstance(item, dict) and not item.get("service")]
    told += [item for device in node.nvidia for item in device.get("processes") or () if isinstance(item, dict)]
    names = sorted({f"{item.get('name') or 'unknown'} ({item.get('pid')})" for item in told})
    return names if names or isinstance(holders, list) else None


def packaged(node: Node) -> bool:
    """Whether the driver is, or may become, the package manager's own: nobody else owns it."""
    return node.get("nvidia.driver.managed_by") in (None, "none", "packages")


def record_trouble(node: Node, path: str, *codes: str) -> str | None:
    """Why the record of ours, which is there, could not be read; codes: of problems that count, every one where none is named."""
    found = (one for one in node.problems("kept") if path in str(one.get("message")) and (not codes or one.get("code") in codes))
    return next((str(one.get("message")).replace(f"{path}: ", "", 1) for one in found), None)


def secure(node: Node) -> bool:
    """Whether the kernel takes signed modules only."""
    return bool(node.get("kernel.secure_boot"))


def newer_or_running(node: Node, entry: Section) -> bool:
    """Whether a kernel is the running one, the next one or a newer one: those that a node comes to without anybody choosing."""
    running = str(node.get("kernel.release") or "")
    release = str(entry.get("release"))
    return bool(entry.get("next_boot")) or not running or version_key(release) >= version_key(running)


def key_enrolled(node: Node, module: str = "nvidia") -> bool:
    """Whether the firmware knows the key that modules built here are signed by, as far as can be proven."""
    enrolled = node.get("kernel.mok_enrolled")
    keys = {str(node.get("kernel.signing_key"))} if node.get("kernel.signing_key") else set()
    for entry in node.items("kernel.installed"):
        built = at(entry, f"modules.{module}") or {}
        if "/updates/dkms/" in str(built.get("path")) and built.get("signer"):
            keys.add(str(built["signer"]))
    return isinstance(enrolled, list) and bool(keys & set(map(str, enrolled)))


def headers_come(changes: Any, release: str) -> bool:
    """Whether a transaction brings the headers of a kernel: by the release in the name of the package, or by its version."""
    version = delivery.kernel_version(release)
    for change in changes:
        name, after = str(change.name), str(change.after or "").rpartition(":")[2]
        if change.action == "remove" or not ("headers" in name or "devel" in name):
            continue
        if name.endswith(f"-{release}") or ("devel" in name and (after == version or after.startswith(f"{version}."))):
            return True
    return False


def coming_kernels(node: Node, changes: Any) -> list[str]:
    """The releases of kernels that a transaction puts onto the node, by the names of their images (apt); rpm's have no release in their
    names and come by no package of a driver."""
    found = [_IMAGE.fullmatch(str(change.name)) for change in changes if change.action == "install"]
    return sorted({match[1] for match in found if match} - {str(entry.get("release")) for entry in node.items("kernel.installed")})


def changed_names(changes: Any) -> set[str]:
    """The names of packages that a transaction puts onto the node, in a version that was not there."""
    return {str(change.name) for change in changes if change.action != "remove"}
