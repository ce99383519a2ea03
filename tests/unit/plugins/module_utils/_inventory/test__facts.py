# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of the facts: complete, null where unknown, in the order of the bus, and as docs/gpu_facts.schema.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import _facts, _shape, _survey
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory

SCHEMA = json.loads((Path(__file__).parents[5] / "docs" / "gpu_facts.schema.json").read_text(encoding="utf-8"))
DEFAULT = frozenset(_survey.DEFAULT_SUBSETS)
EVERYTHING = frozenset(_survey.SUBSETS)


def card(address: str, device_id: str, vendor: str = "nvidia", **more: Any) -> dict[str, Any]:
    ids = {"nvidia": "10de", "amd": "1002", "intel": "8086"}
    pci = {"address": address, "vendor_id": ids[vendor], "device_id": device_id, "class": "0300", **more.pop("pci", {})}
    return {"vendor": vendor, "pci": pci, "source": ["pci"], **more}


def facts_of(*devices: dict[str, Any], wanted: frozenset[str] = DEFAULT, **sections: Any) -> dict[str, Any]:
    inventory = Inventory()
    inventory.devices = list(devices)
    for name, section in sections.items():
        setattr(inventory, name, section)
    _facts.complete(inventory)
    found = _facts.facts(inventory, wanted)
    jsonschema.validate(found, SCHEMA)
    return found


def test_a_machine_without_anything() -> None:
    found = facts_of()
    assert (found["count"], found["vendors"], found["devices"], found["problems"]) == (0, [], [], [])
    assert "nvidia" not in found
    assert "amd" not in found
    assert found["kernel"]["release"] is None
    assert found["software"]["container_runtimes"] == {"docker": None, "podman": None, "containerd": None}


def test_a_bare_card_gets_what_the_tables_know() -> None:
    (device,) = facts_of(card("0000:01:00.0", "2684"))["devices"]
    assert device["name"] == "NVIDIA GeForce RTX 4090"
    assert (device["architecture"], device["compute_capability"], device["gfx_target"]) == ("ada", "8.9", None)
    assert device["driver_support"] == {"status": "served", "first_branch": 525, "last_branch": None, "open_module": "supported"}
    assert device["memory"] == {"total_mib": None, "kind": "dedicated", "ecc": None, "remapped_rows": None, "retired_pages": None}
    assert (device["mig"], device["rocm_support"], device["lost"]) == (None, None, False)
    assert "temperature_c" in device
    assert not {"utilization_percent", "throttle_reasons", "performance_state", "processes"} & set(device)


@pytest.mark.parametrize(
    ("device_id", "expected"),
    [
        pytest.param("102d", {"status": "ended", "last_branch": 470, "open_module": "unsupported"}, id="K80"),
        pytest.param("1db4", {"status": "ended", "last_branch": 580, "open_module": "unsupported"}, id="V100"),
        pytest.param("2901", {"status": "served", "last_branch": None, "open_module": "required"}, id="B200"),
    ],
)
def test_driver_support(device_id: str, expected: dict[str, Any]) -> None:
    (device,) = facts_of(card("0000:01:00.0", device_id))["devices"]
    assert {key: device["driver_support"][key] for key in expected} == expected


def test_an_unknown_card_is_an_honest_unknown() -> None:
    (device,) = facts_of(card("0000:01:00.0", "f00d"))["devices"]
    assert (device["name"], device["architecture"], device["driver_support"]["status"]) == (None, None, "unknown")


def test_a_radeon_of_the_tables() -> None:
    (device,) = facts_of(card("0000:0a:00.0", "73bf", "amd", pci={"revision": "c1"}))["devices"]
    assert device["name"] == "AMD Radeon RX 6800 XT"
    assert (device["gfx_target"], device["architecture"], device["apu"]) == ("gfx1030", "rdna2", False)
    assert device["rocm_support"]["status"] == "unofficial"
    assert device["driver_support"] is None


@pytest.mark.parametrize(
    ("device_id", "kind", "apu"),
    [("74a0", "unified", False), ("74a1", "dedicated", False), ("1586", "unified", True)],
    ids=["MI300A", "MI300X", "Strix Halo"],
)
def test_whose_memory_it_is(device_id: str, kind: str, apu: bool) -> None:
    (device,) = facts_of(card("0000:0a:00.0", device_id, "amd", pci={"revision": "00"}))["devices"]
    assert (device["memory"]["kind"], device["apu"]) == (kind, apu)


