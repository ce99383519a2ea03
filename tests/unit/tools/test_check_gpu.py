# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""check_gpu.pyz as a person runs it: built, started as a program, judged by what it prints and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
RTX4090: dict[str, Any] = {
    "evidence": 1,
    "files": {"/sys/bus/pci/devices/0000:01:00.0/uevent": "PCI_CLASS=30000\nPCI_ID=10DE:2684\nPCI_SUBSYS_ID=10DE:167C\n",
              "/etc/os-release": "ID=debian\nVERSION_ID=13\n"},
}


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("build") / "check_gpu.pyz"
    subprocess.run([sys.executable, str(CHECKOUT / "tools/check_gpu/build.py"), str(target)], check=True, stdout=subprocess.DEVNULL)
    return target


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(RTX4090))
    return path


def run(pyz: Path, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(pyz), *arguments]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False, **more)


def test_the_build_is_reproducible_and_small(pyz: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.pyz"
    subprocess.run([sys.executable, str(CHECKOUT / "tools/check_gpu/build.py"), str(again)], check=True, stdout=subprocess.DEVNULL)
    assert again.read_bytes() == pyz.read_bytes()
    assert pyz.stat().st_size <= 400 * 1024
    assert os.access(pyz, os.X_OK)


def test_help_and_version(pyz: Path) -> None:
    shown = run(pyz, "--help")
    assert shown.returncode == 0
    assert "record FILE" in shown.stdout
    assert run(pyz, "--version").stdout.startswith("gpufleet.node 1.")


def test_facts_of_a_recorded_machine(pyz: Path, evidence: Path) -> None:
    shown = run(pyz, "facts", "--replay", str(evidence))
    assert (shown.returncode, shown.stderr) == (0, "")
    facts = json.loads(shown.stdout)["gpu"]
    assert [device["name"] for device in facts["devices"]] == ["NVIDIA GeForce RTX 4090"]
    assert facts["system"]["distribution"] == "debian"


def test_check_is_the_default_and_tells_the_verdict_by_its_exit_status(pyz: Path, evidence: Path) -> None:
    as_text, as_json = run(pyz, "--replay", str(evidence)), run(pyz, "check", "--format", "json", "--replay", str(evidence))
    report = json.loads(as_json.stdout)
    assert as_text.returncode == as_json.returncode == 2
    assert report["verdict"]["broken_link"] == "kernel_driver"
    assert "RTX 4090" in as_text.stdout
    assert "\x1b[" not in as_text.stdout  # no terminal, no colours


def test_a_recording_can_be_replayed(pyz: Path, tmp_path: Path) -> None:
    """Of this very machine: what it shows live is what its recording shows, but for redacted values."""
    target = tmp_path / "here.json"
    recorded = run(pyz, "record", str(target), "--no-redact")
    assert recorded.returncode == 0, recorded.stderr
    assert target.stat().st_mode & 0o777 == 0o600
    live, replayed = (json.loads(run(pyz, "facts", *more).stdout)["gpu"] for more in ((), ("--replay", str(target))))
    assert replayed == live


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--replay", "/no/such/file"], "evidence: /no/such/file: No such file or directory", id="no such recording"),
        pytest.param(["--root", "/no/such/folder"], "root: /no/such/folder is not a directory", id="no such root"),
        pytest.param(["record"], "record needs a FILE to write to", id="record without a file"),
        pytest.param(["facts", "file.json"], "unexpected argument 'file.json'", id="a file too many"),
        pytest.param(["facts", "--subset", "hardware"], "unknown subset 'hardware'", id="unknown subset"),
        pytest.param(["--timeout", "0"], "--timeout: 0 is not a number of seconds between 0 and 3600", id="no time"),
        pytest.param(["--timeout", "nan"], "--timeout: nan is not a number of seconds", id="not a number"),
        pytest.param(["diagnose"], "invalid choice", id="unknown command"),
    ],
)
def test_wrong_usage_is_told_in_a_line_and_is_no_verdict(pyz: Path, arguments: list[str], message: str) -> None:
    shown = run(pyz, *arguments)
    assert message in shown.stderr
    assert "Traceback" not in shown.stderr
    assert (shown.returncode, shown.stdout) == (64, "")


def test_a_recording_of_another_version_is_refused(pyz: Path, tmp_path: Path) -> None:
    path = tmp_path / "newer.json"
    path.write_text('{"evidence": 7}')
    shown = run(pyz, "facts", "--replay", str(path))
    assert shown.returncode == 64
    assert "evidence version 7 is unknown here (known: 1)" in shown.stderr


