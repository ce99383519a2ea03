# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""amdgpu and KFD: sysfs attributes of each card, module files, ROCm on disk."""

from __future__ import annotations

from typing import Any

from . import kfd, modules
from .amd_cards import MIB, unique_id
from .machine import Machine
from .profile import Gpu, Profile
from .sysfs import folder_of

INBOX = "kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko.xz"
_RAS_BLOCKS = ("umc", "gfx", "sdma", "mmhub", "xgmi_wafl")


def render(machine: Machine, profile: Profile) -> None:
    """Everything of the amdgpu driver and of ROCm but the outputs of tools."""
    cards = [gpu for gpu in profile.of("amd") if gpu.driver == "amdgpu"]
    if profile.of("amd"):
        _module_files(machine, profile)
    if cards:
        modules.loaded(machine, "amdgpu", profile.amd.get("version") if profile.amd.get("driver") == "dkms" else None, pci=True, holders=[])
        for number, gpu in enumerate(cards):
            _card(machine, gpu, number)
            _memory(machine, gpu)
            _hive(machine, cards, gpu)
        kfd.render(machine, profile, cards)
    _rocm(machine, profile)


def _module_files(machine: Machine, profile: Profile) -> None:
    amd = profile.amd
    for gpu in profile.of("amd") if amd.get("firmware", True) else []:
        machine.write(f"/lib/firmware/amdgpu/{gpu.get('firmware')}_mec.bin.xz", "")
    names = {"default": profile.system["kernel"], "older": profile.system["older_kernel"]}
    for release in profile.kernel["installed"]:
        modules.module_file(
            machine,
            release,
            INBOX,
            {"name": "amdgpu", "license": "GPL and additional rights", "signer": profile.system["signer"], "description": "AMD GPU"},
        )
    if amd.get("driver") != "dkms":
        return
    package = {"version": f"1:{amd['version']}.30300400-2238411.24.04", "vendor": "AMD", "held": False, "source": "amdgpu-dkms"}
    profile.packages.setdefault("amdgpu-dkms", package)
    built = [names.get(release, release) for release in amd.get("built", profile.kernel["installed"])]
    for release in built:
        modules.module_file(
            machine,
            release,
            "updates/dkms/amdgpu.ko.xz",
            {
                "name": "amdgpu",
                "license": "GPL and additional rights",
                "version": amd["version"],
                "signer": amd.get("signer"),
                "description": "AMD GPU",
            },
        )
        profile.dkms.append(
            {
                "module": "amdgpu",
                "version": amd.get("dkms_version", f"{amd['version']}-2238411.24.04"),
                "kernel": release,
                "status": "installed",
            }
        )


def _card(machine: Machine, gpu: Gpu, number: int) -> None:
    folder = folder_of(machine, gpu.address)
    clocks, data_center = gpu.get("clocks"), bool(gpu.get("serial"))
    gpu.serial = f"69{2450000000 + gpu.number * 7}" if data_center else None
    machine.values(
        folder,
        vbios_version=gpu.get("vbios"),
        gpu_busy_percent=gpu.get("busy", 0),
        mem_busy_percent=0 if gpu.get("ecc") else None,
        product_name=gpu.get("name").replace("AMD ", "AMD ") if data_center else None,
        serial_number=gpu.serial,
        product_number="102-G30211-0C" if data_center else None,
        unique_id=f"{unique_id(gpu):016x}" if gpu.get("unique") else None,
        power_dpm_force_performance_level="auto",
        thermal_throttling_logging=f"{gpu.address}: thermal throttling logging enabled, with interval 60 seconds",
        apu_thermal_cap=85 if gpu.get("apu") else None,
    )
    machine.values(f"{folder}/power", runtime_status="active", control="on")
    machine.write(f"{folder}/pp_dpm_sclk", f"0: 500Mhz *\n1: {clocks[0]}Mhz \n")
    machine.write(f"{folder}/pp_dpm_mclk", f"0: 96Mhz *\n1: {clocks[1]}Mhz \n")
    if gpu.get("partitions"):
        machine.values(
            folder,
            current_compute_partition=gpu.get("compute_partition", "SPX"),
            available_compute_partition=gpu.get("partitions"),
            current_memory_partition=gpu.get("memory_partition", "NPS1"),
        )
    _hwmon(machine, gpu, f"{folder}/hwmon/hwmon{number + 4}")
    if gpu.get("ecc"):
        counts = gpu.get("ras") or {}
        machine.values(f"{folder}/ras", features="feature mask: 0x5ffd", gpu_vram_bad_pages=None)
        machine.write(
            f"{folder}/ras/gpu_vram_bad_pages",
            "".join(f"0x{page:08x} : 0x00001000 : {state} \n" for page, state in gpu.get("bad_pages") or []),
        )
        for block in _RAS_BLOCKS:
            told = {"ue": 0, "ce": 0, **counts.get(block, {})}
            machine.write(f"{folder}/ras/{block}_err_count", f"ue: {told['ue']}\nce: {told['ce']}\n")


