# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module by its own door: arguments on standard input, JSON on standard output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="ansible-core is not there: its boilerplate comes with the module when it is sent to a node")

import ansible_collections.gpufleet.node as collection
from fakegpu import evidence_of, load_profile

ROOT = Path(next(iter(collection.__path__))).parents[2]
START = "import runpy; runpy.run_module('ansible_collections.gpufleet.node.plugins.modules.gpu_check', run_name='__main__')"
PROFILE = """
from ansible.module_utils.testing import patch_module_args
import json, sys
with patch_module_args(json.load(sys.stdin)):
    %s
"""
KEYS = {"findings", "verdict", "exit_status", "gpu", "text", "changed"}


def run(**arguments: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROFILE % START],
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def no_driver(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("machines") / "rtx3080ti.json"
    path.write_text(json.dumps(evidence_of(load_profile("rtx3080ti-no-driver"))), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_broken_machine_is_no_failure(no_driver: str, check_mode: bool) -> None:
    answer = run(evidence=no_driver, _ansible_check_mode=check_mode)
    assert set(answer) >= KEYS
    assert (answer["changed"], answer.get("failed", False), answer["exit_status"]) == (False, False, 2)
    assert (answer["verdict"]["status"], answer["verdict"]["broken_link"]) == ("not_ready", "kernel_driver")
    assert answer["gpu"]["devices"] == [
        {"index": 0, "name": "NVIDIA GeForce RTX 3080 Ti", "address": "0000:01:00.0", "kernel_driver": None, "memory_mib": None}
    ]
    assert answer["text"][0].startswith("NOT READY  NVIDIA GeForce RTX 3080 Ti")


def test_acknowledged(no_driver: str) -> None:
    answer = run(evidence=no_driver, acknowledge=["NV-NO-DRIVER"])
    assert [(one["code"], one["severity"], one["acknowledged"]) for one in answer["findings"]] == [("NV-NO-DRIVER", "info", True)]
    assert answer["exit_status"] == 0


def test_the_same_answer_twice(no_driver: str) -> None:
    assert run(evidence=no_driver) == run(evidence=no_driver)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"acknowledge": ["NV-NO-DRIVRE"]}, "acknowledge: 'NV-NO-DRIVRE' is the code of no finding"),
        ({"timeout": 0}, "timeout: 0 is not a number of seconds between 0 and 3600"),
        ({"evidence": "/nonexistent.json"}, "evidence: /nonexistent.json: No such file or directory"),
        ({"root": "/nonexistent"}, "root: /nonexistent is not a directory"),
        ({"sources": ["lspci"]}, "value of sources must be one or more of: pci"),
        ({"evidence": "/nonexistent.json", "root": "/tmp"}, "root and evidence exclude each other"),
    ],
)
def test_wrong_options_are_named(arguments: dict[str, Any], message: str) -> None:
    answer = run(**arguments)
    assert answer["failed"] is True
    assert answer["msg"].startswith(message)
