# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what stands in the way of a change of ROCm, before the package manager is asked and after it has answered."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from .._check._amd import boards
from .._check._node import Node, address, at, join, name, passed_through
from .._inventory._inventory import Inventory
from .._knowledge import rocm, rocm_delivery
from .._packages.types import Closure, Request
from . import _preflight_room
from ._node_state import family, headers_come, kernels_to_boot, newer_or_running
from ._preflight_shared import acknowledged, at_work, half_configured, held, jobs, managers, severe
from ._refuse import refuse
from ._rocm_access import users_refused
from ._rocm_here import DRIVER, around, installed, makers
from .rocm_order import RocmOrder
from .rocm_steps import RocmChosen
from .steps import Refusal

__all__ = ["after", "before", "busy", "no_gpu", "troubles"]


def no_gpu(inventory: Inventory, order: RocmOrder) -> Refusal | None:
    """What to say of a node without an AMD GPU; None where there is one, and where PCI could not be read."""
    node = Node(inventory)
    if any(device.get("vendor") == "amd" for device in node.devices) or node.problems("pci"):
        return None
    return refuse(node, "RS-NO-GPU", severity="critical" if order.when_no_gpu == "fail" else "warning")


def busy(inventory: Inventory, order: RocmOrder) -> list[Refusal]:
    """Jobs that a change would hit."""
    node = Node(inventory)
    holders = [one for one in node.items("health.gpu_holders")
               if not one.get("service") and not str(one.get("path")).startswith("/dev/nvidia")]
    names = sorted({f"{one.get('name') or 'unknown'} ({one.get('pid')})" for one in holders})
    return severe(order, [*jobs(order.own, node, names), *managers(order.own, node)])


def before(inventory: Inventory, order: RocmOrder) -> list[Refusal]:
    """What is known before the package manager is asked, what stops first. For a node where something is to be done."""
    node = Node(inventory)
    return acknowledged(order, [*_place(node, order), *_cards(node), *users_refused(node, order), *_blacklisted(node, order),
                                *half_configured(order.own, node), *_mixed(inventory, order),
                                *at_work(order.own, node, order.wait_for_lock), *busy(inventory, order)])


def after(inventory: Inventory, order: RocmOrder, chosen: RocmChosen, request: Request, closure: Closure) -> list[Refusal]:
    """What is known once a release is chosen and its transaction resolved."""
    node = Node(inventory)
    if closure.error is not None:
        names = [*(package for several in makers(inventory, around(inventory)).values() for package in several), DRIVER]
        told = refuse(node, "RS-TRANSACTION", "packages", version=chosen.version, wish=order.wish, words=closure.error)
        return acknowledged(order, [told, *held(order.own, node, names)])
    changed = [str(change.name) for change in closure.changes if change.action not in ("install", "reinstall")]
    return acknowledged(order, [*_not_reached(node, inventory, chosen, request, closure), *_others(node, inventory, request, closure),
                                *_lower(node, inventory, order, chosen, closure), *_headers(node, chosen, closure),
                                *held(order.own, node, changed, apt_marks_only=True),
                                *_preflight_room.check(order.own, node, closure, chosen.driver == "dkms")])


def _place(node: Node, order: RocmOrder) -> Iterator[Refusal]:
    if node.wsl and order.driver != "none":
        yield refuse(node, "RS-WSL", use=({"driver": "none"},))
    elif node.container and order.driver != "none":
        yield refuse(node, "RS-CONTAINER", use=({"driver": "none"},))
    if node.get("system.image_based"):
        yield refuse(node, "RS-OWNER-IMAGE")


def _cards(node: Node) -> Iterator[Refusal]:
    """Cards that a guest has: without any other there is nothing to drive here."""
    given = [device for device in node.devices if device.get("vendor") == "amd" and passed_through(device)]
    for device in given:
        yield refuse(node, "RS-PASSED-THROUGH", address(device), severity="warning" if node.amd else None,
                     gpu=name(device), driver=at(device, "pci.kernel_driver"))


def _blacklisted(node: Node, order: RocmOrder) -> Iterator[Refusal]:
    """What keeps amdgpu from being loaded, a left-over of other tools mostly."""
    found = node.items("amd.blacklists") if order.driver != "none" and order.state != "absent" else []
    for entry in found:
        path = str(entry.get("path"))
        loader = path == "/proc/cmdline"
        yield refuse(node, "RS-BLACKLISTED", path, path="the kernel's command line" if loader else path, line=entry.get("line"),
                     file="/etc/default/grub" if loader else path)


