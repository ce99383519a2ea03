# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look that most nodes need nothing after: where it decides, the whole planner says the same; where it must not, it does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._enforce import _survey as whole_survey
from ansible_collections.gpufleet.node.plugins.module_utils._enforce import inspect
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._host import Host
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import _ask_nvidia
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._look import UNDECIDED, Look, look
from ansible_collections.gpufleet.node.plugins.module_utils._nvidia import PLANNER
from ansible_collections.gpufleet.node.plugins.module_utils._plan._satisfied import satisfied
from ansible_collections.gpufleet.node.plugins.module_utils._plan.answer import answer
from ansible_collections.gpufleet.node.plugins.module_utils._plan.order import ARGUMENTS, Order, OrderError
from ansible_collections.gpufleet.node.plugins.module_utils._plan.verify import verify
from fakegpu import evidence_of, load_profile
from planlab import Laboratory, apply, offer, order_of
from planlab import machine as machine_to_plan_for

PROFILES = sorted(path.stem for path in (Path(__file__).parents[3] / "profiles").glob("*.yml"))
TODAY = "2026-11-23"
LOOK = Look((_ask_nvidia.ask,), satisfied, verify, answer)
OPEN = {"changed": False, "status": UNDECIDED}
KEEP = {"hold": False, "persistence": False}
SATISFIED = ("gb10-unified-memory", "gpu-operator", "runfile-only", "vgpu-guest", "wsl")


def order(**options: Any) -> Order:
    return Order.parse({**{name: row.get("default") for name, row in ARGUMENTS.items()}, **options})


def machine(profile: str, **files: Any) -> Host:
    document = evidence_of(load_profile(profile))
    document["files"].update(files)
    return load(json.dumps(document))


def no_network(url: str, proxy: str | None) -> bytes:
    raise OSError(f"{url} by {proxy}: no route to host")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_whole_planner_says_the_same(profile: str, tmp_path: Path) -> None:
    told = look(machine(profile), order(**KEEP), LOOK, 10.0, TODAY)
    if told == OPEN:
        return
    whole = inspect(machine(profile), order(**KEEP), PLANNER, 10.0, str(tmp_path), no_network, TODAY)
    assert {key: told[key] for key in told if key != "node"} == {key: whole[key] for key in whole if key != "node"}
    assert told["node"]["last_run"] == whole["node"]["last_run"]
    assert not whole.get("failed")


@pytest.mark.parametrize("profile", PROFILES)
def test_what_it_leaves_open_is_a_change_or_has_something_to_tell(profile: str, tmp_path: Path) -> None:
    if look(machine(profile), order(**KEEP), LOOK, 10.0, TODAY) != OPEN:
        return
    whole = inspect(machine(profile), order(**KEEP), PLANNER, 10.0, str(tmp_path), no_network, TODAY)
    quiet = whole["status"] == "nothing_to_do" and not whole.get("failed") and not whole["reboot_required"]
    assert not quiet or whole["plan"]["refusals"], "a node that needs nothing should not cost a second look"


@pytest.mark.parametrize("profile", SATISFIED)
def test_a_node_that_is_as_ordered_is_decided(profile: str) -> None:
    told = look(machine(profile), order(**KEEP), LOOK, 10.0, TODAY)
    assert (told["status"], told["changed"], told["verification"]["status"]) == ("nothing_to_do", False, "verified")


def test_a_node_without_a_gpu_is_decided() -> None:
    told = look(machine("no-gpu"), order(), LOOK, 10.0, TODAY)
    assert (told["status"], told["skipped"]) == ("skipped", True)
    assert look(machine("no-gpu"), order(when_no_gpu="fail"), LOOK, 10.0, TODAY) == OPEN


def test_a_slip_in_acknowledge_is_refused() -> None:
    with pytest.raises(OrderError, match="acknowledge has 'ND-BUSSY'"):
        look(machine("wsl"), order(acknowledge=["ND-BUSSY"]), LOOK, 10.0, TODAY)


