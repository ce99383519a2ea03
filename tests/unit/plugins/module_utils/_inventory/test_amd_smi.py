# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""amd-smi static: both shapes of its JSON, both spellings of its limits, advice before it, and N/A that stays unknown."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import ReplayHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import amd_smi
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
NA = "N/A"
ADVICE = "Permission needed to access required GPU device node(s):\n  [hint] add the user to the group render\n\n"


def watts(value: Any) -> dict[str, Any]:
    return {"value": value, "unit": "W"}


CARD = {
    "gpu": 0,
    "asic": {
        "market_name": "AMD Instinct MI300X",
        "vendor_id": "0x1002",
        "device_id": "0x74a1",
        "target_graphics_version": "gfx942",
    },
    "bus": {"bdf": "0000:05:00.0"},
    "ifwi": {"name": "AMD MI300X_HW_SRIOV_CVS_1VF", "part_number": "113-M3000100-103", "version": "022.040.003.043.000001"},
    "limit": {
        "ppt0": {"max_power_limit": watts(750), "socket_power_limit": watts(700)},
        "slowdown_hotspot_temperature": {"value": 100, "unit": "C"},
        "shutdown_hotspot_temperature": {"value": 110, "unit": "C"},
    },
    "driver": {"name": "amdgpu", "version": "6.12.12"},
    "board": {"product_serial": "692100000001", "product_name": "AMD Instinct MI300X OAM"},
    "ras": {"ecc_block_state": {"UMC": "ENABLED"}},
    "partition": {"accelerator_partition": "SPX", "memory_partition": "NPS1", "partition_id": 0},
    "vram": {"size": {"value": 196592, "unit": "MB"}},
}
DEVICE = {
    "vendor": "amd",
    "name": "AMD Instinct MI300X",
    "gfx_target": "gfx942",
    "serial": "692100000001",
    "vbios_version": "113-M3000100-103",
    "pci": {"address": "0000:05:00.0", "vendor_id": "1002", "device_id": "74a1"},
    "memory": {"total_mib": 196592, "ecc": {"enabled": True}},
    "power": {"limit_w": 700, "max_limit_w": 750},
    "temperature_c": {"slowdown": 100, "shutdown": 110},
    "partitioning": {"compute": "SPX", "memory": "NPS1"},
}


def card(**sections: Any) -> dict[str, Any]:
    return {**copy.deepcopy(CARD), **sections}


def look(
    outcome: dict[str, Any] | None, present: tuple[tuple[str, str], ...] = (("0000:05:00.0", "74a1"),), **driver: Any
) -> Inventory:
    """What the reader adds to a machine with these (address, device id) on its bus."""
    known = Inventory()
    known.add(
        "pci",
        {
            "devices": [
                {"vendor": "amd", "pci": {"address": address, "device_id": chip, "kernel_driver": "amdgpu"}}
                for address, chip in present
            ],
            "amd": {"driver": {"loaded": True, **driver}},
        },
    )
    commands = [] if outcome is None else [{"argv": list(amd_smi.COMMAND), **outcome}]
    host = ReplayHost({"files": {}, "dirs": {}, "links": {}, "probes": {}, "commands": commands})
    known.add("amd_smi", amd_smi.read(Source(host, "amd_smi", known.problems), known))
    return known


def said(cards: Any, before: str = "", rc: int = 0) -> dict[str, Any]:
    return {"rc": rc, "stdout": before + json.dumps(cards, indent=4), "stderr": ""}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps([CARD]), id="array"),
        pytest.param(json.dumps({"gpu_data": [CARD]}), id="gpu_data"),
        pytest.param(ADVICE + json.dumps({"gpu_data": [CARD]}), id="after advice"),
        pytest.param("[WARN] driver is old\n" + json.dumps([CARD], indent=4) + "\ngood-bye\n", id="between other lines"),
    ],
)
def test_shapes(text: str) -> None:
    assert [amd_smi.describe(entry) for entry in amd_smi.parse_static(text).entries] == [DEVICE]


