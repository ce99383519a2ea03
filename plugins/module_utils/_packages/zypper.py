# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What zypper offers and would do, asked in a state of our own: repositories, caches, log and lock file lie in a private folder.

Only the rpm database and its keys are the node's own, and only read. zypper takes a new key into the rpm database or not at all;
so it is never told of the keys of wished repositories, whose signatures gpg verifies here with a keyring that goes with the folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Callable

from .._host import Host
from .._inventory._own import NVIDIA, Own
from .._inventory._package_locks import parse_zypper_locks
from ._dnf_request import downgrades, validate
from ._installed import rpm_needs, rpm_versions
from ._private import PrivateFolder
from ._rpm_private import (
    ask,
    checked,
    configuration,
    fits_any,
    key_path,
    known_origin,
    own_locks,
    patterns_of,
    read_text,
    seed,
    write_repositories,
)
from ._rpm_text import code_of, shortened
from ._zypper_text import Details, Solvable, locked_names, messages, parse_info, parse_search, parse_summary, trouble
from .types import Candidate, Closure, Installed, Offer, PackageError, Repository, Request, Wanted

__all__ = ["Zypper"]

_REFRESH_S = 600.0
_CONF = ("/etc/zypp/zypp.conf", "/usr/etc/zypp/zypp.conf")
_REPOS = "/etc/zypp/repos.d"
_LOCKS = "/etc/zypp/locks"
_CACHE = "/var/cache/zypp"
_AUTOMATIC = "/var/lib/zypp/AutoInstalled"  # names of packages that nobody asked for, a line each
_NOTHING_FOUND = 104
_SKIPPED = 106
_AT_ONCE = 100  # packages in one `zypper info`
_PROXY = re.compile(r"(?:https?|socks5h?)://[A-Za-z0-9.\[\]:@_~%/+-]{1,400}", re.ASCII)


