# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the only door to the machine. Five verbs: read a file, list a directory, read a link, run a command, run a probe."""

from __future__ import annotations

import builtins
import contextlib
import errno
import importlib.util
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from ._child import Child, start_function, start_program

FILE_LIMIT = 1 << 20  # bytes; no file that readers parse is larger, and a larger one is somebody's trap
OUTPUT_LIMIT = 16 << 20  # bytes; `nvidia-smi -q -x` of 16 GPUs with MIG has less than 1 MiB, a kernel log a few
DEFAULT_TIMEOUT = 10.0  # seconds for one source

# Where tools live that are not on everybody's PATH: an ordinary user's has no sbin, and ROCm and WSL use folders of their own.
_EXTRA_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/rocm/bin", "/usr/lib/wsl/lib")

Probe = Callable[[Any], Any]


class HostError(Exception):
    """What the machine refused. code: not_found, not_permitted, unreadable, timeout, crashed or refused."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Output(NamedTuple):
    """What came of a command. error: None, "timeout", "crashed" (a signal) or "truncated" (more than OUTPUT_LIMIT)."""

    rc: int | None
    stdout: str
    stderr: str
    error: str | None = None
    signal: int | None = None

    @property
    def ok(self) -> bool:
        return self.rc == 0 and self.error is None


class Host:
    """A machine, live or recorded. Every verb raises HostError; paths are absolute, as the machine itself names them."""

    root = "/"

    def read(self, path: str, limit: int = FILE_LIMIT, deadline: float | None = None) -> bytes:
        """The content of a file, `limit` bytes of it at most. With `deadline` (seconds) it is read in a child of its own:
        some files of a driver answer only after the hardware did."""
        raise NotImplementedError

    def read_several(self, paths: Sequence[str], limit: int = FILE_LIMIT,
                     deadline: float = DEFAULT_TIMEOUT) -> dict[str, bytes | HostError]:
        """Content or failure of each file, read in a child under one deadline for all. After a timeout the rest is missing."""
        answers: dict[str, bytes | HostError] = {}
        for path in paths:
            answers[path] = answer = self._read_or_error(path, limit, deadline)
            if isinstance(answer, HostError) and answer.code == "timeout":
                break
        return answers

    def _read_or_error(self, path: str, limit: int, deadline: float) -> bytes | HostError:
        try:
            return self.read(path, limit, deadline)
        except HostError as error:
            return error

    def list(self, path: str) -> builtins.list[str]:
        """The names in a directory, sorted."""
        raise NotImplementedError

    def link(self, path: str) -> str:
        """The text of a symbolic link."""
        raise NotImplementedError

    def run(self, argv: Sequence[str], timeout: float = DEFAULT_TIMEOUT, user: str | None = None) -> Output:
        """Run a program with a C locale. Not installed raises HostError("not_found"). With `user` it runs with the rights of that
        account and nothing of our environment; HostError("not_permitted") where we are not root, "refused" without such an account."""
        raise NotImplementedError

    def prefetch(self, argv: Sequence[str]) -> None:
        """Start a program whose output `run` will ask for later, so that it works while we read something else."""

    def probe(self, name: str, argument: Any = None, timeout: float = DEFAULT_TIMEOUT) -> Any:
        """The answer (a JSON value) of a registered probe, run in a child. Not possible here raises HostError("not_found")."""
        raise NotImplementedError


# How the kernel says that there is no such thing; drivers answer the latter ones for what a card does not have.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ENODEV, errno.ENXIO, errno.EOPNOTSUPP, errno.ENODATA)


def error_of(error: OSError, path: str) -> HostError:
    """The HostError for a failed system call."""
    if error.errno in _ABSENT:
        return HostError("not_found", f"{path}: not there")
    if error.errno in (errno.EACCES, errno.EPERM):
        return HostError("not_permitted", f"{path}: permission denied")
    return HostError("unreadable", f"{path}: {os.strerror(error.errno or errno.EIO)}")


class LiveHost(Host):
    """This machine, or with another `root` a file system mounted below it: then no command and no probe is run, since they
    would speak of the running system."""

    def __init__(self, root: str = "/", probes: dict[str, Probe] | None = None, needs: Mapping[str, str] | None = None) -> None:
        """needs: the Python module without which a probe is not possible; it is looked for before a child is made."""
        self.root = os.path.normpath(root)
        self._rooted = self.root != "/"
        self._probes, self._needs = probes or {}, needs or {}
        self._started: dict[tuple[str, ...], Child] = {}

    def _real(self, path: str, follow_last: bool = True) -> str:
        """The path below our root. Links are followed inside it: an absolute one must not lead back to the running system."""
        if not self._rooted:
            return path
        pending, done, budget = path.split("/")[::-1], [""], 40
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done[:-1] or [""]
                continue
            here = self.root + "/".join([*done, part])
            target = os.readlink(here) if os.path.islink(here) and (pending or follow_last) else None
            if target is None:
                done.append(part)
                continue
            budget -= 1
            if budget < 0:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            done = [""] if target.startswith("/") else done
            pending += target.split("/")[::-1]
        return self.root + "/".join(done)

    def read(self, path: str, limit: int = FILE_LIMIT, deadline: float | None = None) -> bytes:
        if deadline is None:
            try:
                return _read(self._real(path), limit)
            except OSError as error:
                raise error_of(error, path) from None
        answer = self._in_child(path, lambda: _try_read(self._real(path), limit), deadline)
        if answer[:1] != b"+":
            raise _told_error(answer, path)
        return answer[1:]

    def read_several(self, paths: Sequence[str], limit: int = FILE_LIMIT,
                     deadline: float = DEFAULT_TIMEOUT) -> dict[str, bytes | HostError]:
        import json

        def read_all() -> bytes:
            return json.dumps([_try_read(self._real(path), limit).decode("latin-1") for path in paths]).encode()

        if not paths:
            return {}
        try:
            told = [text.encode("latin-1") for text in json.loads(self._in_child(paths[0], read_all, deadline))]
        except HostError as error:
            return {paths[0]: error}
        return {path: answer[1:] if answer[:1] == b"+" else _told_error(answer, path) for path, answer in zip(paths, told)}

    def list(self, path: str) -> builtins.list[str]:
        try:
            return sorted(os.listdir(self._real(path)))
        except OSError as error:
            raise error_of(error, path) from None

    def link(self, path: str) -> str:
        try:
            return os.readlink(self._real(path, follow_last=False))
        except OSError as error:
            raise error_of(error, path) from None

    def prefetch(self, argv: Sequence[str]) -> None:
        if not self._rooted and not _Marker(os.path.basename(argv[0])).holder():
            with contextlib.suppress(HostError):  # `run` will try again and say it
                self._started.setdefault(tuple(argv), _start(argv[0], lambda: start_program(argv, _environment())))

    def run(self, argv: Sequence[str], timeout: float = DEFAULT_TIMEOUT, user: str | None = None) -> Output:
        if self._rooted:
            raise HostError("not_found", f"{argv[0]}: no command is run for another root")
        if user is not None and os.geteuid() != 0:
            raise HostError("not_permitted", f"{argv[0]} as {user}: only root can run it as somebody else")
        name = os.path.basename(argv[0])
        child = self._started.pop(tuple(argv), None) if user is None else None
        if child is None:
            _refuse_second(name)
            child = _start(argv[0], lambda: start_program(argv, _environment() if user is None else _bare_environment(), user))
        child.collect(time.monotonic() + timeout, OUTPUT_LIMIT)
        failure = bytes(child.data["exec"])
        if failure:
            raise error_of(OSError(int(failure), ""), argv[0]) if failure.isdigit() else HostError(
                "refused", f"{argv[0]} as {user}: {failure.decode('utf-8', 'replace')}")
        stdout, stderr = (child.data[stream].decode("utf-8", "replace") for stream in ("stdout", "stderr"))
        if child.abandoned:
            _Marker(name).write(child.pid)
        if child.timed_out or child.truncated:
            return Output(None, stdout, stderr, "timeout" if child.timed_out else "truncated")
        status = child.status or 0
        if os.WIFSIGNALED(status):
            return Output(None, stdout, stderr, "crashed", os.WTERMSIG(status))
        return Output(os.WEXITSTATUS(status), stdout, stderr)

    def probe(self, name: str, argument: Any = None, timeout: float = DEFAULT_TIMEOUT) -> Any:
        import json

        function = self._probes.get(name)
        if self._rooted or function is None:
            raise HostError("not_found", f"{name}: no probe is run for another root" if self._rooted else f"{name}: no such probe")
        if name in self._needs and importlib.util.find_spec(self._needs[name]) is None:
            raise HostError("not_found", f"No module named '{self._needs[name]}'")
        answer = json.loads(self._in_child(name, lambda: json.dumps(_answer(function, argument)).encode(), timeout))
        if "error" in answer:
            raise HostError(answer.get("code", "refused"), answer["error"])
        return answer["value"]

    def _in_child(self, name: str, function: Callable[[], bytes], timeout: float) -> bytes:
        marker = name.strip("/").replace("/", "-")
        _refuse_second(marker)
        child = _start(name, lambda: start_function(function))
        child.collect(time.monotonic() + timeout, OUTPUT_LIMIT)
        if child.abandoned:
            _Marker(marker).write(child.pid)
        if child.timed_out:
            raise HostError("timeout", f"{name}: no answer within {timeout:g} s")
        if child.truncated or child.status != 0 or not child.data["result"]:
            how = f"signal {os.WTERMSIG(child.status)}" if child.status and os.WIFSIGNALED(child.status) else "no result"
            raise HostError("crashed", f"{name}: the child that asked ended with {how}")
        return bytes(child.data["result"])


def _read(path: str, limit: int) -> bytes:
    # Without O_NONBLOCK a FIFO in the place of a file would hold us for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        chunks: list[bytes] = []
        while limit > 0:
            chunk = os.read(descriptor, min(limit, 1 << 18))
            if not chunk:
                break
            chunks.append(chunk)
            limit -= len(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def _try_read(path: str, limit: int) -> bytes:
    try:
        return b"+" + _read(path, limit)
    except OSError as error:
        return b"-%d" % (error.errno or errno.EIO)


def _told_error(answer: bytes, path: str) -> HostError:
    number = int(answer[1:] or b"5")
    return error_of(OSError(number, os.strerror(number)), path)


def _answer(function: Probe, argument: Any) -> dict[str, Any]:
    """What a probe's child says: {"value": …} or {"error": text, "code": …}. Nothing may leave it as a traceback."""
    try:
        return {"value": function(argument)}
    except HostError as error:
        return {"error": str(error), "code": error.code}
    except ImportError as error:
        return {"error": str(error), "code": "not_found"}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "code": "crashed"}


