# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._locks_probe import numbered, probe_package_lock

DPKG = "var/lib/dpkg/lock-frontend"
RPM = "var/lib/rpm/.rpm.lock"
# What apt, dpkg and rpm do with their lock files.
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, getattr(fcntl, sys.argv[2]))
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path, kind: str) -> Iterator[int]:
    """Another process that holds this lock; its number."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "locked\n"
        yield child.pid
        child.communicate()


def lock_file(root: Path, name: str, text: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")
    return path


def comm(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()


def test_nothing_there(tmp_path: Path) -> None:
    assert probe_package_lock(str(tmp_path)) == {"holder": None}


@pytest.mark.parametrize(("name", "kind", "seen"), [(DPKG, "LOCK_EX", True), (RPM, "LOCK_EX", True), (RPM, "LOCK_SH", False)])
def test_a_lock_of_another_process(tmp_path: Path, name: str, kind: str, seen: bool) -> None:
    path = lock_file(tmp_path, name)
    with held(path, kind) as pid:
        expected = {"pid": pid, "name": comm(pid)} if seen else None
        assert probe_package_lock(str(tmp_path)) == {"holder": expected}
        assert probe_package_lock(str(tmp_path)) == {"holder": expected}  # the first look took nothing and freed nothing
    assert probe_package_lock(str(tmp_path)) == {"holder": None}


@pytest.mark.parametrize("name", ["var/lib/dnf/rpmdb_lock.pid", "run/zypp.pid"])
def test_a_process_that_left_its_number(tmp_path: Path, name: str) -> None:
    lock_file(tmp_path, name, f"{os.getpid()}\n")
    mine = comm(os.getpid())
    expected = {"pid": os.getpid(), "name": mine} if mine.startswith("python") else None
    assert probe_package_lock(str(tmp_path)) == {"holder": expected}


def test_a_number_that_belongs_to_another_program_by_now(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        lock_file(tmp_path, "run/zypp.pid", str(child.pid))
        while Path(f"/proc/{child.pid}/comm").read_text(encoding="ascii") != "sleep\n":  # until then it is another Python
            time.sleep(0.01)
        try:
            assert probe_package_lock(str(tmp_path)) == {"holder": None}
        finally:
            child.kill()


@pytest.mark.parametrize(
    ("text", "number"), [("812\n", 812), ("", None), ("x", None), ("-1", None), ("99999999999999", None), ("8\n9", None)]
)
def test_numbers(tmp_path: Path, text: str, number: int | None) -> None:
    assert numbered(str(lock_file(tmp_path, "pid", text))) == number
