# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about PCI Express, NVLink and xGMI. Widths and maxima only: an idle link is slow on purpose."""

from __future__ import annotations

from collections.abc import Iterator

from .._knowledge import catalog
from ._finding import of_device
from ._node import Node, Section, at, number
from ._presence import why_lost
from ._report import Finding


def check(node: Node) -> Iterator[Finding]:
    for device in [*node.nvidia, *node.amd]:
        if why_lost(node, device):
            continue
        if not device.get("apu") and not node.get("system.hypervisor") and device.get("virtualization") in (None, "none"):
            yield from _pcie(node, device)
        yield from _nvlink(node, device)
        links = device.get("xgmi") or {}
        total, active = number(links.get("links_total")), number(links.get("links_active"))
        if total and active is not None and active < total:
            yield of_device(node, "AMD-XGMI-DOWN", device, dict(links), active=int(active), total=int(total))


def _pcie(node: Node, device: Section) -> Iterator[Finding]:
    current, card = number(at(device, "pci.link.width.current")), number(at(device, "pci.link.width.max"))
    slot, bridge = number(at(device, "pci.bridge.width_max")), at(device, "pci.bridge.address")
    facts = {"link": at(device, "pci.link"), "bridge": at(device, "pci.bridge")}
    possible = min(card, slot) if card and slot else card
    if current and possible and current < possible:
        yield of_device(node, "GPU-PCIE-WIDTH", device, facts, current=int(current), possible=int(possible))
    if card and slot and slot < card:
        yield of_device(node, "GPU-PCIE-SLOT-WIDTH", device, facts, card=int(card), slot=int(slot), bridge=bridge)
    speed, slot_speed = number(at(device, "pci.link.generation.max")), number(at(device, "pci.bridge.generation_max"))
    if speed and slot_speed and slot_speed < speed:
        yield of_device(node, "GPU-PCIE-SLOT-SPEED", device, facts, card=int(speed), slot=int(slot_speed), bridge=bridge)


def _nvlink(node: Node, device: Section) -> Iterator[Finding]:
    links = device.get("nvlink") or {}
    total, active = number(links.get("links_total")), number(links.get("links_active"))
    if not total or active is None or active >= total or at(device, "mig.enabled"):
        return
    card = catalog.card("nvidia", at(device, "pci.device_id"), at(device, "pci.revision"), device.get("name"))
    pcie = card is not None and card.form == "pcie"
    peers = [number(at(peer, "nvlink.links_active")) for peer in node.nvidia if peer.get("name") == device.get("name")]
    if pcie and not active:
        yield of_device(node, "NV-NVLINK-NO-BRIDGE", device, dict(links))
    elif not pcie or any(peer is not None and peer > active for peer in peers):
        yield of_device(node, "NV-NVLINK-DOWN", device, dict(links), active=int(active), total=int(total))
