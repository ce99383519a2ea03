# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nvidia-smi: the XML of -q -x in the form of the driver's branch, -L, --version, and its refusals."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple, Union
from xml.sax.saxutils import escape

from . import nvml
from .machine import Machine
from .profile import Gpu, Profile
from .sysfs import vendor_id

Node = Tuple[str, Union[str, int, None, Sequence[Any]]]
NA = "N/A"
_MODES = {0: "Default", 2: "Prohibited", 3: "Exclusive_Process"}
_REASONS = ("gpu_idle", "applications_clocks_setting", "sw_power_cap", "hw_slowdown", "sync_boost", "sw_thermal_slowdown", "hw_thermal_slowdown",
            "hw_power_brake_slowdown", "display_clocks_setting")
_FABRIC = {0: NA, 1: "Not Started", 2: "In Progress", 3: "Completed"}
_RECOVERY = ("None", "Reset", "Reboot", "Drain P2P", "Drain and Reset")
FAILED = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n\n"


def render(machine: Machine, profile: Profile) -> None:
    """The commands, where nvidia-smi is installed."""
    nvidia = profile.nvidia
    if not nvidia or nvidia.get("library") is None:
        return
    error = nvml.init_error(profile)
    gpus = [gpu for gpu in profile.driven() if not gpu.get("missing")]
    if error == 9:
        outcome: Dict[str, Any] = {"rc": 9, "stdout": FAILED, "stderr": ""}
    elif error == 18:
        short = ".".join(nvidia["library"].split(".")[:2])
        outcome = {"rc": 18, "stdout": f"Failed to initialize NVML: Driver/library version mismatch\nNVML library version: {short}\n", "stderr": ""}
    elif error:
        outcome = {"rc": 255, "stdout": f"Failed to initialize NVML: {nvml.TEXTS[error]}\n", "stderr": ""}
    elif not gpus:
        outcome = {"rc": 6, "stdout": "No devices were found\n", "stderr": ""}
    else:
        broken = [gpu for gpu in gpus if gpu.get("handle_error")]
        head = "".join(f"Unable to determine the device handle for GPU{gpu.address.upper()}: {nvml.TEXTS[gpu.get('handle_error')]}\n" for gpu in broken)
        machine.outcome(["nvidia-smi", "-q", "-x"], rc=255 if head else 0, stdout=head or xml(profile, gpus), stderr="")
        machine.outcome(["nvidia-smi", "-L"], rc=255 if head else 0, stdout=listing(gpus, nvidia["loaded"]), stderr="")
        outcome = {}
    if outcome:
        machine.outcome(["nvidia-smi", "-q", "-x"], **outcome)
        machine.outcome(["nvidia-smi", "-L"], **outcome)
    cuda = nvml.cuda_version(nvidia["library"]) or NA
    told = outcome or {"rc": 0, "stderr": "", "stdout": f"NVIDIA-SMI version  : {nvidia['library']}\nNVML version        : {nvidia['library'].rpartition('.')[0]}\n"
                       f"DRIVER version      : {nvidia['loaded']}\nCUDA Version        : {cuda}\n"}
    machine.outcome(["nvidia-smi", "--version"], **told)


def listing(gpus: List[Gpu], driver: str) -> str:
    """nvidia-smi -L, with MIG devices."""
    lines = []
    for number, gpu in enumerate(gpus):
        if gpu.get("handle_error"):
            lines.append(f"Unable to determine the device handle for gpu {gpu.address}: {nvml.TEXTS[gpu.get('handle_error')]}.  Reboot the system to recover this GPU")
            continue
        lines.append(f"GPU {number}: {nvml.product_name(gpu, driver)} (UUID: {gpu.uuid})")
        for index, part in enumerate(nvml.mig_instances(gpu)):
            lines.append(f"  MIG {part['profile']:<11} Device {index:>2}: (UUID: {part['uuid']})")
    return "".join(f"{line}\n" for line in lines)


def xml(profile: Profile, gpus: List[Gpu]) -> str:
    """nvidia-smi -q -x."""
    driver = profile.nvidia["loaded"]
    branch = int(driver.split(".")[0])
    dtd = 7 if branch < 375 else 9 if branch < 390 else 10 if branch < 465 else 11 if branch < 530 else 12 if branch < 580 else 13
    top: List[Node] = [("timestamp", "Sun Nov 23 10:00:00 2025"), ("driver_version", driver)]
    cuda = nvml.cuda_version(profile.nvidia["library"])
    top += [("cuda_version", cuda)] if cuda else []
    top.append(("attached_gpus", len(gpus)))
    body = "".join(_text(node, 1) for node in top)
    for number, gpu in enumerate(gpus):
        inner = "".join(_text(node, 2) for node in _gpu(profile, gpu, number, branch))
        body += f'\t<gpu id="{_bus_id(gpu, branch)}">\n{inner}\t</gpu>\n\n'
    return (f'<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v{dtd}.dtd">\n<nvidia_smi_log>\n{body}</nvidia_smi_log>\n')


