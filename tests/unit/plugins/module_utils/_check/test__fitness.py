# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._check import _fitness
from ansible_collections.gpufleet.node.plugins.module_utils._check._node import Node
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import amd, nvidia, rocm_products


def card(vendor: str, device_id: str, total_mib: int | None, revision: str | None = None, **more: Any) -> dict[str, Any]:
    """A card as the readers show it: support and capability from the tables."""
    device: dict[str, Any] = {
        "vendor": vendor,
        "pci": {"address": "0000:01:00.0", "device_id": device_id, "revision": revision},
        "memory": {"total_mib": total_mib, "kind": "dedicated"},
    }
    if vendor == "nvidia":
        chip = nvidia.chip(device_id)
        device["driver_support"] = nvidia.driver_support(device_id)
        device["architecture"], device["compute_capability"] = (chip.architecture, chip.compute_capability) if chip else (None, None)
    elif vendor == "amd":
        known = amd.chip(device_id, revision)
        device["gfx_target"] = known.gfx_target if known else None
        device["apu"] = known.apu if known else None
        device["rocm_support"] = rocm_products.support(device_id, revision, device["gfx_target"])
    return {**device, **more}


def inventory(memory_total_mib: int | None = None) -> Node:
    found = Inventory()
    found.health = {"memory_total_mib": memory_total_mib}
    return Node(found)


@pytest.mark.parametrize(
    ("device", "grade"),
    [
        pytest.param(card("nvidia", "2684", 24564), "ideal", id="RTX 4090"),
        pytest.param(card("nvidia", "2208", 12288), "excellent", id="RTX 3080 Ti"),
        pytest.param(card("nvidia", "1f08", 6144), "quantised models only", id="RTX 2060"),
        pytest.param(card("nvidia", "2330", 81559), "ideal", id="H100"),
        pytest.param(card("nvidia", "1eb8", 15360), "good", id="T4, no bf16"),
        pytest.param(card("nvidia", "1db6", 32768), "good", id="V100, no bf16"),
        pytest.param(card("nvidia", "102d", 11441), "not supported", id="K80, branch 470"),
        pytest.param(card("nvidia", "1b06", 11264), "quantised models only", id="GTX 1080 Ti, no matrix cores"),
        pytest.param(card("nvidia", "1d01", 2048), "not supported", id="GT 1030, 2 GiB"),
        pytest.param(card("nvidia", "2684", None), "ideal", id="RTX 4090 without a driver: size from the catalogue"),
        pytest.param(card("nvidia", "ffff", None), "unknown", id="unknown card without a driver"),
        pytest.param(card("nvidia", "ffff", 49152, compute_capability="13.0"), "good", id="unknown card: bandwidth not known"),
        pytest.param(card("amd", "73bf", 16368, "c1"), "works with a known workaround", id="RX 6800 XT"),
        pytest.param(card("amd", "74a1", 196592, "00"), "ideal", id="MI300X"),
        pytest.param(card("amd", "74b5", 196592, name="AMD Instinct MI300X VF"), "ideal", id="MI300X, virtual function"),
        pytest.param(card("amd", "6860", 16368), "not supported", id="MI25"),
        pytest.param(card("amd", "66a1", 32752), "works with a known workaround", id="MI60: ROCm 6.3 was the last"),
        pytest.param(card("intel", "56a0", 16384), "not supported", id="Intel"),
    ],
)
def test_grade(device: dict[str, Any], grade: str) -> None:
    found, reason = _fitness.grade(inventory(), device)
    assert (found, bool(reason)) == (grade, True)
    assert "None" not in reason


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (
            card("nvidia", "2684", 24564),
            "24 GiB, 1010 GB/s, bf16: inference and fine-tuning of models with 7 to 13 billion parameters",
        ),
        (
            card("nvidia", "1db6", 32768),
            "32 GiB, 897 GB/s, fp16, stays on driver branch 580: inference of small models, larger ones quantised",
        ),
        (card("nvidia", "102d", 11441), "kepler is served by driver branches up to 470 only, which are no longer maintained"),
        (card("intel", "56a0", 16384), "neither CUDA nor ROCm runs on it"),
    ],
)
def test_reason(device: dict[str, Any], reason: str) -> None:
    assert _fitness.grade(inventory(), device)[1] == reason


@pytest.mark.parametrize(("machine_mib", "grade"), [(131072, "good"), (8192, "quantised models only"), (None, "unknown")])
def test_an_apu_uses_up_to_half_of_the_machines_memory(machine_mib: int | None, grade: str) -> None:
    device = card("amd", "1586", 512)
    device["rocm_support"] = {"status": "supported"}
    assert _fitness.grade(inventory(machine_mib), device)[0] == grade
