# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.driver_choice."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("ansible", reason="filters run on the controller")

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.filter.driver_choice import FilterModule
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._facts import facts
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._survey import SUBSETS
from fakegpu.profile import load_profile
from fakegpu.render import evidence_of

driver_choice = FilterModule().filters()["driver_choice"]
TODAY = "2026-11-23"
V100 = {"vendor": "nvidia", "name": "Tesla V100-SXM2-16GB", "architecture": "volta", "pci": {"device_id": "1db1"}}
RX = {"vendor": "amd", "name": "AMD Radeon RX 6800 XT", "pci": {"device_id": "73bf", "revision": "c1"}}
T4 = {"vendor": "nvidia", "name": "Tesla T4", "architecture": "turing", "pci": {"device_id": "1eb8"}}


def machine(name: str) -> dict[str, Any]:
    """ansible_facts.gpu of a simulated machine."""
    return facts(gather(load(json.dumps(evidence_of(load_profile(name)))), ("all",)), frozenset(SUBSETS))


@pytest.mark.parametrize("value", [{"devices": [V100]}, [V100], (V100,), [V100, RX], ["1db1"], ["0x1DB1", V100]])
def test_answer(value: Any) -> None:
    answer = driver_choice(value, ">=530", today=TODAY)
    assert (answer["branch"], answer["flavour"], answer["refused"]) == (580, "proprietary", [])
    assert len(answer["reasons"]) == 3


@pytest.mark.parametrize(
    ("name", "wish", "branch", "flavour"),
    [
        ("rtx4090-healthy", ">=530", 580, "open"),
        ("rtx3080ti-no-driver", ">=530", 580, "open"),
        ("v100-sxm2x4", ">=530", 535, "proprietary"),
        ("v100-sxm2x4", "595", None, None),
        ("v100-driver-dropped", ">=530", 580, "proprietary"),
        ("v100-b200-mixed", ">=530", None, None),
        ("k80-driver-dropped", ">=530", None, None),
        ("h100x8-healthy", "production", 595, "open"),
        ("mi300x8-spx", ">=530", None, None),
        ("no-gpu", ">=530", None, None),
        ("nvidia-amd-mixed", "580", 580, "open"),
    ],
)
def test_simulated_machines(name: str, wish: str, branch: int | None, flavour: str | None) -> None:
    gpu = machine(name)
    answer = driver_choice(gpu, wish, today=TODAY)
    assert (answer["branch"], answer["flavour"]) == (branch, flavour)
    nvidia = any(device["vendor"] == "nvidia" for device in gpu["devices"])
    assert bool(answer["refused"]) is (branch is None and nvidia)


def test_who_stands_in_the_way() -> None:
    [entry] = driver_choice(machine("v100-sxm2x4"), "595", today=TODAY)["refused"]
    assert entry["message"] == f"{entry['gpu']} (volta) ends with branch 580: use version 580, or <590"
    assert entry["architecture"] == "volta"
    assert len(entry["addresses"]) == 4
    assert entry["use"] == ["580", "<590"]


def test_ids_get_names() -> None:
    [entry] = driver_choice(["1db6", "2684"], "595", today=TODAY)["refused"]
    assert "V100" in entry["gpu"]


@pytest.mark.parametrize(
    ("packages", "wish", "stays"),
    [
        ({"nvidia-driver": "550.163.01-2"}, "550.163.01-2", True),
        ({"nvidia-driver": "550.163.01-2"}, "550.163.01-4~bpo13+1", False),
        ({"nvidia-driver": "3:550.163.01-2", "nvidia-modprobe": "560.1-1"}, "550.163.01-4~bpo13+1", False),
        ({"nvidia-driver": "550.163.01-2", "libcuda1": "550.163.01-4"}, "550.163.01-4", True),
        ({}, "550.163.01-2", True),
        (None, "550.163.01", True),
    ],
)
def test_what_is_installed(packages: Any, wish: str, stays: bool) -> None:
    driver = {"installed_version": "550.163.01", "kernel_module": "proprietary", "packages": packages}
    answer = driver_choice({"devices": [T4], "nvidia": {"driver": driver}}, wish, today=TODAY)
    assert answer["branch"] == 550
    assert answer["reasons"][0].endswith("it stays") is stays


def test_a_driver_that_is_only_loaded_counts() -> None:
    driver = {"installed_version": None, "loaded_version": "550.163.01", "kernel_module": "open"}
    answer = driver_choice({"devices": [T4], "nvidia": {"driver": driver}}, ">=530", today=TODAY)
    assert (answer["branch"], answer["flavour"]) == (550, "open")


@pytest.mark.parametrize(("offered", "branch"), [(None, 580), ([535, 550], 550), (["535"], 535), ("595", 595), (570, 570)])
def test_offered(offered: Any, branch: int) -> None:
    assert driver_choice([T4], ">=530", offered=offered, today=TODAY)["branch"] == branch


def test_today() -> None:
    assert driver_choice([T4], ">=530", today="2028-07-01")["branch"] == 595
    assert driver_choice([T4], "580")["branch"] == 580


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2684", "a list of PCI device ids in quotes; got str '2684'"),
        (None, "got NoneType None"),
        ({"count": 1}, "got dict without devices"),
        (V100, "got dict without devices"),
        ([2684], "got int 2684"),
        (["H100"], "'H100' is not a PCI device id"),
        ([{"device": 1}], "vendor None (allowed: nvidia, amd, intel)"),
    ],
)
def test_bad_input(value: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        driver_choice(value, ">=530")
    assert str(caught.value).startswith("driver_choice: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": 580.95}, "driver_choice: version is 580.95, a number with a fraction: quote the version"),
        ({"version": "newest"}, "driver_choice: version is 'newest' (allowed: "),
        ({"version": ">=590,<535"}, "matches nothing"),
        ({"offered": ["newest"]}, "driver_choice: offered is ['newest'] (allowed: a list of whole numbers, such as [535, 580])"),
        ({"offered": [580.1]}, "driver_choice: offered is [580.1]"),
        ({"offered": [True]}, "driver_choice: offered is [True]"),
        ({"today": "tomorrow"}, "driver_choice: today is 'tomorrow' (allowed: a day such as '2027-04-01')"),
        ({"today": 2027}, "driver_choice: today is 2027"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        driver_choice([T4], **{"version": ">=530", **options})
    assert message in str(caught.value)
