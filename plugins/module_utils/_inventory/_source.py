# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: a reader's view of the machine. What is absent is None or empty; what is there and fails becomes a problem."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any

from .._host import DEFAULT_TIMEOUT, FILE_LIMIT, Host, HostError, Output
from ._own import NVIDIA, Own

_MESSAGE_LIMIT = 300  # characters of somebody else's text in a problem


class Source:
    """`name` stands in the problems and in `device["source"]`. `timeout` is the deadline of this source, in seconds; `users`: those
    with whose eyes it looks, None where nobody asked for that. `own`: whose record and files a change looks for."""

    def __init__(self, host: Host, name: str, problems: list[dict[str, str]], timeout: float = DEFAULT_TIMEOUT,
                 wanted: frozenset[str] = frozenset(), users: Sequence[str] | None = None, own: Own = NVIDIA) -> None:
        self.host, self.name, self.timeout, self.users, self.own = host, name, timeout, users, own
        self._problems, self._wanted = problems, wanted
        self._refused: list[str] = []
        self._silent = False

    def wants(self, subset: str) -> bool:
        """Whether this subset was asked for: runtime, processes, or deep (what only a check needs and costs more)."""
        return subset in self._wanted

    def problem(self, code: str, message: str) -> None:
        text = " ".join(message.split())
        text = text if len(text) <= _MESSAGE_LIMIT else text[: _MESSAGE_LIMIT - 1] + "…"
        problem = {"source": self.name, "code": code, "message": text}
        if problem not in self._problems:
            self._problems.append(problem)

    def _failed(self, error: HostError) -> None:
        """Note a failure of the door; paths that were refused become one problem, however many there are."""
        if error.code == "not_found":
            return
        if error.code != "not_permitted":
            self.problem(error.code, str(error))
            return
        paths = self._refused
        paths.append(str(error).rpartition(":")[0])
        message = f"{paths[0]}: permission denied"
        more = f" (and {len(paths) - 1} more); read as root to see it all" if len(paths) > 1 else "; read as root to see it"
        problem = {"source": self.name, "code": error.code, "message": message + more}
        for number, known in enumerate(self._problems):
            if known["source"] == self.name and known["code"] == error.code and known["message"].startswith(message):
                self._problems[number] = problem
                return
        self._problems.append(problem)

    def text(self, path: str, limit: int = FILE_LIMIT, guarded: bool = False) -> str | None:
        """The content of a file; None where it is absent or refused. guarded: read in a child, under the deadline; after one
        that got no answer no other is tried, so that dead hardware costs the deadline once."""
        if guarded and self._silent:
            return None
        try:
            return self.host.read(path, limit, self.timeout if guarded else None).decode("utf-8", "replace")
        except HostError as error:
            self._silent = self._silent or (guarded and error.code == "timeout")
            self._failed(error)
            return None

    def texts(self, paths: Sequence[str], limit: int = 65536) -> dict[str, str]:
        """What can be read of these files of one device, in one child: a guarded read of each costs some milliseconds."""
        found: dict[str, str] = {}
        for path, answer in ({} if self._silent else self.host.read_several(paths, limit, self.timeout)).items():
            if isinstance(answer, HostError):
                self._silent = self._silent or answer.code == "timeout"
                self._failed(answer)
            else:
                found[path] = answer.decode("utf-8", "replace")
        return found

    def data(self, path: str, limit: int = FILE_LIMIT) -> bytes | None:
        """The bytes of a file; None where it is absent or refused."""
        try:
            return self.host.read(path, limit)
        except HostError as error:
            self._failed(error)
            return None

    def value(self, path: str, guarded: bool = False) -> str | None:
        """A file of one value, stripped; None where it is absent, refused or empty."""
        text = self.text(path, 4096, guarded)
        return (text.replace("\0", "").strip() or None) if text is not None else None

    def number(self, path: str, guarded: bool = False) -> int | None:
        """A file of one whole number, decimal or with 0x; None for everything else."""
        try:
            return int(self.value(path, guarded) or "", 0)
        except ValueError:
            return None

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted; empty where it is absent or refused."""
        try:
            return self.host.list(path)
        except HostError as error:
            self._failed(error)
            return []

    def link(self, path: str) -> str | None:
        """The text of a link; None where it is absent, refused or no link."""
        try:
            return self.host.link(path)
        except HostError as error:
            self._failed(error)
            return None

    def link_name(self, path: str) -> str | None:
        """The last part of a link's text: /sys/bus/pci/devices/X/driver → "nvidia"."""
        target = self.link(path)
        return posixpath.basename(target.rstrip("/")) or None if target else None

    def run(self, *argv: str, timeout: float | None = None, user: str | None = None) -> Output | None:
        """What came of a command, run by us or with the rights of `user`; None where it is not installed. A timeout or a crash is
        noted here, an exit status is the reader's business."""
        seconds = timeout or self.timeout
        try:
            output = self.host.run(argv, seconds, user)
        except HostError as error:
            self._failed(error)
            return None if error.code in ("not_found", "not_permitted", "refused") else Output(None, "", "", "timeout")
        if output.error:
            how = {"timeout": f"no answer within {seconds:g} s", "truncated": "more output than is sensible",
                   "crashed": f"ended by signal {output.signal}"}[output.error]
            self.problem("unreadable" if output.error == "truncated" else output.error, f"{' '.join(argv)}: {how}")
        return output

    def probe(self, name: str, argument: Any = None, timeout: float | None = None) -> Any:
        """The answer of a probe; None where it is not available or failed (which is noted)."""
        try:
            return self.host.probe(name, argument, timeout or self.timeout)
        except HostError as error:
            self._failed(error)
            return None
