# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether NVML and nvidia-smi may be asked, for how long, and what is missing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import _nvidia_access as access
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from recorded_node import node


def known(*drivers: Any, **sections: Any) -> Inventory:
    inventory = Inventory()
    inventory.add(
        "pci",
        {
            **sections,
            "devices": [
                {"vendor": "nvidia", "pci": {"address": f"0000:{9 - number:02x}:00.0", "kernel_driver": name}}
                for number, name in enumerate(drivers)
            ],
        },
    )
    return inventory


@pytest.mark.parametrize(
    ("inventory", "modules", "allowed"),
    [
        (known(), [], False),
        (known(None), ["nouveau"], False),
        (known("nouveau"), [], False),
        (known("vfio-pci"), [], False),
        (known("nvidia"), [], True),
        (known(None), ["nvidia", "nvidia_uvm"], True),
        (known(nvidia={"driver": {"loaded_version": "580.95.05"}}), [], True),
        (known(system={"wsl": True}), [], True),
        (known(nvidia={"driver": {"managed_by": "wsl"}}), [], True),
        (known(nvidia={"driver": {"library_version": "580.95.05"}}), [], False),
    ],
)
def test_nothing_is_asked_that_would_load_the_module(inventory: Inventory, modules: list[str], allowed: bool) -> None:
    source, _problems = node(dirs={"/sys/module": modules})
    assert access.may_ask(source, inventory) is allowed


def test_bound_cards_in_the_order_of_the_bus() -> None:
    inventory = known("nvidia", "vfio-pci", "nvidia")
    assert [device["pci"]["address"] for device in access.bound(inventory)] == ["0000:07:00.0", "0000:09:00.0"]


def test_unseen_cards() -> None:
    inventory = known("nvidia", "nvidia")
    inventory.add("nvml", {"devices": [{"pci": {"address": "0000:09:00.0"}}]})
    assert access.unseen(inventory, "nvml") == {"0000:08:00.0"}
    assert access.unseen(inventory, "pci") == set()


@pytest.mark.parametrize(
    ("cards", "services", "seconds"),
    [
        (0, {}, 10.0),
        (3, {}, 10.0),
        (8, {}, 24.0),
        (16, {}, 48.0),
        (16, {"persistenced": "active"}, 10.0),
        (8, {"persistenced": None}, 24.0),
    ],
)
def test_the_deadline_grows_with_cards_that_must_be_initialised(cards: int, services: Any, seconds: float) -> None:
    source, _problems = node()
    assert access.deadline(source, known(*["nvidia"] * cards, nvidia={"services": services})) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("cards", "device", "kept"),
    [
        (["nvidia"], {"uuid": None, "pci": {"address": "0000:01:00.0"}}, True),
        (["nvidia"], {"uuid": "GPU-known", "pci": None}, True),
        (["nvidia"], {"uuid": "GPU-other", "pci": {"address": None}}, False),
        ([], {"uuid": "GPU-other", "pci": None}, True),
        ([], {"uuid": None, "pci": {"address": None}}, False),
        ([], {"name": "NVIDIA L4"}, False),
    ],
)
def test_a_card_that_cannot_be_told_from_the_others_is_not_counted(cards: Any, device: Any, kept: bool) -> None:
    inventory = known(*cards)
    if cards:
        inventory.devices[0]["uuid"] = "GPU-known"
    assert access.presentable([device], inventory) == ([device] if kept else [])


@pytest.mark.parametrize(("wsl", "pci"), [(True, None), (False, {"address": "0000:01:00.0"})])
def test_in_wsl_an_address_is_one_of_windows(wsl: bool, pci: Any) -> None:
    device = {"uuid": "GPU-1", "pci": {"address": "0000:01:00.0"}}
    assert access.without_pci(device, known(system={"wsl": wsl})) == {"uuid": "GPU-1", "pci": pci}
