# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real script in the real shell, with its folder elsewhere."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="ansible-core is not there: this Python plays a node")

from ansible_collections.gpufleet.node.plugins.plugin_utils import _lease
from ansible_collections.gpufleet.node.plugins.plugin_utils._lease import STALE_MINUTES, Lease, LeaseError

pytestmark = pytest.mark.skipif(not shutil.which("flock"), reason="flock (util-linux) is not there")

MODULE = "nvidia_driver"
Command = Callable[[str], "dict[str, Any]"]


@pytest.fixture
def node(tmp_path: Path) -> Command:
    def command(line: str) -> dict[str, Any]:
        line = line.replace("/run/gpufleet.node", str(tmp_path / "run"))
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    return command


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lease, "_WAIT_S", 0.05)


def held(tmp_path: Path) -> Path:
    return tmp_path / "run" / "nvidia_driver.held"


def another(tmp_path: Path, host: str = "elsewhere", process: int = 1) -> None:
    held(tmp_path).parent.mkdir(mode=0o700)
    held(tmp_path).write_text(f"{'0' * 32} {host} {process}\n")


def test_take_renew_release(node: Command, tmp_path: Path) -> None:
    lease = Lease(node, MODULE)
    assert lease.take(0, pytest.fail) is None
    assert held(tmp_path).read_text().split()[1:] == [socket.gethostname(), str(os.getpid())]
    os.utime(held(tmp_path), (0, 0))
    assert lease.renew()
    assert time.time() - held(tmp_path).stat().st_mtime < 60
    lease.release()
    assert not held(tmp_path).exists()
    assert not lease.renew()


def test_each_module_has_its_own(node: Command, tmp_path: Path) -> None:
    first, second = Lease(node, MODULE), Lease(node, "rocm_stack")
    assert (first.take(0, pytest.fail), second.take(0, pytest.fail)) == (None, None)
    first.release()
    assert [path.name for path in sorted((tmp_path / "run").glob("*.held"))] == ["rocm_stack.held"]
    assert second.renew()


def test_the_next_run_is_told_of_the_last_one(node: Command) -> None:
    first, second, third = Lease(node, MODULE), Lease(node, MODULE), Lease(node, MODULE)
    first.take(0, pytest.fail)
    first.release()
    told = second.take(0, pytest.fail)
    second.release()
    assert told is not None
    assert len(told) == 32
    assert third.take(0, pytest.fail) not in (None, told)


def test_another_run_is_waited_for_and_named(node: Command, tmp_path: Path) -> None:
    another(tmp_path)
    said: list[str] = []
    with pytest.raises(LeaseError) as error:
        Lease(node, MODULE).take(0, said.append)
    assert error.value.owner == f"process 1 on elsewhere; one that was killed lets go after {STALE_MINUTES} minutes"
    threading.Timer(0.3, held(tmp_path).unlink).start()
    Lease(node, MODULE).take(20, said.append)
    assert said == ["waiting for another run on this node (process 1 on elsewhere), 20 s at most"]


def test_a_node_that_is_down_is_not_lost_to_another_run() -> None:
    assert Lease(lambda line: {"rc": 1, "stdout": "", "stderr": "container is not running"}, MODULE).renew()


def test_a_holder_that_renews_nothing_loses_it(node: Command, tmp_path: Path) -> None:
    another(tmp_path)
    old = time.time() - STALE_MINUTES * 60 - 61
    os.utime(held(tmp_path), (old, old))
    Lease(node, MODULE).take(0, pytest.fail)
    assert "elsewhere" not in held(tmp_path).read_text()


def test_a_process_of_this_machine_that_is_gone_loses_it_at_once(node: Command, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    another(tmp_path, socket.gethostname(), ended.pid)
    Lease(node, MODULE).take(0, pytest.fail)
    assert str(os.getpid()) in held(tmp_path).read_text()


def test_who_was_taken_over_keeps_off(node: Command, tmp_path: Path) -> None:
    first, second = Lease(node, MODULE), Lease(node, MODULE)
    first.take(0, pytest.fail)
    os.utime(held(tmp_path), (0, 0))
    second.take(0, pytest.fail)
    assert not first.renew()
    first.release()
    assert second.renew()


def test_of_many_at_once_one_gets_it(node: Command) -> None:
    won: list[Lease] = []

    def race() -> None:
        lease = Lease(node, MODULE)
        try:
            lease.take(0, lambda _text: None)
        except LeaseError:
            return
        won.append(lease)

    threads = [threading.Thread(target=race) for _number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_a_node_without_the_means_says_so() -> None:
    with pytest.raises(LeaseError, match=r"^the node's lease cannot be taken \(it needs root, sh and flock\): mkdir: permission denied$"):
        Lease(lambda _line: {"rc": 1, "stdout": "", "stderr": "mkdir: permission denied\n"}, MODULE).take(0, pytest.fail)