@pytest.mark.parametrize(
    ("sections", "path", "expected"),
    [
        pytest.param({"vbios": {"version": "023.011"}, "ifwi": NA}, "vbios_version", "023.011", id="vbios"),
        pytest.param(
            {"limit": {"max_power": watts(300), "socket_power": watts(250)}},
            "power",
            {"limit_w": 250, "max_limit_w": 300},
            id="limits of ROCm 6",
        ),
        pytest.param(
            {"limit": {"max_power": watts(0), "socket_power": NA}},
            "power",
            {"limit_w": None, "max_limit_w": None},
            id="limits of 0 W",
        ),
        pytest.param({"limit": NA}, "temperature_c", {"slowdown": None, "shutdown": None}, id="no limits"),
        pytest.param(
            {"vram": {"size": "65536 MB"}}, "memory", {"total_mib": 65536, "ecc": {"enabled": True}}, id="size as text"
        ),
        pytest.param(
            {"vram": {"size": {"value": 64, "unit": "GB"}}},
            "memory",
            {"total_mib": 65536, "ecc": {"enabled": True}},
            id="size in GB",
        ),
        pytest.param(
            {"vram": {"size": NA}, "ras": NA}, "memory", {"total_mib": None, "ecc": {"enabled": None}}, id="size unknown"
        ),
        pytest.param(
            {"ras": {"ecc_block_state": {"UMC": "DISABLED"}}},
            "memory",
            {"total_mib": 196592, "ecc": {"enabled": False}},
            id="ECC off",
        ),
        pytest.param({"asic": {"market_name": NA}}, "name", "AMD Instinct MI300X OAM", id="name of the board"),
        pytest.param({"asic": {"market_name": "Strix Halo [Radeon 8050S / Radeon 8060S]"}}, "name", None, id="name of a chip"),
        pytest.param({"asic": NA, "board": NA}, "name", None, id="no name"),
        pytest.param({"asic": {"target_graphics_version": "AMDSMI_STATUS_NOT_SUPPORTED"}}, "gfx_target", None, id="no target"),
        pytest.param({"board": {"product_serial": "0"}}, "serial", None, id="no serial number"),
        pytest.param(
            {"partition": {"compute_partition": NA, "memory_partition": NA}}, "partitioning", None, id="not partitioned"
        ),
        pytest.param(
            {"bus": {"bdf": "00000001:C4:00.0"}},
            "pci",
            {"address": "0001:c4:00.0", "vendor_id": "1002", "device_id": "74a1"},
            id="long address",
        ),
    ],
)
def test_sections(sections: dict[str, Any], path: str, expected: Any) -> None:
    assert amd_smi.describe(card(**sections))[path] == expected


@pytest.mark.parametrize(
    ("told", "release", "expected"),
    [
        ("6.12.12", "6.8.0-60-generic", {"loaded": True, "version": "6.12.12", "method": "dkms"}),
        ("6.17.1-300.fc43.x86_64", "6.17.1-300.fc43.x86_64", {"loaded": True, "method": "inbox"}),
        ("6.17.1", "6.17.1", {"loaded": True, "method": "inbox"}),
        ("Linuxversion6.14.0-24-generic(buildd@x)#24~24.04.3-Ubuntu", "6.14.0-24-generic", {"loaded": True, "method": "inbox"}),
        (NA, "6.14.0", {}),
        (None, None, {}),
    ],
)
def test_driver(told: Any, release: str | None, expected: dict[str, Any]) -> None:
    assert amd_smi.driver_of([card(driver=NA), card(driver={"version": told})], release) == expected


def test_cards_without_addresses_take_the_places_that_are_left() -> None:
    entries = [card(bus={}), card(), card(bus={}, asic={"device_id": NA})]
    known = look(said(entries), (("0000:05:00.0", "74a1"), ("0000:26:00.0", "7fff"), ("0000:46:00.0", "74a1")))
    assert [(device["pci"]["address"], device["memory"]["total_mib"]) for device in known.devices] == [
        ("0000:05:00.0", 196592),
        ("0000:26:00.0", 196592),
        ("0000:46:00.0", 196592),
    ]


def test_partitions_are_one_board() -> None:
    entries = [
        card(
            bus={"bdf": f"0000:05:00.{part}"},
            vram={"size": NA if part else {"value": 196592, "unit": "MB"}},
            partition={"accelerator_partition": NA if part else "CPX", "memory_partition": "NPS1"},
        )
        for part in range(8)
    ]
    (device,) = look(said(entries)).devices
    assert device["partitioning"] == {"compute": "CPX", "memory": "NPS1", "partitions": 8}
    assert device["memory"]["total_mib"] == 196592


def test_more_cards_than_on_the_bus_are_not_invented() -> None:
    assert len(look(said([card(bus={}), card(bus={}), card(bus={})])).devices) == 1


