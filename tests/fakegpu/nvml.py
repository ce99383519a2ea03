# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NVML says of a machine: the values of nvml.conf (README.md), and the answer of the probe "nvml"."""

from __future__ import annotations

import uuid
from typing import Any

from .profile import Gpu, Profile
from .sysfs import link_of, vendor_id

ARCHITECTURES = {
    "Kepler": 2,
    "Maxwell": 3,
    "Pascal": 4,
    "Volta": 5,
    "Turing": 6,
    "Ampere": 7,
    "Ada Lovelace": 8,
    "Hopper": 9,
    "Blackwell": 10,
}
_BRANDS = {"Tesla": 2, "Quadro": 1, "GeForce": 5, "NVIDIA": 14}
CUDA_OF_BRANCH = {
    390: "9.1",
    418: "10.1",
    440: "10.2",
    450: "11.0",
    460: "11.2",
    470: "11.4",
    510: "11.6",
    515: "11.7",
    525: "12.0",
    535: "12.2",
    545: "12.3",
    550: "12.4",
    560: "12.6",
    570: "12.8",
    575: "12.9",
    580: "13.0",
    590: "13.1",
    595: "13.2",
    610: "13.3",
    615: "13.4",
    620: "13.5",
}
RESERVED_MIB = 480
_RECOVERY = {"none": 0, "reset": 1, "reboot": 2, "drain_p2p": 3, "drain_and_reset": 4}
_VIRTUALIZATION = {"none": 0, "passthrough": 1, "vgpu": 2}
_MIG_MIB = {
    "1g.10gb": 9856,
    "1g.20gb": 19968,
    "2g.20gb": 19968,
    "3g.40gb": 40448,
    "4g.40gb": 40448,
    "7g.80gb": 80896,
    "1g.5gb": 4864,
    "2g.10gb": 9984,
    "3g.20gb": 20096,
    "4g.20gb": 20096,
    "7g.40gb": 40192,
    "1g.23gb": 22784,
    "1g.24gb": 23552,
}


def cuda_version(driver: str) -> str | None:
    """The CUDA version of a driver's branch; None before 410, which does not tell one."""
    branch = int(driver.split(".")[0])
    return CUDA_OF_BRANCH.get(branch) if branch >= 410 else None


def product_name(gpu: Gpu, driver: str) -> str:
    """Drivers before 470 leave the maker out of the names."""
    name = str(gpu.get("name"))
    return name.replace("NVIDIA ", "") if int(driver.split(".")[0]) < 470 else name


def reserved(gpu: Gpu, driver: str) -> int:
    """Memory that the driver keeps for itself; told from 510 on."""
    return RESERVED_MIB if int(driver.split(".")[0]) >= 510 else 0


def mig_instances(gpu: Gpu) -> list[dict[str, Any]]:
    """MIG devices of a card: `mig: {enabled: true, instances: [3g.40gb, {profile, gpu_instance_id, compute_instance_id}]}`."""
    found = []
    for number, one in enumerate((gpu.get("mig_state") or {}).get("instances") or []):
        about = dict(one) if isinstance(one, dict) else {"profile": one}
        profile = about["profile"]
        found.append(
            {
                "uuid": "MIG-" + str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{gpu.uuid}/{number}")),
                "name": f"{gpu.get('name')} MIG {profile}",
                "gpu_instance_id": about.get("gpu_instance_id", number + (7 if profile.startswith("1g") else 1)),
                "compute_instance_id": about.get("compute_instance_id", 0),
                "memory_mib": _MIG_MIB[profile],
                "profile": profile,
                "slices": int(profile[0]),
            }
        )
    return found


