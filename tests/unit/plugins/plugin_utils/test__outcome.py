# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="ansible-core is not there: this Python plays a node")

from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import as_plain
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Link, Plan, Step, Verification
from ansible_collections.gpufleet.node.plugins.plugin_utils import _outcome

WORDS = {"one": "undo one", "two": "", "three": "undo three"}
STEPS = tuple(Step("command", f"do {name}", "", {"argv": ["true"]}, undo=undo) for name, undo in WORDS.items())
ANSWER: dict[str, Any] = {"status": "change", "plan": as_plain(Plan("change", STEPS)), "after": {"loaded_version": "1"}, "text": ["screen"]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://user:secret@proxy:3128/x", "http://********@proxy:3128/x"),
        ("URIs: https://token@mirror.example.com/a\nURIs: https://b", "URIs: https://********@mirror.example.com/a\nURIs: https://b"),
        ("https://mirror.example.com/a@b", "https://mirror.example.com/a@b"),
        ("someone@example.com", "someone@example.com"),
        ({"a": ["ftp://u:p@h", 1, None, True]}, {"a": ["ftp://********@h", 1, None, True]}),
    ],
)
def test_secrets_of_urls(value: Any, expected: Any) -> None:
    assert _outcome.without_secrets(value) == expected


def test_undo_is_in_reverse_and_of_what_was_done_only() -> None:
    result = _outcome.failed_step(ANSWER, 3, {"failed": True, "msg": "no", "stderr": "words"}, True, None, False)
    assert (result["undo"], result["done_steps"], result["open_steps"]) == (["undo one"], ["do one", "do two"], [])
    assert result["msg"].splitlines()[0] == "step 3 of 3 failed: do three: no: words"
    assert (result["after"], result["verification"]) == (None, None)


def test_undo_is_also_of_the_runs_before() -> None:
    look = {"status": "change", "node": {"undo": ["undo one", "undo earlier"]}}
    result = _outcome.failed_step(ANSWER, 3, {"failed": True, "msg": "no"}, True, look, False)
    assert result["undo"] == ["undo one", "undo earlier"]
    assert result["msg"].endswith("To go back instead: undo one; then undo earlier.")
    result = _outcome.failed_step({**ANSWER, "node": {"undo": ["undo earlier"]}}, 2, {"failed": True}, True, None, False)
    assert result["undo"] == ["undo one", "undo earlier"], "where nobody could look again the look before counts"


def test_of_long_errors_the_end_is_told() -> None:
    result = _outcome.failed_step(ANSWER, 1, {"failed": True, "msg": "x" * 5000 + " the reason\x1b[0m"}, False, None, False)
    first = result["msg"].splitlines()[0]
    assert len(first) < 700
    assert first.endswith("the reason [0m")
    assert "nothing is to be undone" in result["msg"]


FAILED = as_plain(Verification("failed", (Link("lock", "broken", "a"), Link("nvml", "broken", "b"), Link("fabric", "ok", "")), "lock"))


@pytest.mark.parametrize(
    ("after", "failed", "message"),
    [
        ({"status": "nothing_to_do", "verification": as_plain(Verification("after_reboot", ()))}, False, None),
        ({"status": "nothing_to_do", "verification": FAILED}, True,
         "all steps are done, and the driver is not what was asked for: lock: a; nvml: b"),
        ({"failed": True, "msg": "Traceback"}, True, "all steps are done, and the last look failed: Traceback"),
    ],
)
def test_done(after: dict[str, Any], failed: bool, message: str | None) -> None:
    result = _outcome.done(NVIDIA, ANSWER, after, True, True)
    assert (result.get("failed", False), result.get("msg"), result["changed"]) == (failed, message, True)
    assert result["diff"] == {"prepared": "screen\n"}
