# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node has the wanted ROCm, link by link: on disk, at the next boot, loaded, and as each named user sees it."""

from __future__ import annotations

from typing import Any, Callable

from .._check._amd import boards
from .._check._node import Node, Section, address, at, name, same_version
from ._verify_rocm_disk import RocmOrder, absent, driver, lock, next_boot, packages
from ._verify_rocm_users import access, clinfo, parts_of, rocminfo, waits_for
from .steps import Link, Verification

__all__ = ["ROCM_LINKS", "verify"]

ROCM_LINKS = ("packages", "lock", "driver", "next_boot", "module_loaded", "kfd", "access", "rocminfo", "clinfo", "amd_smi")
# Compute partitions of a board by mode; CPX has one for each die, which differs by board.
_PARTITIONS = {"SPX": 1, "DPX": 2, "TPX": 3, "QPX": 4}

_State = tuple[str, str]


def verify(inventory: Any, order: RocmOrder) -> Verification:
    """The verification of a node. A link is after_reboot where a reboot mends it, which needs a next boot that loads the module.
    What users see needs an inventory that was gathered with ``users``."""
    node = Node(inventory)
    if order.state == "absent":
        return _result([Link(link, *absent(node, link)) for link in ROCM_LINKS])
    if not node.amd and not node.problems("pci"):
        return _result([Link(link, "not_applicable", "there is no AMD GPU to use here") for link in ROCM_LINKS])
    disk = {"packages": packages, "driver": driver, "next_boot": next_boot}
    ready = all(ask(node, order)[0] in ("ok", "not_applicable") for ask in disk.values())
    asks: dict[str, Callable[[Node, RocmOrder], _State]] = {
        **disk, "lock": lock, "module_loaded": _module_loaded, "kfd": _kfd, "access": access, "rocminfo": rocminfo,
        "clinfo": clinfo, "amd_smi": _amd_smi,
    }  # fmt: skip
    links = []
    for link in ROCM_LINKS:
        state, reason = asks[link](node, order)
        if state == "after_reboot" and not ready:
            state, reason = "broken", f"{reason}, and the next boot would not mend it"
        links.append(Link(link, state, reason))
    return _result(links)


def _result(links: list[Link]) -> Verification:
    broken = next((link.link for link in links if link.state == "broken"), None)
    later = any(link.state == "after_reboot" for link in links)
    return Verification("failed" if broken else "after_reboot" if later else "verified", tuple(links), broken)


def _module_loaded(node: Node, order: RocmOrder) -> _State:
    if node.wsl or node.container:
        return "not_applicable", "the host of this system drives the GPUs"
    waits = waits_for(node)
    if waits:
        return "after_reboot", waits
    loaded, method = node.get("amd.driver.version"), node.get("amd.driver.method")
    if node.get("amd.driver.loaded") is None:
        return "unknown", "whether amdgpu is loaded cannot be seen"
    if order.driver == "dkms" and method == "inbox":
        return "after_reboot", "the kernel's own amdgpu is loaded, not the one of amdgpu-dkms"
    if order.driver == "inbox" and method == "dkms":
        return "after_reboot", f"amdgpu {loaded} of amdgpu-dkms is loaded, not the kernel's own"
    built = at(node.installed_kernel(node.get("kernel.release")), "modules.amdgpu.version")
    if loaded and built and not same_version(loaded, built):
        return "after_reboot", f"amdgpu {loaded} is loaded, {built} is installed"
    return "ok", f"amdgpu {loaded} is loaded" if loaded else "the kernel's own amdgpu is loaded"


def _kfd(node: Node, order: RocmOrder) -> _State:
    """Each board on PCI is driven by amdgpu and served by the compute driver, with as many nodes as its mode makes."""
    waits = waits_for(node)
    if waits:
        return "after_reboot", waits
    if node.wsl:
        return "not_applicable", "WSL has no compute driver of its own"
    for device in boards(node):
        why = _hint(node, device)
        told = f": {why}" if why else ""
        if at(device, "pci.kernel_driver") is None and node.get("amd.driver.loaded"):
            return "broken", f"amdgpu does not take {name(device)} at {address(device)}{told}"
        if at(device, "pci.kernel_driver") not in ("amdgpu", None):
            return "broken", f"{name(device)} at {address(device)} is driven by {at(device, 'pci.kernel_driver')}, not by amdgpu"
        if node.get("amd.driver.kfd") is False:
            return "broken", f"the compute driver (/dev/kfd) is not there{told}"
        if "kfd" not in device.get("source", ()):
            return "broken", f"the compute driver does not serve {name(device)} at {address(device)}{told}"
        mode, parts = at(device, "partitioning.compute"), parts_of(device)
        if parts != _PARTITIONS.get(str(mode), parts) or (mode == "CPX" and parts < 2):
            return "broken", f"{name(device)} at {address(device)} is in mode {mode} and has {parts} compute nodes"
    total = sum(map(parts_of, boards(node)))
    return "ok", f"{len(boards(node))} of {len(boards(node))} GPUs, {total} compute {'node' if total == 1 else 'nodes'}"


def _hint(node: Node, device: Section) -> str | None:
    """What the kernel log says of a card that the compute driver left out."""
    for hint in node.items("amd.hints"):
        if hint.get("kind") != "small_bar" and (hint.get("pci") in (None, address(device))
                                                and hint.get("device_id") in (None, at(device, "pci.device_id"))):
            return str(hint.get("message"))
    return None


def _amd_smi(node: Node, order: RocmOrder) -> _State:
    told = node.get("amd.smi")
    if told is None:
        return "not_applicable", "amd-smi is not installed"
    waits = waits_for(node)
    if waits:
        return "after_reboot", waits
    wanted = len(boards(node))
    if (told.get("devices") or 0) < wanted:
        why = f": {told['message']}" if told.get("message") else ""
        return "broken", f"amd-smi lists {told.get('devices') or 0} of {wanted} GPUs{why}"
    return "ok", f"amd-smi lists {told.get('devices')} {'device' if told.get('devices') == 1 else 'devices'}"