def test_a_place_that_cannot_be_written_leaves_nothing_behind(pyz: Path, tmp_path: Path) -> None:
    shown = run(pyz, "record", str(tmp_path / "missing" / "file.json"))
    assert shown.returncode == 73
    assert "nothing was written" in shown.stderr


def test_a_reader_that_goes_away_is_no_error(pyz: Path, evidence: Path) -> None:
    command = f'"{sys.executable}" "{pyz}" facts --replay "{evidence}" | head -c 10'
    shown = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert shown.stderr == ""


@pytest.mark.parametrize("arguments", ["", "facts", "record -"])
def test_a_full_disk_is_told_and_is_no_verdict(pyz: Path, evidence: Path, arguments: str) -> None:
    command = f'exec "$0" -I "$1" {arguments} --replay "$2" > /dev/full'
    shown = subprocess.run(["sh", "-c", command, sys.executable, str(pyz), str(evidence)], capture_output=True, text=True,
                           timeout=60, check=False)
    assert (shown.returncode, shown.stderr) == (73, "check_gpu: the output could not be written: No space left on device\n")


@pytest.mark.parametrize(("closed", "expected"), [(">&-", 2), ("<&- >&- 2>&-", 2), ("<&-", 2), ("2>&-", 2)])
def test_closed_streams(pyz: Path, evidence: Path, closed: str, expected: int) -> None:
    command = f'exec "$0" -I "$1" --replay "$2" {closed}'
    shown = subprocess.run(["sh", "-c", command, sys.executable, str(pyz), str(evidence)], capture_output=True, text=True,
                           timeout=60, check=False)
    assert (shown.returncode, shown.stderr) == (expected, "")


def test_pipes_to_children_do_not_get_the_numbers_of_closed_streams(pyz: Path, tmp_path: Path) -> None:
    """Recording this machine starts children; with all three streams closed they must still be heard."""
    recordings = []
    for name, closed in (("open", ""), ("closed", "<&- >&- 2>&-")):
        target = tmp_path / f"{name}.json"
        subprocess.run(["sh", "-c", f'exec "$0" -I "$1" record "$2" {closed}', sys.executable, str(pyz), str(target)],
                       capture_output=True, timeout=60, check=True)
        commands = json.loads(target.read_text())["commands"]
        recordings.append([(command["argv"], command.get("rc"), command.get("error")) for command in commands])
    assert recordings[0] == recordings[1]


def test_a_terminal_without_unicode(pyz: Path, tmp_path: Path) -> None:
    document = {**RTX4090, "files": {**RTX4090["files"], "/sys/bus/pci/devices/0000:01:00.0/driver_override": "x"},
                "commands": [{"argv": ["dmesg"], "rc": 1, "stdout": "", "stderr": "geht nicht \u2026 \u00e4"}]}
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(document))
    command = [sys.executable, str(pyz), "--replay", str(path)]
    shown = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, timeout=60, check=False)
    assert (shown.returncode, shown.stderr) == (2, b"")


@pytest.mark.parametrize(
    "document", [{"evidence": 1, "commands": [{"argv": ["\x1b[31mX\x07\u202e"], "rc": "x"}]}, {"evidence": "\x1b" * 9999}]
)
def test_a_message_about_a_recording_steers_no_terminal(pyz: Path, tmp_path: Path, document: dict[str, Any]) -> None:
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(document))
    shown = run(pyz, "--replay", str(path))
    assert shown.returncode == 64
    assert shown.stderr.startswith("check_gpu: ")
    assert shown.stderr.strip().isprintable()
    assert len(shown.stderr) < 1100


def test_a_recording_never_replaces_what_is_no_file(pyz: Path, evidence: Path, tmp_path: Path) -> None:
    """As root `record /dev/stdout` or `record /dev/null` would take the device away from the whole machine."""
    (tmp_path / "target.json").write_text("old")
    (tmp_path / "link.json").symlink_to("target.json")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        for name in ("link.json", "pipe"):
            assert run(pyz, "record", str(tmp_path / name), "--replay", str(evidence)).returncode == 0
        assert json.loads(os.read(reader, 1 << 16))["evidence"] == 1
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "target.json").read_text())["evidence"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.json", "link.json", "pipe", "target.json"]
    assert run(pyz, "record", str(tmp_path), "--replay", str(evidence)).returncode == 73
