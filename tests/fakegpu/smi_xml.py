# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nvidia-smi -q -x: the document."""

from __future__ import annotations

from xml.sax.saxutils import escape

from . import nvml
from . import smi_blocks as blocks
from .profile import Gpu, Profile
from .smi_blocks import NA, Node

_MODES = {0: "Default", 2: "Prohibited", 3: "Exclusive_Process"}


_FABRIC = {0: NA, 1: "Not Started", 2: "In Progress", 3: "Completed"}


_RECOVERY = ("None", "Reset", "Reboot", "Drain P2P", "Drain and Reset")


def xml(profile: Profile, gpus: list[Gpu]) -> str:
    """nvidia-smi -q -x."""
    driver = profile.nvidia["loaded"]
    branch = int(driver.split(".")[0])
    dtd = 7 if branch < 375 else 9 if branch < 390 else 10 if branch < 465 else 11 if branch < 530 else 12 if branch < 580 else 13
    top: list[Node] = [("timestamp", "Sun Nov 23 10:00:00 2025"), ("driver_version", driver)]
    cuda = nvml.cuda_version(profile.nvidia["library"])
    top += [("cuda_version", cuda)] if cuda else []
    top.append(("attached_gpus", len(gpus)))
    body = "".join(_text(node, 1) for node in top)
    for number, gpu in enumerate(gpus):
        inner = "".join(_text(node, 2) for node in _gpu(profile, gpu, number, branch))
        body += f'\t<gpu id="{blocks.bus_id(gpu, branch)}">\n{inner}\t</gpu>\n\n'
    return (
        f'<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v{dtd}.dtd">\n<nvidia_smi_log>\n{body}</nvidia_smi_log>\n'
    )


def _text(node: Node, depth: int) -> str:
    tag, inside = node
    indent = "\t" * depth
    if isinstance(inside, (list, tuple)):
        return f"{indent}<{tag}>\n{''.join(_text(child, depth + 1) for child in inside)}{indent}</{tag}>\n"
    return f"{indent}<{tag}>{escape(NA if inside is None else str(inside))}</{tag}>\n"


def _gpu(profile: Profile, gpu: Gpu, number: int, branch: int) -> list[Node]:
    told = nvml.values(profile, gpu, number)
    nodes: list[Node] = [("product_name", told["name"]), ("product_brand", gpu.get("brand"))]
    nodes += [("product_architecture", gpu.get("architecture"))] if branch >= 510 else []
    nodes += [
        ("display_mode", "Disabled"),
        ("display_active", "Disabled"),
        ("persistence_mode", "Enabled" if told["persistence"] else "Disabled"),
    ]
    if branch >= 525:
        nodes.append(("addressing_mode", "ATS" if gpu.get("unified") else "HMM" if profile.nvidia["module"] == "open" else "None"))
    nodes += blocks.mig(gpu, told)
    nodes += [
        ("accounting_mode", "Disabled"),
        ("accounting_mode_buffer_size", 4000),
        ("driver_model", [("current_dm", NA), ("pending_dm", NA)]),
        ("serial", gpu.serial),
        ("uuid", gpu.uuid),
        ("minor_number", NA if profile.about.get("wsl") else number),
        ("vbios_version", gpu.get("vbios")),
        ("multigpu_board", "No"),
        ("board_id", f"0x{int(gpu.address.split(':')[1], 16) << 8:x}"),
        ("gpu_part_number", f"{gpu.get('device').upper()}-885-A1"),
    ]
    mode = {0: "None", 1: "Pass-Through", 2: "VGPU"}[told["virtualization_mode"]]
    nodes.append(("gpu_virtualization_mode", [("virtualization_mode", mode), ("host_vgpu_mode", NA)]))
    if gpu.get("licensed"):
        nodes.append(
            (
                "vgpu_software_licensed_product",
                [("licensed_product_name", "NVIDIA Virtual Compute Server"), ("license_status", gpu.get("licensed"))],
            )
        )
    if 515 <= branch < 570:
        reset = gpu.get("recovery_action", "none") != "none"
        nodes.append(("gpu_reset_status", [("reset_required", "Yes" if reset else "No"), ("drain_and_reset_recommended", "No")]))
    elif branch >= 570:
        nodes.append(("gpu_recovery_action", _RECOVERY[told["recovery_action"]]))
    nodes += [
        ("gsp_firmware_version", told.get("gsp_firmware")),
        ("ibmnpu", [("relaxed_ordering_mode", NA)]),
        blocks.pci(gpu, told, branch),
        ("fan_speed", f"{told['fan_percent']} %" if "fan_percent" in told else NA),
        ("performance_state", f"P{told['pstate']}"),
        blocks.reasons(told, branch),
        *blocks.memory(gpu, told, branch),
        ("compute_mode", _MODES[told["compute_mode"]]),
        blocks.utilization(told),
    ]
    nodes += [
        *blocks.ecc(gpu, told, branch),
        blocks.retired(gpu, told),
        blocks.remapped(gpu, told),
        blocks.temperature(gpu, told),
        *blocks.power(told, branch),
        *blocks.clocks(told),
    ]
    if branch >= 530:
        nodes.append(
            (
                "fabric",
                [
                    ("state", _FABRIC[told.get("fabric.state", 0)]),
                    ("status", NA if "fabric.state" not in told else "Success" if not told["fabric.status"] else "System Not Ready"),
                ],
            )
        )
    nodes.append(
        (
            "processes",
            [
                (
                    "process_info",
                    [
                        ("pid", one["pid"]),
                        ("type", "C" if one["kind"] == "compute" else "G"),
                        ("process_name", one["name"]),
                        ("used_memory", f"{one['used_mib']} MiB"),
                    ],
                )
                for one in gpu.get("processes") or []
            ],
        )
    )
    return nodes if not gpu.get("lost") else [_lost(node) for node in nodes]


_STAYS = {
    "product_name",
    "product_brand",
    "uuid",
    "minor_number",
    "pci_bus",
    "pci_device",
    "pci_domain",
    "pci_device_id",
    "pci_bus_id",
    "pci_sub_system_id",
}


def _lost(node: Node) -> Node:
    """A lost GPU: every leaf that needs the card says so."""
    tag, inside = node
    if isinstance(inside, (list, tuple)):
        return (tag, "GPU is lost") if tag == "remapped_rows" else (tag, [_lost(child) for child in inside])
    return (tag, inside) if tag in _STAYS else (tag, "GPU is lost")
