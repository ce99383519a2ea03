# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live host: commands and probes that hang, die, flood or are not there; another root that must not leak."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils import _host
from ansible_collections.gpufleet.node.plugins.module_utils._host import Host, HostError, LiveHost

PYTHON = sys.executable


@pytest.fixture(autouse=True)
def _own_markers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Markers of hung children go to a folder of the test's own."""
    monkeypatch.setattr(_host._Marker, "_folder", None, raising=False)
    original = _host._Marker.__init__

    def init(self: Any, name: str) -> None:
        original(self, name)
        self._folder = str(tmp_path / "markers")
        self._path = f"{self._folder}/{name[-100:]}.hung"

    monkeypatch.setattr(_host._Marker, "__init__", init)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("print('seen')", (0, "seen\n", "", None), id="success"),
        pytest.param("import sys; print('half'); sys.exit(3)", (3, "half\n", "", None), id="exit status"),
        pytest.param("import sys; sys.stderr.write('why'); sys.exit(9)", (9, "", "why", None), id="standard error"),
        pytest.param("import os; print('half', flush=True); os.kill(os.getpid(), 11)", (None, "half\n", "", "crashed"), id="signal"),
        pytest.param("import os; print(os.environ['LC_ALL'], os.environ['LANG'])", (0, "C C\n", "", None), id="C locale"),
        pytest.param("import sys; print(repr(sys.stdin.read()))", (0, "''\n", "", None), id="no standard input"),
        pytest.param("import sys; sys.stdout.buffer.write(bytes([0xff, 0x41]))", (0, "\ufffdA", "", None), id="not UTF-8"),
    ],
)
def test_run(code: str, expected: Any) -> None:
    output = LiveHost().run([PYTHON, "-c", code])
    assert (output.rc, output.stdout, output.stderr, output.error) == expected


def test_a_program_finds_the_proxy_of_the_task_and_nothing_else_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("LD_PRELOAD_PATH_OF_THE_TASK", "x")
    output = LiveHost().run([PYTHON, "-c", "import os; print(os.environ['https_proxy'], 'LD_PRELOAD_PATH_OF_THE_TASK' in os.environ)"])
    assert output.stdout == "http://proxy.example:3128 False\n"


def test_a_program_that_is_not_installed_is_not_found() -> None:
    with pytest.raises(HostError) as caught:
        LiveHost().run(["gpufleet-no-such-program"])
    assert caught.value.code == "not_found"


def test_a_program_without_execute_permission_is_not_permitted(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(HostError) as caught:
        LiveHost().run([str(program)])
    assert caught.value.code == "not_permitted"


def test_a_child_that_hangs_costs_its_deadline_and_what_it_said_is_kept() -> None:
    began = time.monotonic()
    output = LiveHost().run([PYTHON, "-c", "import time; print('half', flush=True); time.sleep(60)"], timeout=0.7)
    assert (output.error, output.stdout, output.rc) == ("timeout", "half\n", None)
    assert time.monotonic() - began < 5


def test_a_grandchild_that_keeps_the_pipe_open_does_not_hold_us() -> None:
    began = time.monotonic()
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)']); print('done')"
    output = LiveHost().run([PYTHON, "-c", code], timeout=20)
    assert (output.rc, output.stdout) == (0, "done\n")
    assert time.monotonic() - began < 10


def test_a_flood_of_output_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_host, "OUTPUT_LIMIT", 100_000)
    output = LiveHost().run([PYTHON, "-c", "import sys\nwhile True: sys.stdout.write('x' * 65536)"])
    assert output.error == "truncated"
    assert len(output.stdout) <= 100_000


def test_children_have_none_of_our_descriptors(tmp_path: Path) -> None:
    code = ("import os\n"
            "for number in os.listdir('/proc/self/fd'):\n"
            "    try: print(number, os.readlink('/proc/self/fd/' + number))\n"
            "    except OSError: pass\n"  # the descriptor of this listing
            "print(os.getsid(0) == os.getpid())")
    with open(tmp_path / "ours", "w", encoding="ascii") as ours:
        os.set_inheritable(ours.fileno(), True)
        output = LiveHost().run([PYTHON, "-c", code])
    rows = output.stdout.splitlines()
    assert [row.split()[0] for row in rows[:-1]] == ["0", "1", "2"]
    assert rows[0] == "0 /dev/null"
    assert rows[-1] == "True"


def test_prefetch_starts_once_and_run_collects() -> None:
    host = LiveHost()
    argv = [PYTHON, "-c", "import os; print(os.getpid())"]
    host.prefetch(argv)
    started = host._started[tuple(argv)].pid
    assert host.run(argv).stdout == f"{started}\n"
    assert host.run(argv).stdout != f"{started}\n"