def test_without_rights_the_advice_is_the_problem() -> None:
    known = look(said({"gpu_data": [card(asic=NA, driver={"version": NA}, vram=NA)]}, before=ADVICE))
    assert [(problem["source"], problem["code"]) for problem in known.problems] == [("amd_smi", "not_permitted")]
    assert "add the user to the group render" in known.problems[0]["message"]
    assert known.devices[0]["name"] == "AMD Instinct MI300X OAM"
    assert known.amd == {"driver": {"loaded": True}}


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        pytest.param({"rc": 0, "stdout": "", "stderr": ""}, "unreadable", "no JSON", id="empty"),
        pytest.param({"rc": 0, "stdout": json.dumps([CARD])[:200], "stderr": ""}, "unreadable", "no JSON", id="cut"),
        pytest.param(said([{"tool": "AMDSMI Tool"}]), "unreadable", "no JSON", id="another sub-command"),
        pytest.param({"rc": 0, "stdout": "[" * 100000, "stderr": ""}, "unreadable", "no JSON", id="deep"),
        pytest.param(
            {"rc": 255, "stdout": "", "stderr": "AMD GPU driver not found"}, "refused", "AMD GPU driver not found", id="refused"
        ),
        pytest.param(
            {"rc": 1, "stdout": "", "stderr": "/dev/kfd: Permission denied"}, "not_permitted", "/dev/kfd", id="denied"
        ),
        pytest.param({"error": "timeout"}, "timeout", "amd-smi static --json", id="hanging"),
        pytest.param({"signal": 11, "stdout": "{"}, "crashed", "signal 11", id="crashed"),
    ],
)
def test_failures_are_one_problem(outcome: dict[str, Any], code: str, words: str) -> None:
    known = look(outcome)
    assert [(problem["source"], problem["code"]) for problem in known.problems] == [("amd_smi", code)]
    assert words in known.problems[0]["message"]
    assert len(known.devices) == 1


@pytest.mark.parametrize("outcome", [None, {"error": "not_found"}])
def test_not_installed_is_no_problem(outcome: dict[str, Any] | None) -> None:
    assert look(outcome).problems == []


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        pytest.param({"gfx_target": "gfx942", "memory": {"total_mib": 196592}}, False, id="all known"),
        pytest.param({"gfx_target": "gfx942"}, True, id="memory open"),
        pytest.param({"memory": {"total_mib": 196592}}, True, id="kind open"),
        pytest.param({"gfx_target": "gfx942", "memory": {"total_mib": 1}, "pci": {"device_id": "7fff"}}, True, id="name open"),
        pytest.param(
            {"gfx_target": "gfx942", "memory": {"total_mib": 1}, "pci": {"device_id": "7fff"}, "name": "AMD Next"},
            False,
            id="name told",
        ),
        pytest.param({"pci": {"kernel_driver": "vfio-pci"}}, False, id="passed through"),
        pytest.param({"vendor": "nvidia"}, False, id="not AMD"),
    ],
)
def test_it_is_asked_only_where_something_is_open(device: dict[str, Any], expected: bool) -> None:
    known = Inventory()
    pci = {"address": "0000:05:00.0", "device_id": "74a1", "kernel_driver": "amdgpu", **device.get("pci", {})}
    known.add("kfd", {"devices": [{"vendor": "amd", **device, "pci": pci}], "amd": {"driver": {"loaded": True}}})
    assert amd_smi.is_open(known) is expected
    known.amd["driver"]["loaded"] = False
    assert not amd_smi.is_open(known)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (300, 300),
        ("300 W", 300),
        ({"value": 300, "unit": "W"}, 300),
        ({"value": "1.5", "unit": "GB"}, 1536),
        (True, None),
        (NA, None),
        ({"value": NA, "unit": "GB/s"}, None),
        (-1, None),
        (0, None),
        (float("nan"), None),
        (float("inf"), None),
        (None, None),
        ([], None),
        ({}, None),
        ("9" * 400, None),
    ],
)
def test_quantity(value: Any, expected: float | None) -> None:
    assert amd_smi.quantity(value) == expected


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*CARD, "bdf", "UMC", "value", "unit", "size"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@PATIENT
@given(st.dictionaries(st.sampled_from(sorted(CARD)), JSON_VALUES, max_size=6))
def test_no_entry_breaks_the_reader(sections: dict[str, Any]) -> None:
    known = look(said([card(**sections), sections]))
    total = known.devices[0].get("memory", {}).get("total_mib")
    assert total is None or total > 0


@PATIENT
@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    for whole in (text, f"{text}\n[{{", f'[{{"asic": {text}}}]'):
        try:
            entries = amd_smi.parse_static(whole).entries
        except ValueError:
            continue
        assert isinstance(entries, list)


def test_captures(captures: Path) -> None:
    checked = 0
    for entry in yaml.safe_load((captures / "SOURCES.yml").read_text())["files"]:
        expect = entry["expect"]
        if entry["kind"] != "amd_smi" or "shape" not in expect or "static" not in entry["file"]:
            continue
        entries = amd_smi.parse_static((captures / entry["file"]).read_text()).entries
        first = amd_smi.describe(entries[0])
        size = expect["vram_size"]
        assert len(entries) == expect["entries"]
        assert first["pci"]["address"] == expect.get("bdf")
        assert first["memory"]["total_mib"] == (size["value"] if isinstance(size, dict) else None)
        assert first["gfx_target"] == (None if expect["gfx"] == NA else expect["gfx"])
        assert "version" not in amd_smi.driver_of(entries, None)
        checked += 1
    assert checked == 3
