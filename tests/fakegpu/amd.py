# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""amdgpu and KFD: sysfs attributes of each card, the topology of the compute driver, device nodes, ROCm on disk."""

from __future__ import annotations

import uuid
from typing import Any

from . import modules
from .machine import Machine
from .profile import Gpu, Profile
from .sysfs import folder_of

KFD = "/sys/devices/virtual/kfd/kfd"
MIB = 1 << 20
PARTITIONS = {"SPX": 1, "DPX": 2, "QPX": 4, "CPX": 8}
INBOX = "kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko.xz"
_CACHES_KIB = (32, 4096, 262144)  # per level; the runtime of AMD refuses a GPU without any
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
        _kfd(machine, profile, cards)
    _rocm(machine, profile)


def served(profile: Profile) -> list[Gpu]:
    """Cards that amdgpu drives."""
    return [gpu for gpu in profile.of("amd") if gpu.driver == "amdgpu"]


def gfx_name(number: int) -> str:
    """90402 → gfx942, 90010 → gfx90a, 100300 → gfx1030: the stepping is written in hex."""
    return f"gfx{number // 10000}{number // 100 % 100}{number % 100:x}"


def unique_id(gpu: Gpu) -> int:
    """The number in the fuses; 0 for cards that do not tell one."""
    return int(uuid.UUID(gpu.uuid[4:]).int & 0xFFFFFFFFFFFFFFFF | 1 << 60) if gpu.get("unique") else 0


def partitions(gpu: Gpu) -> int:
    """Compute partitions of the card."""
    return PARTITIONS[gpu.get("compute_partition", "SPX")]


def _module_files(machine: Machine, profile: Profile) -> None:
    amd = profile.amd
    names = {"default": profile.system["kernel"], "older": profile.system["older_kernel"]}
    for release in profile.kernel["installed"]:
        modules.module_file(machine, release, INBOX, {"name": "amdgpu", "license": "GPL and additional rights", "signer": profile.system["signer"],
                                                      "description": "AMD GPU"})
    if amd.get("driver") != "dkms":
        return
    built = [names.get(release, release) for release in amd.get("built", profile.kernel["installed"])]
    for release in built:
        modules.module_file(machine, release, "updates/dkms/amdgpu.ko.xz", {
            "name": "amdgpu", "license": "GPL and additional rights", "version": amd["version"], "signer": amd.get("signer"), "description": "AMD GPU"})
        profile.dkms.append({"module": "amdgpu", "version": amd.get("dkms_version", f"{amd['version']}-2238411.24.04"), "kernel": release, "status": "installed"})


def _card(machine: Machine, gpu: Gpu, number: int) -> None:
    folder = folder_of(machine, gpu.address)
    clocks, data_center = gpu.get("clocks"), bool(gpu.get("serial"))
    gpu.serial = f"69{2450000000 + gpu.number * 7}" if data_center else None
    machine.values(folder, vbios_version=gpu.get("vbios"), gpu_busy_percent=gpu.get("busy", 0), mem_busy_percent=0 if gpu.get("ecc") else None,
                   product_name=gpu.get("name").replace("AMD ", "AMD ") if data_center else None, serial_number=gpu.serial,
                   product_number="102-G30211-0C" if data_center else None, unique_id=f"{unique_id(gpu):016x}" if gpu.get("unique") else None,
                   power_dpm_force_performance_level="auto", thermal_throttling_logging=f"{gpu.address}: thermal throttling logging enabled, with interval 60 seconds",
                   apu_thermal_cap=85 if gpu.get("apu") else None)
    machine.values(f"{folder}/power", runtime_status="active", control="on")
    machine.write(f"{folder}/pp_dpm_sclk", f"0: 500Mhz *\n1: {clocks[0]}Mhz \n")
    machine.write(f"{folder}/pp_dpm_mclk", f"0: 96Mhz *\n1: {clocks[1]}Mhz \n")
    if gpu.get("partitions"):
        machine.values(folder, current_compute_partition=gpu.get("compute_partition", "SPX"), available_compute_partition=gpu.get("partitions"),
                       current_memory_partition=gpu.get("memory_partition", "NPS1"))
    _hwmon(machine, gpu, f"{folder}/hwmon/hwmon{number + 4}")
    if gpu.get("ecc"):
        counts = gpu.get("ras") or {}
        machine.values(f"{folder}/ras", features="feature mask: 0x5ffd", gpu_vram_bad_pages=None)
        machine.write(f"{folder}/ras/gpu_vram_bad_pages", "".join(f"0x{page:08x} : 0x00001000 : {state} \n" for page, state in gpu.get("bad_pages") or []))
        for block in _RAS_BLOCKS:
            told = {"ue": 0, "ce": 0, **counts.get(block, {})}
            machine.write(f"{folder}/ras/{block}_err_count", f"ue: {told['ue']}\nce: {told['ce']}\n")


