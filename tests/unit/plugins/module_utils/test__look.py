# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look that most nodes need nothing after: where it decides, the whole planner says the same; where it must not, it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._enforce import inspect
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._host import Host
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import _ask_nvidia
from ansible_collections.gpufleet.node.plugins.module_utils._look import UNDECIDED, Look, look
from ansible_collections.gpufleet.node.plugins.module_utils._nvidia import PLANNER
from ansible_collections.gpufleet.node.plugins.module_utils._plan._satisfied import satisfied
from ansible_collections.gpufleet.node.plugins.module_utils._plan.answer import answer
from ansible_collections.gpufleet.node.plugins.module_utils._plan.order import ARGUMENTS, Order, OrderError
from ansible_collections.gpufleet.node.plugins.module_utils._plan.verify import verify
from fakegpu import evidence_of, load_profile

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
