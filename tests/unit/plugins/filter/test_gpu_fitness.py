# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.gpu_fitness."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="filters run on the controller")

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.filter.gpu_fitness import FilterModule

gpu_fitness = FilterModule().filters()["gpu_fitness"]


def _device(device_id: str, name: str, capability: str, mib: int, last_branch: int | None = None) -> dict[str, Any]:
    return {
        "vendor": "nvidia",
        "name": name,
        "architecture": "ada",
        "compute_capability": capability,
        "pci": {"device_id": device_id, "revision": "a1"},
        "memory": {"total_mib": mib},
        "driver_support": {"status": "ended" if last_branch else "served", "last_branch": last_branch},
    }


@pytest.mark.parametrize(
    ("device", "grade"),
    [
        (_device("2684", "NVIDIA GeForce RTX 4090", "8.9", 24564), "ideal"),
        (_device("2208", "NVIDIA GeForce RTX 3080 Ti", "8.6", 12288), "excellent"),
        (_device("1f08", "NVIDIA GeForce RTX 2060", "7.5", 6144), "quantised models only"),
        (_device("102d", "Tesla K80", "3.7", 11441, 470), "not supported"),
        ({"vendor": "intel", "name": "Arc", "pci": {"device_id": "56a0"}}, "not supported"),
    ],
)
def test_grade(device: dict[str, Any], grade: str) -> None:
    answer = gpu_fitness(device)
    assert answer["grade"] == grade
    assert answer["reason"]


def test_an_apu_is_graded_by_the_memory_of_the_machine() -> None:
    apu = {"vendor": "amd", "name": None, "apu": True, "gfx_target": "gfx1151", "pci": {"device_id": "1586", "revision": "c1"}}
    supported = {**apu, "rocm_support": {"status": "supported"}}
    assert gpu_fitness(supported, 131072)["reason"].startswith("64 GiB")
    with pytest.raises(AnsibleFilterError, match="machine_memory_mib is 'much'"):
        gpu_fitness(supported, "much")


@pytest.mark.parametrize(("value", "message"), [("2684", "got str '2684'"), (None, "got NoneType"), ({}, "vendor None")])
def test_bad_input(value: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        gpu_fitness(value)
    assert message in str(caught.value)
