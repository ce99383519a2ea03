# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the kernel module beside ROCm: building it for every kernel that boots, the initramfs,
loading it, and why a node must reboot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._check._node import Node, at, version_key
from .._inventory._inventory import Inventory
from .._inventory._module_file import INBOX
from .._packages.types import Change
from ._configuration import initramfs_command
from ._node_state import changed_names, headers_come, kernels_to_boot, newer_or_running
from ._rocm_here import DRIVER, installed
from .rocm_order import RocmOrder
from .rocm_steps import RocmChosen
from .steps import Step

__all__ = ["default_steps", "module_steps", "reboot_reasons"]

# What update-alternatives calls the links to a release, and where below the release they lead (AMD's packages set them).
_LINKS = {"legacy": (("rocm", ""),), "therock": (("core", ""), ("rocm-bin", "/bin"), ("rocm-lib", "/lib"), ("rocm-llvm", "/llvm"))}


def default_steps(inventory: Inventory, order: RocmOrder, chosen: RocmChosen, changes: Sequence[Change]) -> list[Step]:
    """Of releases side by side the wished one becomes the default; the packages' own scripts take the newest."""
    installs = Node(inventory).items("amd.installs")
    mine = [one for one in installs if one.get("version") == chosen.version]
    newer = [one for one in installs if version_key(one.get("version")) > version_key(chosen.version)]
    late = any(not one.get("default") for one in mine) or (bool(changes) and not mine and bool(newer))
    series = ".".join(chosen.version.split(".")[:2])
    linked = chosen.stream == "legacy" or f"amdrocm-core{series}" in "".join(installed_after(Node(inventory), changes))
    if not order.side_by_side or not late or not linked:
        return []
    root = f"/opt/rocm-{chosen.version}" if chosen.stream == "legacy" else f"/opt/rocm/core-{series}"
    return [Step("command", f"make {root}{below} the default", f"version asks for {chosen.version}",
                 {"argv": ["update-alternatives", "--set", name, f"{root}{below}"]}, undo=f"update-alternatives --auto {name}")
            for name, below in _LINKS.get(str(chosen.stream), ())]


def module_steps(inventory: Inventory, order: RocmOrder, chosen: RocmChosen, changes: Sequence[Change]) -> list[Step]:
    """Builds that the package's own script leaves out, the initramfs after them, and the module where none is loaded."""
    node = Node(inventory)
    steps = _builds(node, chosen, changes)
    if steps and order.update_initramfs:
        steps.append(Step("command", "rebuild the initramfs of every kernel", "amdgpu may be loaded from it",
                          {"argv": initramfs_command(node)}, slow=True))
    if _loads(node, chosen, changes):
        steps.append(Step("command", "load amdgpu", "no driver of the GPUs is loaded", {"argv": ["modprobe", "amdgpu"]}))
    return steps


def _builds(node: Node, chosen: RocmChosen, changes: Sequence[Change]) -> list[Step]:
    """amdgpu-dkms builds for the running kernel; the others that boot are built here."""
    if chosen.driver != "dkms":
        return []
    found, comes = [], DRIVER in changed_names(changes)
    for entry in kernels_to_boot(node, None):
        release = str(entry.get("release"))
        built = INBOX not in str(at(entry, "modules.amdgpu.path") or INBOX)
        with_script = comes and release == node.get("kernel.release")
        if newer_or_running(node, entry) and (comes or not built) and not with_script and (
                entry.get("headers") or headers_come(changes, release)):
            found.append(Step("command", f"build amdgpu for kernel {release}", "it should boot with AMD's driver",
                              {"argv": ["dkms", "autoinstall", "-k", release]}, slow=True))
    return found


def _loads(node: Node, chosen: RocmChosen, changes: Sequence[Change]) -> bool:
    """Whether the module can simply be loaded: none is, no other driver has the cards, and nothing forbids it."""
    taken = [device for device in node.amd if at(device, "pci.kernel_driver") not in (None, "amdgpu")]
    unable = chosen.driver == "none" or node.get("amd.driver.loaded") is not False or node.items("amd.blacklists") or taken
    return not unable and (chosen.driver == "inbox" or DRIVER in installed_after(node, changes))


def installed_after(node: Node, changes: Sequence[Change]) -> set[str]:
    """Names of packages that will be there."""
    gone = {change.name for change in changes if change.action == "remove"}
    return ({*(node.get("packages.installed") or {})} | changed_names(changes)) - gone


def reboot_reasons(inventory: Inventory, chosen: RocmChosen, changes: Sequence[Change]) -> list[str]:
    """Why the node has to reboot before the wanted driver is in use."""
    node = Node(inventory)
    loaded, method = node.get("amd.driver.loaded"), node.get("amd.driver.method")
    names = {change.name for change in changes}
    if chosen.driver == "none" or loaded is not True:
        return []
    if chosen.driver == "dkms" and method == "inbox":
        return [f"the kernel's own amdgpu is loaded, {chosen.driver_version} of amdgpu-dkms is wanted"]
    if chosen.driver == "inbox" and (method == "dkms" or (DRIVER in names and DRIVER in installed(inventory))):
        return ["amdgpu of amdgpu-dkms is loaded, the kernel's own is wanted"]
    if chosen.driver == "dkms" and DRIVER in names:
        return [f"the loaded amdgpu is the one from before {DRIVER} {chosen.driver_version}"]
    return _other_build(node, chosen)


def _other_build(node: Node, chosen: RocmChosen) -> list[str]:
    """The running kernel has another build of the module on its disk than the one that is loaded."""
    entry: Any = node.installed_kernel(node.get("kernel.release"))
    built, loaded = at(entry, "modules.amdgpu.version"), node.get("amd.driver.version")
    if chosen.driver == "dkms" and built and loaded and built != loaded:
        return [f"amdgpu {loaded} is loaded, {built} is installed"]
    return []