def _bus_id(gpu: Gpu, branch: int) -> str:
    return gpu.bus_id if branch >= 384 else gpu.address.upper()


def _text(node: Node, depth: int) -> str:
    tag, inside = node
    indent = "\t" * depth
    if isinstance(inside, (list, tuple)):
        return f"{indent}<{tag}>\n{''.join(_text(child, depth + 1) for child in inside)}{indent}</{tag}>\n"
    return f"{indent}<{tag}>{escape(NA if inside is None else str(inside))}</{tag}>\n"


def _gpu(profile: Profile, gpu: Gpu, number: int, branch: int) -> List[Node]:
    told = nvml.values(profile, gpu, number)
    nodes: List[Node] = [("product_name", told["name"]), ("product_brand", gpu.get("brand"))]
    nodes += [("product_architecture", gpu.get("architecture"))] if branch >= 510 else []
    nodes += [("display_mode", "Disabled"), ("display_active", "Disabled"), ("persistence_mode", "Enabled" if told["persistence"] else "Disabled")]
    if branch >= 525:
        nodes.append(("addressing_mode", "ATS" if gpu.get("unified") else "HMM" if profile.nvidia["module"] == "open" else "None"))
    nodes += _mig(gpu, told)
    nodes += [("accounting_mode", "Disabled"), ("accounting_mode_buffer_size", 4000),
              ("driver_model", [("current_dm", NA), ("pending_dm", NA)]), ("serial", gpu.serial), ("uuid", gpu.uuid),
              ("minor_number", NA if profile.about.get("wsl") else number), ("vbios_version", gpu.get("vbios")), ("multigpu_board", "No"),
              ("board_id", f"0x{int(gpu.address.split(':')[1], 16) << 8:x}"), ("gpu_part_number", f"{gpu.get('device').upper()}-885-A1")]
    mode = {0: "None", 1: "Pass-Through", 2: "VGPU"}[told["virtualization_mode"]]
    nodes.append(("gpu_virtualization_mode", [("virtualization_mode", mode), ("host_vgpu_mode", NA)]))
    if gpu.get("licensed"):
        nodes.append(("vgpu_software_licensed_product", [("licensed_product_name", "NVIDIA Virtual Compute Server"), ("license_status", gpu.get("licensed"))]))
    if 515 <= branch < 570:
        reset = gpu.get("recovery_action", "none") != "none"
        nodes.append(("gpu_reset_status", [("reset_required", "Yes" if reset else "No"), ("drain_and_reset_recommended", "No")]))
    elif branch >= 570:
        nodes.append(("gpu_recovery_action", _RECOVERY[told["recovery_action"]]))
    nodes += [("gsp_firmware_version", told.get("gsp_firmware")), ("ibmnpu", [("relaxed_ordering_mode", NA)]), _pci(gpu, told, branch),
              ("fan_speed", f"{told['fan_percent']} %" if "fan_percent" in told else NA), ("performance_state", f"P{told['pstate']}"),
              _reasons(told, branch), *_memory(gpu, told, branch), ("compute_mode", _MODES[told["compute_mode"]]), _utilization(told)]
    nodes += [*_ecc(gpu, told, branch), _retired(gpu, told), _remapped(gpu, told), _temperature(gpu, told), *_power(told, branch), *_clocks(told)]
    if branch >= 530:
        nodes.append(("fabric", [("state", _FABRIC[told.get("fabric.state", 0)]), ("status", NA if "fabric.state" not in told else "Success" if not
                                 told["fabric.status"] else "System Not Ready")]))
    nodes.append(("processes", [("process_info", [("pid", one["pid"]), ("type", "C" if one["kind"] == "compute" else "G"), ("process_name", one["name"]),
                                                  ("used_memory", f"{one['used_mib']} MiB")]) for one in gpu.get("processes") or []]))
    return nodes if not gpu.get("lost") else [_lost(node) for node in nodes]


_STAYS = {"product_name", "product_brand", "uuid", "minor_number", "pci_bus", "pci_device", "pci_domain", "pci_device_id", "pci_bus_id", "pci_sub_system_id"}


def _lost(node: Node) -> Node:
    """A lost GPU: every leaf that needs the card says so."""
    tag, inside = node
    if isinstance(inside, (list, tuple)):
        return (tag, "GPU is lost") if tag == "remapped_rows" else (tag, [_lost(child) for child in inside])
    return (tag, inside) if tag in _STAYS else (tag, "GPU is lost")