def test_a_child_that_survives_is_abandoned_and_not_started_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SIGKILL is taken away, as uninterruptible sleep does; the next call must not start a second child."""
    monkeypatch.setattr(os, "killpg", lambda *_args: None)
    argv = [PYTHON, "-c", "import time; time.sleep(20)"]
    host = LiveHost()
    assert host.run(argv, timeout=0.3).error == "timeout"
    with pytest.raises(HostError, match=r"an earlier call \(process \d+\) still hangs; not started again") as caught:
        host.run(argv, timeout=5)
    assert caught.value.code == "timeout"
    (marker,) = (tmp_path / "markers").iterdir()
    pid = int(marker.read_text().split()[0])
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert LiveHost().run([PYTHON, "-c", "print(1)"]).stdout == "1\n"


def test_an_interrupted_wait_leaves_no_child_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: Any) -> bool:
        raise KeyboardInterrupt

    host, argv = LiveHost(), [PYTHON, "-c", "import time; print('here', flush=True); time.sleep(60)"]
    host.prefetch(argv)
    child = host._started[tuple(argv)]
    monkeypatch.setattr(type(child), "_drain", interrupt)
    with pytest.raises(KeyboardInterrupt):
        host.run(argv)
    assert child.status == 9


def test_a_marker_of_somebody_else_is_not_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a runtime directory the folder is in /tmp, where anybody may have made it."""
    (tmp_path / "markers").mkdir()
    name = os.path.basename(PYTHON)
    (tmp_path / "markers" / f"{name}.hung").write_text(f"{os.getpid()} {_host._start_time(os.getpid())}\n")
    with pytest.raises(HostError, match="still hangs"):
        LiveHost().run([PYTHON, "-c", "print(1)"])
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert LiveHost().run([PYTHON, "-c", "print(1)"]).stdout == "1\n"


def test_a_machine_without_room_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", full)
    host = LiveHost(probes={"one": lambda _argument: 1})
    host.prefetch([PYTHON, "-V"])
    for ask in (lambda: host.run([PYTHON, "-V"]), lambda: host.probe("one"), lambda: host.read("/proc/stat", deadline=1.0)):
        with pytest.raises(HostError, match="no process could be started: Resource temporarily unavailable") as caught:
            ask()
        assert caught.value.code == "unreadable"


def test_a_child_may_be_ended_by_a_closed_pipe() -> None:
    output = LiveHost().run(["sh", "-c", "kill -PIPE $$; echo still here"])
    assert (output.error, output.signal, output.stdout) == ("crashed", 13, "")


@pytest.mark.parametrize(
    ("probe", "code", "message"),
    [
        pytest.param(lambda _a: 1 / 0, "crashed", "ZeroDivisionError: division by zero", id="exception"),
        pytest.param(lambda _a: os.kill(os.getpid(), 11), "crashed", "boom: the child that asked ended with signal 11", id="signal"),
        pytest.param(lambda _a: time.sleep(30), "timeout", "boom: no answer within 0.5 s", id="hang"),
        pytest.param(lambda _a: __import__("no_such_module"), "not_found", "No module named 'no_such_module'", id="no library"),
    ],
)
def test_a_probe_that_fails(probe: Any, code: str, message: str) -> None:
    with pytest.raises(HostError) as caught:
        LiveHost(probes={"boom": probe}).probe("boom", None, timeout=0.5)
    assert (caught.value.code, str(caught.value)) == (code, message)


def test_a_probe_answers_json() -> None:
    host = LiveHost(probes={"echo": lambda argument: {"got": argument, "pid": os.getpid()}})
    answer = host.probe("echo", [1, "ü"])
    assert answer["got"] == [1, "ü"]
    assert answer["pid"] != os.getpid()


def test_a_fifo_in_the_place_of_a_file_does_not_hold_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert LiveHost().read(str(tmp_path / "fifo")) == b""


def test_a_guarded_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234\n")
    assert LiveHost().read(str(tmp_path / "file"), 3, deadline=5) == b"123"
    with pytest.raises(HostError) as caught:
        LiveHost().read(str(tmp_path / "missing"), deadline=5)
    assert caught.value.code == "not_found"


def test_guarded_reads_of_several_files(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"\xff\x00")
    (tmp_path / "two").write_bytes(b"22222")
    paths = [str(tmp_path / name) for name in ("one", "missing", "two")]
    for read in (LiveHost().read_several, lambda *arguments: Host.read_several(LiveHost(), *arguments)):
        answers = read(paths, 3, 5.0)
        missing = answers[paths[1]]
        assert (answers[paths[0]], answers[paths[2]]) == (b"\xff\x00", b"222")
        assert isinstance(missing, HostError)
        assert missing.code == "not_found"
    assert LiveHost().read_several([]) == {}


def test_guarded_reads_share_one_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(path: str, limit: int) -> bytes:
        time.sleep(30)
        return b"+"

    monkeypatch.setattr(_host, "_try_read", hang)
    started = time.monotonic()
    first = f"{tmp_path}/one"
    answers = LiveHost().read_several([first, f"{tmp_path}/two"], 3, 0.3)
    assert time.monotonic() - started < 3
    assert [(path, str(error)) for path, error in answers.items()] == [(first, f"{first}: no answer within 0.3 s")]