def _hwmon(machine: Machine, gpu: Gpu, folder: str) -> None:
    power = gpu.get("power")
    machine.values(folder, name="amdgpu", freq1_input=500000000, freq1_label="sclk", temp1_input=38000, temp1_label="edge")
    if power:
        machine.values(folder, power1_cap=gpu.get("power_limit", power[0]) * 1000000, power1_cap_default=power[0] * 1000000, power1_cap_max=power[1] * 1000000,
                       power1_average=31000000)
    if not gpu.get("apu"):
        machine.values(folder, temp1_crit=100000, temp1_emergency=105000, temp2_input=44000, temp2_label="junction", temp2_crit=110000, temp2_emergency=115000,
                       temp3_input=46000, temp3_label="mem", temp3_crit=100000, temp3_emergency=105000, freq2_input=96000000, freq2_label="mclk")


def _memory(machine: Machine, gpu: Gpu) -> None:
    total = gpu.get("vram_mib") * MIB
    used = gpu.get("used_mib", 20) * MIB
    machine.values(folder_of(machine, gpu.address), mem_info_vram_total=total, mem_info_vram_used=used, mem_info_vis_vram_total=gpu.get("bar_mib") * MIB,
                   mem_info_vis_vram_used=used, mem_info_gtt_total=gpu.get("gtt_mib", 32084) * MIB, mem_info_gtt_used=14 * MIB,
                   mem_info_vram_vendor=gpu.get("vram_vendor"))


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