def _mig(gpu: Gpu, told: Dict[str, Any]) -> List[Node]:
    words = {0: "Disabled", 1: "Enabled"}
    modes: Node = ("mig_mode", [("current_mig", words.get(told.get("mig_current", 2), NA)), ("pending_mig", words.get(told.get("mig_pending", 2), NA))])
    parts = [("mig_device", [
        ("index", index), ("gpu_instance_id", part["gpu_instance_id"]), ("compute_instance_id", part["compute_instance_id"]),
        ("device_attributes", [("shared", [("multiprocessor_count", 16 * part["slices"]), ("copy_engine_count", part["slices"])])]),
        ("ecc_error_count", [("volatile_count", [("sram_uncorrectable", 0)])]),
        ("fb_memory_usage", [("total", f"{part['memory_mib']} MiB"), ("reserved", "0 MiB"), ("used", "12 MiB"), ("free", f"{part['memory_mib'] - 12} MiB")]),
        ("bar1_memory_usage", [("total", "65535 MiB"), ("used", "0 MiB"), ("free", "65535 MiB")])]) for index, part in enumerate(nvml.mig_instances(gpu))]
    return [modes, ("mig_devices", parts or "None")]


def _pci(gpu: Gpu, told: Dict[str, Any], branch: int) -> Node:
    domain, bus, rest = gpu.address.upper().split(":")
    board, device = gpu.get("subsystem").upper().split(":")[::-1], gpu.get("device").upper()
    generation: List[Node] = [("max_link_gen", told.get("pcie.gen_max")), ("current_link_gen", told.get("pcie.gen_current"))]
    if branch >= 520:
        generation += [("device_current_link_gen", told.get("pcie.gen_current")), ("max_device_link_gen", told.get("pcie.gen_device_max")), ("max_host_link_gen", NA)]
    widths = [(f"{name}_link_width", f"{told[key]}x" if key in told else NA) for name, key in (("max", "pcie.width_max"), ("current", "pcie.width_current"))]
    return ("pci", [("pci_bus", bus), ("pci_device", rest.split(".")[0]), ("pci_domain", domain), ("pci_device_id", f"{device}{vendor_id(gpu).upper()}"),
                    ("pci_bus_id", _bus_id(gpu, branch)), ("pci_sub_system_id", "".join(board)),
                    ("pci_gpu_link_info", [("pcie_gen", generation), ("link_widths", widths)]),
                    ("pci_bridge_chip", [("bridge_chip_type", NA), ("bridge_chip_fw", NA)]), ("replay_counter", 0), ("replay_rollover_counter", 0),
                    ("tx_util", "0 KB/s"), ("rx_util", "0 KB/s")])


def _reasons(told: Dict[str, Any], branch: int) -> Node:
    kind = "event" if branch >= 535 else "throttle"
    mask = int(str(told["throttle_reasons"]), 16)
    return (f"clocks_{kind}_reasons", [(f"clocks_{kind}_reason_{name}", "Active" if mask >> bit & 1 else "Not Active") for bit, name in enumerate(_REASONS)])


def _memory(gpu: Gpu, told: Dict[str, Any], branch: int) -> List[Node]:
    total = told.get("memory_total_mib")
    if total is None:
        amounts: List[Node] = [(name, "Not Supported") for name in ("total", "reserved", "used", "free")]
    else:
        kept, used = told["memory_reserved_mib"], told["memory_used_mib"]
        amounts = [("total", f"{total} MiB"), ("used", f"{used} MiB"), ("free", f"{total - used - kept} MiB")]
        amounts[1:1] = [("reserved", f"{kept} MiB")] if branch >= 510 else []
    bar = gpu.get("bar")
    return [("fb_memory_usage", amounts), ("bar1_memory_usage", [("total", f"{bar} MiB"), ("used", "2 MiB"), ("free", f"{bar - 2} MiB")])]


def _utilization(told: Dict[str, Any]) -> Node:
    return ("utilization", [("gpu_util", f"{told['utilization.gpu']} %"), ("memory_util", f"{told['utilization.memory']} %"), ("encoder_util", "0 %"), ("decoder_util", "0 %")])


