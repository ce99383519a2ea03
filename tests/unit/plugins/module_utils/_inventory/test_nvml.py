# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVML's answer as facts, and what its refusals become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.nvml import parse_answer, read, throttle_reasons
from hypothesis import given
from hypothesis import strategies as st

FIRST, SECOND = "0000:1a:00.0", "0000:1b:00.0"
UUID = "GPU-11111111-2222-3333-4444-555555555555"
SYSTEM = {"driver_version": "580.95.05", "nvml_version": "13.580.95.05", "cuda_driver_version": 13000}
H100 = {
    "index": 0,
    "name": "NVIDIA H100 80GB HBM3",
    "architecture": 9,
    "compute_capability": "9.0",
    "uuid": UUID,
    "serial": "1654923010001",
    "minor": 0,
    "vbios": "96.00.61.00.01",
    "pci_bus_id": "00000000:1A:00.0",
    "pci_device_id": "0x233010DE",
    "pci_subsystem_id": "0x16C110DE",
    "memory_total_mib": 81559,
    "memory_used_mib": 4,
    "persistence": 1,
    "compute_mode": 0,
    "ecc_current": 1,
    "ecc_pending": 1,
    "ecc.volatile.corrected": 1,
    "ecc.volatile.uncorrected": 0,
    "ecc.aggregate.corrected": 2,
    "ecc.aggregate.uncorrected": 3,
    "remapped.corrected": 0,
    "remapped.uncorrected": 1,
    "remapped.pending": 1,
    "remapped.failure": 0,
    "mig_current": 0,
    "mig_pending": 1,
    "power_limit_mw": 700000,
    "power_default_mw": 700000,
    "power_max_mw": 700000,
    "power_draw_mw": 68920,
    "temperature": 29,
    "temperature_memory": 37,
    "temperature_slowdown": 87,
    "temperature_shutdown": 95,
    "clock.sm": 345,
    "clock.memory": 2619,
    "max_clock.sm": 1980,
    "max_clock.memory": 2619,
    "utilization.gpu": 0,
    "utilization.memory": 0,
    "pstate": 0,
    "throttle_reasons": 1,
    "pcie.gen_device_max": 5,
    "pcie.gen_max": 4,
    "pcie.gen_current": 1,
    "pcie.width_current": 16,
    "pcie.width_max": 16,
    "nvlink.states": "1" * 17 + "0",
    "fabric.state": 3,
    "fabric.status": 0,
    "virtualization_mode": 1,
    "recovery_action": 4,
    "processes": [{"pid": 7, "name": "python3", "kind": "compute", "used_mib": 512}],
}


def known(*addresses: str, **nvidia: Any) -> Inventory:
    inventory = Inventory()
    inventory.add(
        "pci",
        {
            "nvidia": nvidia,
            "devices": [{"vendor": "nvidia", "pci": {"address": address, "kernel_driver": "nvidia"}} for address in addresses],
        },
    )
    return inventory


