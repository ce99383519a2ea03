# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what NVML says about the driver and its GPUs, through the probe "nvml" (see ``_nvml_probe.py`` for its answer).

Throttle reasons have the names of ``nvidia-smi`` without their prefix: ``gpu_idle``, ``applications_clocks_setting``,
``sw_power_cap``, ``hw_slowdown``, ``sync_boost``, ``sw_thermal_slowdown``, ``hw_thermal_slowdown``,
``hw_power_brake_slowdown``, ``display_clocks_setting``; ``bit_N`` is one that this list does not know.
"""

from __future__ import annotations

from typing import Any

from .._host import HostError
from . import _nvidia_access as access
from . import _nvidia_words as words
from ._inventory import Inventory
from ._source import Source

# All of nvml.h, NVML API reference of driver 580: bits of nvmlClocksEventReasons, then the numbers of its enumerations.
_THROTTLE_BITS = (
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
_ARCHITECTURES = {2: "kepler", 3: "maxwell", 4: "pascal", 5: "volta", 6: "turing", 7: "ampere", 8: "ada", 9: "hopper",
                  10: "blackwell"}
_COMPUTE_MODES = {0: "default", 1: "exclusive_thread", 2: "prohibited", 3: "exclusive_process"}
_VIRTUALIZATION = {0: "none", 1: "passthrough", 2: "vgpu", 3: "none", 4: "none"}  # 3 and 4: a host that serves vGPUs
_RECOVERY = {0: "none", 1: "reset", 2: "reboot", 3: "drain_p2p", 4: "drain_and_reset", 6: "reset", 7: "reboot"}
_FABRIC_STATES = {1: "not_started", 2: "in_progress", 3: "completed"}
_FABRIC_ORDER = ("failed", "not_started", "in_progress", "completed")  # the worst counts for the node
_GPU_IS_LOST = 15


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """Devices, ``nvidia.nvml``, driver and CUDA version, fabric state. Empty where Python module or library are not there."""
    if not access.may_ask(source, known):
        return {}
    subsets = [name for name in ("runtime", "processes") if source.wants(name)]
    try:
        answer = source.host.probe("nvml", {"subsets": subsets}, access.deadline(source, known))
    except HostError as error:
        return _failure(source, error)
    try:
        partial, troubles = parse_answer(answer)
    except (ValueError, TypeError, AttributeError) as error:
        source.problem("unreadable", f"an answer that is not understood: {error}")
        return {}
    for trouble in troubles:
        source.problem("refused", trouble)
    partial["devices"] = access.presentable(partial["devices"], known)
    _mark_lost(answer["devices"], partial["devices"], known)
    return partial


def _failure(source: Source, error: HostError) -> dict[str, Any]:
    """A crash says nothing about NVML as a whole: another program may ask it. Everything else is NVML's answer."""
    if error.code == "not_found":
        return {}
    source.problem(error.code, str(error))
    return {} if error.code == "crashed" else {"nvidia": {"nvml": {"usable": False, "error": str(error)}}}


def _mark_lost(answers: list[dict[str, Any]], devices: list[dict[str, Any]], known: Inventory) -> None:
    """NVML counts a lost card and does not say which one it is: known where it is the only one missing."""
    lost = [one for one in answers if one.get("handle_error") == _GPU_IS_LOST]
    seen = {(device.get("pci") or {}).get("address") for device in devices}
    missing = [device for device in access.bound(known) if device["pci"]["address"] not in seen]
    if lost and len(lost) == len(missing):
        devices += [{"vendor": "nvidia", "pci": {"address": device["pci"]["address"]}, "lost": True} for device in missing]


