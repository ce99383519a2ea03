# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe against a binding of our own: what cards of every kind answer, and what old bindings and broken drivers do."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._host import HostError
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._nvml_probe import PROBES, probe_nvml

MIB = 1 << 20
ALL = {"subsets": ["runtime", "processes"]}


TEXTS = {3: "Not Supported", 6: "Not Found", 9: "Driver Not Loaded", 15: "GPU is lost", 18: "Driver/library version mismatch"}


class NVMLError(Exception):
    """As the binding has it: a code, and NVML's text."""

    def __init__(self, value: int) -> None:
        super().__init__(TEXTS.get(value, "Unknown Error"))
        self.value = value


class NVMLError_LibraryNotFound(NVMLError):
    pass


class Names(types.SimpleNamespace):
    """A structure of NVML."""


def refuse(code: int) -> Any:
    def function(*_arguments: Any, **_named: Any) -> Any:
        raise NVMLError(code)

    return function


def binding(**functions: Any) -> types.ModuleType:
    """A binding with one card that has a name, and what else is given; values stand for functions that answer them."""
    module = types.ModuleType("pynvml")
    card = {
        "nvmlInit": None,
        "nvmlDeviceGetCount": 1,
        "nvmlDeviceGetHandleByIndex": "handle",
        "nvmlSystemGetDriverVersion": "580.95.05",
        "nvmlSystemGetNVMLVersion": "13.580.95.05",
        "nvmlSystemGetCudaDriverVersion": 13000,
        "nvmlDeviceGetName": "NVIDIA L4",
    }
    for name, answer in {**card, **functions}.items():
        setattr(module, name, answer if callable(answer) else lambda *_a, _answer=answer, **_n: _answer)
    module.NVMLError = NVMLError  # type: ignore[attr-defined]
    return module


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The answer of the probe where this is the binding."""

    def ask(module: Any, argument: Any = None) -> Any:
        monkeypatch.setitem(sys.modules, "pynvml", module)
        return PROBES["nvml"](argument)

    return ask


def card(use: Any, argument: Any = None, **functions: Any) -> dict[str, Any]:
    (found,) = use(binding(**functions), argument)["devices"]
    return dict(found)


def test_the_system(use: Any) -> None:
    assert use(binding()) == {
        "driver_version": "580.95.05",
        "nvml_version": "13.580.95.05",
        "cuda_driver_version": 13000,
        "devices": [{"index": 0, "name": "NVIDIA L4"}],
    }


def test_old_bindings_answer_bytes_and_lack_functions(use: Any) -> None:
    module = binding(nvmlSystemGetDriverVersion=b"470.82.01", nvmlDeviceGetName=b"Tesla T4")
    del module.nvmlSystemGetCudaDriverVersion
    assert use(module) == {
        "driver_version": "470.82.01",
        "nvml_version": "13.580.95.05",
        "cuda_driver_version": None,
        "devices": [{"index": 0, "name": "Tesla T4"}],
    }


def test_nvmls_own_words_outrank_those_of_the_binding(use: Any) -> None:
    module = binding(nvmlInit=refuse(42), nvmlErrorString=lambda code: f"own words of {code}".encode())
    with pytest.raises(HostError, match="own words of 42"):
        use(module)


def library_not_found(*_arguments: Any) -> None:
    raise NVMLError_LibraryNotFound(12)


@pytest.mark.parametrize(
    ("module", "code", "text"),
    [
        (None, "not_found", "pynvml"),
        (binding(nvmlInit=library_not_found), "not_found", "Unknown Error"),
        (binding(nvmlInit=refuse(18)), "refused", "Driver/library version mismatch"),
        (binding(nvmlInit=refuse(9)), "refused", "Driver Not Loaded"),
        (binding(nvmlDeviceGetCount=refuse(999)), "refused", "Unknown Error"),
    ],
    ids=["no binding", "no library", "mismatch", "not loaded", "no count"],
)
def test_what_prevents_every_answer(use: Any, module: Any, code: str, text: str) -> None:
    with pytest.raises(HostError, match=text) as caught:
        use(module)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("functions", "expected"),
    [
        ({"nvmlDeviceGetSerial": "165"}, {"serial": "165"}),
        ({"nvmlDeviceGetSerial": refuse(3)}, {}),
        ({"nvmlDeviceGetSerial": refuse(999)}, {"error": "nvmlDeviceGetSerial: Unknown Error"}),
        (
            {"nvmlDeviceGetPciInfo": Names(busId=b"00000000:1A:00.0", pciDeviceId=0x233010DE, pciSubSystemId=0x16C110DE)},
            {"pci_bus_id": "00000000:1A:00.0", "pci_device_id": "0x233010DE", "pci_subsystem_id": "0x16C110DE"},
        ),
        ({"nvmlDeviceGetCudaComputeCapability": (9, 0)}, {"compute_capability": "9.0"}),
        (
            {"nvmlDeviceGetMemoryInfo": Names(total=81559 * MIB, used=4 * MIB)},
            {"memory_total_mib": 81559, "memory_used_mib": 4},
        ),
        ({"nvmlDeviceGetMemoryInfo": refuse(3)}, {"memory_unsupported": 1}),
        ({"nvmlDeviceGetPowerManagementLimitConstraints": [200000, 700000]}, {"power_max_mw": 700000}),
        (
            {"nvmlDeviceGetRemappedRows": (1, 2, 1, 0)},
            {"remapped.corrected": 1, "remapped.uncorrected": 2, "remapped.pending": 1, "remapped.failure": 0},
        ),
        (
            {
                "nvmlDeviceGetEccMode": [1, 0],
                "nvmlDeviceGetTotalEccErrors": lambda _handle, kind, period: 10 * kind + period,
                "nvmlDeviceGetRetiredPages": lambda _handle, cause: [0] * (3 + cause),
                "nvmlDeviceGetRetiredPagesPendingStatus": 1,
            },
            {
                "ecc_current": 1,
                "ecc_pending": 0,
                "ecc.volatile.corrected": 0,
                "ecc.volatile.uncorrected": 10,
                "ecc.aggregate.corrected": 1,
                "ecc.aggregate.uncorrected": 11,
                "retired.single_bit": 3,
                "retired.double_bit": 4,
                "retired.pending": 1,
            },
        ),
        ({"nvmlDeviceGetMigMode": [0, 1]}, {"mig_current": 0, "mig_pending": 1}),
        (
            {"nvmlDeviceGetNvLinkState": lambda _handle, link: [1, 0, 1][link] if link < 3 else refuse(2)()},
            {"nvlink.states": "101"},
        ),
        ({"nvmlDeviceGetNvLinkState": refuse(3)}, {}),
    ],
)
def test_values_of_a_card(use: Any, functions: Any, expected: Any) -> None:
    assert card(use, **functions) == {"index": 0, "name": "NVIDIA L4", **expected}


def test_the_newer_form_of_memory_does_not_count_the_reserved_part(use: Any) -> None:
    module = binding(
        nvmlDeviceGetMemoryInfo=lambda _handle, version=None: Names(total=100 * MIB, used=(1 if version else 9) * MIB)
    )
    assert use(module)["devices"][0]["memory_used_mib"] == 9
    module.nvmlMemory_v2 = 0x02000028  # type: ignore[attr-defined]
    assert use(module)["devices"][0]["memory_used_mib"] == 1


def test_fields(use: Any) -> None:
    def field(number: int, value: int, code: int = 0) -> Names:
        return Names(fieldId=number, nvmlReturn=code, valueType=1, value=Names(uiVal=value))

    fields = [field(82, 37), field(91, 2), field(230, 4), field(82, 99, 3)]
    found = card(use, nvmlDeviceGetFieldValues=lambda _handle, _wanted: fields, nvmlDeviceGetNvLinkState=1)
    assert (found["temperature_memory"], found["recovery_action"], found["nvlink.states"]) == (37, 4, "11")


def test_mig_devices_may_have_gaps(use: Any) -> None:
    functions = {
        "nvmlDeviceGetMigMode": [1, 1],
        "nvmlDeviceGetMaxMigDeviceCount": 7,
        "nvmlDeviceGetMigDeviceHandleByIndex": lambda _handle, number: f"part {number}" if number in (0, 3) else refuse(6)(),
        "nvmlDeviceGetName": lambda handle: f"NVIDIA L4 MIG {handle}",
        "nvmlDeviceGetUUID": lambda handle: f"MIG-{handle}",
        "nvmlDeviceGetGpuInstanceId": lambda handle: int(handle[-1]),
        "nvmlDeviceGetComputeInstanceId": 0,
        "nvmlDeviceGetMemoryInfo": Names(total=9856 * MIB, used=0),
    }
    assert card(use, **functions)["mig"] == [
        {
            "uuid": f"MIG-part {number}",
            "name": f"NVIDIA L4 MIG part {number}",
            "gpu_instance_id": number,
            "compute_instance_id": 0,
            "memory_mib": 9856,
        }
        for number in (0, 3)
    ]


RUNTIME = {
    "nvmlDeviceGetPowerUsage": 68920,
    "nvmlDeviceGetUtilizationRates": Names(gpu=50, memory=25),
    "nvmlDeviceGetCurrentClocksThrottleReasons": 1,
    "nvmlDeviceGetComputeRunningProcesses": [Names(pid=7, usedGpuMemory=512 * MIB)],
    "nvmlDeviceGetGraphicsRunningProcesses": [Names(pid=8, usedGpuMemory=None)],
    "nvmlSystemGetProcessName": b"/usr/bin/python3",
}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (None, {}),
        ({"subsets": []}, {}),
        (
            {"subsets": ["runtime"]},
            {"power_draw_mw": 68920, "utilization.gpu": 50, "utilization.memory": 25, "throttle_reasons": 1},
        ),
        (
            {"subsets": ["processes"]},
            {
                "processes": [
                    {"pid": 7, "name": "/usr/bin/python3", "kind": "compute", "used_mib": 512},
                    {"pid": 8, "name": "/usr/bin/python3", "kind": "graphics", "used_mib": None},
                ]
            },
        ),
    ],
)
def test_what_changes_is_asked_on_request(use: Any, argument: Any, expected: Any) -> None:
    assert card(use, argument, **RUNTIME) == {"index": 0, "name": "NVIDIA L4", **expected}


def test_a_lost_card_is_not_asked_on(use: Any) -> None:
    asked = []

    def lost(*_arguments: Any, **_named: Any) -> Any:
        asked.append(1)
        raise NVMLError(15)

    found = card(
        use, ALL, nvmlDeviceGetUUID="GPU-1", nvmlDeviceGetMemoryInfo=lost, nvmlDeviceGetSerial=lost, nvmlDeviceGetEccMode=lost
    )
    assert found == {"index": 0, "name": "NVIDIA L4", "uuid": "GPU-1", "lost": 1}
    assert len(asked) == 1


def test_a_card_that_cannot_be_opened_does_not_hide_the_others(use: Any) -> None:
    module = binding(nvmlDeviceGetCount=2, nvmlDeviceGetHandleByIndex=lambda index: refuse(15)() if index == 0 else "handle")
    assert use(module)["devices"] == [
        {"index": 0, "handle_error": 15, "error": "GPU is lost"},
        {"index": 1, "name": "NVIDIA L4"},
    ]


def test_a_binding_older_than_the_library_costs_one_value(use: Any) -> None:
    def broken(_handle: Any) -> Any:
        raise TypeError("wrong number of arguments")

    found = card(use, nvmlDeviceGetSerial=broken, nvmlDeviceGetVbiosVersion="96.00")
    assert found == {
        "index": 0,
        "name": "NVIDIA L4",
        "vbios": "96.00",
        "error": "nvmlDeviceGetSerial: wrong number of arguments",
    }


def test_the_fabric_is_told_where_there_is_one(use: Any) -> None:
    """The structure is nvml.h's own: pynvml 12 ships one that finds the state 64 bytes behind its place."""

    def fill(_handle: Any, reference: Any) -> None:
        layout = type(reference._obj)
        assert (layout.status.offset, layout.clique.offset, layout.state.offset) == (16, 20, 24)
        reference._obj.state, reference._obj.status = 3, 0

    module = binding(nvmlDeviceGetGpuFabricInfo=fill)
    found = use(module)["devices"][0]
    assert (found["fabric.state"], found["fabric.status"]) == (3, 0)
    module.nvmlDeviceGetGpuFabricInfo = refuse(3)  # type: ignore[attr-defined]
    assert "fabric.state" not in use(module)["devices"][0]


def test_the_registered_probe_is_this_function() -> None:
    assert dict(PROBES) == {"nvml": probe_nvml}