def test_the_driver_outranks_the_tables_but_not_an_overridden_runtime() -> None:
    smi = facts_of(card("0000:01:00.0", "2684", name="NVIDIA GeForce RTX 4090 D", compute_capability="8.9"))["devices"][0]
    assert smi["name"] == "NVIDIA GeForce RTX 4090 D"
    overridden = facts_of(card("0000:03:00.0", "73df", "amd", gfx_target="gfx1030"))["devices"][0]
    assert overridden["gfx_target"] == "gfx1031"


def test_order_of_devices() -> None:
    without_pci = {"vendor": "nvidia", "uuid": "GPU-2", "pci": None, "source": ["nvml"]}
    found = facts_of(without_pci, card("10000:01:00.0", "2684"), card("0001:00:00.0", "2684"), card("0000:41:00.0", "2684"))
    assert [(device["index"], (device["pci"] or {}).get("address")) for device in found["devices"]] == [
        (0, "0000:41:00.0"), (1, "0001:00:00.0"), (2, "10000:01:00.0"), (3, None)]


def test_unified_memory_is_the_memory_of_the_node() -> None:
    found = facts_of(card("000f:01:00.0", "2e12", memory={"kind": "unified"}), health={"memory_total_mib": 122572})
    assert found["devices"][0]["memory"]["total_mib"] == 122572


def test_keys_on_request_come_on_request_only() -> None:
    device = card("0000:01:00.0", "2684", memory={"total_mib": 24564, "used_mib": 100}, processes=[{"pid": 7, "name": "python"}],
                  temperature_c={"gpu": 41})
    plain = facts_of(dict(device))["devices"][0]
    assert "used_mib" not in plain["memory"]
    assert plain["temperature_c"] == {"slowdown": None, "shutdown": None}
    full = facts_of(dict(device), wanted=EVERYTHING)["devices"][0]
    assert full["memory"]["used_mib"] == 100
    assert full["temperature_c"] == {"slowdown": None, "shutdown": None, "gpu": 41, "memory": None}
    assert full["processes"] == [{"pid": 7, "name": "python", "kind": None, "used_memory_mib": None}]


def test_what_no_schema_names_is_left_out() -> None:
    assert "secret" not in facts_of(card("0000:01:00.0", "2684", secret=1))["devices"][0]


def test_subsets_that_were_left_out_are_absent() -> None:
    assert {"kernel", "software"} & set(facts_of(wanted=DEFAULT - {"kernel", "software"})) == set()


@pytest.mark.parametrize(
    ("asked", "added", "removed"),
    [([], set(), set()), (["runtime"], {"runtime"}, set()), (["all"], {"runtime", "processes"}, set()),
     (["!software"], set(), {"software"}), (["all", "!processes"], {"runtime"}, set()), (["!devices"], set(), set())],
)
def test_wanted_subsets(asked: list[str], added: set[str], removed: set[str]) -> None:
    assert _survey.wanted_subsets(asked) == (DEFAULT | added) - removed


def test_an_unknown_subset_names_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="unknown subset 'hardware'; valid are: all, devices, driver"):
        _survey.wanted_subsets(["hardware"])


def test_every_key_of_the_form_is_in_the_schema() -> None:
    assert set(SCHEMA["properties"]) == set(_shape.FACTS)
    assert set(SCHEMA["properties"]["devices"]["items"]["properties"]) == set(_shape.DEVICE)


@pytest.mark.parametrize(
    ("driver", "branch"),
    [
        ({"loaded_version": "580.95.05", "installed_version": "595.91.07"}, 580),
        ({"installed_version": "595.91.07"}, 595),
        ({"loaded_version": "581.57", "managed_by": "wsl"}, None),
        ({"managed_by": "packages"}, None),
    ],
    ids=["loaded before installed", "installed only", "of Windows", "no version"],
)
def test_branch_of_the_driver(driver: dict[str, Any], branch: int | None) -> None:
    assert facts_of(card("0000:01:00.0", "2684"), nvidia={"driver": driver})["nvidia"]["driver"]["branch"] == branch


def test_fabric_manager_is_told_by_its_package() -> None:
    packages = {"installed": {"nvidia-fabricmanager-580": {"version": "580.82.07-0ubuntu1"},
                              "nvidia-fabricmanager-dev-580": {"version": "1"}}}
    found = facts_of(card("0000:01:00.0", "2330"), nvidia={"fabric": {"required": True}}, packages=packages)
    assert found["nvidia"]["fabric"]["manager_version"] == "580.82.07"
