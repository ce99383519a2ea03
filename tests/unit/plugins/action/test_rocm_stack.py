# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action of rocm_stack has of its own: options, lease, record, words. All else is that of nvidia_driver's, and tested there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="ansible-core is not there: this Python plays a node")

from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import as_plain
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Link, Plan, Refusal, Step, Verification
from played_task import Played

pytestmark = pytest.mark.skipif(not shutil.which("flock"), reason="flock (util-linux) is not there")

VERIFIED = Verification("verified", (Link("rocminfo", "ok", "alice sees 1 of gfx1030"),))
BLIND = Verification("failed", (Link("rocminfo", "broken", "alice may not open /dev/kfd"),), "rocminfo")
BUSY = Refusal("RS-BUSY", "critical", "python3 (4242) uses the GPUs", "end it")


def answer(plan: Plan, verification: Verification = VERIFIED, **more: Any) -> dict[str, Any]:
    told = {"status": plan.status, "plan": as_plain(plan), "before": None, "after": None, "verification": as_plain(verification),
            "findings": [], "reboot_required": False, "reboot_reasons": [], "text": ["ROCm          to be changed"],
            "changed": plan.status == "change", "node": {"last_run": None, "dnf_python": None}}
    return {**told, **more}


NOTHING = answer(Plan("nothing_to_do"))


def change(tmp_path: Path) -> dict[str, Any]:
    return answer(Plan("change", (Step("command", "touch one", "a test", {"argv": ["touch", str(tmp_path / "one")]}),)))


def played(tmp_path: Path, answers: list[dict[str, Any]], *options: str, **arguments: Any) -> Played:
    return Played(tmp_path, answers, *options, arguments=arguments, module="rocm_stack")


def test_steps_are_done_under_a_lease_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "nvidia_driver.held").write_text("f" * 32 + " elsewhere 1\n")  # a run of the other module is no obstacle
    found = played(tmp_path, [change(tmp_path), NOTHING], users=["alice"])
    assert ((tmp_path / "one").exists(), found.result["changed"], found.result["verification"]["status"]) == (True, True, "verified")
    assert (found.lease_is_free, (tmp_path / "run" / "rocm_stack.last").exists()) == (True, True)


def test_what_is_not_verified_is_a_failure_in_its_words(tmp_path: Path) -> None:
    found = played(tmp_path, [change(tmp_path), answer(Plan("nothing_to_do"), BLIND)])
    assert found.result["failed"] is True
    assert found.result["msg"] == "all steps are done, and ROCm is not what was asked for: rocminfo: alice may not open /dev/kfd"


def test_waiting_for_jobs_goes_by_its_own_codes(tmp_path: Path) -> None:
    busy = answer(Plan("refused", refusals=(BUSY,)), failed=True, msg="nothing was changed")
    found = played(tmp_path, [busy, busy, change(tmp_path), NOTHING], when_busy="wait", busy_timeout=20)
    assert ((tmp_path / "one").exists(), found.result.get("failed", False)) == (True, False)
    assert any("waiting for jobs to end" in line for line in found.said)


def test_root_is_asked_for_under_its_own_code(tmp_path: Path) -> None:
    refusal = Refusal("RS-NO-ROOT", "warning", "runs as bob", "become: true\nSet it.")
    plan = change(tmp_path)
    plan["plan"]["refusals"] = [as_plain(refusal)]
    found = played(tmp_path, [plan])
    assert (found.result["failed"], (tmp_path / "one").exists()) == (True, False)
    assert found.result["msg"] == "nothing was changed: RS-NO-ROOT: runs as bob -> become: true"
    assert found.result["text"][0] == "ROCm          refused, nothing is changed"


def test_check_mode_changes_nothing(tmp_path: Path) -> None:
    found = played(tmp_path, [change(tmp_path)], "--check", "--diff")
    assert ((tmp_path / "one").exists(), found.result["changed"], len(found.asked)) == (False, True, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"version": 7.1}, "7.1"),
        ({"users": ["alice", "no such"]}, "users has 'no such'"),
        ({"driver": "inbox", "driver_version": "30.30.4"}, "driver is inbox, which has no driver_version"),
        ({"side_by_side": True, "origin": "distribution"}, "side_by_side is true and origin is distribution"),
    ],
)
def test_options_that_nobody_can_serve(arguments: dict[str, Any], words: str, tmp_path: Path) -> None:
    found = played(tmp_path, [NOTHING], **arguments)
    assert (found.result["failed"], found.asked) == (True, [])
    assert words in json.dumps(found.result["msg"])
