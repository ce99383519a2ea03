# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node has the wanted driver, link by link: on disk, in every kernel that boots, loaded, answering for every GPU."""

from __future__ import annotations

from typing import Any, Callable

from .._check import _fabric, _nvidia_driver, _nvidia_library
from .._check._node import Node, address, at, join, name, same_version
from .._check._nvidia_versions import shown
from ._cards import cards_of, flavours
from ._node_state import packaged
from ._verify_disk import absent, firmware_version, lock, module_built, next_boot, packages
from .order import Order
from .steps import LINKS, Link, Verification

__all__ = ["verify"]

_State = tuple[str, str]


def verify(inventory: Any, order: Order) -> Verification:
    """The verification of a node. A link is after_reboot where a reboot mends it, which needs a next boot that finds the module."""
    node = Node(inventory)
    if order.state == "absent":
        return _result([Link(link, *absent(node, link)) for link in LINKS])
    if not node.nvidia and not node.problems("pci"):
        return _result([Link(link, "not_applicable", "there is no NVIDIA GPU to drive here") for link in LINKS])
    good = next_boot(node), module_built(node, order), packages(node, order)
    ready = all(state == "ok" for state, _reason in good) and not node.get("kernel.nouveau_in_initramfs")
    asks: dict[str, Callable[[Node, Order], _State]] = {
        "packages": packages,
        "lock": lock,
        "nouveau": _nouveau,
        "module_built": module_built,
        "next_boot": lambda one, _order: next_boot(one),
        "module_loaded": _module_loaded,
        "versions": _versions,
        "device_nodes": _device_nodes,
        "nvml": _nvml,
        "fabric": _fabric_link,
        "persistence": _persistence,
    }
    links = []
    for link in LINKS:
        state, reason = asks[link](node, order)
        if state == "after_reboot" and not ready:
            state, reason = "broken", f"{reason}, and the next boot would not mend it"
        links.append(Link(link, state, reason))
    return _result(links)


def _result(links: list[Link]) -> Verification:
    broken = next((link.link for link in links if link.state == "broken"), None)
    later = any(link.state == "after_reboot" for link in links)
    return Verification("failed" if broken else "after_reboot" if later else "verified", tuple(links), broken)


def _nouveau(node: Node, order: Order) -> _State:
    if not packaged(node):
        return "not_applicable", "somebody else manages the driver"
    bound = [address(device) for device in node.nvidia if at(device, "pci.kernel_driver") == "nouveau"]
    if node.get("kernel.nouveau_blacklisted") is False:
        return "broken", "nothing keeps nouveau from being loaded"
    if node.get("kernel.nouveau_in_initramfs"):
        return "broken", "the initramfs of the next boot would load nouveau"
    if bound or node.get("kernel.nouveau_loaded"):
        return "after_reboot", f"nouveau drives {join(bound)}" if bound else "nouveau is loaded"
    if node.get("kernel.nouveau_loaded") is None:
        return "unknown", "whether nouveau is loaded cannot be seen"
    return "ok", "nouveau is not loaded and stays away"


def _waits(node: Node) -> str | None:
    """Why links of the running driver cannot hold yet; None where a module is loaded."""
    return None if _nvidia_driver.loaded(node) else "no NVIDIA module is loaded"


def _pending(node: Node) -> str | None:
    """The same, and where the loaded module is of another version than the libraries and daemons that are installed."""
    driver = node.get("nvidia.driver") or {}
    loaded, installed, library = (driver.get(f"{part}_version") for part in ("loaded", "installed", "library"))
    wrong = next((other for other in (installed, library) if loaded and other and not same_version(loaded, other)), None)
    return _waits(node) or (f"module {loaded} is loaded, {wrong} is installed" if wrong else None)


def _module_loaded(node: Node, order: Order) -> _State:
    version, flavour = node.get("nvidia.driver.loaded_version"), node.get("nvidia.driver.kernel_module")
    waits = _waits(node)
    if waits:
        return "after_reboot", waits
    fitting = flavours(cards_of(node.nvidia), node.driver_branch or 0)
    if flavour and fitting and flavour not in fitting:
        return "after_reboot", f"the {flavour} module is loaded, these GPUs need the {' or '.join(sorted(fitting))} one"
    if order.flavour != "auto" and flavour and flavour != order.flavour:
        return "after_reboot", f"the {flavour} module is loaded, flavour is {order.flavour}"
    return "ok", f"module {version} is loaded" + (f" ({flavour})" if flavour else "")