def look(inventory: Inventory, answer: Any = None) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What the reader sees where the probe answers this."""
    problems: list[dict[str, str]] = []
    document = {"evidence": 1, "probes": {} if answer is None else {"nvml": answer}}
    found = read(Source(load(json.dumps(document)), "nvml", problems), inventory)
    return found, [(problem["code"], problem["message"]) for problem in problems]


def device(**about: Any) -> dict[str, Any]:
    (found,) = parse_answer({**SYSTEM, "devices": [about]})[0]["devices"]
    return dict(found)


def test_everything_of_a_card() -> None:
    assert device(**H100) == {
        "vendor": "nvidia",
        "name": "NVIDIA H100 80GB HBM3",
        "architecture": "hopper",
        "compute_capability": "9.0",
        "uuid": UUID,
        "serial": "1654923010001",
        "vbios_version": "96.00.61.00.01",
        "minor_number": 0,
        "persistence_mode": True,
        "compute_mode": "default",
        "virtualization": "passthrough",
        "recovery_action": "drain_and_reset",
        "lost": False,
        "pci": {
            "address": FIRST,
            "vendor_id": "10de",
            "device_id": "2330",
            "subsystem_vendor_id": "10de",
            "subsystem_device_id": "16c1",
            "link": {"generation": {"current": 1, "max": 5}, "width": {"current": 16, "max": 16}},
        },
        "memory": {
            "total_mib": 81559,
            "used_mib": 4,
            "kind": "dedicated",
            "ecc": {
                "enabled": True,
                "pending": True,
                "volatile_corrected": 1,
                "volatile_uncorrected": 0,
                "aggregate_corrected": 2,
                "aggregate_uncorrected": 3,
            },
            "remapped_rows": {"corrected": 0, "uncorrected": 1, "pending": True, "failure": False},
            "retired_pages": {"single_bit": None, "double_bit": None, "pending": None},
        },
        "power": {"limit_w": 700.0, "default_limit_w": 700.0, "max_limit_w": 700.0, "draw_w": 68.92},
        "temperature_c": {"gpu": 29, "memory": 37, "slowdown": 87, "shutdown": 95},
        "clocks_mhz": {"sm": 345, "memory": 2619, "max_sm": 1980, "max_memory": 2619},
        "utilization_percent": {"gpu": 0, "memory": 0},
        "performance_state": "P0",
        "throttle_reasons": ["gpu_idle"],
        "nvlink": {"links_total": 18, "links_active": 17},
        "mig": {"enabled": False, "pending": True, "instances": []},
        "processes": [{"pid": 7, "name": "python3", "kind": "compute", "used_memory_mib": 512}],
    }


def test_what_the_node_as_a_whole_has() -> None:
    partial, troubles = parse_answer({**SYSTEM, "devices": [H100]})
    assert troubles == []
    assert partial["nvidia"] == {
        "driver": {"loaded_version": "580.95.05"},
        "cuda_driver_version": "13.0",
        "nvml": {"usable": True, "version": "13.580.95.05"},
        "fabric": {"state": "completed"},
    }


@pytest.mark.parametrize(("number", "version"), [(12090, "12.9"), (13000, "13.0"), (11020, "11.2"), (None, None), (0, None)])
def test_cuda_versions(number: Any, version: Any) -> None:
    assert parse_answer({"devices": [], "cuda_driver_version": number})[0]["nvidia"]["cuda_driver_version"] == version


@pytest.mark.parametrize(
    ("about", "key", "value"),
    [
        ({}, "mig", None),
        ({}, "nvlink", None),
        ({}, "pci", None),
        ({}, "throttle_reasons", None),
        ({"architecture": 99}, "architecture", None),
        ({"recovery_action": 99}, "recovery_action", None),
        ({"name": "NVIDIA Graphics Device"}, "name", None),
        ({"persistence": 0}, "persistence_mode", False),
        ({"virtualization_mode": 2}, "virtualization", "vgpu"),
        ({"virtualization_mode": 3}, "virtualization", "none"),
        ({"compute_mode": 3}, "compute_mode", "exclusive_process"),
        ({"pstate": 32}, "performance_state", None),
        ({"lost": 1}, "lost", True),
    ],
)
def test_single_values(about: Any, key: str, value: Any) -> None:
    assert device(**about)[key] == value


@pytest.mark.parametrize(
    ("about", "total", "kind"),
    [
        ({"memory_total_mib": 24564}, 24564, "dedicated"),
        ({"memory_unsupported": 1}, None, "unified"),
        ({"memory_unsupported": 1, "lost": 1}, None, None),
        ({}, None, None),
    ],
)
def test_memory_of_its_own_or_shared(about: Any, total: Any, kind: Any) -> None:
    memory = device(**about)["memory"]
    assert (memory["total_mib"], memory["kind"]) == (total, kind)


def test_mig_devices() -> None:
    parts = [
        {
            "uuid": "MIG-aaaaaaaa-1111",
            "name": "NVIDIA H100 80GB HBM3 MIG 3g.40gb",
            "gpu_instance_id": 1,
            "compute_instance_id": 0,
            "memory_mib": 40448,
        },
        {"uuid": None, "name": "NVIDIA H100 80GB HBM3"},
    ]
    assert device(mig_current=1, mig_pending=1, mig=parts)["mig"] == {
        "enabled": True,
        "pending": True,
        "instances": [
            {
                "uuid": "MIG-aaaaaaaa-1111",
                "profile": "3g.40gb",
                "memory_mib": 40448,
                "gpu_instance_id": 1,
                "compute_instance_id": 0,
            },
            {"uuid": None, "profile": None, "memory_mib": None, "gpu_instance_id": None, "compute_instance_id": None},
        ],
    }


@pytest.mark.parametrize(
    ("mask", "names"),
    [
        (0, []),
        (0x1, ["gpu_idle"]),
        (0x48, ["hw_slowdown", "hw_thermal_slowdown"]),
        (
            0x1FE,
            [
                "applications_clocks_setting",
                "sw_power_cap",
                "hw_slowdown",
                "sync_boost",
                "sw_thermal_slowdown",
                "hw_thermal_slowdown",
                "hw_power_brake_slowdown",
                "display_clocks_setting",
            ],
        ),
        (0x400, ["bit_10"]),
        (None, None),
    ],
)
def test_throttle_reasons(mask: Any, names: Any) -> None:
    assert throttle_reasons(mask) == names


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([(3, 0), (3, 0)], "completed"),
        ([(3, 0), (2, 0)], "in_progress"),
        ([(2, 0), (1, 0)], "not_started"),
        ([(3, 0), (3, 999)], "failed"),
        ([(None, None)], None),
        ([], None),
    ],
)
def test_the_worst_fabric_state_counts(states: Any, state: Any) -> None:
    devices = [{"fabric.state": one, "fabric.status": status} if one else {} for one, status in states]
    assert parse_answer({**SYSTEM, "devices": devices})[0]["nvidia"]["fabric"]["state"] == state


def test_it_is_not_asked_where_that_would_load_the_module() -> None:
    assert look(known(), {**SYSTEM, "devices": [H100]}) == ({}, [])


def test_no_binding_is_no_problem() -> None:
    assert look(known(FIRST)) == ({}, [])


@pytest.mark.parametrize(
    ("error", "problem", "nvml"),
    [
        (
            "Driver/library version mismatch",
            ("refused", "Driver/library version mismatch"),
            {"usable": False, "error": "Driver/library version mismatch"},
        ),
        ("timeout", ("timeout", "timeout"), {"usable": False, "error": "timeout"}),
        ("crashed", ("crashed", "crashed"), None),
    ],
)
def test_refusals_are_told_in_nvmls_words(error: str, problem: Any, nvml: Any) -> None:
    found, problems = look(known(FIRST), {"error": error})
    assert problems == [problem]
    assert found == ({"nvidia": {"nvml": nvml}} if nvml else {})


def test_a_lost_card_is_named() -> None:
    found, problems = look(known(FIRST), {**SYSTEM, "devices": [{"index": 0, "pci_bus_id": "00000000:1A:00.0", "lost": 1}]})
    assert problems == [("refused", f"GPU {FIRST}: GPU is lost")]
    assert [(one["pci"]["address"], one["lost"]) for one in found["devices"]] == [(FIRST, True)]


@pytest.mark.parametrize(
    ("bound", "lost"),
    [((FIRST, SECOND), [(SECOND, True)]), ((FIRST, SECOND, "0000:1c:00.0"), [])],
    ids=["the only one missing", "one of two missing"],
)
def test_a_card_without_a_handle_is_found_by_elimination(bound: tuple[str, ...], lost: Any) -> None:
    answer = {**SYSTEM, "devices": [H100, {"index": 1, "handle_error": 15, "error": "GPU is lost"}]}
    found, problems = look(known(*bound), answer)
    assert problems == [("refused", "GPU 1: GPU is lost")]
    assert [(one["pci"]["address"], one["lost"]) for one in found["devices"]] == [(FIRST, False), *lost]


def test_unexpected_answers_of_a_working_card_are_told() -> None:
    found, problems = look(known(FIRST), {**SYSTEM, "devices": [{**H100, "error": "nvmlDeviceGetPowerUsage: Unknown Error"}]})
    assert problems == [("refused", f"GPU {FIRST}: nvmlDeviceGetPowerUsage: Unknown Error")]
    assert len(found["devices"]) == 1


def test_in_wsl_cards_have_no_pci_function() -> None:
    found, _problems = look(known(driver={"managed_by": "wsl"}), {**SYSTEM, "devices": [H100]})
    assert [(one["pci"], one["uuid"]) for one in found["devices"]] == [(None, UUID)]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "text",
        {},
        {"devices": None},
        {"devices": [1]},
        {"devices": [{"mig": [1], "mig_current": 1}]},
        {"devices": [{"processes": 5}]},
        {"devices": [{"architecture": []}]},
        {"devices": [{"name": 5}]},
    ],
)
def test_an_answer_of_another_form_is_a_problem(answer: Any) -> None:
    found, problems = look(known(FIRST), answer)
    assert found == {}
    assert [code for code, _message in problems] == ["unreadable"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*H100, "mig", "handle_error", "lost", "error"]), inner, max_size=6)
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from([*SYSTEM, "devices"]), JSON),
    st.lists(st.dictionaries(st.sampled_from([*H100, "mig"]), JSON), max_size=3),
)
def test_any_answer_is_understood_or_a_problem(system: Any, devices: Any) -> None:
    for answer in (system, {**system, "devices": devices}):
        found, problems = look(known(FIRST), answer)
        assert found or problems or "error" in answer
