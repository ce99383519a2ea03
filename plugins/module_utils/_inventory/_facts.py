# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: inventory → the value of `ansible_facts.gpu`. What the readers left open and a table knows is added here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from . import _shape
from ._inventory import Inventory, Section, fill

MIB = 1 << 20


def facts(inventory: Inventory, wanted: Collection[str]) -> dict[str, Any]:
    """The facts, complete: every key of the schema is there, unknown is None. `wanted` are the subsets asked for."""
    known: dict[str, Any] = {
        "schema_version": _shape.SCHEMA_VERSION,
        "count": len(inventory.devices),
        "vendors": sorted({device["vendor"] for device in inventory.devices}),
        "devices": inventory.devices,
        "nvidia": inventory.nvidia,
        "amd": inventory.amd,
        "software": inventory.software,
        "kernel": inventory.kernel,
        "system": inventory.system,
        "problems": inventory.problems,
    }
    absent = [name for name in _shape.ABSENT_WHERE_NOTHING_IS_FOUND if not known[name]]
    absent += [name for name in ("software", "kernel") if name not in wanted]
    return {name: _completed(form, known.get(name), wanted) for name, form in _shape.FACTS.items() if name not in absent}


def complete(inventory: Inventory) -> None:
    """Put the devices into the order of their addresses and add what tables and the node as a whole know about them."""
    from .pci import address_key

    def order(device: Section) -> Any:
        address = (device.get("pci") or {}).get("address")
        return (address is None, address_key(address) if address else (), device.get("index") or 0, device.get("uuid") or "")

    inventory.devices.sort(key=order)
    for index, device in enumerate(inventory.devices):
        device["index"] = index
        device.setdefault("lost", False)
        {"nvidia": _complete_nvidia, "amd": _complete_amd}.get(device["vendor"], _complete_intel)(device, inventory)
    _complete_driver(inventory)


def _complete_driver(inventory: Inventory) -> None:
    """The driver's branch, which the one of Windows below WSL has not, and Fabric Manager's version, told by its package."""
    driver, fabric = inventory.nvidia.get("driver") or {}, inventory.nvidia.get("fabric") or {}
    version = driver.get("loaded_version") or driver.get("installed_version") or driver.get("library_version") or ""
    branch = version.partition(".")[0]
    if branch.isdecimal() and driver.get("managed_by") != "wsl":
        fill(driver, {"branch": int(branch)})
    for name, package in (inventory.packages.get("installed") or {}).items():
        if fabric and name.startswith(("nvidia-fabricmanager", "nvidia-fabric-manager")) and "dev" not in name:
            from ._package_text import upstream_version

            fill(fabric, {"manager_version": upstream_version(package["version"])})


def _ids(device: Section) -> Any:
    pci = device.get("pci") or {}
    return pci.get("device_id"), pci.get("revision")


def _complete_nvidia(device: Section, inventory: Inventory) -> None:
    from .._knowledge import catalog, nvidia

    device_id, _revision = _ids(device)
    if device_id:
        chip = nvidia.chip(device_id)
        named = catalog.name("nvidia", device_id) if not device.get("name") else None
        fill(device, {"name": named, "driver_support": nvidia.driver_support(device_id)})
        if chip:
            fill(device, {"architecture": chip.architecture, "compute_capability": chip.compute_capability})
    memory = device.setdefault("memory", {})
    memory.setdefault("kind", "dedicated")
    if memory["kind"] == "unified" and not memory.get("total_mib"):
        memory["total_mib"] = inventory.health.get("memory_total_mib")


def _complete_amd(device: Section, inventory: Inventory) -> None:
    from .._knowledge import amd, catalog, rocm_products

    device_id, revision = _ids(device)
    chip = amd.chip(device_id, revision) if device_id else None
    if chip:
        # The table of the chip outranks what a runtime says, which HSA_OVERRIDE_GFX_VERSION may have changed.
        if "kfd" not in device["source"] and chip.gfx_target:
            device["gfx_target"] = chip.gfx_target
        named = catalog.name("amd", device_id, revision) if not device.get("name") else None
        fill(device, {"name": named, "apu": chip.apu, "gfx_target": chip.gfx_target,
                      "virtualization": "sriov_vf" if chip.virtual else None})
    target = device.get("gfx_target")
    if target and not device.get("architecture"):
        device["architecture"] = amd.architecture_of_gfx(target) or (chip.architecture if chip else None)
    if device_id:
        device["rocm_support"] = rocm_products.support(device_id, revision, target)
    memory = device.setdefault("memory", {})
    # MI300A is no APU in the sense of a weak card beside a processor, yet its memory is the processor's too.
    card = catalog.card("amd", device_id, revision) if device_id and "kind" not in memory else None
    memory.setdefault("kind", "unified" if device.get("apu") or (card and card.form == "apu") else "dedicated")


def _complete_intel(device: Section, inventory: Inventory) -> None:
    device.setdefault("memory", {})


def _completed(form: Any, value: Any, wanted: Collection[str]) -> Any:
    """The value in its documented form: missing keys become None, or empty lists; keys that no schema names are left out."""
    if isinstance(form, _shape.OnRequest):
        return _completed(form.form, value, wanted)
    if isinstance(form, _shape.Listed):
        return [_object(form, item, wanted) for item in value or []]
    if isinstance(form, _shape.Words):
        return list(value or [])
    if isinstance(form, _shape.Mapping):
        return dict(value or {})
    if isinstance(form, _shape.Optional) and not (isinstance(value, dict) and _any_known(value)):
        return None
    if isinstance(form, dict):
        return _object(form, value if isinstance(value, dict) else {}, wanted)
    return value if value is not None else _DEFAULTS.get(form)


_DEFAULTS: dict[Any, Any] = {"integer": 0, "boolean": False}


def _object(form: dict[str, Any], value: Section, wanted: Collection[str]) -> dict[str, Any]:
    return {key: _completed(child, value.get(key), wanted) for key, child in form.items()
            if not isinstance(child, _shape.OnRequest) or child.subset in wanted}


def _any_known(value: Any | None) -> bool:
    if isinstance(value, dict):
        return any(_any_known(child) for child in value.values())
    return value is not None
