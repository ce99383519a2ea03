# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compute driver of AMD: its topology in sysfs, its device nodes, who may use them."""

from __future__ import annotations

from typing import Any

from .amd_cards import MIB, partitions, unique_id
from .machine import Machine
from .profile import Gpu, Profile

KFD = "/sys/devices/virtual/kfd/kfd"


_CACHES_KIB = (32, 4096, 262144)  # per level; the runtime of AMD refuses a GPU without any


def render(machine: Machine, profile: Profile, cards: list[Gpu]) -> None:
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
        folder = f"/sys/devices/platform/amdgpu_xcp.{minor - 128 - len(cards)}/drm/renderD{minor}"
        machine.values(folder, dev=f"226:{minor}")
        machine.link(f"/sys/class/drm/renderD{minor}", folder)
        machine.link(f"/sys/dev/char/226:{minor}", folder)
        machine.node(f"/dev/dri/renderD{minor}", major=226, minor=minor, mode="0660", group="render")
    user = profile.about.get("user") or {}
    groups = user.get("groups", ["root"] if profile.about.get("euid", 0) == 0 else [])
    machine.probes["device_access"] = {
        "kfd_mode": access.get("mode", "0660"),
        "kfd_group": access.get("group", "render"),
        "groups": [name for name in groups if name in ("render", "video")],
        "accessible": access.get("accessible", machine.euid == 0 or "render" in groups),
    }


def _cpu_node(machine: Machine, folder: str, memory_mib: int) -> None:
    machine.write(
        f"{folder}/properties",
        _rows(
            cpu_cores_count=16,
            simd_count=0,
            mem_banks_count=1,
            caches_count=0,
            io_links_count=0,
            cpu_core_id_base=0,
            simd_id_base=0,
            max_waves_per_simd=0,
            vendor_id=0,
            device_id=0,
            location_id=0,
            domain=0,
            drm_render_minor=0,
            max_engine_clk_ccompute=3700,
        ),
    )
    machine.write(
        f"{folder}/mem_banks/0/properties", _rows(heap_type=0, size_in_bytes=memory_mib * MIB, flags=0, width=64, mem_clk_max=4800)
    )
    machine.values(folder, gpu_id=0)
    machine.write(f"{folder}/name", "\n")


def _gpu_node(machine: Machine, folder: str, gpu: Gpu, part: int, place: int, links: int) -> None:
    count, gfx = partitions(gpu), gpu.get("gfx")
    domain, bus, slot = gpu.address.split(":")
    location = int(bus, 16) << 8 | int(slot.split(".")[0], 16) << 3 | part
    units = gpu.get("cu") // count
    engines, arrays = gpu.get("shader")
    machine.write(
        f"{folder}/properties",
        _rows(
            cpu_cores_count=0,
            simd_count=units * gpu.get("simd_per_cu"),
            mem_banks_count=1,
            caches_count=len(_CACHES_KIB),
            io_links_count=links,
            p2p_links_count=0,
            cpu_core_id_base=0,
            simd_id_base=2147487744 + place * 256,
            max_waves_per_simd=16 if gpu.get("wave") == 32 else 8,
            lds_size_in_kb=64,
            gds_size_in_kb=0,
            num_gws=64,
            wave_front_size=gpu.get("wave"),
            array_count=max(engines * arrays // count, 1),
            simd_arrays_per_engine=arrays,
            cu_per_simd_array=10,
            simd_per_cu=gpu.get("simd_per_cu"),
            max_slots_scratch_cu=32,
            gfx_target_version=gfx,
            vendor_id=4098,
            device_id=int(gpu.get("device"), 16),
            location_id=location,
            domain=int(domain, 16),
            drm_render_minor=128 + place,
            hive_id=15188982192727901047 if gpu.get("xgmi") else 0,
            num_sdma_engines=2,
            num_sdma_xgmi_engines=0,
            num_sdma_queues_per_engine=8,
            num_cp_queues=24,
            max_engine_clk_fcompute=gpu.get("clocks")[0],
            local_mem_size=0,
            fw_version=177,
            capability=2893521536,
            debug_prop=1511,
            sdma_fw_version=24,
            unique_id=unique_id(gpu),
            num_xcc=max(gpu.get("xcc", 1) // count, 1),
            max_engine_clk_ccompute=3700,
        ),
    )
    visible = gpu.get("bar_mib") >= gpu.get("vram_mib")
    machine.write(
        f"{folder}/mem_banks/0/properties",
        _rows(
            heap_type=1 if visible else 2,
            size_in_bytes=gpu.get("vram_mib") * MIB // count,
            flags=0,
            width=256,
            mem_clk_max=gpu.get("clocks")[1],
        ),
    )
    for level, size in enumerate(_CACHES_KIB, 1):
        machine.write(
            f"{folder}/caches/{level - 1}/properties",
            _rows(
                processor_id_low=2147487744 + place * 256,
                level=level,
                size=size,
                cache_line_size=128,
                cache_lines_per_tag=1,
                association=0,
                latency=0,
                type=9,
                sibling_map="1,0",
            ),
        )
    machine.values(folder, gpu_id=4096 + place * 97)
    machine.write(f"{folder}/name", "ip discovery\n")


def _links(machine: Machine, folder: str, number: int, ends: list[tuple[int, int]]) -> None:
    for index, (end, kind) in enumerate(ends):
        machine.write(
            f"{folder}/{index}/properties",
            _rows(
                type=kind,
                version_major=0,
                version_minor=0,
                node_from=number,
                node_to=end,
                weight=15 if kind == 11 else 20,
                min_latency=0,
                max_latency=0,
                min_bandwidth=64000,
                max_bandwidth=64000,
                flags=1,
            ),
        )


def _rows(**rows: Any) -> str:
    return "".join(f"{name} {value}\n" for name, value in rows.items())
