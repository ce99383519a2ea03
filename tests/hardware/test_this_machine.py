# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a machine with a real GPU: what gpu_facts sees is what the vendor's own tools say. Run: make hardware.

Skipped, with the reason, where no driver is loaded.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._check.run import check
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import RecordingHost, load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._facts import facts
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._survey import SOURCES, SUBSETS, wanted_subsets
from ansible_collections.gpufleet.node.plugins.module_utils._machine import machine

needs_nvidia = pytest.mark.skipif(not Path("/sys/module/nvidia").exists() and not Path("/proc/driver/nvidia").exists(),
                                  reason="no NVIDIA driver is loaded on this machine")
needs_amd = pytest.mark.skipif(not Path("/sys/class/kfd/kfd/topology/nodes").exists(), reason="no KFD on this machine")

FIELDS = ["pci.bus_id", "uuid", "name", "memory.total", "vbios_version", "driver_version", "compute_cap", "power.limit", "ecc.mode.current"]


def seen(*subsets: str, sources: tuple[str, ...] = SOURCES) -> dict[str, Any]:
    return facts(gather(machine(), subsets, sources=sources), wanted_subsets(subsets))


def smi() -> dict[str, dict[str, str]]:
    """nvidia-smi's own rows by PCI address as sysfs writes it."""
    command = ["nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    rows = [dict(zip(FIELDS, row, strict=False)) for row in csv.reader(io.StringIO(text), skipinitialspace=True)]
    return {row["pci.bus_id"].lower()[-12:]: row for row in rows}


@needs_nvidia
@pytest.mark.parametrize("sources", [SOURCES, tuple(name for name in SOURCES if name != "nvml")], ids=["all sources", "without NVML"])
def test_devices_are_those_of_nvidia_smi(sources: tuple[str, ...]) -> None:
    found, theirs = seen("runtime", sources=sources), smi()
    ours = {device["pci"]["address"]: device for device in found["devices"] if device["vendor"] == "nvidia"}
    assert set(theirs) <= set(ours)
    for address, row in theirs.items():
        device = ours[address]
        assert device["name"] == row["name"]
        assert device["uuid"] == row["uuid"]
        assert device["vbios_version"] == row["vbios_version"]
        assert device["compute_capability"] == row["compute_cap"]
        assert abs(device["memory"]["total_mib"] - int(row["memory.total"])) <= 2
        assert device["pci"]["kernel_driver"] == "nvidia"
        assert device["driver_support"]["status"] in ("served", "ended")
    assert {found["nvidia"]["driver"]["loaded_version"]} == {row["driver_version"] for row in theirs.values()}


@needs_nvidia
def test_looking_is_quick_and_repeatable() -> None:
    first = seen()
    began = time.monotonic()
    assert seen() == first
    assert time.monotonic() - began < 10 + 3 * first["count"]


@needs_amd
def test_amd_memory_is_that_of_sysfs() -> None:
    for device in seen()["devices"]:
        total = Path(f"/sys/bus/pci/devices/{(device['pci'] or {}).get('address')}/mem_info_vram_total")
        if device["vendor"] == "amd" and total.exists() and not device["apu"]:
            assert device["memory"]["total_mib"] == int(total.read_text()) >> 20


def test_a_recording_replays_to_the_same_verdict() -> None:
    recorder = RecordingHost(machine())
    live = check(gather(recorder, ("all",), deep=True), ()).as_dict()
    document = recorder.document("tests/hardware", redact=False)
    again = check(gather(load(json.dumps(document)), ("all",), deep=True), ()).as_dict()
    assert again["verdict"]["status"] == live["verdict"]["status"]
    assert [finding["code"] for finding in again["findings"]] == [finding["code"] for finding in live["findings"]]
    assert facts(gather(load(json.dumps(document)), deep=True), frozenset(SUBSETS))["count"] >= 0
