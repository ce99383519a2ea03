# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rocminfo and amd-smi, where ROCm is installed."""

from __future__ import annotations

import json
from typing import Any

from .amd_cards import gfx_name, partitions, served, unique_id
from .machine import Machine
from .profile import Gpu, Profile
from .sysfs import link_of

_FAILED = (
    "hsa api call failure at: ./rocminfo.cc:1219\nCall returned HSA_STATUS_ERROR_OUT_OF_RESOURCES: The runtime failed to allocate the "
    "necessary resources. This error may also occur when the core runtime library needs to spawn threads or create internal OS-specific "
    "events.\n"
)
_CPU = "AMD EPYC 9654 96-Core Processor"


def render(machine: Machine, profile: Profile) -> None:
    """Outputs of the tools that the profile's ROCm brings; without access to /dev/kfd they refuse."""
    if not profile.amd.get("rocm"):
        return
    cards = served(profile)
    allowed = (machine.probes.get("device_access") or {}).get("accessible", True)
    rc, text = said(profile, (profile.about.get("user") or {}).get("name", "worker"), bool(cards), bool(cards), allowed)
    machine.command("rocminfo", text, rc=rc)
    if not cards:
        return
    if profile.amd.get("amd_smi", True):
        machine.command("amd-smi static --json", json.dumps(static(profile, cards), indent=4) + "\n")


def said(profile: Profile, user: str, loaded: bool, kfd: bool, allowed: bool) -> tuple[int, str]:
    """(exit status, output) of rocminfo for a user: whether amdgpu is loaded, /dev/kfd is there, and the user may open it."""
    if not loaded:
        return 1, "ROCk module is NOT loaded, possibly no GPU devices\n"
    if not kfd:
        return 1, f"ROCk module is loaded\nUnable to open /dev/kfd read-write: No such file or directory\n{_FAILED}"
    if not allowed:
        return 1, (
            "ROCk module is loaded\nUnable to open /dev/kfd read-write: Permission denied\n"
            f'{user} is not member of "render" group, the default DRM access group. '
            'Users must be a member of the "render" group or another DRM access group in order for ROCm applications to run '
            "successfully.\n"
        )
    return 0, rocminfo(profile, served(profile))


def rocminfo(profile: Profile, cards: list[Gpu]) -> str:
    """Agents: one a socket, one a partition."""
    head = (
        "\x1b[37mROCk module is loaded\x1b[0m\n=====================    \nHSA System Attributes    \n=====================    \n"
        "Runtime Version:         1.18\nRuntime Ext Version:     1.14\nSystem Timestamp Freq.:  1000.000000MHz\n"
        "Machine Model:           LARGE                              \nSystem Endianness:       LITTLE                             \n"
        "Mwaitx:                  DISABLED\n\n==========               \nHSA Agents               \n==========               \n"
    )
    agents = [_cpu(profile)]
    agents += [_agent(gpu, part) for gpu in cards for part in range(partitions(gpu))]
    body = "".join(
        f"*******                  \nAgent {number:<19}\n*******                  \n{text}" for number, text in enumerate(agents, start=1)
    )
    return f"{head}{body}*** Done ***             \n"


def _cpu(profile: Profile) -> str:
    size = profile.about["memory_mib"] * 1024
    return _fields(
        [
            ("Name", _CPU),
            ("Uuid", "CPU-XX"),
            ("Marketing Name", _CPU),
            ("Vendor Name", "CPU"),
            ("Feature", "None specified"),
            ("Profile", "FULL_PROFILE"),
            ("Node", 0),
            ("Device Type", "CPU"),
            ("Chip ID", "0(0x0)"),
            ("Max Clock Freq. (MHz)", 3700),
            ("BDFID", 0),
            ("Compute Unit", 96),
        ]
    ) + _pool(size, "FINE GRAINED")


