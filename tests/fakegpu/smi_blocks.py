# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of one GPU in the XML of nvidia-smi, in the form of the driver's branch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from . import nvml
from .profile import Gpu
from .sysfs import vendor_id

Node = tuple[str, Union[str, int, Sequence[Any], None]]


NA = "N/A"


_REASONS = (
    "gpu_idle",
    "applications_clocks_setting",
    "sw_power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal_slowdown",
    "hw_thermal_slowdown",
    "hw_power_brake_slowdown",
    "display_clocks_setting",
)


def bus_id(gpu: Gpu, branch: int) -> str:
    return gpu.bus_id if branch >= 384 else gpu.address.upper()


def mig(gpu: Gpu, told: dict[str, Any]) -> list[Node]:
    words = {0: "Disabled", 1: "Enabled"}
    modes: Node = (
        "mig_mode",
        [("current_mig", words.get(told.get("mig_current", 2), NA)), ("pending_mig", words.get(told.get("mig_pending", 2), NA))],
    )
    parts = [
        (
            "mig_device",
            [
                ("index", index),
                ("gpu_instance_id", part["gpu_instance_id"]),
                ("compute_instance_id", part["compute_instance_id"]),
                ("device_attributes", [("shared", [("multiprocessor_count", 16 * part["slices"]), ("copy_engine_count", part["slices"])])]),
                ("ecc_error_count", [("volatile_count", [("sram_uncorrectable", 0)])]),
                (
                    "fb_memory_usage",
                    [
                        ("total", f"{part['memory_mib']} MiB"),
                        ("reserved", "0 MiB"),
                        ("used", "12 MiB"),
                        ("free", f"{part['memory_mib'] - 12} MiB"),
                    ],
                ),
                ("bar1_memory_usage", [("total", "65535 MiB"), ("used", "0 MiB"), ("free", "65535 MiB")]),
            ],
        )
        for index, part in enumerate(nvml.mig_instances(gpu))
    ]
    return [modes, ("mig_devices", parts or "None")]


def pci(gpu: Gpu, told: dict[str, Any], branch: int) -> Node:
    domain, bus, rest = gpu.address.upper().split(":")
    board, device = gpu.get("subsystem").upper().split(":")[::-1], gpu.get("device").upper()
    generation: list[Node] = [("max_link_gen", told.get("pcie.gen_max")), ("current_link_gen", told.get("pcie.gen_current"))]
    if branch >= 520:
        generation += [
            ("device_current_link_gen", told.get("pcie.gen_current")),
            ("max_device_link_gen", told.get("pcie.gen_device_max")),
            ("max_host_link_gen", NA),
        ]
    widths = [
        (f"{name}_link_width", f"{told[key]}x" if key in told else NA)
        for name, key in (("max", "pcie.width_max"), ("current", "pcie.width_current"))
    ]
    return (
        "pci",
        [
            ("pci_bus", bus),
            ("pci_device", rest.split(".")[0]),
            ("pci_domain", domain),
            ("pci_device_id", f"{device}{vendor_id(gpu).upper()}"),
            ("pci_bus_id", bus_id(gpu, branch)),
            ("pci_sub_system_id", "".join(board)),
            ("pci_gpu_link_info", [("pcie_gen", generation), ("link_widths", widths)]),
            ("pci_bridge_chip", [("bridge_chip_type", NA), ("bridge_chip_fw", NA)]),
            ("replay_counter", 0),
            ("replay_rollover_counter", 0),
            ("tx_util", "0 KB/s"),
            ("rx_util", "0 KB/s"),
        ],
    )


def reasons(told: dict[str, Any], branch: int) -> Node:
    kind = "event" if branch >= 535 else "throttle"
    mask = int(str(told["throttle_reasons"]), 16)
    return (
        f"clocks_{kind}_reasons",
        [(f"clocks_{kind}_reason_{name}", "Active" if mask >> bit & 1 else "Not Active") for bit, name in enumerate(_REASONS)],
    )


def memory(gpu: Gpu, told: dict[str, Any], branch: int) -> list[Node]:
    total = told.get("memory_total_mib")
    if total is None:
        amounts: list[Node] = [(name, "Not Supported") for name in ("total", "reserved", "used", "free")]
    else:
        kept, used = told["memory_reserved_mib"], told["memory_used_mib"]
        amounts = [("total", f"{total} MiB"), ("used", f"{used} MiB"), ("free", f"{total - used - kept} MiB")]
        amounts[1:1] = [("reserved", f"{kept} MiB")] if branch >= 510 else []
    window = gpu.get("bar")
    mapped = [("total", f"{window} MiB"), ("used", "2 MiB"), ("free", f"{window - 2} MiB")]
    return [("fb_memory_usage", amounts), ("bar1_memory_usage", mapped)]


def utilization(told: dict[str, Any]) -> Node:
    return (
        "utilization",
        [
            ("gpu_util", f"{told['utilization.gpu']} %"),
            ("memory_util", f"{told['utilization.memory']} %"),
            ("encoder_util", "0 %"),
            ("decoder_util", "0 %"),
        ],
    )