def test_another_root_leaks_nothing_of_the_running_system(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("/usr/lib/os-release")  # absolute: must be looked up below the root
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text("ID=imaged\n")
    (tmp_path / "etc/escape").symlink_to("../../../../../../../etc/hostname")
    (tmp_path / "etc/loop").symlink_to("/etc/loop")
    host = LiveHost(str(tmp_path))
    assert host.read("/etc/os-release") == b"ID=imaged\n"
    assert host.link("/etc/os-release") == "/usr/lib/os-release"
    assert host.list("/etc") == ["escape", "loop", "os-release"]
    for path in ("/etc/escape", "/proc/version"):
        with pytest.raises(HostError) as caught:
            host.read(path)
        assert caught.value.code == "not_found"
    with pytest.raises(HostError) as caught:
        host.read("/etc/loop")
    assert caught.value.code == "unreadable"
    with pytest.raises(HostError) as caught:
        host.run(["uname", "-r"])
    assert caught.value.code == "not_found"


ACCOUNTS = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nalice:x:4711:4712:Alice:/home/alice:/bin/zsh\n",
    "group": "root:x:0:\nalice:x:4712:\nrender:x:4713:bob,alice\nvideo:x:4714:bob\nusers:x:4715:alice\n",
}
ASK = """
import json, sys
from ansible_collections.gpufleet.node.plugins.module_utils._host import HostError, LiveHost
answers = []
for line in sys.argv[2:]:
    try:
        answers.append(LiveHost().run(line.split("|"), 10, sys.argv[1])[:3])
    except HostError as error:
        answers.append([error.code, str(error)])
print(json.dumps(answers))
"""


def as_user(tmp_path: Path, user: str, *lines: str) -> list[list[Any]]:
    """What came of command lines run as a user of ACCOUNTS, in a mount namespace whose account database is this one."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    for name, text in ACCOUNTS.items():
        (tmp_path / name).write_text(text)
    mounts = " && ".join(f"mount --bind {tmp_path}/{name} /etc/{name}" for name in ACCOUNTS)
    if subprocess.run(["unshare", "--mount", "sh", "-c", mounts], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace of its own is allowed here")
    command = ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh", PYTHON, "-c", ASK, user, *lines]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HSA_OVERRIDE_GFX_VERSION": "10.3.0", "XDG_RUNTIME_DIR": "/run"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: list[list[Any]] = json.loads(done.stdout)
    return found


def test_a_program_runs_with_the_rights_of_a_user(tmp_path: Path) -> None:
    whole = as_user(tmp_path, "alice", "id|-un", "id|-Gn", "id|-u", "cat|/etc/shadow", "sh|-c|pwd; umask", "env")
    name, groups, number, secret, place, environment = whole
    assert name == [0, "alice\n", ""]
    assert sorted(groups[1].split()) == ["alice", "render", "users"]
    assert number == [0, "4711\n", ""]
    assert (secret[0], secret[1], "Permission denied" in secret[2]) == (1, "", True)
    assert place == [0, "/\n0022\n", ""]
    rows = dict(row.partition("=")[::2] for row in environment[1].splitlines())
    assert {key: rows.pop(key) for key in ("HOME", "USER", "LOGNAME", "SHELL")} == {
        "HOME": "/home/alice", "USER": "alice", "LOGNAME": "alice", "SHELL": "/bin/zsh"}
    assert set(rows) == {"PATH", "LC_ALL", "LANG", "LANGUAGE", "TERM", "NO_COLOR"}


def test_the_user_has_no_way_back_to_root(tmp_path: Path) -> None:
    code, text, _stderr = as_user(tmp_path, "alice", "cat|/proc/self/status")[0]
    rows = {key: value.split() for key, _colon, value in (line.partition(":") for line in text.splitlines())}
    assert (code, rows["Uid"], rows["Gid"], sorted(rows["Groups"])) == (0, ["4711"] * 4, ["4712"] * 4, ["4712", "4713", "4715"])
    assert {rows[key][0] for key in ("CapPrm", "CapEff")} == {"0" * 16}


def test_an_unknown_user_is_refused_and_a_missing_program_is_not_found(tmp_path: Path) -> None:
    assert as_user(tmp_path, "mallory", "id|-un") == [["refused", "id as mallory: there is no user mallory"]]
    assert as_user(tmp_path, "alice", "no-such-program") == [["not_found", "no-such-program: not there"]]


def test_without_root_nobody_runs_anything_as_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostError) as caught:
        LiveHost().run(["id"], user="nobody")
    assert (caught.value.code, str(caught.value)) == ("not_permitted", "id as nobody: only root can run it as somebody else")


def test_a_program_of_a_user_has_its_deadline(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    began = time.monotonic()
    output = LiveHost().run(["sh", "-c", "echo half; sleep 60"], timeout=0.7, user="nobody")
    assert (output.error, output.stdout) == ("timeout", "half\n")
    assert time.monotonic() - began < 5


def test_what_was_started_before_is_not_taken_for_a_user() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    host = LiveHost()
    host.prefetch(["id", "-u"])
    assert host.run(["id", "-u"], user="nobody").stdout != "0\n"
    assert host.run(["id", "-u"]).stdout == "0\n"
