# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: record what passes the door of a machine, and replay it on another one (docs/architecture.md, "Evidence").

A document has `evidence: 1`, `recorded`, `files`, `dirs`, `links`, `commands` and `probes`. What was not recorded is absent: no
such file, command not found, probe not available. A directory that is not listed is implied by the paths recorded below it.
"""

from __future__ import annotations

import base64
import binascii
import builtins
import errno
import json
import os
import posixpath
import time
from collections.abc import Sequence
from typing import Any

from ._host import DEFAULT_TIMEOUT, FILE_LIMIT, Host, HostError, Output, error_of

EVIDENCE_VERSION = 1
_CODES = ("not_found", "not_permitted", "unreadable", "timeout", "crashed", "truncated", "refused")
_ERRNO_OF_CODE = {"not_found": "ENOENT", "not_permitted": "EACCES", "unreadable": "EIO", "timeout": "ETIMEDOUT"}


class EvidenceError(ValueError):
    """A document that cannot be replayed. The message says what is wrong and what to do."""


class RecordingHost(Host):
    """Passes everything on to another host and notes it. `document()` is the evidence."""

    def __init__(self, host: Host) -> None:
        self._host, self.root = host, host.root
        self._seen: dict[str, dict[str, Any]] = {"files": {}, "dirs": {}, "links": {}, "probes": {}}
        self._commands: dict[tuple[str | None, ...], dict[str, Any]] = {}

    def read(self, path: str, limit: int = FILE_LIMIT, deadline: float | None = None) -> bytes:
        try:
            data = self._host.read(path, limit, deadline)
        except HostError as error:
            self._refused("files", path, error)
            raise
        try:
            self._seen["files"][path] = data.decode("utf-8")
        except UnicodeDecodeError:
            self._seen["files"][path] = {"base64": base64.b64encode(data).decode("ascii")}
        return data

    def list(self, path: str) -> builtins.list[str]:
        try:
            names = self._host.list(path)
        except HostError as error:
            self._refused("dirs", path, error)
            raise
        self._seen["dirs"][path] = names
        return names

    def link(self, path: str) -> str:
        try:
            target = self._host.link(path)
        except HostError as error:
            self._refused("links", path, error)
            raise
        self._seen["links"][path] = target
        return target

    def _refused(self, verb: str, path: str, error: HostError) -> None:
        if error.code != "not_found":
            self._seen[verb][path] = {"error": _ERRNO_OF_CODE.get(error.code, "EIO")}

    def prefetch(self, argv: Sequence[str]) -> None:
        self._host.prefetch(argv)

    def run(self, argv: Sequence[str], timeout: float = DEFAULT_TIMEOUT, user: str | None = None) -> Output:
        entry: dict[str, Any] = {"argv": list(argv), **({} if user is None else {"user": user})}
        self._commands[(user, *argv)] = entry
        try:
            output = self._host.run(argv, timeout, user)
        except HostError as error:
            entry["error"] = error.code
            raise
        if output.error == "crashed":
            entry["signal"] = output.signal
        elif output.error:
            entry["error"] = output.error
        else:
            entry["rc"] = output.rc
        entry.update(stdout=output.stdout, stderr=output.stderr)
        return output

    def probe(self, name: str, argument: Any = None, timeout: float = DEFAULT_TIMEOUT) -> Any:
        try:
            value = self._host.probe(name, argument, timeout)
        except HostError as error:
            if error.code != "not_found":
                self._seen["probes"][name] = {"error": error.code if error.code == "timeout" else str(error)}
            raise
        self._seen["probes"][name] = value
        return value

    def document(self, by: str, redact: bool = True) -> dict[str, Any]:
        """The evidence so far. `by` names the recording program with its version."""
        recorded = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "by": by, "euid": os.geteuid()}
        seen: dict[str, Any] = {**self._seen, "commands": list(self._commands.values())}
        if redact:
            from ._redaction import Redaction

            seen = Redaction(seen).apply(seen)
        return {"evidence": EVIDENCE_VERSION, "recorded": recorded, **seen}


class ReplayHost(Host):
    """A recorded machine. Nothing here touches the machine that it runs on."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._files, self._links = document["files"], document["links"]
        self._probes, self._dirs = document["probes"], _directories(document)
        self._commands = {_command_key(entry["argv"], entry.get("user")): entry for entry in document["commands"]}

    def _resolve(self, path: str, follow_last: bool = True) -> str:
        """The recorded path behind links, as far as links are recorded."""
        done, pending, budget = "", path.split("/")[::-1], 40
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = posixpath.dirname(done) if done else ""
                continue
            here = f"{done}/{part}"
            target = self._links.get(here) if pending or follow_last else None
            if isinstance(target, str) and here not in self._files and budget:
                budget -= 1
                done = "" if target.startswith("/") else done
                pending += target.split("/")[::-1]
            else:
                done = here
        return done or "/"

    def _find(self, table: dict[str, Any], path: str, follow_last: bool = True) -> Any:
        """What is recorded of a path; under the name that was asked for, or behind links."""
        entry = table.get(path)
        if entry is None:
            entry = table.get(self._resolve(path, follow_last))
        if entry is None:
            raise HostError("not_found", f"{path}: not there")
        if isinstance(entry, dict) and "error" in entry:
            name = str(entry["error"])
            raise error_of(OSError(getattr(errno, name, errno.EIO), name), path) if name != "ETIMEDOUT" else HostError(
                "timeout", f"{path}: no answer")
        return entry

    def read(self, path: str, limit: int = FILE_LIMIT, deadline: float | None = None) -> bytes:
        entry = self._find(self._files, path)
        data = entry.encode("utf-8", "surrogatepass") if isinstance(entry, str) else _decode(entry, path)
        return data[:limit]

    def list(self, path: str) -> builtins.list[str]:
        names = self._find(self._dirs, path.rstrip("/") or "/")
        return sorted(names)

    def link(self, path: str) -> str:
        return str(self._find(self._links, path, follow_last=False))

    def run(self, argv: Sequence[str], timeout: float = DEFAULT_TIMEOUT, user: str | None = None) -> Output:
        entry = self._commands.get(_command_key(argv, user))
        error = (entry or {"error": "not_found"}).get("error")
        if entry is None or error in ("not_found", "not_permitted", "refused"):
            name = argv[0] if user is None else f"{argv[0]} as {user}"
            raise HostError(error or "not_found", f"{name}: not recorded" if entry is None else f"{name}: {error}")
        stdout, stderr = str(entry.get("stdout") or ""), str(entry.get("stderr") or "")
        if "signal" in entry:
            return Output(None, stdout, stderr, "crashed", int(entry["signal"]))
        if error:
            return Output(None, stdout, stderr, error if error in ("timeout", "truncated") else "crashed")
        return Output(int(entry.get("rc", 0)), stdout, stderr)

    def probe(self, name: str, argument: Any = None, timeout: float = DEFAULT_TIMEOUT) -> Any:
        answer = self._probes.get(name)
        if answer is None:
            raise HostError("not_found", f"{name}: not recorded")
        if isinstance(answer, dict) and "error" in answer:
            text = str(answer["error"])
            raise HostError(text if text in _CODES else "refused", text)
        return answer