# What only the whole planner reads, and values that would stop a change or a person should know of.
UNREAD: dict[str, Any] = {
    "amd": {"driver": {"loaded": True}},
    "software": {"cuda_toolkits": [{"version": "99.0", "path": "/usr/local/cuda"}]},
    "health.gpu_holders": [{"pid": 4242, "name": "python3", "path": "/dev/nvidia0", "service": False}],
    "health.workload_managers": [{"name": "kubelet", "node": "one", "drained": False}],
    "health.memory_total_mib": 1,
    "system.free_mib": {"/boot": 0, "/usr": 0, "/var": 0},
    "packages.lock_holder": {"pid": 1, "name": "apt-get"},
    "packages.recommended": None,  # asked where no driver is installed
}
SOURCES = {
    "debian-13": ("trixie", "nvidia-debian13"),
    "ubuntu-24.04": ("ubuntu-24.04", "nvidia-ubuntu2404"),
    "rhel-10": ("nvidia-rhel10", "el10-base"),
    "sles-15": ("nvidia-sles15",),
}


def as_the_look_reads(inventory: Inventory) -> Inventory:
    found = copy.deepcopy(inventory)
    for path in UNREAD:
        section, _dot, key = path.partition(".")
        if key:
            getattr(found, section).pop(key, None)
        else:
            setattr(found, section, {})
    found.devices = [device if device["vendor"] == "nvidia" else {"vendor": device["vendor"]} for device in found.devices]
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_it_reads_all_else_as_the_whole_planner_does(profile: str) -> None:
    asked, seen = order(), []
    look(machine(profile), asked, LOOK._replace(satisfied=lambda inventory, *_more: seen.append(inventory)), 10.0, TODAY)
    mine = as_the_look_reads(seen[0])
    whole = as_the_look_reads(whole_survey(machine(profile), asked, PLANNER, 10.0))
    for section in ("nvidia", "kernel", "system", "packages", "health"):
        assert getattr(mine, section) == getattr(whole, section), section
    for one, other in zip(mine.devices, whole.devices):
        if set(one.get("source", ())) & {"nvml", "nvidia_smi"}:  # a driver that works tells the names of its cards
            assert one == other


@cache
def as_ordered(distribution: str) -> Inventory:
    """A node on which the driver was installed and works."""
    found = machine_to_plan_for(gpus=["A100-PCIE-40GB"], distribution=distribution)
    found = apply(found, Laboratory(found, order_of(), offer(*SOURCES[distribution])).run())
    found.nvidia["driver"].update(held=True, next_boot_ready=True)
    found.nvidia.update(device_nodes=["/dev/nvidia0", "/dev/nvidiactl"], nvml={"usable": True, "error": None})
    found.nvidia["services"] = {"persistenced": "active"}
    found.devices[0]["source"] = ["pci", "nvml"]
    driver = found.nvidia["driver"]
    for kernel in found.kernel["installed"]:
        kernel["modules"] = {"nvidia": {"version": driver["installed_version"], "flavour": driver["kernel_module"], "path": "/lib/x.ko"}}
    return found


def decided(inventory: Inventory, **options: Any) -> dict[str, Any] | None:
    """What a look at such a node answers; None where it leaves the decision open."""
    asked = order_of(**options)
    plan = satisfied(inventory, asked, TODAY)
    verification = verify(inventory, asked)
    if plan is None or plan.status == "refused" or verification.status != "verified" or plan.reboot_reasons:
        return None
    return answer(inventory, plan, verification)


def leaves(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """The paths of all single values."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from leaves(child, *path, key)
    if not children and path:
        yield path


def with_all_else(inventory: Inventory) -> Inventory:
    """The node with what only the whole planner reads, at its worst."""
    found = copy.deepcopy(inventory)
    for path, value in UNREAD.items():
        section, _dot, key = path.partition(".")
        setattr(found, section, value) if not key else getattr(found, section).update({key: value})
    return found


@pytest.mark.parametrize("distribution", SOURCES)
def test_what_it_does_not_read_decides_nothing(distribution: str) -> None:
    """On a node that is as ordered, and where one thing is not known of it: what the look decides holds with all that can be read, too."""
    node = as_the_look_reads(as_ordered(distribution))
    assert decided(node) is not None, "no node that is as ordered takes a second look"
    paths = [(name, *path) for name in ("nvidia", "kernel", "system", "health") for path in leaves(getattr(node, name))]
    for section, *keys in paths:
        changed = copy.deepcopy(node)
        value = getattr(changed, section)
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] = None
        told = decided(changed)
        assert told is None or decided(with_all_else(changed)) == told, (section, keys)