def _hwmon(machine: Machine, gpu: Gpu, folder: str) -> None:
    power = gpu.get("power")
    machine.values(folder, name="amdgpu", freq1_input=500000000, freq1_label="sclk", temp1_input=38000, temp1_label="edge")
    if power:
        machine.values(
            folder,
            power1_cap=gpu.get("power_limit", power[0]) * 1000000,
            power1_cap_default=power[0] * 1000000,
            power1_cap_max=power[1] * 1000000,
            power1_average=31000000,
        )
    if not gpu.get("apu"):
        machine.values(
            folder,
            temp1_crit=100000,
            temp1_emergency=105000,
            temp2_input=44000,
            temp2_label="junction",
            temp2_crit=110000,
            temp2_emergency=115000,
            temp3_input=46000,
            temp3_label="mem",
            temp3_crit=100000,
            temp3_emergency=105000,
            freq2_input=96000000,
            freq2_label="mclk",
        )


def _memory(machine: Machine, gpu: Gpu) -> None:
    total = gpu.get("vram_mib") * MIB
    used = gpu.get("used_mib", 20) * MIB
    machine.values(
        folder_of(machine, gpu.address),
        mem_info_vram_total=total,
        mem_info_vram_used=used,
        mem_info_vis_vram_total=gpu.get("bar_mib") * MIB,
        mem_info_vis_vram_used=used,
        mem_info_gtt_total=gpu.get("gtt_mib", 32084) * MIB,
        mem_info_gtt_used=14 * MIB,
        mem_info_vram_vendor=gpu.get("vram_vendor"),
    )


def _hive(machine: Machine, cards: list[Gpu], gpu: Gpu) -> None:
    mates = [card for card in cards if card.get("xgmi")]
    if gpu not in mates or len(mates) < 2:
        return
    hive = f"{folder_of(machine, mates[0].address)}/xgmi_hive_info"
    if gpu is mates[0]:
        machine.values(hive, xgmi_hive_id="0xd2cb2e1a5c3b0c57")
        for number, card in enumerate(mates, start=1):
            machine.link(f"{hive}/node{number}", folder_of(machine, card.address))
    else:
        machine.link(f"{folder_of(machine, gpu.address)}/xgmi_hive_info", hive)
    machine.values(folder_of(machine, gpu.address), xgmi_device_id=f"0x{unique_id(gpu):x}", xgmi_physical_id=mates.index(gpu), xgmi_error=0)


def _rocm(machine: Machine, profile: Profile) -> None:
    """ROCm from AMD's packages below /opt; Debian's own lies in the usual folders and is told by its packages alone."""
    release = profile.amd.get("rocm")
    packages: dict[str, Any] = profile.amd.get("packages") or {}
    for name, about in packages.items():
        profile.packages[name] = {
            "vendor": "AMD",
            "held": False,
            "source": name,
            **(about if isinstance(about, dict) else {"version": about}),
        }
    if not release or profile.amd.get("origin") == "debian":
        return
    folder = profile.amd.get("path") or f"/opt/rocm-{release}"
    machine.write(f"{folder}/.info/version", f"{release}-{profile.amd.get('build', '20')}\n")
    machine.write(f"{folder}/bin/rocminfo", "")
    if folder.startswith("/opt/rocm-"):
        machine.links["/opt/rocm"] = "/etc/alternatives/rocm"
        machine.links["/etc/alternatives/rocm"] = folder
    for name, version in _amd_packages(folder, release):
        profile.packages.setdefault(name, {"version": version, "vendor": "Advanced Micro Devices, Inc.", "held": False, "source": name})


def _amd_packages(folder: str, release: str) -> list[tuple[str, str]]:
    """Names and versions of AMD's own packages: of the stream whose root is /opt/rocm/core-X.Y, or of the classic one."""
    major, minor, patch = ([*release.split("."), "0"])[:3]
    if folder.startswith("/opt/rocm/core-"):
        names = ("amdrocm", "amdrocm-core", "amdrocm-runtime", "amdrocm-base", "amdrocm-amdsmi", "amdrocm-opencl")
        return [(f"{name}{major}.{minor}", f"{release}-1") for name in names]
    code = f"{int(major):d}{int(minor):02d}{int(patch):02d}"
    return [
        ("rocm-core", f"{release}.{code}-20~24.04"),
        ("rocminfo", f"1.0.0.{code}-20~24.04"),
        ("hsa-rocr", f"1.18.0.{code}-20~24.04"),
        ("hip-runtime-amd", f"{release}.25424.{code}-20~24.04"),
    ]