def ecc(gpu: Gpu, told: dict[str, Any], branch: int) -> list[Node]:
    words = {0: "Disabled", 1: "Enabled"}
    modes: Node = (
        "ecc_mode",
        [("current_ecc", words.get(told.get("ecc_current", 2), NA)), ("pending_ecc", words.get(told.get("ecc_pending", 2), NA))],
    )
    old = gpu.get("architecture") in ("Kepler", "Pascal", "Volta", "Maxwell")
    split = branch >= 545 and gpu.get("architecture") in ("Ampere", "Ada Lovelace", "Hopper", "Blackwell")
    periods: list[Node] = []
    for period in ("volatile", "aggregate"):
        corrected, uncorrected = told.get(f"ecc.{period}.corrected"), told.get(f"ecc.{period}.uncorrected")
        zero = None if corrected is None else 0
        if old:
            inner: list[Node] = [
                (
                    f"{bits}_bit",
                    [("device_memory", count), ("register_file", zero), ("l1_cache", zero), ("l2_cache", zero), ("total", count)],
                )
                for bits, count in (("single", corrected), ("double", uncorrected))
            ]
        else:
            wrong = ["sram_uncorrectable_parity", "sram_uncorrectable_secded"] if split else ["sram_uncorrectable"]
            inner = [
                ("sram_correctable", zero),
                *((name, zero) for name in wrong),
                ("dram_correctable", corrected),
                ("dram_uncorrectable", uncorrected),
            ]
        periods.append((period, inner))
    return [modes, ("ecc_errors", periods)]


def retired(gpu: Gpu, told: dict[str, Any]) -> Node:
    pending = told.get("retired.pending")
    word = NA if pending is None else "Yes" if pending else "No"
    return (
        "retired_pages",
        [
            ("multiple_single_bit_retirement", [("retired_count", told.get("retired.single_bit")), ("retired_pagelist", NA)]),
            ("double_bit_retirement", [("retired_count", told.get("retired.double_bit")), ("retired_pagelist", NA)]),
            ("pending_blacklist", word),
            ("pending_retirement", word),
        ],
    )


def remapped(gpu: Gpu, told: dict[str, Any]) -> Node:
    if "remapped.pending" not in told:
        return ("remapped_rows", NA)
    return (
        "remapped_rows",
        [
            ("remapped_row_corr", told["remapped.corrected"]),
            ("remapped_row_unc", told["remapped.uncorrected"]),
            ("remapped_row_pending", "Yes" if told["remapped.pending"] else "No"),
            ("remapped_row_failure", "Yes" if told["remapped.failure"] else "No"),
            ("row_remapper_histogram", [("row_remapper_histogram_max", "640 bank(s)"), ("row_remapper_histogram_none", "0 bank(s)")]),
        ],
    )


def temperature(gpu: Gpu, told: dict[str, Any]) -> Node:
    memory = f"{told['temperature_memory']} C" if "temperature_memory" in told else NA
    if gpu.get("tlimit"):
        inner: list[Node] = [
            ("gpu_temp", f"{told['temperature']} C"),
            ("gpu_temp_tlimit", "54 C"),
            ("gpu_temp_max_tlimit_threshold", "-8 C"),
            ("gpu_temp_slow_tlimit_threshold", "-2 C"),
            ("gpu_temp_max_gpu_tlimit_threshold", "0 C"),
            ("gpu_target_temperature", NA),
        ]
    else:
        inner = [
            ("gpu_temp", f"{told['temperature']} C"),
            ("gpu_temp_max_threshold", f"{told['temperature_shutdown']} C"),
            ("gpu_temp_slow_threshold", f"{told['temperature_slowdown']} C"),
            ("gpu_temp_max_gpu_threshold", NA),
            ("gpu_target_temperature", NA),
        ]
    return ("temperature", [*inner, ("memory_temp", memory)])


def power(told: dict[str, Any], branch: int) -> list[Node]:
    def watts(key: str) -> str:
        return f"{told[f'power_{key}_mw'] / 1000:.2f} W" if f"power_{key}_mw" in told else NA

    limits = [("default_power_limit", watts("default")), ("min_power_limit", watts("min")), ("max_power_limit", watts("max"))]
    state: Node = ("power_state", f"P{told['pstate']}")
    if branch < 535:
        return [
            (
                "power_readings",
                [
                    state,
                    ("power_management", "Supported"),
                    ("power_draw", watts("draw")),
                    ("power_limit", watts("limit")),
                    *limits,
                    ("enforced_power_limit", watts("limit")),
                ],
            )
        ]
    draw = (
        [("power_draw", watts("draw"))] if branch < 570 else [("average_power_draw", watts("draw")), ("instant_power_draw", watts("draw"))]
    )
    now = [("current_power_limit", watts("limit")), ("requested_power_limit", watts("limit"))]
    empty = [(name, NA) for name, _value in (*draw, *now, *limits)]
    return [("gpu_power_readings", [state, *draw, *now, *limits]), ("module_power_readings", [state, *empty])]


def clocks(told: dict[str, Any]) -> list[Node]:
    def block(prefix: str) -> list[Node]:
        return [
            (f"{name}_clock", f"{told[f'{prefix}.{key}']} MHz" if f"{prefix}.{key}" in told else NA)
            for name, key in (("graphics", "graphics"), ("sm", "sm"), ("mem", "memory"))
        ]

    return [("clocks", block("clock")), ("max_clocks", block("max_clock"))]