def values(profile: Profile, gpu: Gpu, number: int) -> dict[str, Any]:
    """The keys of one GPU; what the card does not have is left out."""
    driver = profile.nvidia["loaded"]
    link = link_of(gpu)
    power, clocks = gpu.get("power"), gpu.get("clocks") or [None, None]
    idle = bool(gpu.get("fan"))
    found: dict[str, Any] = {
        "name": product_name(gpu, driver),
        "brand": _BRANDS[gpu.get("brand")],
        "architecture": ARCHITECTURES[gpu.get("architecture")],
        "compute_capability": gpu.get("capability"),
        "uuid": gpu.uuid,
        "serial": gpu.serial,
        "minor": number,
        "vbios": gpu.get("vbios"),
        "pci_bus_id": gpu.bus_id,
        "pci_device_id": f"0x{gpu.get('device')}{vendor_id(gpu)}".upper().replace("0X", "0x"),
        "pci_subsystem_id": "0x" + "".join(gpu.get("subsystem").split(":")[::-1]).upper(),
        "persistence": int(gpu.get("persistence", profile.nvidia.get("persistence", True))),
        "compute_mode": gpu.get("compute_mode", 0),
        "display_active": 0,
        "virtualization_mode": _VIRTUALIZATION[gpu.get("virtualization", "none")],
        "pstate": 8 if idle else 0,
        "utilization.gpu": gpu.get("busy", 0),
        "utilization.memory": 0,
        "temperature": gpu.get("celsius", 34),
        "throttle_reasons": gpu.get("throttle", "0x1"),
        "clock.sm": gpu.get("clock", 210 if idle else 345),
        "clock.graphics": gpu.get("clock", 210 if idle else 345),
        "clock.memory": 405 if idle else clocks[1],
        "max_clock.sm": clocks[0],
        "max_clock.graphics": clocks[0],
        "max_clock.memory": clocks[1],
        "fan_percent": 30 if gpu.get("fan") else None,
        "pcie.gen_current": link["generation"],
        "pcie.gen_max": link["generation_max"],
        "pcie.gen_device_max": gpu.get("gen"),
        "pcie.width_current": link["width"],
        "pcie.width_max": gpu.get("width"),
        "pcie.replays": 0,
        "recovery_action": _RECOVERY[gpu.get("recovery_action", "none")] if int(driver.split(".")[0]) >= 570 else None,
        "gsp_firmware": driver if profile.nvidia["module"] == "open" else None,
        "lost": 1 if gpu.get("lost") else None,
    }
    if gpu.get("memory_temperature"):
        found["temperature_memory"] = 37
    if gpu.get("temperature"):
        found["temperature_slowdown"], found["temperature_shutdown"] = gpu.get("temperature")
    if power:
        limit = gpu.get("power_limit", power[0])
        found.update(
            power_limit_mw=limit * 1000, power_default_mw=power[0] * 1000, power_min_mw=power[1] * 1000, power_max_mw=power[2] * 1000
        )
    found["power_draw_mw"] = 27000 if idle or not power else 68500
    _memory(found, gpu, driver)
    _links(found, gpu)
    return {key: value for key, value in found.items() if value is not None}


def _memory(found: dict[str, Any], gpu: Gpu, driver: str) -> None:
    total = gpu.get("memory_mib")
    if total:
        found.update(memory_total_mib=total, memory_used_mib=gpu.get("used_mib", 1), memory_reserved_mib=reserved(gpu, driver))
    if gpu.get("ecc") is not None:
        enabled = int(gpu.get("ecc"))
        found.update(ecc_current=enabled, ecc_pending=int(gpu.get("ecc_pending", enabled)))
        counts = {
            "volatile.corrected": 0,
            "volatile.uncorrected": 0,
            "aggregate.corrected": 0,
            "aggregate.uncorrected": 0,
            **(gpu.get("ecc_errors") or {}),
        }
        found.update({f"ecc.{key}": count for key, count in counts.items()} if enabled else {})
    for prefix, key, defaults in (
        ("remapped", "remap", {"corrected": 0, "uncorrected": 0, "pending": 0, "failure": 0}),
        ("retired", "retired", {"single_bit": 0, "double_bit": 0, "pending": 0}),
    ):
        if gpu.get(key):
            told = gpu.get(f"{prefix}_rows" if prefix == "remapped" else "retired_pages") or {}
            found.update({f"{prefix}.{name}": int(value) for name, value in {**defaults, **told}.items()})
    if gpu.get("mig"):
        state = gpu.get("mig_state") or {}
        enabled = int(state.get("enabled", False))
        found.update(mig_current=enabled, mig_pending=int(state.get("pending", enabled)), mig_max=gpu.get("mig"))


def _links(found: dict[str, Any], gpu: Gpu) -> None:
    """NVLink of boards that have it wired: SXM, or a bridge (`bridged` cards have none unless the profile says so)."""
    if gpu.get("nvlink") and (gpu.get("mig_state") or {}).get("enabled") is not True:
        total, version = gpu.get("nvlink")
        active = gpu.get("nvlink_active", 0 if gpu.get("bridged") else total)
        found.update({"nvlink.states": "1" * active + "0" * (total - active), "nvlink.version": version})
    if gpu.get("fabric"):
        fabric = gpu.get("fabric_state") or {}
        found.update(
            {
                "fabric.state": fabric.get("state", 3),
                "fabric.status": fabric.get("status", 0),
                "fabric.clique": 0,
                "fabric.cluster_uuid": "0" * 32,
            }
        )
