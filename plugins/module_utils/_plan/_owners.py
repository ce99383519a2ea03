# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whose driver a node has, where the package manager is not its master; and nodes that need none."""

from __future__ import annotations

from typing import Any

from .._check._node import Node
from ._refuse import refuse
from .order import Order
from .steps import Refusal

__all__ = ["OWNERS", "no_gpu", "owner_of", "owner_serves", "owner_words", "runfile_stays", "serves_wish"]

OWNERS = {
    "operator": "ND-OWNER-OPERATOR",
    "jetpack": "ND-OWNER-JETPACK",
    "dgx_os": "ND-OWNER-DGX-OS",
    "image": "ND-OWNER-IMAGE",
    "vgpu": "ND-OWNER-VGPU",
    "wsl": "ND-OWNER-WSL",
}


_WORDS = {"operator": "NVIDIA's GPU Operator", "jetpack": "JetPack", "dgx_os": "DGX OS", "image": "the system's image",
          "vgpu": "NVIDIA vGPU", "wsl": "Windows", "runfile": "NVIDIA's .run installer"}


def no_gpu(inventory: Any, order: Order) -> Refusal | None:
    """What to say of a node without an NVIDIA GPU: a warning to skip it by, or critical where when_no_gpu is fail. None where there
    is one, given to a guest or not, and where PCI could not be read."""
    node = Node(inventory)
    if any(device.get("vendor") == "nvidia" for device in node.devices) or node.problems("pci"):
        return None
    return refuse(node, "ND-NO-GPU", severity="critical" if order.when_no_gpu == "fail" else "warning")


def owner_serves(inventory: Any, order: Order) -> bool:
    """Whether somebody else manages the driver of this node and it satisfies the wish: then there is nothing to do."""
    node = Node(inventory)
    return order.state != "absent" and serves_wish(node, order) and (owner_of(node) is not None or runfile_stays(node, order))


def runfile_stays(node: Node, order: Order) -> bool:
    """Whether the driver is that of NVIDIA's .run installer, and nobody asked to replace it."""
    return node.get("nvidia.driver.managed_by") == "runfile" and not order.replace_runfile


def owner_of(node: Node) -> str | None:
    """Who else manages the driver of this node."""
    if node.wsl:
        return "wsl"
    if node.get("system.image_based"):
        return "image"
    manager = node.get("nvidia.driver.managed_by")
    return str(manager) if manager in OWNERS else None


def serves_wish(node: Node, order: Order) -> bool:
    """Whether the driver that is there, loaded or installed, is one of those that are wished for."""
    version = node.driver_version
    return version is not None and order.wish.allows(version)


def owner_words(inventory: Any, order: Order) -> str:
    """What to say of a node whose driver somebody else manages, and which satisfies the wish."""
    driver = inventory.nvidia.get("driver") or {}
    version = driver.get("loaded_version") or driver.get("installed_version")
    owner = _WORDS.get("image" if inventory.system.get("image_based") else str(driver.get("managed_by")), "somebody else")
    return f"{version} is here, {order.wish} allows it, and {owner} manages it"
