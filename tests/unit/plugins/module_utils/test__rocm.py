# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at ROCm: where the short one decides, the whole planner says the same; where it must not, it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._enforce import inspect
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._host import Host
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import _ask_amd, _ask_for_rocm
from ansible_collections.gpufleet.node.plugins.module_utils._look import UNDECIDED, Look
from ansible_collections.gpufleet.node.plugins.module_utils._look import look as short_look
from ansible_collections.gpufleet.node.plugins.module_utils._plan._rocm_satisfied import satisfied
from ansible_collections.gpufleet.node.plugins.module_utils._plan._rocm_text import answer
from ansible_collections.gpufleet.node.plugins.module_utils._plan.rocm_order import ARGUMENTS, OrderError, RocmOrder
from ansible_collections.gpufleet.node.plugins.module_utils._plan.verify_rocm import verify
from ansible_collections.gpufleet.node.plugins.module_utils._rocm import PLANNER
from fakegpu import evidence_of, load_profile

PROFILES = sorted(path.stem for path in (Path(__file__).parents[3] / "profiles").glob("*.yml"))
TODAY = "2026-11-30"
OPEN = {"changed": False, "status": UNDECIDED}
LOOK = Look((_ask_amd.ask, _ask_for_rocm.ask), satisfied, verify, answer)
SATISFIED = ("noble-mi300x8-rocm101", "rocky9-mi300x8-rocm101", "rocm-of-debian", "trixie-mi210-rocm101")


def order(**options: Any) -> RocmOrder:
    return RocmOrder.parse({**{name: row.get("default") for name, row in ARGUMENTS.items()}, **options})


def machine(profile: str) -> Host:
    return load(json.dumps(evidence_of(load_profile(profile))))


def look(profile: str, **options: Any) -> dict[str, Any]:
    return short_look(machine(profile), order(**options), LOOK, 10.0, TODAY)


def no_network(url: str, proxy: str | None) -> bytes:
    raise OSError(f"{url} by {proxy}: no route to host")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_whole_planner_says_the_same(profile: str, tmp_path: Path) -> None:
    told = look(profile, hold=False)
    whole = inspect(machine(profile), order(hold=False), PLANNER, 10.0, str(tmp_path), no_network, TODAY)
    if told != OPEN:
        assert {key: told[key] for key in told if key != "node"} == {key: whole[key] for key in whole if key != "node"}
        assert told["node"]["last_run"] == whole["node"]["last_run"]
        assert not whole.get("failed")
        return
    quiet = whole["status"] == "nothing_to_do" and not whole.get("failed") and not whole["reboot_required"]
    assert not quiet or whole["plan"]["refusals"], "a node that needs nothing should not cost a second look"


@pytest.mark.parametrize("profile", SATISFIED)
def test_a_node_that_is_as_ordered_is_decided(profile: str) -> None:
    told = look(profile, hold=False)
    assert (told["status"], told["changed"], told["verification"]["status"]) == ("nothing_to_do", False, "verified")
    assert set(told["before"]) == {"driver", "rocm"}


def test_a_node_without_a_gpu_is_decided() -> None:
    told = look("no-gpu")
    assert (told["status"], told["skipped"]) == ("skipped", True)
    assert look("no-gpu", when_no_gpu="fail") == OPEN


@pytest.mark.parametrize("code", ["ND-BUSY", "RS-BUSSY"])
def test_a_slip_in_acknowledge_is_refused(code: str) -> None:
    with pytest.raises(OrderError, match=f"acknowledge has '{code}'"):
        look("no-gpu", acknowledge=[code])


def test_a_repository_that_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    found = inspect(machine("noble-mi300x8-bare"), order(origin="amd", version="7.2"), PLANNER, 10.0, str(tmp_path), no_network, TODAY)
    assert [one["code"] for one in found["plan"]["refusals"]] == ["RS-KEY-UNREACHABLE"]
    assert (found["status"], found["failed"]) == ("refused", True)