def _start(name: str, start: Callable[[], Child]) -> Child:
    try:
        return start()
    except OSError as error:  # no process or no descriptor is left for us
        raise HostError("unreadable", f"{name}: no process could be started: {error.strerror}") from None


# A package manager finds its mirror through these, where the task sets them.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")


def _environment() -> dict[str, str]:
    known = os.environ.get("PATH", "").split(":")
    path = [*[folder for folder in known if folder.startswith("/")], *[folder for folder in _EXTRA_PATH if folder not in known]]
    kept = {name: os.environ[name] for name in ("HOME", "USER", "XDG_RUNTIME_DIR", *_PROXIES) if name in os.environ}
    return {**kept, **_bare_environment(), "PATH": ":".join(path)}


def _bare_environment() -> dict[str, str]:
    """What every program gets, whoever runs it."""
    return {"PATH": ":".join(_EXTRA_PATH), "LC_ALL": "C", "LANG": "C", "LANGUAGE": "C", "TERM": "dumb", "NO_COLOR": "1"}


def _refuse_second(name: str) -> None:
    holder = _Marker(name).holder()
    if holder:
        raise HostError("timeout", f"{name}: an earlier call (process {holder}) still hangs; not started again")


class _Marker:
    """A note of a child that could not be ended, so that the next run does not start another one: hung driver calls pile up."""

    def __init__(self, name: str) -> None:
        self._folder = "/run/gpufleet.node" if os.geteuid() == 0 else _user_folder()
        self._path = os.path.join(self._folder, f"{name[-100:]}.hung")

    def holder(self) -> int | None:
        """The process that still hangs, if there is one."""
        try:
            if os.lstat(self._folder).st_uid != os.geteuid():  # in /tmp anybody may have made it
                return None
            pid, started = _read(self._path, 100).split()
            return int(pid) if _start_time(int(pid)) == started.decode() else None
        except (OSError, ValueError):
            return None

    def write(self, pid: int) -> None:
        started = _start_time(pid)
        if started is None:
            return
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            if os.lstat(self._folder).st_uid != os.geteuid():
                return
            fresh = f"{self._path}.{os.getpid()}"
            with open(fresh, "w", encoding="ascii") as file:
                file.write(f"{pid} {started}\n")
            os.replace(fresh, self._path)
        except OSError:  # nowhere to write: the next run may start a second one, no worse than that
            return


def _user_folder() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return f"{runtime}/gpufleet.node" if runtime.startswith("/") else f"/tmp/gpufleet.node-{os.geteuid()}"


def _start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot (field 22 of /proc/PID/stat, proc(5)); with its PID it names it for good."""
    try:
        fields = _read(f"/proc/{pid}/stat", 4096).decode("utf-8", "replace").rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return None