def _ecc(gpu: Gpu, told: Dict[str, Any], branch: int) -> List[Node]:
    words = {0: "Disabled", 1: "Enabled"}
    modes: Node = ("ecc_mode", [("current_ecc", words.get(told.get("ecc_current", 2), NA)), ("pending_ecc", words.get(told.get("ecc_pending", 2), NA))])
    old = gpu.get("architecture") in ("Kepler", "Pascal", "Volta", "Maxwell")
    split = branch >= 545 and gpu.get("architecture") in ("Ampere", "Ada Lovelace", "Hopper", "Blackwell")
    periods: List[Node] = []
    for period in ("volatile", "aggregate"):
        corrected, uncorrected = told.get(f"ecc.{period}.corrected"), told.get(f"ecc.{period}.uncorrected")
        zero = None if corrected is None else 0
        if old:
            inner: List[Node] = [(f"{bits}_bit", [("device_memory", count), ("register_file", zero), ("l1_cache", zero), ("l2_cache", zero), ("total", count)])
                                 for bits, count in (("single", corrected), ("double", uncorrected))]
        else:
            wrong = ["sram_uncorrectable_parity", "sram_uncorrectable_secded"] if split else ["sram_uncorrectable"]
            inner = [("sram_correctable", zero), *((name, zero) for name in wrong), ("dram_correctable", corrected), ("dram_uncorrectable", uncorrected)]
        periods.append((period, inner))
    return [modes, ("ecc_errors", periods)]


def _retired(gpu: Gpu, told: Dict[str, Any]) -> Node:
    pending = told.get("retired.pending")
    word = NA if pending is None else "Yes" if pending else "No"
    return ("retired_pages", [("multiple_single_bit_retirement", [("retired_count", told.get("retired.single_bit")), ("retired_pagelist", NA)]),
                              ("double_bit_retirement", [("retired_count", told.get("retired.double_bit")), ("retired_pagelist", NA)]),
                              ("pending_blacklist", word), ("pending_retirement", word)])


def _remapped(gpu: Gpu, told: Dict[str, Any]) -> Node:
    if "remapped.pending" not in told:
        return ("remapped_rows", NA)
    return ("remapped_rows", [("remapped_row_corr", told["remapped.corrected"]), ("remapped_row_unc", told["remapped.uncorrected"]),
                              ("remapped_row_pending", "Yes" if told["remapped.pending"] else "No"),
                              ("remapped_row_failure", "Yes" if told["remapped.failure"] else "No"),
                              ("row_remapper_histogram", [("row_remapper_histogram_max", "640 bank(s)"), ("row_remapper_histogram_none", "0 bank(s)")])])


def _temperature(gpu: Gpu, told: Dict[str, Any]) -> Node:
    memory = f"{told['temperature_memory']} C" if "temperature_memory" in told else NA
    if gpu.get("tlimit"):
        inner: List[Node] = [("gpu_temp", f"{told['temperature']} C"), ("gpu_temp_tlimit", "54 C"), ("gpu_temp_max_tlimit_threshold", "-8 C"),
                             ("gpu_temp_slow_tlimit_threshold", "-2 C"), ("gpu_temp_max_gpu_tlimit_threshold", "0 C"), ("gpu_target_temperature", NA)]
    else:
        inner = [("gpu_temp", f"{told['temperature']} C"), ("gpu_temp_max_threshold", f"{told['temperature_shutdown']} C"),
                 ("gpu_temp_slow_threshold", f"{told['temperature_slowdown']} C"), ("gpu_temp_max_gpu_threshold", NA), ("gpu_target_temperature", NA)]
    return ("temperature", [*inner, ("memory_temp", memory)])


def _power(told: Dict[str, Any], branch: int) -> List[Node]:
    def watts(key: str) -> str:
        return f"{told[f'power_{key}_mw'] / 1000:.2f} W" if f"power_{key}_mw" in told else NA

    limits = [("default_power_limit", watts("default")), ("min_power_limit", watts("min")), ("max_power_limit", watts("max"))]
    state: Node = ("power_state", f"P{told['pstate']}")
    if branch < 535:
        return [("power_readings", [state, ("power_management", "Supported"), ("power_draw", watts("draw")), ("power_limit", watts("limit")), *limits,
                                    ("enforced_power_limit", watts("limit"))])]
    draw = [("power_draw", watts("draw"))] if branch < 570 else [("average_power_draw", watts("draw")), ("instant_power_draw", watts("draw"))]
    now = [("current_power_limit", watts("limit")), ("requested_power_limit", watts("limit"))]
    empty = [(name, NA) for name, _value in (*draw, *now, *limits)]
    return [("gpu_power_readings", [state, *draw, *now, *limits]), ("module_power_readings", [state, *empty])]


def _clocks(told: Dict[str, Any]) -> List[Node]:
    def block(prefix: str) -> List[Node]:
        return [(f"{name}_clock", f"{told[f'{prefix}.{key}']} MHz" if f"{prefix}.{key}" in told else NA)
                for name, key in (("graphics", "graphics"), ("sm", "sm"), ("mem", "memory"))]

    return [("clocks", block("clock")), ("max_clocks", block("max_clock"))]