def _kfd(machine: Machine, profile: Profile, cards: list[Gpu]) -> None:
    """The topology: a node a socket, then one a partition. Consumer cards have a KFD node as well."""
    topology = f"{KFD}/topology"
    machine.link("/sys/class/kfd/kfd", KFD)
    machine.values(KFD, dev="235:0")
    machine.write(f"{topology}/system_properties", "platform_oem 2314885530452955201\nplatform_id 2314885905390388545\nplatform_rev 1\n")
    machine.values(topology, generation_id=2)
    sockets = 2 if len(cards) >= 4 else 1
    nodes: list[tuple[Gpu, int]] = [(gpu, part) for gpu in cards for part in range(partitions(gpu))]
    for number in range(sockets):
        _cpu_node(machine, f"{topology}/nodes/{number}", profile.about["memory_mib"] // sockets)
    for place, (gpu, part) in enumerate(nodes):
        peers = [sockets + other for other, (mate, _part) in enumerate(nodes) if mate is not gpu and mate.get("xgmi") and gpu.get("xgmi")]
        down = gpu.get("xgmi_down", 0)
        ends = [(0, 2), *((peer, 11) for peer in peers[: len(peers) - down])]
        _gpu_node(machine, f"{topology}/nodes/{sockets + place}", gpu, part, place, len(ends))
        _links(machine, f"{topology}/nodes/{sockets + place}/io_links", sockets + place, ends)
    access = profile.amd.get("kfd") or {}
    machine.node("/dev/kfd", major=235, minor=0, mode=access.get("mode", "0660"), group=access.get("group", "render"))
    for minor in range(128 + len(cards), 128 + len(nodes)):
        place = f"/sys/devices/platform/amdgpu_xcp.{minor - 128 - len(cards)}/drm/renderD{minor}"
        machine.values(place, dev=f"226:{minor}")
        machine.link(f"/sys/class/drm/renderD{minor}", place)
        machine.link(f"/sys/dev/char/226:{minor}", place)
        machine.node(f"/dev/dri/renderD{minor}", major=226, minor=minor, mode="0660", group="render")
    user = profile.about.get("user") or {}
    groups = user.get("groups", ["root"] if profile.about.get("euid", 0) == 0 else [])
    machine.probes["device_access"] = {"kfd_mode": access.get("mode", "0660"), "kfd_group": access.get("group", "render"),
                                       "groups": [name for name in groups if name in ("render", "video")],
                                       "accessible": access.get("accessible", machine.euid == 0 or "render" in groups)}


def _cpu_node(machine: Machine, folder: str, memory_mib: int) -> None:
    machine.write(f"{folder}/properties", _rows(cpu_cores_count=16, simd_count=0, mem_banks_count=1, caches_count=0, io_links_count=0, cpu_core_id_base=0,
                                                simd_id_base=0, max_waves_per_simd=0, vendor_id=0, device_id=0, location_id=0, domain=0, drm_render_minor=0,
                                                max_engine_clk_ccompute=3700))
    machine.write(f"{folder}/mem_banks/0/properties", _rows(heap_type=0, size_in_bytes=memory_mib * MIB, flags=0, width=64, mem_clk_max=4800))
    machine.values(folder, gpu_id=0)
    machine.write(f"{folder}/name", "\n")


def _gpu_node(machine: Machine, folder: str, gpu: Gpu, part: int, place: int, links: int) -> None:
    count, gfx = partitions(gpu), gpu.get("gfx")
    domain, bus, slot = gpu.address.split(":")
    location = int(bus, 16) << 8 | int(slot.split(".")[0], 16) << 3 | part
    units = gpu.get("cu") // count
    engines, arrays = gpu.get("shader")
    machine.write(f"{folder}/properties", _rows(
        cpu_cores_count=0, simd_count=units * gpu.get("simd_per_cu"), mem_banks_count=1, caches_count=len(_CACHES_KIB), io_links_count=links, p2p_links_count=0,
        cpu_core_id_base=0,
        simd_id_base=2147487744 + place * 256, max_waves_per_simd=16 if gpu.get("wave") == 32 else 8, lds_size_in_kb=64, gds_size_in_kb=0, num_gws=64,
        wave_front_size=gpu.get("wave"), array_count=max(engines * arrays // count, 1), simd_arrays_per_engine=arrays, cu_per_simd_array=10,
        simd_per_cu=gpu.get("simd_per_cu"), max_slots_scratch_cu=32, gfx_target_version=gfx, vendor_id=4098, device_id=int(gpu.get("device"), 16),
        location_id=location, domain=int(domain, 16), drm_render_minor=128 + place, hive_id=15188982192727901047 if gpu.get("xgmi") else 0, num_sdma_engines=2,
        num_sdma_xgmi_engines=0, num_sdma_queues_per_engine=8, num_cp_queues=24, max_engine_clk_fcompute=gpu.get("clocks")[0], local_mem_size=0, fw_version=177,
        capability=2893521536, debug_prop=1511, sdma_fw_version=24, unique_id=unique_id(gpu), num_xcc=max(gpu.get("xcc", 1) // count, 1),
        max_engine_clk_ccompute=3700))
    visible = gpu.get("bar_mib") >= gpu.get("vram_mib")
    machine.write(f"{folder}/mem_banks/0/properties", _rows(heap_type=1 if visible else 2, size_in_bytes=gpu.get("vram_mib") * MIB // count, flags=0, width=256,
                                                            mem_clk_max=gpu.get("clocks")[1]))
    for level, size in enumerate(_CACHES_KIB, 1):
        machine.write(f"{folder}/caches/{level - 1}/properties", _rows(processor_id_low=2147487744 + place * 256, level=level, size=size, cache_line_size=128,
                                                                       cache_lines_per_tag=1, association=0, latency=0, type=9, sibling_map="1,0"))
    machine.values(folder, gpu_id=4096 + place * 97)
    machine.write(f"{folder}/name", "ip discovery\n")


def _links(machine: Machine, folder: str, number: int, ends: list[tuple[int, int]]) -> None:
    for index, (end, kind) in enumerate(ends):
        machine.write(f"{folder}/{index}/properties", _rows(type=kind, version_major=0, version_minor=0, node_from=number, node_to=end, weight=15 if kind == 11 else 20,
                                                            min_latency=0, max_latency=0, min_bandwidth=64000, max_bandwidth=64000, flags=1))


def _rows(**rows: Any) -> str:
    return "".join(f"{name} {value}\n" for name, value in rows.items())


def _rocm(machine: Machine, profile: Profile) -> None:
    """ROCm from AMD's packages below /opt; Debian's own lies in the usual folders and is told by its packages alone."""
    release = profile.amd.get("rocm")
    packages: dict[str, Any] = profile.amd.get("packages") or {}
    for name, about in packages.items():
        profile.packages[name] = {"vendor": "AMD", "held": False, "source": name, **(about if isinstance(about, dict) else {"version": about})}
    if not release or profile.amd.get("origin") == "debian":
        return
    folder = profile.amd.get("path") or f"/opt/rocm-{release}"
    machine.write(f"{folder}/.info/version", f"{release}-{profile.amd.get('build', '20')}\n")
    machine.write(f"{folder}/bin/rocminfo", "")
    if folder.startswith("/opt/rocm-"):
        machine.links["/opt/rocm"] = "/etc/alternatives/rocm"
        machine.links["/etc/alternatives/rocm"] = folder
    major, minor, patch = (release.split(".") + ["0"])[:3]
    code = f"{int(major):d}{int(minor):02d}{int(patch):02d}"
    for name, version in (("rocm-core", f"{release}.{code}-20~24.04"), ("rocminfo", f"1.0.0.{code}-20~24.04"), ("hsa-rocr", f"1.18.0.{code}-20~24.04"),
                          ("hip-runtime-amd", f"{release}.25424.{code}-20~24.04")):
        profile.packages.setdefault(name, {"version": version, "vendor": "Advanced Micro Devices, Inc.", "held": False, "source": name})