def parse_answer(answer: Any) -> tuple[dict[str, Any], list[str]]:
    """The probe's answer as a partial inventory, and NVML's texts about cards that do not work.

    Raises ``ValueError`` (or what Python raises for values of a wrong kind) where it is no such answer.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("devices"), list):
        raise ValueError("no list of devices")
    opened = [device for device in answer["devices"] if "handle_error" not in device]
    troubles = [f"GPU {_name(device)}: {device['error']}" for device in answer["devices"] if device.get("error")]
    troubles += [f"GPU {_name(device)}: {words.LOST}" for device in opened if device.get("lost")]
    cuda = _whole(answer.get("cuda_driver_version"))
    states = {_fabric_state(device) for device in opened}
    nvidia = {
        "driver": {"loaded_version": words.version(answer.get("driver_version"))},
        "cuda_driver_version": f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None,
        "nvml": {"usable": True, "version": words.version(answer.get("nvml_version"))},
        "fabric": {"state": next((state for state in _FABRIC_ORDER if state in states), None)},
    }
    return {"devices": [_device(device) for device in opened], "nvidia": nvidia}, troubles


def _name(device: dict[str, Any]) -> Any:
    return words.address(device.get("pci_bus_id")) or device.get("index")


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:
    return bool(value) if isinstance(value, (int, bool)) else None


def _watts(value: Any) -> float | None:
    return value / 1000 if _whole(value) is not None else None


def _fabric_state(device: dict[str, Any]) -> str | None:
    state = _FABRIC_STATES.get(device.get("fabric.state", 0))
    return "failed" if state == "completed" and device.get("fabric.status") else state


def _device(raw: dict[str, Any]) -> dict[str, Any]:
    state = _whole(raw.get("pstate"))
    device: dict[str, Any] = {
        "vendor": "nvidia",
        "name": words.name(raw.get("name")),
        "architecture": _ARCHITECTURES.get(raw.get("architecture", 0)),
        "compute_capability": words.version(raw.get("compute_capability")),
        "uuid": words.uuid(raw.get("uuid")),
        "serial": words.word(raw.get("serial")),
        "vbios_version": words.vbios(raw.get("vbios")),
        "minor_number": _whole(raw.get("minor")),
        "persistence_mode": _flag(raw.get("persistence")),
        "compute_mode": _COMPUTE_MODES.get(raw.get("compute_mode", -1)),
        "virtualization": _VIRTUALIZATION.get(raw.get("virtualization_mode", -1)),
        "recovery_action": _RECOVERY.get(raw.get("recovery_action", -1)),
        "lost": bool(raw.get("lost")),
        "pci": _pci(raw),
        "memory": _memory(raw),
        "power": {f"{key}_w": _watts(raw.get(f"power_{name}_mw")) for key, name in _POWER},
        "temperature_c": {key: _whole(raw.get(name)) for key, name in _TEMPERATURES},
        "clocks_mhz": {key: _whole(raw.get(name)) for key, name in _CLOCKS},
        "utilization_percent": {key: _whole(raw.get(f"utilization.{key}")) for key in ("gpu", "memory")},
        "performance_state": f"P{state}" if state is not None and 0 <= state <= 15 else None,
        "throttle_reasons": throttle_reasons(_whole(raw.get("throttle_reasons"))),
        "nvlink": _nvlink(raw.get("nvlink.states")),
        "mig": _mig(raw),
    }
    if "processes" in raw:
        device["processes"] = [{"pid": one.get("pid"), "name": words.word(one.get("name")), "kind": one.get("kind"),
                                "used_memory_mib": _whole(one.get("used_mib"))} for one in raw["processes"]]
    return device


_POWER = (("limit", "limit"), ("default_limit", "default"), ("max_limit", "max"), ("draw", "draw"))
_TEMPERATURES = (("gpu", "temperature"), ("memory", "temperature_memory"), ("slowdown", "temperature_slowdown"),
                 ("shutdown", "temperature_shutdown"))
_CLOCKS = (("sm", "clock.sm"), ("memory", "clock.memory"), ("max_sm", "max_clock.sm"), ("max_memory", "max_clock.memory"))


def throttle_reasons(mask: int | None) -> list[str] | None:
    """Names of the bits that are set, the lowest first; ``None`` where nothing was said."""
    if mask is None:
        return None
    return [_THROTTLE_BITS[bit] if bit < len(_THROTTLE_BITS) else f"bit_{bit}" for bit in range(64) if mask >> bit & 1]


def _pci(raw: dict[str, Any]) -> dict[str, Any] | None:
    address = words.address(raw.get("pci_bus_id"))
    if address is None:
        return None
    device, vendor = words.pci_ids(raw.get("pci_device_id"))
    board, board_vendor = words.pci_ids(raw.get("pci_subsystem_id"))
    generation = _whole(raw.get("pcie.gen_device_max")) or _whole(raw.get("pcie.gen_max"))
    return {
        "address": address,
        "vendor_id": vendor,
        "device_id": device,
        "subsystem_vendor_id": board_vendor,
        "subsystem_device_id": board,
        "link": {"generation": {"current": _whole(raw.get("pcie.gen_current")), "max": generation},
                 "width": {"current": _whole(raw.get("pcie.width_current")), "max": _whole(raw.get("pcie.width_max"))}},
    }


def _memory(raw: dict[str, Any]) -> dict[str, Any]:
    total = _whole(raw.get("memory_total_mib"))
    unified = bool(raw.get("memory_unsupported")) and not raw.get("lost")
    return {
        "total_mib": None if unified else total,
        "used_mib": _whole(raw.get("memory_used_mib")),
        "kind": "unified" if unified else "dedicated" if total else None,
        "ecc": {"enabled": _flag(raw.get("ecc_current")), "pending": _flag(raw.get("ecc_pending")),
                **{f"{period}_{kind}": _whole(raw.get(f"ecc.{period}.{kind}"))
                   for period in ("volatile", "aggregate") for kind in ("corrected", "uncorrected")}},
        "remapped_rows": {**{key: _whole(raw.get(f"remapped.{key}")) for key in ("corrected", "uncorrected")},
                          **{key: _flag(raw.get(f"remapped.{key}")) for key in ("pending", "failure")}},
        "retired_pages": {**{key: _whole(raw.get(f"retired.{key}")) for key in ("single_bit", "double_bit")},
                          "pending": _flag(raw.get("retired.pending"))},
    }


def _nvlink(states: Any) -> dict[str, int] | None:
    return {"links_total": len(states), "links_active": states.count("1")} if isinstance(states, str) and states else None


def _mig(raw: dict[str, Any]) -> dict[str, Any] | None:
    enabled = _flag(raw.get("mig_current"))
    return None if enabled is None else {"enabled": enabled, "pending": _flag(raw.get("mig_pending")),
                                         "instances": [_mig_device(part) for part in raw.get("mig") or ()]}


def _mig_device(part: dict[str, Any]) -> dict[str, Any]:
    """The profile is the end of the name: "NVIDIA A100-SXM4-40GB MIG 1g.5gb"."""
    _card, told, profile = (words.word(part.get("name")) or "").rpartition("MIG ")
    return {"uuid": words.uuid(part.get("uuid")), "profile": profile.strip() if told else None,
            "memory_mib": _whole(part.get("memory_mib")), "gpu_instance_id": _whole(part.get("gpu_instance_id")),
            "compute_instance_id": _whole(part.get("compute_instance_id"))}
