# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a bad moment brings: a lost connection, a lost lease, jobs that come late. The node is played, all else is real."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="ansible-core is not there: this Python plays a node")

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import as_plain
from ansible_collections.gpufleet.node.plugins.module_utils._plan.order import ARGUMENTS
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Link, Plan, Refusal, Step, Verification
from ansible_collections.gpufleet.node.plugins.plugin_utils import _enforcement
from ansible_collections.gpufleet.node.plugins.plugin_utils._enforcement import enforce

pytestmark = pytest.mark.skipif(not shutil.which("flock"), reason="flock (util-linux) is not there")

OPTIONS = {name: row.get("default") for name, row in ARGUMENTS.items()}
VERIFIED = as_plain(Verification("verified", (Link("nvml", "ok", ""),)))
BUSY = Refusal("ND-BUSY", "critical", "python3 (4242) uses the GPUs", "kill 4242")


def step(name: str, disruptive: bool = False) -> Step:
    return Step("command", name, "", {"argv": ["true"]}, disruptive, undo=f"undo {name}")


def answer(plan: Plan) -> dict[str, Any]:
    return {"status": plan.status, "plan": as_plain(plan), "before": None, "after": None, "verification": VERIFIED, "text": ["screen"],
            "node": {"last_run": None, "dnf_python": None}}


PLAN = answer(Plan("change", (step("one"), step("two", disruptive=True), step("three", disruptive=True))))
NOTHING = answer(Plan("nothing_to_do"))


class Played:
    """A node that answers from a list, the last again and again, and does what `events` says at a step."""

    core_version = "2.21.0"

    def __init__(self, folder: Path, answers: list[Any], events: Mapping[str, Any]) -> None:
        self._folder, self._answers, self._events = folder, answers, events
        self.asked: list[str] = []
        self.did: list[str] = []
        self.said: list[str] = []

    def inspect(self, options: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(options["when_busy"])
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(found, Exception):
            raise found
        told: dict[str, Any] = found
        return told

    def command(self, line: str) -> dict[str, Any]:
        line = line.replace("/run/gpufleet.node", str(self._folder))
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    def say(self, text: str) -> None:
        self.said.append(text)

    def exists(self, name: str) -> bool:
        return True

    def run(self, step: Mapping[str, Any], proxy: str | None, title: str, alive: Any) -> dict[str, Any]:
        event = self._events.get(step["what"])
        if isinstance(event, Exception):
            raise event
        if event == "taken over":
            (self._folder / "nvidia_driver.held").write_text("f" * 32 + " elsewhere 1\n")
        self.did.append(step["what"])
        return {"changed": True, "failed": event == "fails", "msg": str(event)}


def test_all_goes_well(tmp_path: Path) -> None:
    node = Played(tmp_path, [PLAN, NOTHING], {})
    result = enforce(node, OPTIONS, OWN, False, False)
    assert (node.did, node.asked, result["changed"], result.get("failed")) == (["one", "two", "three"], ["refuse", "refuse"], True, None)


@pytest.mark.parametrize(("event", "did"), [(None, ["one", "two", "three", f"write {OWN.record}"]), ("taken over", ["one"])])
def test_the_record_of_a_change_is_closed_after_its_last_step(tmp_path: Path, event: str | None, did: list[str]) -> None:
    looked = {**PLAN, "node": {**PLAN["node"], "closed_record": "{}"}}
    node = Played(tmp_path, [looked, NOTHING], {"one": event})
    result = enforce(node, OPTIONS, OWN, False, False)
    assert (node.did, bool(result.get("failed"))) == (did, event is not None)


def test_a_connection_that_is_lost_says_how_it_goes_on(tmp_path: Path) -> None:
    node = Played(tmp_path, [PLAN, NOTHING], {"two": AnsibleConnectionFailure("broken pipe")})
    with pytest.raises(AnsibleConnectionFailure) as error:
        enforce(node, OPTIONS, OWN, False, False)
    assert str(error.value).startswith("the connection was lost at step 2 of 3: two. Done before: one. Files are written whole or not")
    assert "Run it again: it waits for that, looks again and goes on from there. (broken pipe" in str(error.value)
    assert not (tmp_path / "nvidia_driver.held").exists()


def test_a_node_that_another_run_took_over_is_left_alone(tmp_path: Path) -> None:
    node = Played(tmp_path, [PLAN, NOTHING], {"one": "taken over"})
    result = enforce(node, OPTIONS, OWN, False, False)
    assert (node.did, result["failed"], result["failed_step"]) == (["one"], True, "two")
    assert "another run took this node over" in result["msg"]
    assert "elsewhere" in (tmp_path / "nvidia_driver.held").read_text(), "the lease of the other run stays"


@pytest.mark.parametrize(
    ("when_busy", "looks", "did"),
    [("refuse", ["refuse", "refuse", "refuse"], ["one"]), ("proceed", ["proceed", "proceed"], ["one", "two", "three"])],
)
def test_jobs_that_come_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when_busy: str, looks: list[str], did: list[str]
) -> None:
    monkeypatch.setattr(_enforcement, "_FRESH_S", -1)
    busy = answer(Plan("refused", refusals=(BUSY,)))
    node = Played(tmp_path, [PLAN, busy], {})
    result = enforce(node, {**OPTIONS, "when_busy": when_busy}, OWN, False, False)
    assert (node.asked, node.did) == (looks, did)
    if when_busy == "refuse":
        assert result["msg"].startswith("step 2 of 3 failed: two: jobs have come meanwhile: python3 (4242) uses the GPUs")
        assert result["undo"] == ["undo one"]


