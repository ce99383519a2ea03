# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what NVML says, asked through `pynvml` in a forked child (the probe "nvml"): a driver may hang or crash in any call.

Argument: ``{"subsets": […]}`` with ``runtime`` and ``processes`` where they are wanted. Answer (numbers as NVML gives them)::

    {"driver_version": "580.95.05", "nvml_version": "13.580.95.05", "cuda_driver_version": 13000,
     "devices": [{"index": 0, "name": …, …}]}

The keys of a device are those of a GPU in ``tests/fakegpu/README.md`` ("nvml.conf"); what a card or an old library does not
have is absent. Lists are ``mig`` (``[{uuid, name, gpu_instance_id, compute_instance_id, memory_mib}]``, only in MIG mode) and
``processes`` (``[{pid, name, kind, used_mib}]``). ``memory_unsupported: 1`` tells a card without memory of its own; ``lost: 1``
one that fell off the bus; ``handle_error: 15`` (and ``error``, NVML's text) one that NVML counts and does not open; ``error``
alone is the first unexpected answer of a card that works otherwise.

The probe raises ``HostError("not_found")`` where Python module or library are missing, and ``HostError("refused")`` with NVML's
own text where the library is there and does not start.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, Callable

from .._host import HostError

_Values = dict[str, Any]
_MEBIBYTE = 1 << 20
# nvml.h: nvmlReturn_t
_NOT_SUPPORTED, _GPU_IS_LOST = 3, 15
# invalid argument, not supported, no permission, not found, no such function, another version of a structure
_NOT_HERE = (2, 3, 4, 6, 13, 25)
# nvml.h: field identifiers of nvmlDeviceGetFieldValues
_FIELD_MEMORY_TEMPERATURE, _FIELD_NVLINK_COUNT, _FIELD_RECOVERY_ACTION = 82, 91, 230
_VALUE_KINDS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # nvmlValueType_t
_MOST_LINKS = 36
_CLOCK_SM, _CLOCK_MEMORY = 1, 2  # nvmlClockType_t

_IDENTITY = (
    ("name", "nvmlDeviceGetName"),
    ("uuid", "nvmlDeviceGetUUID"),
    ("minor", "nvmlDeviceGetMinorNumber"),
    ("pci", "nvmlDeviceGetPciInfo"),
    ("compute_capability", "nvmlDeviceGetCudaComputeCapability"),
)
# key, function, further arguments: one call a value. The second table is asked for the subset runtime only.
_SIMPLE: tuple[tuple[Any, ...], ...] = (
    ("architecture", "nvmlDeviceGetArchitecture"),
    ("serial", "nvmlDeviceGetSerial"),
    ("vbios", "nvmlDeviceGetVbiosVersion"),
    ("persistence", "nvmlDeviceGetPersistenceMode"),
    ("compute_mode", "nvmlDeviceGetComputeMode"),
    ("virtualization_mode", "nvmlDeviceGetVirtualizationMode"),
    ("power_limit_mw", "nvmlDeviceGetPowerManagementLimit"),
    ("power_default_mw", "nvmlDeviceGetPowerManagementDefaultLimit"),
    ("temperature_shutdown", "nvmlDeviceGetTemperatureThreshold", 0),
    ("temperature_slowdown", "nvmlDeviceGetTemperatureThreshold", 1),
    ("max_clock.sm", "nvmlDeviceGetMaxClockInfo", _CLOCK_SM),
    ("max_clock.memory", "nvmlDeviceGetMaxClockInfo", _CLOCK_MEMORY),
    ("pcie.gen_device_max", "nvmlDeviceGetGpuMaxPcieLinkGeneration"),
    ("pcie.gen_max", "nvmlDeviceGetMaxPcieLinkGeneration"),
    ("pcie.width_current", "nvmlDeviceGetCurrPcieLinkWidth"),
    ("pcie.width_max", "nvmlDeviceGetMaxPcieLinkWidth"),
)
_RUNTIME: tuple[tuple[Any, ...], ...] = (
    ("power_draw_mw", "nvmlDeviceGetPowerUsage"),
    ("temperature", "nvmlDeviceGetTemperature", 0),
    ("clock.sm", "nvmlDeviceGetClockInfo", _CLOCK_SM),
    ("clock.memory", "nvmlDeviceGetClockInfo", _CLOCK_MEMORY),
    ("pstate", "nvmlDeviceGetPerformanceState"),
    ("pcie.gen_current", "nvmlDeviceGetCurrPcieLinkGeneration"),
)
# nvml.h: nvmlMemoryErrorType_t, nvmlEccCounterType_t
_ECC_COUNTERS = (
    ("ecc.volatile.corrected", 0, 0),
    ("ecc.volatile.uncorrected", 1, 0),
    ("ecc.aggregate.corrected", 0, 1),
    ("ecc.aggregate.uncorrected", 1, 1),
)


class _Lost(Exception):
    """The card does not answer any more: asking on would wait for a time-out each."""


def probe_nvml(argument: Any) -> _Values:
    """The probe. See the module's text for argument and answer."""
    import importlib

    try:
        pynvml: Any = importlib.import_module("pynvml")
    except ImportError as error:
        raise HostError("not_found", str(error)) from None
    try:
        pynvml.nvmlInit()
    except Exception as error:
        missing = type(error).__name__ == "NVMLError_LibraryNotFound"
        raise HostError("not_found" if missing else "refused", _text(pynvml, error)) from None
    nvml = _Nvml(pynvml)
    wanted = frozenset((argument or {}).get("subsets") or ())
    answer: _Values = {
        "driver_version": nvml.ask("nvmlSystemGetDriverVersion"),
        "nvml_version": nvml.ask("nvmlSystemGetNVMLVersion"),
        "cuda_driver_version": nvml.ask("nvmlSystemGetCudaDriverVersion"),
    }
    try:
        count = pynvml.nvmlDeviceGetCount()
    except Exception as error:
        raise HostError("refused", _text(pynvml, error)) from None
    return {**answer, "devices": [_device(pynvml, index, wanted) for index in range(count)]}


# The functions to register at the host, by the name that readers ask for.
PROBES: dict[str, Callable[[Any], Any]] = {"nvml": probe_nvml}


def _text(pynvml: Any, error: Exception) -> str:
    """NVML's own words. The binding has a list of its own, which calls a library mismatch otherwise than everybody else."""
    code = getattr(error, "value", None)
    if isinstance(code, int):
        with contextlib.suppress(Exception):
            return str(_plain(pynvml.nvmlErrorString(code)))
    return str(error) or type(error).__name__


def _plain(value: Any) -> Any:
    """Older bindings answer bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class _Nvml:
    """Guarded calls: a function that the binding, the library or the card does not have answers None."""

    def __init__(self, pynvml: Any) -> None:
        self.pynvml = pynvml
        self.code: int | None = None  # of the latest call
        self.lost = False
        self.error: str | None = None  # the first answer that is none of the usual refusals

    def ask(self, function: str, *arguments: Any, **named: Any) -> Any:
        self.code = None
        call = getattr(self.pynvml, function, None)
        if call is None:
            return None
        try:
            return _plain(call(*arguments, **named))
        except self.pynvml.NVMLError as error:
            self.code = int(getattr(error, "value", 0) or 0)
            if self.code == _GPU_IS_LOST:
                self.lost = True
                raise _Lost from None
            if self.code not in _NOT_HERE:
                self.error = self.error or f"{function}: {_text(self.pynvml, error)}"
        except Exception as error:  # a binding that is older than the library
            self.error = self.error or f"{function}: {_text(self.pynvml, error)}"
        return None


def _device(pynvml: Any, index: int, wanted: Iterable[str]) -> _Values:
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    except Exception as error:
        return {"index": index, "handle_error": int(getattr(error, "value", 0) or 0), "error": _text(pynvml, error)}
    nvml = _Nvml(pynvml)
    device: _Values = {"index": index}
    steps = [_memory, _simple, _constraints, _health, _fields, _fabric, _mig]
    steps += [_runtime] if "runtime" in wanted else []
    steps += [_processes] if "processes" in wanted else []
    lost = _identity(nvml, handle, device)
    try:
        for step in steps:
            step(nvml, handle, device)
    except _Lost:
        lost = True
    device.update({"lost": 1} if lost else {}, **({"error": nvml.error} if nvml.error else {}))
    return {key: value for key, value in device.items() if value is not None}


def _identity(nvml: _Nvml, handle: Any, device: _Values) -> bool:
    """What still answers for most lost cards. True: even of this something said that the card is lost."""
    answers: _Values = {}
    for key, function in _IDENTITY:
        with contextlib.suppress(_Lost):
            answers[key] = nvml.ask(function, handle)
    info, capability = answers.pop("pci", None), answers.pop("compute_capability", None)
    if info is not None:
        device["pci_bus_id"] = _plain(info.busId)
        device["pci_device_id"], device["pci_subsystem_id"] = f"0x{info.pciDeviceId:08X}", f"0x{info.pciSubSystemId:08X}"
    device["compute_capability"] = f"{capability[0]}.{capability[1]}" if capability else None
    device.update(answers)
    return nvml.lost


def _memory(nvml: _Nvml, handle: Any, device: _Values) -> None:
    """The second form does not count what the driver reserves as used; older libraries have only the first."""
    newer = getattr(nvml.pynvml, "nvmlMemory_v2", None)
    info = nvml.ask("nvmlDeviceGetMemoryInfo", handle, version=newer) if newer is not None else None
    if info is None:
        info = nvml.ask("nvmlDeviceGetMemoryInfo", handle)
    if info is not None:
        device["memory_total_mib"], device["memory_used_mib"] = info.total // _MEBIBYTE, info.used // _MEBIBYTE
    elif nvml.code == _NOT_SUPPORTED:
        device["memory_unsupported"] = 1


def _ask_all(nvml: _Nvml, handle: Any, device: _Values, table: Iterable[tuple[Any, ...]]) -> None:
    for key, function, *arguments in table:
        device[key] = nvml.ask(function, handle, *arguments)


def _simple(nvml: _Nvml, handle: Any, device: _Values) -> None:
    _ask_all(nvml, handle, device, _SIMPLE)


def _constraints(nvml: _Nvml, handle: Any, device: _Values) -> None:
    limits = nvml.ask("nvmlDeviceGetPowerManagementLimitConstraints", handle)
    device["power_max_mw"] = limits[1] if limits else None


def _health(nvml: _Nvml, handle: Any, device: _Values) -> None:
    mode = nvml.ask("nvmlDeviceGetEccMode", handle)
    if mode is not None:
        device["ecc_current"], device["ecc_pending"] = (int(value) for value in mode)
        for key, kind, period in _ECC_COUNTERS if device["ecc_current"] else ():
            device[key] = nvml.ask("nvmlDeviceGetTotalEccErrors", handle, kind, period)
    rows = nvml.ask("nvmlDeviceGetRemappedRows", handle)
    if rows is not None:
        names = ("corrected", "uncorrected", "pending", "failure")
        device.update({f"remapped.{name}": int(value) for name, value in zip(names, rows)})
    elif mode is not None:  # page retirement is what cards before Ampere have instead
        for key, cause in (("retired.single_bit", 0), ("retired.double_bit", 1)):
            pages = nvml.ask("nvmlDeviceGetRetiredPages", handle, cause)
            device[key] = len(pages) if pages is not None else None
        device["retired.pending"] = nvml.ask("nvmlDeviceGetRetiredPagesPendingStatus", handle)


def _fields(nvml: _Nvml, handle: Any, device: _Values) -> None:
    wanted = (_FIELD_MEMORY_TEMPERATURE, _FIELD_NVLINK_COUNT, _FIELD_RECOVERY_ACTION)
    values: dict[int, Any] = {}
    for field in nvml.ask("nvmlDeviceGetFieldValues", handle, list(wanted)) or ():
        if field.nvmlReturn == 0 and 0 <= field.valueType < len(_VALUE_KINDS):
            values[field.fieldId] = int(getattr(field.value, _VALUE_KINDS[field.valueType], 0))
    device["temperature_memory"] = values.get(_FIELD_MEMORY_TEMPERATURE)
    device["recovery_action"] = values.get(_FIELD_RECOVERY_ACTION)
    states = ""
    for link in range(min(values.get(_FIELD_NVLINK_COUNT, _MOST_LINKS), _MOST_LINKS)):
        state = nvml.ask("nvmlDeviceGetNvLinkState", handle, link)
        if state is None:
            break
        states += "1" if state else "0"
    device["nvlink.states"] = states or None


def _fabric(nvml: _Nvml, handle: Any, device: _Values) -> None:
    """Only cards behind NVSwitches know states other than 0."""
    if not hasattr(nvml.pynvml, "nvmlDeviceGetGpuFabricInfo"):
        return
    from ctypes import Structure, byref, c_ubyte, c_uint

    class FabricInfo(Structure):
        """nvmlGpuFabricInfo_t of nvml.h. pynvml before 13 gives it 80 bytes of UUID, and finds state and status nowhere."""

        _fields_ = (("cluster_uuid", c_ubyte * 16), ("status", c_uint), ("clique", c_uint), ("state", c_ubyte))

    info = FabricInfo()
    nvml.ask("nvmlDeviceGetGpuFabricInfo", handle, byref(info))
    if nvml.code is None and info.state:
        device["fabric.state"], device["fabric.status"] = int(info.state), int(info.status)


def _mig(nvml: _Nvml, handle: Any, device: _Values) -> None:
    mode = nvml.ask("nvmlDeviceGetMigMode", handle)
    if mode is None:
        return
    device["mig_current"], device["mig_pending"] = (int(value) for value in mode)
    if not device["mig_current"]:
        return
    device["mig"] = []
    for number in range(nvml.ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        part = nvml.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, number)
        if part is None:  # gaps are allowed
            continue
        memory = nvml.ask("nvmlDeviceGetMemoryInfo", part)
        device["mig"].append({
            "uuid": nvml.ask("nvmlDeviceGetUUID", part),
            "name": nvml.ask("nvmlDeviceGetName", part),
            "gpu_instance_id": nvml.ask("nvmlDeviceGetGpuInstanceId", part),
            "compute_instance_id": nvml.ask("nvmlDeviceGetComputeInstanceId", part),
            "memory_mib": memory.total // _MEBIBYTE if memory is not None else None,
        })


def _runtime(nvml: _Nvml, handle: Any, device: _Values) -> None:
    _ask_all(nvml, handle, device, _RUNTIME)
    rates = nvml.ask("nvmlDeviceGetUtilizationRates", handle)
    if rates is not None:
        device["utilization.gpu"], device["utilization.memory"] = int(rates.gpu), int(rates.memory)
    reasons = nvml.ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
    if reasons is None:
        reasons = nvml.ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    device["throttle_reasons"] = reasons


def _processes(nvml: _Nvml, handle: Any, device: _Values) -> None:
    processes: list[_Values] = []
    for kind in ("compute", "graphics"):
        for process in nvml.ask(f"nvmlDeviceGet{kind.capitalize()}RunningProcesses", handle) or ():
            used = process.usedGpuMemory
            processes.append({
                "pid": int(process.pid),
                "name": nvml.ask("nvmlSystemGetProcessName", process.pid),
                "kind": kind,
                "used_mib": used // _MEBIBYTE if used else None,
            })
    device["processes"] = processes
