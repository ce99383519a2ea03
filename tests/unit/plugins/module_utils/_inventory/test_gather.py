# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import builtins
import json
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._host import LiveHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._facts import facts
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._survey import SUBSETS, begin
from fakegpu import evidence_of
from fakegpu.profile import complete

HOLDER = {"pid": 4242, "name": "python3", "path": "/dev/nvidia0"}
RECORD = {"packages": {"libcuda1": "580.95.05-1"}, "files": []}
CHANGE: dict[str, Any] = {
    "free_mib": {"/boot": 90},
    "lock_holder": {"pid": 812, "name": "apt-get"},
    "holders": [HOLDER],
    "kubelet": "cordoned",
    "slurmd": "IDLE+DRAIN",
    "record": RECORD,
    "repositories": {"/etc/apt/sources.list.d/cuda.list": "deb https://example.org/cuda/ /\n"},
}
PROFILE = {
    "description": "made for a test",
    "distribution": "debian-13",
    "gpus": [{"model": "A10", "address": "0000:17:00.0"}],
    "nvidia": {"version": "580.95.05", "origin": "nvidia-debian"},
    "change": CHANGE,
}


def look(**how: Any) -> Inventory:
    return gather(load(json.dumps(evidence_of(complete(PROFILE, "made")))), **how)


def test_a_change_sees_what_stands_in_its_way() -> None:
    found = look(change=True)
    assert found.problems == []
    assert found.system["free_mib"] == {"/boot": 90, "/usr": 40000, "/var": 30000}
    assert found.packages["lock_holder"] == CHANGE["lock_holder"]
    assert found.packages["record"] == {"schema_version": 1, "repositories": [], "locks": [], "way_back": [], **RECORD}
    assert [one["uris"] for one in found.packages["repositories"]] == [["https://example.org/cuda/"]]
    assert found.health["gpu_holders"] == [{**HOLDER, "service": False}]
    assert [(one["name"], one["drained"]) for one in found.health["workload_managers"]] == [("kubelet", True), ("slurmd", True)]
    assert "events" not in found.health  # a change reads no log
    assert found.kernel["nouveau_in_initramfs"] is False
    assert found.kernel["installed"][0]["modules"]["nvidia"]["version"] == "580.95.05"


class Started(LiveHost):
    """Notes what is started early, and starts nothing."""

    started: builtins.list[str]

    def __init__(self, *modules: str) -> None:
        super().__init__()
        self.modules, self.started = [*modules], []

    def list(self, path: str) -> Any:
        return self.modules if path == "/sys/module" else []

    def prefetch(self, argv: Any) -> None:
        self.started.append(" ".join(argv))


@pytest.mark.parametrize(
    ("modules", "pynvml", "started"),
    [
        (("nvidia",), False, ["nvidia-smi -q -x"]),
        (("nvidia",), True, []),  # NVML will be asked through it
        (("nouveau",), False, []),  # nvidia-smi would load the module
    ],
)
def test_nvidia_smi_begins_early_where_it_will_be_asked(
    modules: tuple[str, ...], pynvml: bool, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ModuleType("pynvml")
    found.__spec__ = ModuleSpec("pynvml", None)
    monkeypatch.setitem(sys.modules, "pynvml", found if pynvml else None)
    host = Started(*modules)
    begin(host)
    assert host.started == started


@pytest.mark.parametrize("how", [{}, {"deep": True}, {"sources": ("pci", "room", "workloads")}])
def test_others_do_not_ask_for_it(how: dict[str, Any]) -> None:
    found = look(**how)
    assert not {"lock_holder", "record", "own_files", "repositories"} & set(found.packages)
    assert not {"workload_managers", "nvidia_modules"} & set(found.health)


def test_a_change_may_leave_sources_out_and_be_deep() -> None:
    assert "workload_managers" not in look(change=True, sources=("pci", "kernel", "packages", "room")).health
    both = look(change=True, deep=True)
    assert {"gpu_holders", "events", "workload_managers"} <= set(both.health)


def test_the_facts_stay_what_they_are() -> None:
    plain, change = (facts(look(subsets=("all",), **how), frozenset(SUBSETS)) for how in ({}, {"change": True}))
    change["kernel"]["nouveau_in_initramfs"] = plain["kernel"]["nouveau_in_initramfs"]
    assert change == plain


def test_unknown_words_of_a_profile_are_refused() -> None:
    with pytest.raises(Exception, match="free_mb"):
        evidence_of(complete({**PROFILE, "change": {"free_mb": {}}}, "made"))