def _versions(node: Node, order: Order) -> _State:
    """Loaded, installed, library, firmware and Fabric Manager are of one version."""
    driver = node.get("nvidia.driver") or {}
    wanted = driver.get("installed_version") or driver.get("loaded_version")
    if not wanted:
        return "unknown", "no version of the driver is known"
    parts = {"library": driver.get("library_version"), "firmware": firmware_version(node, wanted)}
    if node.get("nvidia.fabric.required"):
        parts["Fabric Manager"] = node.get("nvidia.fabric.manager_version")
    wrong = [f"{part} {version}" for part, version in parts.items() if version and not same_version(version, wanted)]
    if wrong:
        return "broken", f"{join(wrong)} beside driver {wanted}"
    loaded = driver.get("loaded_version")
    if not loaded:
        return "after_reboot", f"{wanted} is installed and not loaded"
    if not same_version(loaded, wanted):
        return "after_reboot", f"module {loaded} is loaded, {wanted} is installed"
    if not order.wish.allows(loaded):
        return "broken", f"module {loaded} is loaded, which {order.wish} does not allow"
    return "ok", f"all parts are {wanted}"


def _device_nodes(node: Node, order: Order) -> _State:
    waits = _waits(node)
    if waits:
        return "after_reboot", waits
    found = [one for one in _nvidia_driver.check(node) if one.code in ("NV-NO-DEVICE-NODES", "CTR-NO-DEVICES")]
    if found:
        return "broken", found[0].message
    nodes = node.get("nvidia.device_nodes")
    if not nodes:
        return ("unknown", "the device files cannot be seen") if nodes is None else ("broken", "there is no device file /dev/nvidia*")
    return "ok", f"{len(nodes)} device files"


def _nvml(node: Node, order: Order) -> _State:
    waits = _pending(node)
    if waits:
        return "after_reboot", waits
    hidden = [device for device in node.nvidia if not shown(device) or device.get("lost")]
    problems = node.problems("nvml", "nvidia_smi")
    if hidden:
        why = f": {problems[0]['message']}" if problems else ""
        names = join(f"{name(device)} at {address(device)}" for device in hidden)
        return "broken", f"the driver does not answer for {names}{why}"
    failed, _explained = _nvidia_library.check(node)
    worst = [one for one in failed if one.severity == "critical"]
    if worst:
        return "broken", worst[0].message
    return "ok", f"it answers for {len(node.nvidia)} of {len(node.nvidia)} GPUs"


def _fabric_link(node: Node, order: Order) -> _State:
    if not node.get("nvidia.fabric.required"):
        return "not_applicable", "no NVSwitch is here"
    waits = _pending(node)
    if waits:
        return "after_reboot", waits
    found = list(_fabric.check(node))
    bad = [one for one in found if one.severity == "critical"]
    if bad:
        return "broken", bad[0].message
    if found:
        return "unknown", found[0].message
    return "ok", f"Fabric Manager is {node.get('nvidia.services.fabricmanager') or 'of unknown state'}"


def _persistence(node: Node, order: Order) -> _State:
    state = node.get("nvidia.services.persistenced")
    if not order.persistence or not packaged(node):
        return "not_applicable", "persistence is false" if not order.persistence else "the driver's owner cares for it"
    if state == "active":
        return "ok", "nvidia-persistenced is active"
    if node.nvidia and all(device.get("persistence_mode") is True for device in node.nvidia):
        return "ok", "every GPU is in persistence mode"
    if state in ("inactive", "failed"):
        waits = _pending(node)
        return ("after_reboot", waits) if waits else ("broken", f"nvidia-persistenced is {state}")
    return ("not_applicable", "nvidia-persistenced is not installed") if state == "absent" else ("unknown", "no systemd tells of services")
