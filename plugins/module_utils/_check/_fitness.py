# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what a card is good for in AI work, by rules over the tables (data/fitness.yml)."""

from __future__ import annotations

from typing import Any

from .._knowledge import catalog, fitness, nvidia
from ._amd import workaround
from ._node import Node, Section, at, number, older

NOT_SUPPORTED = "not supported"
WORKAROUND = "works with a known workaround"
UNKNOWN = "unknown"


def grade(node: Node, device: Section) -> tuple[str, str]:
    """(grade, reason): what one card is good for, and why."""
    ended = _ended(device)
    if ended:
        return NOT_SUPPORTED, ended
    if at(device, "rocm_support.status") == "unofficial":
        return WORKAROUND, f"{_size(node, device)}ROCm serves it unofficially: {workaround(device)}"
    if at(device, "rocm_support.status") == "ended":
        return WORKAROUND, f"{_size(node, device)}ROCm {at(device, 'rocm_support.last_release')} is the last that serves it"
    return _by_rules(node, device)


def _ended(device: Section) -> str:
    """Why nothing current drives the card; empty where something does."""
    vendor = device.get("vendor")
    if vendor not in ("nvidia", "amd"):
        return "neither CUDA nor ROCm runs on it"
    if at(device, "rocm_support.status") == "unsupported":
        return f"ROCm does not serve {device.get('gfx_target') or 'it'}; llama.cpp with Vulkan may use it"
    last = at(device, "driver_support.last_branch")
    row = nvidia.branch(last) if isinstance(last, int) else None
    if row is not None and not row.supported:
        generation = device.get("architecture") or "it"
        return f"{generation} is served by driver branches up to {last} only, which are no longer maintained"
    return ""


def _memory_gib(node: Node, device: Section, card: catalog.Card | None) -> int | None:
    """The memory as people say it: drivers report a little less than the marketing capacity.

    An APU uses the machine's memory, by default up to half of it (amdgpu.gttsize, docs.kernel.org/gpu/amdgpu).
    """
    machine = number(node.get("health.memory_total_mib"))
    if device.get("apu"):
        return round(machine / 2048) if machine else None
    total = number(at(device, "memory.total_mib"))
    if total:
        return round(total / 1024)
    return card.vram_gib if card else None


def _card(device: Section) -> catalog.Card | None:
    """The catalogue's row; a virtual function computes on the card whose name it carries."""
    name = str(device.get("name") or "").removesuffix(" VF") or None
    return catalog.card(str(device.get("vendor")), at(device, "pci.device_id"), at(device, "pci.revision"), name)


def _size(node: Node, device: Section) -> str:
    memory = _memory_gib(node, device, _card(device))
    return f"{memory} GiB; " if memory else ""


def _by_rules(node: Node, device: Section) -> tuple[str, str]:
    rules = fitness.rules()
    card = _card(device)
    memory = _memory_gib(node, device, card)
    bandwidth = card.bandwidth_gbs if card else None
    if memory is None:
        return UNKNOWN, "the size of its memory is not known"
    facts = [f"{memory} GiB" + (" unified" if at(device, "memory.kind") == "unified" else "")]
    facts += [f"{bandwidth} GB/s"] if bandwidth else ["bandwidth not known"]
    precisions = _precisions(device, card)
    facts += [next((one for one in ("bf16", "fp16") if one in precisions), "no fast 16-bit floats")]
    last = at(device, "driver_support.last_branch")
    facts += [f"stays on driver branch {last}"] if last else []
    lowest = min(row["bandwidth_gbs"] for row in rules["grades"] if row.get("bandwidth_gbs"))
    for row in rules["grades"]:
        if memory >= row["memory_gib"] and _fast_enough(row, bandwidth, lowest) and _computes(row, precisions):
            return row["grade"], f"{', '.join(facts)}: {row['good_for']}"
    return NOT_SUPPORTED, f"{', '.join(facts)}: too little memory for any common model"


def _fast_enough(row: dict[str, Any], bandwidth: int | None, lowest: int) -> bool:
    """An unknown bandwidth meets the lowest floor only."""
    floor = row.get("bandwidth_gbs")
    return not floor or (bandwidth >= floor if bandwidth else floor <= lowest)


def _computes(row: dict[str, Any], precisions: list[str]) -> bool:
    return not row.get("precision") or row["precision"] in precisions


def _precisions(device: Section, card: catalog.Card | None) -> list[str]:
    """Number formats with hardware of their own: by the catalogue, else by compute capability; AMD's cards have fp16."""
    if card and card.native_precisions:
        return list(card.native_precisions)
    capability = device.get("compute_capability")
    if capability:
        return [row["precision"] for row in fitness.rules()["precision_floors"] if not older(capability, row["compute_capability"])]
    return ["fp16"] if device.get("vendor") == "amd" else []


def cpu_fallback() -> list[dict[str, str]]:
    """What runs without a GPU: [{what, command}]."""
    return [{"what": row["what"], "command": row["command"]} for row in fitness.rules()["cpu_fallback"]]
