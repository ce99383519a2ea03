# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any
from unittest.mock import MagicMock

import pytest

pytest.importorskip("ansible", reason="ansible-core is not there: this Python plays a node")

from ansible import constants
from ansible.errors import AnsibleError
from ansible.utils.display import Display
from ansible_collections.gpufleet.node.plugins.action import gpu_report
from ansible_collections.gpufleet.node.plugins.module_utils._check.report_text import render
from ansible_collections.gpufleet.node.plugins.module_utils._check.run import check
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory


def result() -> dict[str, Any]:
    report = check(Inventory())
    return {**report.as_dict(), "text": render(report).split("\n"), "changed": False, "gpu": {"count": 0}}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What was printed: (text, whether to standard error)."""
    printed: list[tuple[str, bool]] = []
    monkeypatch.setattr(Display, "display", lambda _self, text, stderr=False: printed.append((text, stderr)))
    return printed


def run(arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch, callback: str = "default") -> dict[str, Any]:
    monkeypatch.setattr(constants.config, "get_config_value", lambda *_names, **_more: callback)
    task = MagicMock(async_val=0, args=arguments)
    action = gpu_report.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    return action.run(task_vars={})


def test_full_is_the_report_below_the_name(monkeypatch: pytest.MonkeyPatch, shown: list[tuple[str, bool]]) -> None:
    lines = run({"results": {"node1": result()}}, monkeypatch)["lines"]
    assert lines[:3] == ["node1", "=====", "NO GPU     no GPU: use the CPU"]
    assert shown == [("\n" + "\n".join(lines) + "\n", False)]


def test_full_names_a_host_without_a_verdict(monkeypatch: pytest.MonkeyPatch, shown: list[tuple[str, bool]]) -> None:
    lines = run({"results": {"gone": {"unreachable": True, "msg": "no route"}, "node1": result()}}, monkeypatch)["lines"]
    assert lines[:6] == ["gone", "====", "gone  UNREACHABLE  no route", "", "node1", "====="]


def test_table(monkeypatch: pytest.MonkeyPatch, shown: list[tuple[str, bool]]) -> None:
    answer = run({"results": {"node1": result(), "gone": {}}, "style": "table"}, monkeypatch)
    assert answer["lines"] == [
        "node1  NO GPU     no GPU",
        "gone   NOT ASKED  the play ended before this host was asked",
        "2 hosts: 1 no gpu, 1 not asked",
    ]
    assert answer["changed"] is False


def test_json_is_a_document_of_what_is_documented(monkeypatch: pytest.MonkeyPatch, shown: list[tuple[str, bool]]) -> None:
    run({"results": {"node1": result(), "gone": {"unreachable": True, "msg": "no route"}}, "style": "json"}, monkeypatch)
    document = json.loads(shown[0][0])
    assert set(document["node1"]) == {"findings", "verdict", "exit_status", "gpu"}
    assert document["gone"] == {"unreachable": True, "msg": "no route"}


@pytest.mark.parametrize(
    ("callback", "to_stderr"),
    [("default", False), ("ansible.builtin.default", False), ("minimal", False), ("ansible.posix.json", True), ("junit", True)],
)
def test_a_callback_for_machines_keeps_its_output(
    monkeypatch: pytest.MonkeyPatch, shown: list[tuple[str, bool]], callback: str, to_stderr: bool
) -> None:
    run({"results": {"node1": result()}}, monkeypatch, callback)
    assert [stderr for _text, stderr in shown] == [to_stderr]


@pytest.mark.parametrize("arguments", [{}, {"results": {}, "style": "html"}, {"results": {}, "colour": True}])
def test_unknown_options_are_refused(monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError):
        run(arguments, monkeypatch)