def load(text: str, name: str = "evidence") -> ReplayHost:
    """The machine in an evidence document. EvidenceError says what is wrong with it."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"{name}: not an evidence document, it is no JSON ({error}); record one with: check_gpu.pyz record FILE"
                            ) from None
    if not isinstance(document, dict) or "evidence" not in document:
        raise EvidenceError(f"{name}: not an evidence document, the key \"evidence\" is missing; record one with: "
                            "check_gpu.pyz record FILE")
    version = document["evidence"]
    if version != EVIDENCE_VERSION or isinstance(version, bool):
        raise EvidenceError(f"{name}: evidence version {version!r} is unknown here (known: {EVIDENCE_VERSION}); "
                            "replay it with the release that recorded it, or a newer one")
    kinds = {"files": dict, "dirs": dict, "links": dict, "probes": dict, "commands": list}
    whole = {key: kind() if document.get(key) is None else document[key] for key, kind in kinds.items()}
    for key, kind in kinds.items():
        if not isinstance(whole[key], kind):
            raise EvidenceError(f"{name}: {key} must be {'a list' if kind is list else 'an object'}")
    _check_entries(whole, name)
    return ReplayHost(whole)


def _check_entries(document: dict[str, Any], name: str) -> None:
    for entry in document["commands"]:
        argv = entry.get("argv") if isinstance(entry, dict) else None
        if not (isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv)):
            raise EvidenceError(f"{name}: each command needs an argv, a list of words")
        if not all(isinstance(entry.get(key, 0), int) for key in ("rc", "signal")):
            raise EvidenceError(f"{name}: rc and signal of {argv[0]} must be whole numbers")
        if not isinstance(entry.get("user", ""), str):
            raise EvidenceError(f"{name}: user of {argv[0]} must be a name")
    for key, kinds in (("files", (str, dict)), ("links", (str, dict)), ("dirs", (list, dict))):
        for path, entry in document[key].items():
            if not (path.startswith("/") and isinstance(entry, kinds)):
                raise EvidenceError(f"{name}: {key}: {path[:80]!r} is not an absolute path with a recorded content")
            if isinstance(entry, list) and not all(isinstance(child, str) for child in entry):
                raise EvidenceError(f"{name}: dirs: {path[:80]!r} must be a list of names")


def _command_key(argv: Sequence[str], user: str | None = None) -> tuple[str | None, ...]:
    return (user, posixpath.basename(argv[0]), *argv[1:])


def _decode(entry: Any, path: str) -> bytes:
    try:
        return base64.b64decode(entry["base64"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise HostError("unreadable", f"{path}: the recorded content is damaged") from None


def _directories(document: dict[str, Any]) -> dict[str, Any]:
    """Recorded listings, and those implied by recorded paths."""
    implied: dict[str, Any] = {}
    for table in ("files", "links", "dirs"):
        for path in document[table]:
            while path not in ("/", ""):
                parent, _slash, child = path.rpartition("/")
                names = implied.setdefault(parent or "/", set())
                if child in names:
                    break
                names.add(child)
                path = parent
    return {**implied, **document["dirs"]}
