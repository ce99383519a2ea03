# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook as people run it: real ansible-playbook, local connections, recorded machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("ansible", reason="ansible-core is not there: this Python plays a node")

import ansible_collections.gpufleet.node as collection
from fakegpu import evidence_of, load_profile

ROOT = Path(next(iter(collection.__path__))).parents[2]
MACHINES = {"healthy": "rtx4090-healthy", "broken": "rtx3080ti-no-driver", "amd": "mi300x8-spx", "bare": "no-gpu"}


class Outcome(NamedTuple):
    rc: int
    stdout: str
    stderr: str

    @property
    def table(self) -> dict[str, str]:
        """The last table: host → the rest of its line."""
        lines = self.stdout.split("TASK [Show one line for each host]")[-1].split("TASK [")[0].split("\n")
        rows = [line.split(None, 1) for line in lines if line and not line.startswith(("*", "ok:")) and " hosts: " not in f" {line}"]
        return {row[0]: row[1] for row in rows if len(row) == 2 and not row[0].isdigit()}


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recorded machines, and hosts that nobody answers for, each in its own way."""
    folder = tmp_path_factory.mktemp("fleet")
    hosts: dict[str, Any] = {}
    for host, profile in MACHINES.items():
        evidence = folder / f"{host}.json"
        evidence.write_text(json.dumps(evidence_of(load_profile(profile))), encoding="utf-8")
        hosts[host] = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "check_gpu_evidence": str(evidence)}
    ssh = folder / "ssh"  # 255 is what ssh says where nobody answers
    ssh.write_text("#!/bin/sh\necho 'connect to host gone.invalid: no route' >&2\nexit 255\n", encoding="utf-8")
    ssh.chmod(0o755)
    hosts["failing"] = {"ansible_connection": "local", "ansible_python_interpreter": "/nonexistent/python3"}
    hosts["gone"] = {"ansible_connection": "ssh", "ansible_host": "gone.invalid", "ansible_ssh_executable": str(ssh)}
    hosts["no-ssh"] = {"ansible_connection": "ssh", "ansible_host": "gone.invalid", "ansible_ssh_executable": "/nonexistent/ssh"}
    (folder / "ansible.cfg").write_text("", encoding="utf-8")  # nobody's own settings
    path = folder / "inventory.json"
    path.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    return path


def play(inventory: Path, *arguments: str) -> Outcome:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT),
        "ANSIBLE_CONFIG": str(inventory.parent / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_HOME": str(inventory.parent / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(inventory.parent / "tmp"),
        "ANSIBLE_REMOTE_TMP": str(inventory.parent / "remote-tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(inventory.parent / "cp"),
    }
    command = [sys.executable, "-m", "ansible", "playbook", "gpufleet.node.check_gpu", "-i", str(inventory), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False, cwd=inventory.parent)
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_every_host_that_was_asked_is_in_the_table(inventory: Path) -> None:
    outcome = play(inventory, "-e", "check_gpu_serial=2")
    assert {host: line.split("  ")[0] for host, line in outcome.table.items()} == {
        "healthy": "READY",
        "broken": "NOT READY",
        "amd": "READY",
        "bare": "NO GPU",
        "failing": "FAILED",
        "gone": "UNREACHABLE",
        "no-ssh": "FAILED",
    }
    assert outcome.stdout.count("TASK [Show one line for each host]") == 1
    assert outcome.rc == 2, "hosts without a verdict fail, after the table"
    assert "broken\n======\nNOT READY  NVIDIA GeForce RTX 3080 Ti" in outcome.stdout


def test_a_verdict_is_a_success(inventory: Path) -> None:
    outcome = play(inventory, "--limit", "broken,bare")
    assert set(outcome.table) == {"broken", "bare"}
    assert outcome.rc == 0, outcome.stdout


@pytest.mark.parametrize(("level", "rc"), [("critical", 2), ("warning", 2), ("never", 0)])
def test_fail_on(inventory: Path, level: str, rc: int) -> None:
    outcome = play(inventory, "--limit", "broken,bare", "-e", f"check_gpu_fail_on={level}")
    assert outcome.rc == rc
    assert set(outcome.table) == {"broken", "bare"}


@pytest.mark.parametrize(("host", "word"), [("gone", "UNREACHABLE"), ("failing", "FAILED"), ("no-ssh", "FAILED")])
def test_no_host_answers(inventory: Path, host: str, word: str) -> None:
    outcome = play(inventory, "--limit", host)
    assert {host: line.split("  ")[0] for host, line in outcome.table.items()} == {host: word}
    assert outcome.rc == 2


def test_json(inventory: Path) -> None:
    outcome = play(inventory, "--limit", "broken,amd", "-e", "check_gpu_format=json")
    text = outcome.stdout.split("TASK [Show one line for each host]")[1]
    document, _end = json.JSONDecoder().raw_decode(text[text.index("{") :])
    assert {host: found["verdict"]["status"] for host, found in document.items()} == {"broken": "not_ready", "amd": "ready"}
    assert document["broken"]["findings"][0]["code"] == "NV-NO-DRIVER"


@pytest.mark.parametrize("wrong", ["check_gpu_format=yaml", "check_gpu_fail_on=sometimes", '{"check_gpu_acknowledge": ["NV-TYPO"]}'])
def test_values_that_mean_nothing_are_refused(inventory: Path, wrong: str) -> None:
    outcome = play(inventory, "--limit", "bare", "-e", wrong)
    assert outcome.rc == 2
    assert any(
        text in outcome.stdout + outcome.stderr for text in ("check_gpu_format is text or json", "'NV-TYPO' is the code of no finding")
    )