def _mixed(inventory: Inventory, order: RocmOrder) -> Iterator[Refusal]:
    """ROCm of several makers, of which nobody said which one is to be had. With an origin in the order the others go."""
    found = makers(inventory, around(inventory))
    if order.state == "absent" or len(found) < 2:
        return
    stays = order.origin != "auto" or _unfinished(inventory)
    told = join(f"{origin} ({join(names, 3)})" for origin, names in sorted(found.items()))
    yield refuse(Node(inventory), "RS-MIXED-ORIGIN", "packages", severity="warning" if stays else None, origins=told,
                 use=({"origin": "amd" if any(origin.startswith("amd") for origin in found) else "distribution"},))


def _unfinished(inventory: Inventory) -> bool:
    """Whether a change of ours broke off: it is ours to finish."""
    return bool((inventory.packages.get("record") or {}).get("way_back"))


def _not_reached(
    node: Node, inventory: Inventory, chosen: RocmChosen, request: Request, closure: Closure
) -> Iterator[Refusal]:
    """Packages that were asked for and that will not be there in that version; others of the release in another one."""
    after = {package: str(entry["version"]) for package, entry in installed(inventory).items()}
    after.update({change.name: change.after or "" for change in closure.changes if change.action != "remove"})
    wrong = [f"{one.name} {one.version}" for one in request.install
             if one.version and one.name != "kernel-devel" and after.get(one.name, "").rpartition(":")[2] != one.version.rpartition(":")[2]]
    if wrong:
        yield refuse(node, "RS-NOT-REACHED", "packages", version=chosen.version, packages=join(wrong))


def _others(node: Node, inventory: Inventory, request: Request, closure: Closure) -> Iterator[Refusal]:
    """Packages that would go along and are no part of any ROCm."""
    patterns = [pattern for one in around(inventory) for pattern in one.hold_patterns]
    gone = [change.name for change in closure.changes if change.action == "remove" and change.name not in request.remove]
    others = [package for package in gone if not any(fnmatch.fnmatchcase(package, pattern) for pattern in patterns)]
    if others:
        yield refuse(node, "RS-REMOVES-OTHERS", "packages", packages=join(others))


def _lower(node: Node, inventory: Inventory, order: RocmOrder, chosen: RocmChosen, closure: Closure) -> Iterator[Refusal]:
    """Packages that go down. AMD's firmware has lost its epoch and looks older where it is newer, and so do AMD's packages beside those of
    a distribution under the same names: that is no downgrade of the stack."""
    known = rocm_delivery.deliverer(chosen.origin)
    mine = {name for name, entry in installed(inventory).items() if known and entry.get("origin") in (known.maker, None)}
    lower = [f"{change.name} {change.before} → {change.after}" for change in closure.changes
             if change.action == "downgrade" and change.name in mine and not change.name.startswith(DRIVER)]
    if lower and not order.allow_downgrade:
        yield refuse(node, "RS-DOWNGRADE", "packages", use=({"allow_downgrade": "true"},), packages=join(lower), version="")


def _headers(node: Node, chosen: RocmChosen, closure: Closure) -> Iterator[Refusal]:
    """Kernels that the driver has to be built for and that have no headers."""
    for entry in kernels_to_boot(node, None) if chosen.driver == "dkms" else ():
        release = str(entry.get("release"))
        if newer_or_running(node, entry) and entry.get("headers") is False and not headers_come(closure.changes, release):
            package = f"linux-headers-{release}" if family(node) == "debian" else f"kernel-devel-{release}"
            yield refuse(node, "RS-NO-HEADERS", f"kernel {release}", kernel=release, package=package)


# What helps where the kernel says that the compute driver leaves a card out, or serves it by half.
_ADVICE = {
    "no_pcie_atomics": "this slot or its switch has no PCIe atomics: put the card into one of the processor's own slots",
    "iommu_failed": "set iommu=pt on the kernel's command line, or switch the IOMMU on in the firmware",
    "small_bar": "switch on Above 4G Decoding and Resizable BAR in the firmware",
    "firmware_missing": "install the distribution's firmware of AMD GPUs",
}


def troubles(inventory: Inventory, version: str) -> list[str]:
    """What the kernel tells of the cards, and known trouble of the platform with the node's targets and a release, in words."""
    node = Node(inventory)
    told = [f"{hint.get('message')}{f': {advice}' if (advice := _ADVICE.get(str(hint.get('kind')))) else ''}"
            for hint in node.items("amd.hints")]
    for gfx in sorted({str(device.get("gfx_target")) for device in boards(node) if device.get("gfx_target")}):
        for one in rocm.trouble(gfx, version):
            mended = f"; mended in {one.mended}" if one.mended else f"; mended with ROCm {one.mended_rocm}" if one.mended_rocm else ""
            told.append(f"{one.software} on {gfx}: {one.what}{mended}{f'; {one.remedy}' if one.remedy else ''}")
    return list(dict.fromkeys(told))
