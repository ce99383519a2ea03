# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about which driver branch and which kernel module serve the NVIDIA cards of this machine."""

from __future__ import annotations

from collections.abc import Iterator

from .._knowledge import nvidia
from .._knowledge.thresholds import threshold
from ._finding import finding, of_device
from ._node import Node, Section, address, at, name
from ._report import Finding


def check(node: Node) -> Iterator[Finding]:
    if not node.nvidia:
        return
    apart = list(_no_common_driver(node))
    yield from apart
    for device in node.nvidia:
        yield from _card(node, device)
        if not apart:  # else no other driver would help: what serves this card leaves another one
            yield from _misfit(node, device)
    if not node.wsl:
        yield from _branch(node)


def _flavour(node: Node) -> str | None:
    """The flavour of the kernel module that counts: the loaded one, else that on disk for the running kernel."""
    loaded = node.get("nvidia.driver.kernel_module")
    flavour = loaded or at(node.installed_kernel(node.get("kernel.release")), "modules.nvidia.flavour")
    return str(flavour) if flavour else None


def _card(node: Node, device: Section) -> Iterator[Finding]:
    """What is to be known of a card whatever driver is here."""
    support = device.get("driver_support") or {}
    last, branch = support.get("last_branch"), node.driver_branch
    facts = {"driver": node.driver_version, "driver_support": support}
    if support.get("status") == "unknown":
        yield of_device(node, "NV-CARD-UNKNOWN", device, facts, device_id=at(device, "pci.device_id") or "of unknown id")
    if last and not node.wsl and not (branch and branch > last):
        yield of_device(node, "NV-LAST-BRANCH", device, facts, architecture=_generation(device), last=last)


def _generation(device: Section) -> str:
    return str(device.get("architecture") or "of unknown architecture")


def _misfit(node: Node, device: Section) -> Iterator[Finding]:
    """Why the driver that is here does not take this card."""
    support = device.get("driver_support") or {}
    first, last, branch = support.get("first_branch"), support.get("last_branch"), node.driver_branch
    flavour, wanted = _flavour(node), support.get("open_module")
    facts = {"driver": node.driver_version, "driver_support": support, "kernel_module": flavour}
    if node.wsl or _works(device):
        return
    if branch and last and branch > last:
        words = {"architecture": _generation(device), "last": last, "branch": branch}
        yield of_device(node, "NV-ARCH-DROPPED", device, facts, **words)
    if branch and first and branch < first:
        words = {"architecture": _generation(device), "first": first, "branch": branch}
        yield of_device(node, "NV-DRIVER-TOO-OLD-FOR-CARD", device, facts, **words)
    if flavour == "proprietary" and wanted == "required":
        yield of_device(node, "NV-OPEN-REQUIRED", device, facts, architecture=_generation(device))
    if flavour == "open" and wanted == "unsupported":
        yield of_device(node, "NV-OPEN-UNSUPPORTED", device, facts, architecture=_generation(device))


def refused(node: Node, device: Section) -> bool:
    """Whether branch or flavour of the driver explains that it does not take this card."""
    support = device.get("driver_support") or {}
    first, last, branch = support.get("first_branch"), support.get("last_branch"), node.driver_branch
    dropped = bool(branch and ((last and branch > last) or (first and branch < first)))
    return dropped or (_flavour(node), support.get("open_module")) in (("proprietary", "required"), ("open", "unsupported"))


def _works(device: Section) -> bool:
    """Whether the driver shows this card: then it serves it, whatever the tables say."""
    return bool({"nvml", "nvidia_smi"} & set(device.get("source") or ())) and not device.get("lost")


def _no_common_driver(node: Node) -> Iterator[Finding]:
    """Two cards that no branch, or no flavour of module within the common branches, serves together."""
    if node.wsl:
        return
    supports = [(device, device.get("driver_support") or {}) for device in node.nvidia]
    lasts = [(support["last_branch"], device) for device, support in supports if support.get("last_branch")]
    firsts = [(support["first_branch"], device) for device, support in supports if support.get("first_branch")]
    if not lasts:
        return
    last, old = min(lasts, key=lambda pair: pair[0])
    first, new = max(firsts, key=lambda pair: pair[0]) if firsts else (0, old)
    closed = [device for device, support in supports if support.get("open_module") == "unsupported"]
    open_only = [device for device, support in supports if support.get("open_module") == "required"]
    why = ""
    if first > last:
        why = f"{name(old)} is served up to branch {last}, {name(new)} from branch {first} on"
    elif closed and open_only:
        old, new = closed[0], open_only[0]
        why = f"{name(old)} needs the proprietary kernel module, {name(new)} the open one, and only one can be loaded"
    if why:
        idle = [device for device in (old, new) if not _works(device)]
        yield finding(
            node,
            "NV-NO-COMMON-DRIVER",
            address(idle[0]) if len(idle) == 1 else "NVIDIA driver",
            {"old": address(old), "new": address(new), "last_branch": last, "first_branch": first},
            old=name(old),
            new=name(new),
            why=why,
            address=address(old),
        )


def _branch(node: Node) -> Iterator[Finding]:
    number, version = node.driver_branch, node.driver_version
    if not number:
        return
    minimum = threshold("nvidia_recommended_branch")
    if number < minimum.value:
        yield finding(
            node,
            "NV-DRIVER-OLD",
            "NVIDIA driver",
            {"driver": version, "threshold": minimum.value, "origin": minimum.origin},
            version=version,
            minimum=minimum.value,
        )
    row = nvidia.branch(number)
    if row is not None and row.supported is False and number >= minimum.value:
        yield finding(
            node,
            "NV-BRANCH-ENDED",
            "NVIDIA driver",
            {"driver": version, "branch": number, "eol": row.eol},
            branch=number,
            eol=row.eol or "has passed",
        )
