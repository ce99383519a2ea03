# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about the state that the GPUs are in: throttling, heat, processes, MIG, modes, VBIOS."""

from __future__ import annotations

from collections.abc import Iterator

from .._knowledge.thresholds import threshold
from ._finding import finding, of_device
from ._node import DATACENTRE, Node, Section, address, at, join, name, number
from ._report import Finding

_ALARMS = {
    "hw_slowdown": "the hardware",
    "hw_thermal_slowdown": "the hardware's heat protection",
    "sw_thermal_slowdown": "heat",
    "hw_power_brake_slowdown": "the power brake of the machine",
}
_LIMITS = {"sw_power_cap": "its power limit", "sync_boost": "a slower GPU in its sync group"}


def check(node: Node) -> Iterator[Finding]:
    for device in [*node.nvidia, *node.amd]:
        yield from _throttling(node, device)
        yield from _heat(node, device)
        yield from _memory_in_use(node, device)
    for device in node.nvidia:
        yield from _modes(node, device)
        yield from _mig(node, device)
    yield from _vbios(node)
    users = [item for item in node.items("health.gpu_holders") if not item.get("service")]
    holders = [f"{item.get('name') or 'unknown'} ({item.get('pid')})" for item in users]
    holders += [
        f"{item.get('name') or 'unknown'} ({item.get('pid')})"
        for device in node.devices
        for item in device.get("processes") or ()
        if isinstance(item, dict)
    ]
    if holders:
        yield finding(node, "GPU-IN-USE", "node", {"processes": sorted(set(holders))}, processes=join(sorted(set(holders))))


def _throttling(node: Node, device: Section) -> Iterator[Finding]:
    reasons = [str(reason) for reason in device.get("throttle_reasons") or ()]
    alarms = [_ALARMS[reason] for reason in reasons if reason in _ALARMS]
    limits = [_LIMITS[reason] for reason in reasons if reason in _LIMITS]
    if alarms:
        yield of_device(node, "GPU-THROTTLED", device, {"throttle_reasons": reasons}, reasons=join(alarms))
    elif limits:
        yield of_device(node, "GPU-POWER-CAPPED", device, {"throttle_reasons": reasons}, reasons=join(limits))
    limit, default = number(at(device, "power.limit_w")), number(at(device, "power.default_limit_w"))
    if limit and default and limit < default:
        yield of_device(
            node,
            "GPU-POWER-LIMITED",
            device,
            {"limit_w": limit, "default_limit_w": default},
            limit=f"{limit:g}",
            default=f"{default:g}",
        )


def _heat(node: Node, device: Section) -> Iterator[Finding]:
    now, slowdown = number(at(device, "temperature_c.gpu")), number(at(device, "temperature_c.slowdown"))
    margin = threshold("slowdown_margin_c")
    if now and slowdown and slowdown > margin.value and now >= slowdown - margin.value:
        yield of_device(
            node,
            "GPU-HOT",
            device,
            {"temperature_c": now, "slowdown_c": slowdown, "margin_c": margin.value, "origin": margin.origin},
            temperature=f"{now:g}",
            slowdown=f"{slowdown:g}",
        )


def _memory_in_use(node: Node, device: Section) -> Iterator[Finding]:
    """Only where both are known: memory in use (runtime) and processes; partitions and vGPUs hide processes."""
    used, processes = number(at(device, "memory.used_mib")), device.get("processes")
    told = processes is not None or "nvidia_smi" in (device.get("source") or ())  # which tells of processes only where some are
    held = any(not item.get("service") for item in node.items("health.gpu_holders"))
    hidden = at(device, "mig.enabled") or held or device.get("virtualization") in ("vgpu", "sriov_vf")
    if used is None or not told or processes or hidden:
        return
    limit = threshold("leftover_memory_max_mib")
    if used > limit.value and at(device, "memory.kind") != "unified" and not node.container:
        yield of_device(
            node,
            "GPU-LEFTOVER-MEMORY",
            device,
            {"used_mib": used, "threshold_mib": limit.value, "origin": limit.origin},
            used=int(used),
            limit=limit.value,
        )


def _modes(node: Node, device: Section) -> Iterator[Finding]:
    if device.get("compute_mode") == "prohibited":
        yield of_device(node, "NV-COMPUTE-PROHIBITED", device, {"compute_mode": "prohibited"})
    if device.get("persistence_mode") is False and at(device, "pci.class") in DATACENTRE and not node.container:
        yield of_device(node, "NV-PERSISTENCE-OFF", device, {"persistence_mode": False})


def _mig(node: Node, device: Section) -> Iterator[Finding]:
    mig = device.get("mig") or {}
    enabled, pending = mig.get("enabled"), mig.get("pending")
    words = {True: "on", False: "off"}
    if isinstance(enabled, bool) and isinstance(pending, bool) and enabled != pending:
        holders = [str(item.get("name")) for item in node.items("health.gpu_holders")]
        yield of_device(
            node,
            "NV-MIG-PENDING",
            device,
            {"enabled": enabled, "pending": pending, "holders": holders},
            current=words[enabled],
            pending=words[pending],
        )
    if enabled and mig.get("instances") == []:
        yield of_device(node, "NV-MIG-EMPTY", device, {"enabled": True, "instances": 0})


def _vbios(node: Node) -> Iterator[Finding]:
    seen: dict[str, set[str]] = {}
    for device in node.nvidia:
        board = (at(device, "pci.device_id"), at(device, "pci.subsystem_device_id"))
        if device.get("vbios_version") and device.get("name"):
            seen.setdefault(f"{device['name']}|{board}", set()).add(str(device["vbios_version"]))
    for key, versions in seen.items():
        if len(versions) > 1:
            model = key.partition("|")[0]
            where = {address(device): device.get("vbios_version") for device in node.nvidia if name(device) == model}
            yield finding(node, "NV-VBIOS-MIXED", model, {"vbios_version": where}, name=model, versions=join(sorted(versions)))