def test_only_the_first_disruptive_step_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_enforcement, "_FRESH_S", -1)
    node = Played(tmp_path, [PLAN, NOTHING], {})
    assert enforce(node, OPTIONS, OWN, False, False)["changed"] is True
    assert node.asked == ["refuse"] * 3


UNIT = "nvidia-persistenced"
RELOAD = answer(Plan("change", (
    step("install"),
    Step("service", f"stop {UNIT}", "", {"name": UNIT, "state": "stopped", "enabled": None}, True, undo=f"systemctl start {UNIT}"),
    Step("command", "unload", "", {"argv": ["rmmod", "nvidia_uvm", "nvidia"]}, True, undo="modprobe nvidia"),
    Step("command", "load", "", {"argv": ["modprobe", "nvidia"]}),
    Step("command", "device files", "", {"argv": ["nvidia-modprobe", "-u", "-c0"]}),
    Step("service", f"start {UNIT}", "", {"name": UNIT, "state": "started", "enabled": None}),
    Step("service", "start nvidia-fabricmanager", "", {"name": "nvidia-fabricmanager", "state": "started", "enabled": True}),
)))
START = f"start {UNIT}"


@pytest.mark.parametrize(("fails", "did", "words"), [
    ("install", ["install"], []),
    (f"stop {UNIT}", ["install", f"stop {UNIT}", START], [f"Done after the failure, for the node to be as before: {START}."]),
    ("unload", ["install", f"stop {UNIT}", "unload", "load", "device files", START],
     ["Not done: start nvidia-fabricmanager.", f"Done after the failure, for the node to be as before: load; device files; {START}."]),
    ("load", ["install", f"stop {UNIT}", "unload", "load", "device files", START], [f"as before: device files; {START}."]),
])
def test_a_reload_that_fails_leaves_the_node_as_it_was(tmp_path: Path, fails: str, did: list[str], words: list[str]) -> None:
    node = Played(tmp_path, [RELOAD, NOTHING], {fails: "fails"})
    result = enforce(node, OPTIONS, OWN, False, False)
    assert (node.did, result["failed_step"]) == (did, fails)
    for word in words:
        assert word in result["msg"]


def test_what_cannot_be_given_back_is_told(tmp_path: Path) -> None:
    node = Played(tmp_path, [RELOAD, NOTHING], {"unload": "fails", START: "fails"})
    result = enforce(node, OPTIONS, OWN, False, False)
    assert "Done after the failure, for the node to be as before: load; device files.\n" in result["msg"]
    assert f"Failed too: {START}.\n" in result["msg"]


def test_nothing_is_given_back_to_a_node_that_another_run_took_over(tmp_path: Path) -> None:
    node = Played(tmp_path, [RELOAD, NOTHING], {f"stop {UNIT}": "taken over"})
    result = enforce(node, OPTIONS, OWN, False, False)
    assert (node.did, result["failed_step"]) == (["install", f"stop {UNIT}"], "unload")


def test_a_failed_step_whose_node_is_gone_afterwards(tmp_path: Path) -> None:
    node = Played(tmp_path, [PLAN, AnsibleConnectionFailure("gone")], {"one": "taken over"})
    result = enforce(node, OPTIONS, OWN, False, False)
    assert (result["failed"], result["after"], result["verification"]) == (True, None, None)


ZYPPER = Step("packages", "install", "", {"manager": "zypper", "install": [{"name": "a", "version": "1-1"}], "lock_timeout": 1}, True)


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_the_controller_lacks_is_told_in_check_mode_too(tmp_path: Path, check_mode: bool) -> None:
    class Bare(Played):
        def exists(self, name: str) -> bool:
            return not name.startswith("community.")

    played = Bare(tmp_path, [answer(Plan("change", (ZYPPER,)))], {})
    result = enforce(played, OPTIONS, OWN, check_mode, False)
    assert (result["failed"], result["changed"], result["plan"]["status"], played.did) == (True, False, "refused", [])
    assert "ND-COLLECTION-MISSING" in result["msg"]
