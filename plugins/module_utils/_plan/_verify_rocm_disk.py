# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the links of a verification of ROCm that are on disk: packages, lock, the driver of every kernel that boots, the next boot."""

from __future__ import annotations

import re
from typing import Any, Protocol

from .._check._node import Node, Section, at, join, same_version
from .._inventory._module_file import INBOX
from ._node_state import newer_or_running
from ._verify_disk import State, signature_fault

# Packages that tell which release a ROCm is, also under the names that install side by side; those that are there must be held.
_DECIDING = re.compile(r"(?:rocm-core|amdrocm(?:-core|-runtime)?|rocm-runtime|hsa-rocr|libhsa-runtime64-1|rocminfo)[\d.]*(?:-gfx\w+)?")


class Versions(Protocol):
    """A wish: which releases it allows, and how it was worded."""

    def allows(self, version: str) -> bool:
        """Whether this release serves it."""


class RocmOrder(Protocol):
    """What a verification asks of an order. driver: inbox, dkms or none, as the plan chose where the operator said
    auto; auto, where nothing could be chosen, is what the node has."""

    @property
    def wish(self) -> Versions: ...
    @property
    def state(self) -> str: ...
    @property
    def driver(self) -> str: ...
    @property
    def components(self) -> tuple[str, ...]: ...
    @property
    def users(self) -> tuple[str, ...]: ...
    @property
    def hold(self) -> bool: ...


def packages(node: Node, order: RocmOrder) -> State:
    """The installed release is one that the wish allows, and nothing is half-way."""
    broken = [str(one) for one in node.get("packages.broken") or ()]
    if broken:
        return "broken", f"{join(broken)} {'is' if len(broken) == 1 else 'are'} not configured"
    version = node.get("amd.rocm.version")
    if not version:
        return "broken", "no ROCm is installed"
    if not order.wish.allows(version):
        return "broken", f"ROCm {version} is installed, which {order.wish} does not allow"
    return "ok", f"ROCm {version} is installed"


def lock(node: Node, order: RocmOrder) -> State:
    """Something keeps others from moving ROCm, and the driver where it is a package of its own."""
    if not order.hold:
        return "not_applicable", "hold is false"
    installed: dict[str, Any] = node.get("packages.installed") or {}
    names = [name for name in sorted(installed) if _DECIDING.fullmatch(name) or (order.driver == "dkms" and name == "amdgpu-dkms")]
    if not names:
        return "unknown", "whether the packages are held cannot be seen"
    loose = [name for name in names if not at(installed[name], "held")]
    if loose:
        return "broken", f"nothing keeps {join(loose)} at {'its release' if len(loose) == 1 else 'their release'}"
    return "ok", "the packages of ROCm are held"


def driver(node: Node, order: RocmOrder) -> State:
    """Every kernel that boots has the wanted amdgpu: its own, or one that DKMS built and that may be loaded."""
    if order.driver == "none":
        return "not_applicable", "driver is none"
    entries = [entry for entry in node.items("kernel.installed") if newer_or_running(node, entry)]
    if not entries:
        return "unknown", "no installed kernel can be seen"
    dkms = order.driver == "dkms" or (order.driver == "auto" and bool(node.get("amd.driver.dkms")))
    wrong = [f"kernel {entry.get('release')} {fault}" for entry in entries if (fault := _fault(node, dkms, entry))]
    if wrong:
        return "broken", join(wrong, 4)
    kind = "amdgpu of amdgpu-dkms" if dkms else "amdgpu of its own"
    return "ok", f"{join(entry.get('release') for entry in entries)} {'has' if len(entries) == 1 else 'have'} the {kind}"


def _fault(node: Node, dkms: bool, entry: Section) -> str:
    """What is wrong with the module of one kernel; empty where nothing is."""
    module = at(entry, "modules.amdgpu")
    if not module:
        return "has no amdgpu module"
    own = INBOX in str(module.get("path"))
    if not dkms:
        return "" if own else f"has {module.get('path')} before its own amdgpu, driver is inbox"
    if own:
        return "has only its own amdgpu, amdgpu-dkms is not built for it"
    wanted, version = _built_version(node), module.get("version")
    if version and wanted and not same_version(version, wanted):
        return f"has amdgpu {version}, amdgpu-dkms is {wanted}"
    return signature_fault(node, module)


def _built_version(node: Node) -> str | None:
    """The version of amdgpu-dkms that is there to be built: DKMS drops those of removed packages."""
    versions = {str(build.get("version")) for build in node.items("amd.driver.dkms") if build.get("module") == "amdgpu"}
    return versions.pop() if len(versions) == 1 else None


def next_boot(node: Node, order: RocmOrder) -> State:
    """The kernel that the boot loader starts next loads the module by itself."""
    if order.driver == "none":
        return "not_applicable", "driver is none"
    for entry in node.items("amd.blacklists"):
        return "broken", f"{entry.get('path')} keeps amdgpu from being loaded: {entry.get('line')}"
    release = node.get("kernel.next_boot_release")
    if release is None:
        return "unknown", "which kernel boots next is not known"
    if not at(node.installed_kernel(release), "modules.amdgpu"):
        return "broken", f"kernel {release} boots next without amdgpu"
    return "ok", f"kernel {release} boots next and has amdgpu"


def absent(node: Node, link: str) -> State:
    """After a removal nothing of what this collection did is left; what else is there is somebody's own."""
    if link != "packages":
        return "not_applicable", "state is absent"
    left = [*((node.get("packages.record") or {}).get("packages") or {}), *(node.get("packages.own_files") or {})]
    if left:
        return "broken", f"{join(left)} {'is' if len(left) == 1 else 'are'} still there"
    return "ok", "nothing that was installed here by this collection is left"
