# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the loaded module shows in /proc/driver/nvidia."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.nvidia_proc import parse_information, parse_version, read
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import node

ROOT = "/proc/driver/nvidia"
ADDRESS = "0000:1a:00.0"
UUID = "GPU-11111111-2222-3333-4444-555555555555"
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build  (a@b)  Tue Sep 23\nGCC version: ?\n"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  384.81  Wed Aug 17 22:24:07 PDT 2016\n"
INFORMATION = (
    f"Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 42\nGPU UUID: \t {UUID}\nVideo BIOS: \t 96.00.61.00.01\n"
    f"Bus Location: \t {ADDRESS}\nDevice Minor: \t 3\nGPU Excluded:\t No\n"
)
COLD = (
    "Model: \t\t Unknown\nGPU UUID: \t GPU-????????-????-????-????-????????????\nVideo BIOS: \t ??.??.??.??.??\n"
    f"Bus Location: \t {ADDRESS}\nDevice Minor: \t 0\n"
)


@pytest.mark.parametrize(
    ("text", "version", "flavour"),
    [
        (OPEN, "580.95.05", "open"),
        (CLOSED, "384.81", "proprietary"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  ", "550.163.01", "proprietary"),
    ],
)
def test_version_and_flavour(text: str, version: str, flavour: str) -> None:
    assert parse_version(text) == {"loaded_version": version, "kernel_module": flavour}


@pytest.mark.parametrize("text", ["", "NVRM version:", "GCC version: gcc version 12.2.0", "Kernel Module  384.81", "\0"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        parse_version(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (INFORMATION, {"name": "NVIDIA H100 80GB HBM3", "uuid": UUID, "vbios_version": "96.00.61.00.01", "minor_number": 3}),
        (COLD, {"name": None, "uuid": None, "vbios_version": None, "minor_number": 0}),
    ],
    ids=["initialised", "never opened"],
)
def test_information(text: str, expected: dict[str, Any]) -> None:
    assert parse_information(text) == {"vendor": "nvidia", "pci": {"address": ADDRESS}, **expected}


def test_the_folder_stands_in_for_a_missing_bus_location() -> None:
    assert parse_information(f"GPU UUID: {UUID}\n", ADDRESS)["pci"] == {"address": ADDRESS}
    with pytest.raises(ValueError, match="no PCI address"):
        parse_information(f"GPU UUID: {UUID}\n", "junk")


def test_reading_a_node() -> None:
    source, problems = node(
        files={
            f"{ROOT}/version": OPEN,
            f"{ROOT}/gpus/{ADDRESS}/information": INFORMATION,
            f"{ROOT}/capabilities/gpu3/mig/gi1/ci0/access": "DeviceFileMinor: 12\n",
            f"{ROOT}/capabilities/gpu0/mig/config": "",
            f"{ROOT}/capabilities/mig/config": "",
        }
    )
    found = read(source, Inventory())
    assert found["nvidia"] == {"driver": {"loaded_version": "580.95.05", "kernel_module": "open"}}
    assert [(device["pci"]["address"], device["minor_number"], device["mig"]) for device in found["devices"]] == [
        (ADDRESS, 3, {"enabled": True})
    ]
    assert problems == []


def test_a_card_that_nvml_showed_is_not_read_again() -> None:
    inventory = Inventory()
    inventory.add("nvml", {"devices": [{"vendor": "nvidia", "pci": {"address": ADDRESS}}]})
    source, problems = node(files={f"{ROOT}/version": OPEN, f"{ROOT}/gpus/{ADDRESS}/information": {"error": "ETIMEDOUT"}})
    assert read(source, inventory)["devices"] == []
    assert problems == []


def test_nothing_there_is_nothing_known() -> None:
    source, problems = node()
    assert read(source, Inventory()) == {"devices": [], "nvidia": {}}
    assert problems == []


def test_what_is_not_understood_is_a_problem() -> None:
    source, problems = node(files={f"{ROOT}/version": "junk", f"{ROOT}/gpus/junk/information": "junk"})
    assert read(source, Inventory()) == {"devices": [], "nvidia": {}}
    assert [(problem["code"], problem["message"]) for problem in problems] == [
        ("unreadable", f"{ROOT}/version: no version of a kernel module in it"),
        ("unreadable", f"{ROOT}/gpus/junk/information: no PCI address in it"),
    ]


def test_one_hanging_file_ends_the_reading_of_the_others() -> None:
    files = {f"{ROOT}/gpus/0000:0{number}:00.0/information": {"error": "ETIMEDOUT"} for number in range(1, 9)}
    source, problems = node(files=files)
    assert read(source, Inventory())["devices"] == []
    assert [problem["code"] for problem in problems] == ["timeout"]


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (parse_version, parse_information):
        with contextlib.suppress(ValueError):
            parse(text)


def test_recorded_files(captures: Path) -> None:
    entries = [
        one for one in yaml.safe_load((captures / "SOURCES.yml").read_text())["files"] if one["kind"] == "proc_driver_nvidia"
    ]
    assert entries
    for entry in entries:
        text, expect = (captures / entry["file"]).read_text(), entry["expect"]
        if "driver_version" in expect:
            flavour = "open" if expect["open"] else "proprietary"
            assert parse_version(text) == {"loaded_version": expect["driver_version"], "kernel_module": flavour}
        else:
            found = parse_information(text)
            assert (found["name"], found["uuid"], found["vbios_version"], found["pci"]["address"]) == (
                expect["Model"],
                expect["GPU UUID"],
                expect["Video BIOS"],
                expect["Bus Location"],
            )
