# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node that was as ordered must lack, so that the whole planner looks at it. That both agree: test_plan_properties.py."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import MODPROBE
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._plan._satisfied import satisfied
from planlab import Laboratory, apply, machine, offer, order_of


@cache
def _served() -> Inventory:
    inventory = machine(gpus=["A100-PCIE-40GB"], distribution="debian-13")
    return apply(inventory, Laboratory(inventory, order_of(), offer("trixie")).run())


@pytest.fixture
def inventory() -> Inventory:
    """A node that has what is ordered."""
    found = copy.deepcopy(_served())
    assert satisfied(found, order_of()) is not None
    return found


@pytest.mark.parametrize(
    "options",
    [{"version": "580"}, {"state": "latest"}, {"state": "absent"}, {"extra_packages": ["nvtop"]}, {"components": "full"},
     {"flavour": "open"}, {"hold": False}, {"module_parameters": {"NVreg_EnableGpuFirmware": 0}}],
)
def test_another_order(inventory: Inventory, options: dict[str, Any]) -> None:
    assert satisfied(inventory, order_of(**options)) is None


def _broken(inventory: Inventory) -> None:
    inventory.packages["broken"] = ["nvidia-kernel-dkms"]


def _way_back(inventory: Inventory) -> None:
    inventory.packages["record"]["way_back"] = [{"undo": "apt-get remove nvidia-kernel-dkms"}]


def _pinned(inventory: Inventory) -> None:
    inventory.packages["locks"] = [*inventory.packages["locks"], {"kind": "apt_pin", "pattern": "nvidia*", "path": OWN.transaction}]


def _no_hold(inventory: Inventory) -> None:
    del inventory.packages["own_files"][OWN.preferences]
    inventory.nvidia["driver"]["held"] = False


def _other_settings(inventory: Inventory) -> None:
    inventory.packages["own_files"][MODPROBE] = "options nvidia NVreg_EnableGpuFirmware=0\n"


def _new_kernel(inventory: Inventory) -> None:
    inventory.kernel["installed"].append({"release": "6.99.0-amd64", "next_boot": True, "headers": False, "modules": {}})


def _runfile(inventory: Inventory) -> None:
    inventory.packages["runfile"] = {"version": "550.163.01", "paths": ["/usr/bin/nvidia-uninstall"]}


def _mixed(inventory: Inventory) -> None:
    name = next(name for name in inventory.packages["installed"] if name.startswith("libcuda1"))
    inventory.packages["installed"][name]["origin"] = "nvidia"


def _damaged_record(inventory: Inventory, code: str = "unreadable") -> None:
    inventory.packages["record"] = None
    inventory.problems.append({"source": "kept", "code": code, "message": f"{OWN.record}: no record of schema version 1"})


@pytest.mark.parametrize(
    "change", [_broken, _way_back, _pinned, _no_hold, _other_settings, _new_kernel, _runfile, _mixed, _damaged_record]
)
def test_another_node(inventory: Inventory, change: Any) -> None:
    change(inventory)
    assert satisfied(inventory, order_of()) is None


@pytest.mark.parametrize("options", [{}, {"state": "latest"}])
def test_a_damaged_record_is_told_while_nothing_has_to_change(inventory: Inventory, options: dict[str, Any]) -> None:
    _damaged_record(inventory)
    plan = Laboratory(inventory, order_of(**options), offer("trixie")).run()
    told = [(one.code, one.severity, one.message) for one in plan.refusals]
    assert told[:1] == [("ND-RECORD-BROKEN", "warning", f"{OWN.record} cannot be read: no record of schema version 1")]
    assert (plan.status, plan.steps) == ("nothing_to_do", ())


def test_a_record_that_only_root_can_read_is_no_damaged_one(inventory: Inventory) -> None:
    _damaged_record(inventory, "not_permitted")
    assert satisfied(inventory, order_of()) is not None
