# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: children that can be abandoned.

An `nvidia-smi` whose driver hangs sits in uninterruptible sleep and survives SIGKILL; even `execve` of a program on a dead
mount may never return. So a child is forked without waiting for its `exec`, has its own session and none of our descriptors
(Ansible waits for everybody who inherited standard output or error), and nothing here waits without a limit.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from typing import Callable

_CHUNK = 65536
_TICK_S = 0.05  # how long a child that closed its output may go unnoticed
_GRACE_S = 0.2  # for SIGKILL to take effect, before the child counts as abandoned
_LIFE_S = 3660  # no caller waits longer (3600 s); ends what is left behind where somebody killed us, exec keeps the alarm


class Child:
    """A forked process with its output on pipes of ours. `collect` reads it under a deadline, once."""

    def __init__(self, pid: int, output: dict[str, int]) -> None:
        self.pid = pid
        self._output = output  # name → descriptor to read from
        self.data: dict[str, bytearray] = {name: bytearray() for name in output}
        self.status: int | None = None  # as waitpid tells it; None while it lives
        self.timed_out = False
        self.truncated = False

    @property
    def abandoned(self) -> bool:
        return self.status is None

    def collect(self, deadline: float, limit: int) -> None:
        """Read until the child ends, `deadline` (time.monotonic) passes or a stream exceeds `limit` bytes; never longer."""
        try:
            self._read(deadline, limit)
        finally:  # also where somebody presses Ctrl-C: the child has a session of its own and hears nothing of it
            self._end()

    def _read(self, deadline: float, limit: int) -> None:
        poller, names = select.poll(), {}
        for name, descriptor in self._output.items():
            os.set_blocking(descriptor, False)
            poller.register(descriptor, select.POLLIN | select.POLLHUP)
            names[descriptor] = name
        while self.status is None and not self.truncated:
            left = deadline - time.monotonic()
            if left <= 0:
                self.timed_out = True
                break
            for descriptor, _event in poller.poll(min(left, _TICK_S if names else 0.001) * 1000):
                if not self._drain(descriptor, names[descriptor], limit):
                    poller.unregister(descriptor)
                    del names[descriptor]
            self._reap()
        for descriptor, name in names.items():  # what a child wrote just before its end
            self._drain(descriptor, name, limit)

    def _drain(self, descriptor: int, name: str, limit: int) -> bool:
        """Take what is there; False at the end of the stream."""
        data = self.data[name]
        while True:
            try:
                chunk = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not chunk:
                return False
            data.extend(chunk)
            if len(data) > limit:
                del data[limit:]
                self.truncated = True
                return True

    def _reap(self) -> None:
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else waited for it
            self.status = 0
            return
        if pid:
            self.status = status

    def _end(self) -> None:
        for descriptor in self._output.values():
            os.close(descriptor)
        if self.status is not None:
            return
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        until = time.monotonic() + _GRACE_S
        while self.status is None and time.monotonic() < until:
            self._reap()
            time.sleep(0.002)


def start_program(argv: Sequence[str], environment: dict[str, str], user: str | None = None) -> Child:
    """Start a program, with `user` (root only) as that user. Its streams are "stdout" and "stderr"; "exec" holds the error number if
    it could not be executed, or in words why it could not become the user."""

    def body(streams: dict[str, int]) -> int:
        if user is not None:
            try:
                environment.update(_become(user))
            except (LookupError, OSError) as error:
                os.write(streams["exec"], str(error.args[0] if isinstance(error, LookupError) else error).encode())
                return 126
        os.dup2(streams["stdout"], 1)
        os.dup2(streams["stderr"], 2)
        # Python ignores SIGPIPE, and a program would inherit that: one that writes for ever could outlive us.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            os.execvpe(argv[0], list(argv), environment)
        except OSError as error:
            os.write(streams["exec"], str(error.errno).encode())
        except ValueError:  # a NUL byte in an argument
            os.write(streams["exec"], b"22")
        return 127

    return _fork(["stdout", "stderr", "exec"], body)


def _become(user: str) -> dict[str, str]:
    """Give up root for an account: its group, its other groups as the account database has them, its number; no way back. Returns
    what of the environment is the user's own. In a child, since a directory service may take its time."""
    import pwd
    import warnings  # noqa: F401 - execvpe wants it, and the user may not be allowed to read our Python

    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise LookupError(f"there is no user {user}") from None
    os.setgid(account.pw_gid)
    os.initgroups(user, account.pw_gid)
    os.setuid(account.pw_uid)
    os.umask(0o022)
    os.chdir("/")  # where we are, the user may not be allowed to be
    return {"HOME": account.pw_dir, "USER": user, "LOGNAME": user, "SHELL": account.pw_shell or "/bin/sh"}


def start_function(function: Callable[[], bytes]) -> Child:
    """Run a function in a forked child. Its stream is "result"."""

    def body(streams: dict[str, int]) -> int:
        data = function()
        while data:
            data = data[os.write(streams["result"], data):]
        return 0

    return _fork(["result"], body)


def _fork(names: list[str], body: Callable[[dict[str, int]], int]) -> Child:
    pipes = {name: os.pipe() for name in names}
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setsid()
            signal.alarm(_LIFE_S)
            kept = {name: pipe[1] for name, pipe in pipes.items()}
            _detach(set(kept.values()))
            status = body(kept)
        finally:  # never back into the parent's code, whatever happens
            os._exit(status)
    for pipe in pipes.values():
        os.close(pipe[1])
    return Child(pid, {name: pipe[0] for name, pipe in pipes.items()})


def _detach(keep: set[int]) -> None:
    """Close every inherited descriptor but `keep`; standard input and the two outputs go to /dev/null."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    try:
        descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        descriptors = list(range(3, 256))
    for descriptor in descriptors:
        if descriptor > 2 and descriptor not in keep:
            with contextlib.suppress(OSError):
                os.close(descriptor)