def _agent(gpu: Gpu, part: int) -> str:
    _domain, bus, slot = gpu.address.split(":")
    count, target = partitions(gpu), gfx_name(gpu.get("gfx"))
    number = int(gpu.get("device"), 16)
    features = "sramecc+:xnack-" if gpu.get("ecc") else ""
    rows: list[Any] = [
        ("Name", target),
        ("Uuid", f"GPU-{unique_id(gpu):016x}" if gpu.get("unique") else "GPU-XX"),
        ("Marketing Name", gpu.get("name")),
        ("Vendor Name", "AMD"),
        ("Feature", "KERNEL_DISPATCH"),
        ("Profile", "BASE_PROFILE"),
        ("Node", 1 + gpu.number * count + part),
        ("Device Type", "GPU"),
        ("Chip ID", f"{number}(0x{number:x})"),
        ("Max Clock Freq. (MHz)", gpu.get("clocks")[0]),
        ("BDFID", int(bus, 16) << 8 | int(slot.split(".")[0], 16) << 3 | part),
        ("Compute Unit", gpu.get("cu") // count),
        ("SIMDs per CU", gpu.get("simd_per_cu")),
        ("Wavefront Size", f"{gpu.get('wave')}(0x{gpu.get('wave'):x})"),
    ]
    rows += [("Memory Properties", "APU")] if gpu.get("apu") else [("Memory Properties", "")]
    suffix = f":{features}" if features else ""
    isa = "  ISA Info:                \n    ISA 1                    \n"
    isa += f"      Name:                    amdgcn-amd-amdhsa--{target}{suffix}\n"
    return _fields(rows) + _pool(gpu.get("vram_mib") * 1024 // count, "COARSE GRAINED") + isa


def _fields(rows: list[Any]) -> str:
    return "".join(f"  {name + ':':<25}{value!s:<35}\n" for name, value in rows)


def _pool(size: int, kind: str) -> str:
    return (
        f"  Pool Info:               \n    Pool 1                   \n      Segment:                 GLOBAL; FLAGS: {kind}      \n"
        f"      Size:                    {size}(0x{size:x}) KB             \n"
        "      Allocatable:             TRUE                               \n"
    )


def static(profile: Profile, cards: list[Gpu]) -> dict[str, Any]:
    """amd-smi static --json of ROCm 7: one entry a partition."""
    version = profile.amd.get("version") if profile.amd.get("driver") == "dkms" else profile.kernel["running"]
    entries: list[dict[str, Any]] = []
    for gpu in cards:
        board_vendor, board = gpu.get("subsystem").split(":")
        power, link = gpu.get("power") or [None, None], link_of(gpu)
        for part in range(partitions(gpu)):
            entries.append(
                {
                    "gpu": len(entries),
                    "asic": {
                        "market_name": gpu.get("name"),
                        "vendor_id": "0x1002",
                        "vendor_name": "Advanced Micro Devices Inc. [AMD/ATI]",
                        "subvendor_id": f"0x{board_vendor}",
                        "device_id": f"0x{gpu.get('device')}",
                        "subsystem_id": f"0x{board}",
                        "rev_id": f"0x{gpu.get('revision')}",
                        "asic_serial": f"0x{unique_id(gpu):016X}" if gpu.get("unique") else "N/A",
                        "oam_id": gpu.number if gpu.get("xgmi") else "N/A",
                        "num_compute_units": gpu.get("cu") // partitions(gpu),
                        "target_graphics_version": gfx_name(gpu.get("gfx")),
                    },
                    "bus": {
                        "bdf": f"{gpu.address[:-1]}{part}",
                        "max_pcie_width": gpu.get("width") or "N/A",
                        "max_pcie_speed": {"value": {3: 8, 4: 16, 5: 32}.get(link["generation_max"] or 0, 0), "unit": "GT/s"},
                        "pcie_interface_version": f"Gen {gpu.get('gen')}",
                        "slot_type": "OAM" if gpu.get("xgmi") else "PCIE",
                    },
                    "ifwi": {
                        "name": "AMD",
                        "build_date": "2025/02/19 10:00",
                        "part_number": gpu.get("vbios"),
                        "version": "022.040.003.043",
                    },
                    "limit": {
                        "ppt0": {
                            "max_power_limit": _unit(power[1], "W"),
                            "min_power_limit": _unit(0, "W"),
                            "socket_power_limit": _unit(power[0], "W"),
                        },
                        "slowdown_hotspot_temperature": _unit(100, "C"),
                        "shutdown_hotspot_temperature": _unit(110, "C"),
                    },
                    "driver": {"name": "amdgpu", "version": version},
                    "board": {
                        "model_number": "102-G30211-0C" if gpu.serial else "N/A",
                        "product_serial": gpu.serial or "N/A",
                        "product_name": gpu.get("name") if gpu.serial else "N/A",
                    },
                    "ras": {"ecc_block_state": {"UMC": "ENABLED" if gpu.get("ecc") else "DISABLED"}},
                    "partition": {
                        "accelerator_partition": gpu.get("compute_partition", "SPX") if gpu.get("partitions") else "N/A",
                        "memory_partition": gpu.get("memory_partition", "NPS1") if gpu.get("partitions") else "N/A",
                        "partition_id": part,
                    },
                    "numa": {"node": 0, "affinity": 0},
                    "vram": {
                        "type": gpu.get("vram_type"),
                        "vendor": gpu.get("vram_vendor").upper(),
                        "size": _unit(gpu.get("vram_mib") // partitions(gpu), "MB"),
                        "bit_width": 256,
                    },
                }
            )
    return {"gpu_data": entries}


def _unit(value: Any, unit: str) -> Any:
    return "N/A" if value is None else {"value": value, "unit": unit}
