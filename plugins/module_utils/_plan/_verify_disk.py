# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the links of a verification that are on disk: packages, lock, modules of every kernel that boots, the next boot."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from .._check._node import Node, Section, at, join, same_version
from .._inventory._own import NVIDIA
from .._inventory._package_text import upstream_version
from .._knowledge import nvidia
from ._cards import cards_of, flavours, limits
from ._node_state import kernels_to_boot, newer_or_running, packaged, secure
from .order import Order

State = tuple[str, str]
_PIN = re.compile(r"^Pin: version (\S+)$", re.MULTILINE)
_OWNED = "somebody else manages the driver"


def packages(node: Node, order: Order) -> State:
    """The installed version is one that the wish allows, and nothing is half-way."""
    broken = [str(one) for one in node.get("packages.broken") or ()]
    if broken:
        return "broken", f"{join(broken)} {'is' if len(broken) == 1 else 'are'} not configured"
    driver = node.get("nvidia.driver") or {}
    version = driver.get("installed_version") or (None if packaged(node) else node.driver_version)
    if not version:
        return "broken", "no driver is installed"
    if not order.wish.allows(version, revision_of(node)):
        whole = f"{version}-{order.wish.revision and revision_of(node)}" if order.wish.revision else version
        return "broken", f"{whole} is installed, which {order.wish} does not allow"
    branch = nvidia.branch_of(version)
    left = [card for card in cards_of(node.nvidia) if branch is not None and not card.flavours(branch)]
    if left and not node.wsl:
        return "broken", f"{version} is installed, and {left[0].label} {limits(left[0], [branch or 0])}"
    return "ok", f"{version} is installed"


def revision_of(node: Node) -> str | None:
    """The revision of the driver's package ("2" of 550.163.01-2); None where none is known."""
    version = node.get("nvidia.driver.installed_version")
    rows: dict[str, Any] = node.get("nvidia.driver.packages") or {}
    for package in sorted(rows):
        whole = str(rows[package]).rpartition(":")[2]
        if version and whole.startswith(f"{version}-"):
            return whole[len(version) + 1 :]
    return None


def lock(node: Node, order: Order) -> State:
    """Something keeps others from moving the driver."""
    if not order.hold or not packaged(node):
        return "not_applicable", "hold is false" if not order.hold else _OWNED
    held = node.get("nvidia.driver.held")
    if held is None:
        return "unknown", "whether the packages are held cannot be seen"
    if not held:
        return "broken", "nothing keeps the driver's packages at their branch"
    pin = _PIN.search((node.get("packages.own_files") or {}).get(order.own.preferences) or "")
    versions = sorted({str(version) for version in (node.get("nvidia.driver.packages") or {}).values()})
    if pin and versions and not fnmatch.filter(versions, pin[1]):
        return "broken", f"{order.own.preferences} pins {pin[1]}, {join(versions, 3)} is installed"
    return "ok", "the driver's packages are held"


def module_built(node: Node, order: Order) -> State:
    """Every kernel that boots has the module: of the installed version, the right flavour, signed where it has to be."""
    if not packaged(node):
        return "not_applicable", _OWNED
    # An older kernel counts where its module can be built here; others keep the module that they once had.
    built_here = bool(node.get("nvidia.driver.dkms"))
    entries = [entry for entry in kernels_to_boot(node) if newer_or_running(node, entry) or (built_here and entry.get("headers"))]
    if not entries:
        return "unknown", "no installed kernel can be seen"
    wrong = [f"kernel {entry.get('release')} {fault}" for entry in entries if (fault := _fault(node, order, entry))]
    if wrong:
        return "broken", join(wrong, 4)
    return "ok", f"{join(entry.get('release') for entry in entries)} {'has' if len(entries) == 1 else 'have'} the module"


def _fault(node: Node, order: Order, entry: Section) -> str:
    """What is wrong with the module of one kernel; empty where nothing is."""
    module = at(entry, "modules.nvidia")
    if not module:
        return "has no NVIDIA module"
    version, flavour = module.get("version"), module.get("flavour")
    wanted = node.get("nvidia.driver.installed_version")
    if version and wanted and not same_version(version, wanted):
        return f"has module {version}, {wanted} is installed"
    fitting = {order.flavour} if order.flavour != "auto" else flavours(cards_of(node.nvidia), node.driver_branch or 0)
    if flavour and fitting and flavour not in fitting:
        return f"has the {flavour} module, the {' or '.join(sorted(fitting))} one is needed"
    return signature_fault(node, module)


def signature_fault(node: Node, module: Section) -> str:
    """Why the kernel would not load a module under Secure Boot; empty where it would, as far as can be told."""
    if secure(node):
        enrolled, signer = node.get("kernel.mok_enrolled"), module.get("signer")
        if not signer:
            return "has a module without signature, and Secure Boot is on"
        if "/updates/dkms/" in str(module.get("path")) and isinstance(enrolled, list) and signer not in enrolled:
            return f"has a module signed by {signer}, whose key is not enrolled"
    return ""


def next_boot(node: Node) -> State:
    """The kernel that the boot loader starts next has a module."""
    if not packaged(node):
        return "not_applicable", _OWNED
    release = node.get("kernel.next_boot_release")
    ready = node.get("nvidia.driver.next_boot_ready")
    if release is None or ready is None:
        return "unknown", "which kernel boots next, or whether it has a module, is not known"
    return (
        ("ok", f"kernel {release} boots next and has the module") if ready else ("broken", f"kernel {release} boots next without a module")
    )


def firmware_version(node: Node, wanted: str) -> str | None:
    """The version of the GSP firmware by its packages: the wanted one where it is among them, since Ubuntu keeps one a version."""
    installed: dict[str, Any] = node.get("packages.installed") or {}
    names = [name for name in sorted(installed) if name.startswith(("firmware-nvidia-gsp", "nvidia-firmware"))]
    versions = [upstream_version(str(at(installed[name], "version") or "")) for name in names]
    found = [version for version in versions if version]
    return next((version for version in found if same_version(version, wanted)), found[-1] if found else None)


def absent(node: Node, link: str) -> State:
    """The link after a removal: what this collection set up is gone."""
    record = node.get("packages.record") or {}
    left = sorted(set(record.get("packages") or {}) & set(node.get("packages.installed") or {}))
    if link == "packages":
        return (
            ("broken", f"{join(left)} {'is' if len(left) == 1 else 'are'} still installed")
            if left
            else ("ok", "nothing of ours is installed")
        )
    if link == "lock":
        there = NVIDIA.preferences in (node.get("packages.own_files") or {}) or bool(record.get("locks"))
        return ("broken", "a lock of ours is still there") if there else ("ok", "no lock of ours is left")
    loaded = node.get("nvidia.driver.loaded_version")
    if link == "module_loaded" and loaded and not node.get("nvidia.driver.installed_version"):
        return "after_reboot", f"module {loaded} stays loaded until the next boot"
    return "not_applicable", "state is absent"
