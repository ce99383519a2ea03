# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users see: each program is asked as the user, its complaints are values."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import ReplayHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import rocm_users
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source

FIND = list(rocm_users._OPENS)
AGENT = "*******\nAgent 2\n*******\n  Name:   gfx1030\n  Marketing Name:   AMD Radeon RX 6800 XT\n  Device Type:   GPU\n  BDFID:   768\n"
DENIED = 'Unable to open /dev/kfd read-write: Permission denied\nalice is not member of "render" group\n'
CLINFO = ("Number of platforms    1\n  Platform Name    AMD Accelerated Parallel Processing\n\n"
          "  Platform Name    AMD Accelerated Parallel Processing\nNumber of devices    1\n"
          "  Device Name    gfx1030\n  Device Type    GPU\n")


def said(words: list[str], stdout: str = "", rc: int = 0, user: str | None = "alice", **more: Any) -> dict[str, Any]:
    return {"argv": words, "rc": rc, "stdout": stdout, "stderr": "", **({"user": user} if user else {}), **more}


def person(
    user: str | None = "alice", groups: str = "alice render", opens: str = "/dev/kfd\n/dev/dri/renderD128\n"
) -> list[dict[str, Any]]:
    return [said(["id", "-un"], f"{user or 'root'}\n", user=user), said(["id", "-Gn"], f"{groups}\n", user=user),
            said(FIND, opens, user=user)]


def look(commands: list[dict[str, Any]], users: tuple[str, ...] = ("alice",), path: str | None = None, **files: str) -> Inventory:
    known = Inventory()
    known.add("pci", {"devices": [{"vendor": "amd", "pci": {"address": "0000:03:00.0"}}], "amd": {"rocm": {"path": path}}})
    dirs = {f"{path}/bin": ["rocminfo"]} if path else {}
    host = ReplayHost({"files": {}, "dirs": dirs, "links": {}, "probes": {}, "commands": commands})
    known.add("rocm_users", rocm_users.read(Source(host, "rocm_users", known.problems, users=users), known))
    return known


def test_a_user_who_may() -> None:
    known = look([*person(), said(["rocminfo"], AGENT), said(["clinfo"], CLINFO)])
    seen = known.amd["seen_by"]["alice"]
    assert known.problems == []
    assert (seen["user"], seen["groups"], seen["opens"]) == ("alice", ["alice", "render"], ["/dev/dri/renderD128", "/dev/kfd"])
    assert seen["rocminfo"] == {"rc": 0, "agents": [{"target": "gfx1030", "name": "AMD Radeon RX 6800 XT", "address": "0000:03:00.0"}]}
    assert seen["clinfo"]["platforms"][0]["devices"][0]["target"] == "gfx1030"
    assert "trouble" not in seen["clinfo"]


def test_a_user_who_may_not() -> None:
    seen = look([*person(groups="alice", opens=""), said(["rocminfo"], DENIED, rc=1),
                 said(["clinfo"], "", rc=1, stderr="ERROR: clGetPlatformIDs(-1001)\n")]).amd["seen_by"]["alice"]
    assert seen["opens"] == []
    assert seen["rocminfo"]["trouble"] == {
        "code": "not_permitted", "message": "Unable to open /dev/kfd read-write: Permission denied", "group": "render"}
    assert seen["clinfo"]["trouble"] == {"code": "no_platform", "message": "ERROR: clGetPlatformIDs(-1001)"}


def test_what_root_sees_is_not_what_a_user_sees() -> None:
    known = look([*person(), *person(None), said(["rocminfo"], AGENT, user=None)])
    assert "rocminfo" not in known.amd["seen_by"]["alice"]
    known = look([*person(None, groups="root"), said(["rocminfo"], AGENT, user=None)], users=())
    assert known.amd["seen_by"]["root"]["rocminfo"]["agents"][0]["target"] == "gfx1030"


def test_a_user_that_is_not_there() -> None:
    refused = {"argv": ["id", "-un"], "user": "mallory", "error": "refused"}
    known = look([*person(), refused], users=("alice", "mallory"))
    assert set(known.amd["seen_by"]) == {"alice"}
    assert [problem["code"] for problem in known.problems] == ["refused"]


def test_the_program_of_the_rocm_in_use_is_asked_first() -> None:
    whole = look([*person(), said(["/opt/rocm-7.2.4/bin/rocminfo"], AGENT)], path="/opt/rocm-7.2.4")
    assert whole.amd["seen_by"]["alice"]["rocminfo"]["agents"]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ({"error": "timeout"}, {"rc": -1, "trouble": {"code": "timeout", "message": "no answer (timeout)"}}),
        ({"signal": 11}, {"rc": -1, "trouble": {"code": "crashed", "message": "no answer (crashed)"}}),
        ({"rc": 0, "stdout": "hello\n"}, {"rc": 0, "trouble": {"code": "unreadable", "message": "no agent is listed"}}),
        ({"error": "not_found"}, None),
    ],
)
def test_programs_that_fail(outcome: dict[str, Any], expected: Any) -> None:
    known = look([*person(), {"argv": ["rocminfo"], "user": "alice", **outcome}])
    assert known.amd["seen_by"]["alice"].get("rocminfo") == expected


def test_amd_smi() -> None:
    listed = '[{"gpu": 0, "asic": {}, "bus": {"bdf": "0000:03:00.0"}}]'
    assert look([*person(), said(["amd-smi", "static", "--json"], listed, user=None)]).amd["smi"] == {
        "rc": 0, "devices": 1, "addresses": ["0000:03:00.0"]}
    failed = look([*person(), said(["amd-smi", "static", "--json"], "AMDSMI_STATUS_DRIVER_NOT_LOADED\n", rc=255, user=None)])
    assert failed.amd["smi"] == {"rc": 255, "devices": 0, "message": "AMDSMI_STATUS_DRIVER_NOT_LOADED"}