class Zypper:
    """`Manager` for zypper; folder is an absolute path for the private state, refresh_timeout is in seconds.

    origin_of(manager, fields) names the row of data/nvidia_packages.yml for {repo, vendor, url} of a package.
    """

    name = "zypper"

    def __init__(self, host: Host, folder: str, refresh_timeout: float = _REFRESH_S,
                 origin_of: Callable[[str, Mapping[str, str]], str | None] | None = None, own: Own = NVIDIA) -> None:
        self._own = own
        self._host, self._folder, self._timeout = host, PrivateFolder(folder), refresh_timeout
        self._origin_of = origin_of or known_origin
        self._open = False
        self._locks: list[str] = []
        self._problems: list[dict[str, str]] = []
        self._urls: dict[str, str] = {}
        self._environment: list[str] = []

    def __enter__(self) -> Zypper:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the private state."""
        self._folder.close()
        self._open = False

    # --- The private state ---

    def open(self, repositories: Sequence[Repository], refresh: bool = True, proxy: str | None = None) -> None:
        """Make the private state and fetch the metadata. Without `refresh` what the node has in its cache is not asked again."""
        try:
            if not self._open:
                self._folder.__enter__()
                self._open = True
            self._problems = []
            self._write_configuration(proxy)
            wished, self._urls = write_repositories(self._host, self._folder, [_REPOS], repositories, tell_keys=False)
            seed(f"{_CACHE}/raw", self._folder.folder("cache/raw"), lambda name: name not in wished)
            if refresh or repositories:
                self._refresh_own(wished, refresh)
            for repository in repositories:
                self._refresh_wished(repository)
        except BaseException:
            self.close()
            raise

    def _write_configuration(self, proxy: str | None) -> None:
        own = {"history.logfile": self._folder.path("history"), "locksfile.path": self._folder.path("locks"),
               "servicesdir": self._folder.folder("services.d")}
        path = next((path for path in _CONF if read_text(self._host, path) is not None), _CONF[0])
        self._folder.write("zypp.conf", configuration([(path, read_text(self._host, path) or "")], own)[1])
        ours, paragraphs = own_locks(self._host, self._own.record), re.split(r"\n\s*\n", read_text(self._host, _LOCKS) or "")
        kept = [text.strip("\n") for text in paragraphs if text.strip() and not set(parse_zypper_locks(text)) & ours]
        self._folder.write("locks", "\n" + "\n\n".join(kept) + "\n\n")
        self._locks = parse_zypper_locks("\n\n".join(kept))
        self._environment = [f"ZYPP_CONF={self._folder.path('zypp.conf')}", f"ZYPP_LOCKFILE_ROOT={self._folder.folder('lock')}",
                             f"ZYPP_LOGFILE={self._folder.path('zypper.log')}"]
        if proxy:
            if not _PROXY.fullmatch(proxy):
                raise PackageError("refused", "proxy: not a URL that zypper knows (http, https or socks5)")
            self._environment += [f"{name}={proxy}" for name in ("http_proxy", "https_proxy", "ftp_proxy")]

    def _refresh_own(self, wished: Sequence[str], refresh: bool) -> None:
        """The node's repositories by the node's keys. One that fails is passed over, as zypper does, and becomes a problem."""
        names = [name for name in self._enabled() if name not in wished]
        stale = [name for name in names if refresh or not os.path.isdir(self._folder.path("cache/raw", name))]
        if not stale:
            return
        status, stdout, stderr = ask(self._host, [*self._argv(), "refresh", "--", *stale], self.name, self._timeout)
        if status not in (0, 4, _SKIPPED):
            raise self._error(stdout, stderr, status)
        told = [(re.search(r"^\[([^|\]]+)\|", words, re.MULTILINE), words) for words in _long_messages(stdout)]
        failed = [(match[1], words) for match, words in told if match]
        self._problems += [{"repository": name, "code": code_of(words), "message": shortened(words)} for name, words in failed]
        if status and not failed:
            raise self._error(stdout, stderr, status)

    def _refresh_wished(self, repository: Repository) -> None:
        if repository.id not in self._enabled():
            return
        unchecked = ["--no-gpg-checks"] if repository.key else []  # gpg does it below
        argv = [*self._argv(), *unchecked, "refresh", "--force", "--", repository.id]
        status, stdout, stderr = ask(self._host, argv, self.name, self._timeout)
        if status:
            raise self._error(stdout, stderr, status)
        if repository.key:
            self._verify(repository)

    def _verify(self, repository: Repository) -> None:
        """Whether the key of a wished repository signed the index that zypper fetched; its digests cover the rest."""
        index = self._folder.path("cache/raw", repository.id, "repodata/repomd.xml")
        if not os.path.isfile(f"{index}.asc"):
            raise PackageError("bad_signature", f"zypper: repomd.xml of {repository.id} is not signed")
        key = key_path(self._folder, repository)
        gpg = ["gpg", "--homedir", self._folder.folder(f"{key}.d"), "--batch", "--no-autostart"]
        # Its status tells nothing: where the path is too long for an agent's socket it is 2, and the key is there. --verify decides.
        ask(self._host, [*gpg, "--import", key], "gpg")
        status, stdout, stderr = ask(self._host, [*gpg, "--status-fd", "1", "--verify", f"{index}.asc", index], "gpg")
        if status or "[GNUPG:] VALIDSIG " not in stdout:
            code = code_of(f"{stdout}\n{stderr}")
            raise PackageError(code if code == "bad_key" else "bad_signature",
                               f"zypper: repomd.xml of {repository.id} is not signed by {repository.key_path}: {shortened(stderr)}")

    def _enabled(self) -> list[str]:
        """Ids of the repositories of the private state."""
        text = checked(self._host, [*self._argv(), "--no-refresh", "repos", "--show-enabled-only"], self.name) if self._urls else ""
        return re.findall(r'<repo alias="([^"]+)"', text)

    def _argv(self) -> list[str]:
        cache = self._folder.path("cache")
        places = {"reposd-dir": self._folder.path("repos.d"), "cache-dir": cache, "raw-cache-dir": f"{cache}/raw",
                  "solv-cache-dir": f"{cache}/solv", "pkg-cache-dir": f"{cache}/pkg"}
        return ["env", *self._environment, "zypper", "--non-interactive", "--xmlout",
                *(word for name, path in places.items() for word in (f"--{name}", path))]

    def _error(self, stdout: str, stderr: str, status: int) -> PackageError:
        text = "\n".join([*_long_messages(stdout), stderr])
        return PackageError(code_of(f"{text}\n{stdout}"), f"zypper: {shortened(text) or f'exit status {status}'}")

    # --- What is offered ---

    def offer(self, patterns: Iterable[str]) -> Offer:
        """All versions of the packages whose names match (fnmatch)."""
        wanted = patterns_of(patterns)
        found, problems = self._search(wanted) if wanted else ([], [])
        details = self._details(found)
        return Offer(self.name, tuple(self._candidate(one, details) for one in found), (*self._problems, *problems))

    def _search(self, patterns: Sequence[str]) -> tuple[list[Solvable], list[dict[str, str]]]:
        argv = [*self._argv(), "--no-refresh", "search", "-s", "-t", "package", "--", *patterns]
        status, stdout, stderr = ask(self._host, argv, self.name)
        if status not in (0, _NOTHING_FOUND, _SKIPPED):
            raise self._error(stdout, stderr, status)
        try:
            found, problems = parse_search(stdout)
        except ValueError as error:
            raise PackageError("unreadable", f"zypper: {error}") from None
        fits = (os.uname().machine, "noarch")
        return [one for one in dict.fromkeys(found) if fits_any(one.name, patterns) and one.architecture in fits], problems

    def _details(self, found: Sequence[Solvable]) -> dict[tuple[str, str, str], Details]:
        names = list(dict.fromkeys(f"{one.name}-{one.evr}" for one in found))
        details: dict[tuple[str, str, str], Details] = {}
        for start in range(0, len(names), _AT_ONCE):
            argv = [*self._argv(), "--no-refresh", "info", "--requires", "--provides", "--", *names[start:start + _AT_ONCE]]
            details.update(parse_info(ask(self._host, argv, self.name)[1]))
        return details

    def _candidate(self, one: Solvable, known: Mapping[tuple[str, str, str], Details]) -> Candidate:
        details = known.get((one.name, one.evr, one.architecture)) or Details("", (), ())
        fields = {"repo": one.repository, "vendor": details.vendor, "url": self._urls.get(one.repository, "")}
        return Candidate(one.name, one.evr, one.architecture, self._origin_of(self.name, fields), one.repository, details.requires,
                         details.provides)

    # --- What would be done ---

    def resolve(self, request: Request) -> Closure:
        """The transaction for a request, as the real one will be with the same repositories and locks. zypper has no pins: those of
        a request mean nothing here, name versions instead."""
        validate(request)
        if not request.install:
            return self._transaction(request, [*self._argv(), "--disable-repositories", "remove", "--dry-run", "--details", "--",
                                               *request.remove])
        argv = [*self._argv(), "--no-refresh", "install", "--dry-run", "--no-recommends", "--details",
                *(["--force-resolution"] if request.erase else []), *(["--oldpackage"] if request.downgrade else []), "--",
                *map(_spec, request.install), *(f"!{name}" for name in request.remove)]
        return self._transaction(request, argv)

    def _transaction(self, request: Request, argv: Sequence[str]) -> Closure:
        status, stdout, stderr = ask(self._host, argv, self.name)
        try:
            summary = parse_summary(stdout)
        except ValueError as error:
            raise PackageError("unreadable", f"zypper: {error}") from None
        words = trouble(stdout)
        if summary is None and code_of(f"{words}\n{stderr}") in ("locked", "no_space", "broken", "no_network"):
            raise self._error(stdout, stderr, status)
        locks = [lock for lock in self._locks if any(fits_any(name, [lock]) for name in locked_names(stdout))]
        if locks:
            words = f"held packages in the way: {', '.join(locks)} ({_LOCKS})\n{words}"
        if summary is None:
            return Closure((), words or shortened(stderr) or f"zypper ended with exit status {status}")
        words = words or (None if request.downgrade else downgrades(summary.changes))
        return Closure(summary.changes, words, summary.download_kib, summary.disk_kib)

    def installed(self, names: Iterable[str]) -> tuple[Installed, ...]:
        """Those of these packages that are there."""
        found = rpm_versions(self._host, names)
        marks = read_text(self._host, _AUTOMATIC)
        automatic = (marks or "").split()
        return tuple(Installed(name, evr, None if marks is None else name not in automatic) for name, evr in found)

    def needs(self, names: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """For each of these packages: those of them that it needs directly."""
        return rpm_needs(self._host, names)


def _spec(wanted: Wanted) -> str:
    return wanted.name if wanted.version is None else f"{wanted.name}={wanted.version}"


def _long_messages(stdout: str) -> list[str]:
    """zypper's errors with their lines."""
    from xml.sax.saxutils import unescape

    found = re.findall(r'<message type="error">(.*?)</message>', stdout, re.DOTALL)
    return [unescape(words, {"&apos;": "'", "&quot;": '"'}) for words in found] or messages(stdout, "warning")
