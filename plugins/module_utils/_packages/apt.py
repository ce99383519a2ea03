# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt offers and would do, asked in a state of our own: lists, cache, sources and preferences lie in a private folder.

Only dpkg's status, apt's marks of automatic packages, keys, credentials and proxies are the node's own, and only read.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Callable

from .._host import Host, HostError, Output
from ._apt_text import (
    Record,
    Simulation,
    SourceLine,
    Trouble,
    choose_trouble,
    code_of,
    first_words,
    parse_config_names,
    parse_madison,
    parse_policy,
    parse_records,
    parse_shell,
    parse_simulation,
    parse_sources,
    parse_update,
    refusal_words,
    valid_name,
    valid_version,
)
from ._private import PrivateFolder, told_disk_errors
from .types import Candidate, Change, Closure, Offer, PackageError, Pin, Repository, Request

__all__ = ["Apt"]

Origins = Callable[[str, Mapping[str, str]], "str | None"]

_REFRESH_S = 300.0  # for all lists together
_ASK_S = 60.0  # for one question to lists that are here
_NAMES_LIMIT = 2000  # names in one argv

# Programs of the node that would be told of our own update as if it were the node's.
_HOOKS = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success", "DPkg::Pre-Invoke",
          "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs", "AptCli::Hooks")
_BINARIES = ("apt-get", "apt-cache")
_SHELL = ("LISTS", "Dir::State::lists/d", "FILE", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d",
          "PINS", "Dir::Etc::preferences/f", "PINPARTS", "Dir::Etc::preferencesparts/d")
_LIST_FILE = re.compile(r"\S+_(?:InRelease|Release|Release\.gpg|Packages(?:\.[a-z0-9]+)?)", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)  # apt.conf(5): others are ignored
_PROXY = re.compile(r"(?:https?|socks5h)://[A-Za-z0-9.\[\]:@_~%/+-]{1,400}|DIRECT", re.ASCII)
_PATTERN = re.compile(r"[A-Za-z0-9.+*?\[\]!~:-]{1,256}", re.ASCII)
# Suites and components that a distribution calls its own; for nodes without lists, whose release files tell it else.
_SUITES = re.compile(r"(?:[-/](?:updates|security|backports|backports-sloppy|proposed|proposed-updates))?/?")
_COMPONENTS = {"main", "contrib", "non-free", "non-free-firmware", "restricted", "universe", "multiverse"}


class Apt:
    """`Manager` for apt; folder is an absolute path for the private state, refresh_timeout is in seconds.

    origin_of(manager, fields) names the row of data/nvidia_packages.yml for fields of a release file ({o, a, n, l, c, v, b, site}).
    """

    name = "apt"

    def __init__(self, host: Host, folder: str, refresh_timeout: float = _REFRESH_S, origin_of: Origins | None = None) -> None:
        self._host, self._folder, self._timeout = host, PrivateFolder(folder), refresh_timeout
        self._origin_of = origin_of
        self._open = False
        self._places: dict[str, str] = {}
        self._wished: list[SourceLine] = []
        self._sources: list[SourceLine] = []
        self._problems: list[dict[str, str]] = []
        self._names: frozenset[str] | None = None

    def __enter__(self) -> Apt:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the private state."""
        self._folder.close()
        self._open = False

    # --- The private state ---

    def open(self, repositories: Sequence[Repository], refresh: bool = True, proxy: str | None = None) -> None:
        """Make the private state and fetch the lists. Without `refresh` the node's own lists are what there is."""
        try:
            if not self._open:
                self._folder.__enter__()
                self._open = True
            self._problems, self._names = [], None
            self._places = parse_shell(self._ask("apt-config", "shell", *_SHELL))
            self._write_sources(repositories)
            self._write_preferences(())
            self._seed_lists()
            self._write_configuration(proxy)
            if refresh:
                self._refresh()
        except BaseException:
            self.close()
            raise

    def _write_sources(self, repositories: Sequence[Repository]) -> None:
        """The node's files and the wished ones, which replace those of the same path. Keys that are wished are read from our
        folder, also where a file of the node names one: apt refuses an archive with two keyrings."""
        keys = {one.key_path: self._write_key(number, one) for number, one in enumerate(repositories) if one.key}
        wished = {os.path.normpath(one.path): one.content for one in repositories}
        texts = {path: text for path, text in self._node_files("FILE", "PARTS", (".list", ".sources")).items() if path not in wished}
        self._sources, self._wished = [], []
        self._folder.folder("etc/sources.list.d")
        self._folder.write("etc/sources.list", "")
        for path, text in {**texts, **wished}.items():
            lines = parse_sources(text, path)
            self._sources += lines
            self._wished += lines if path in wished else []
            for key_path, private in keys.items():
                text = re.sub(rf"(?<![\w./-]){re.escape(key_path)}(?![\w./-])", private, text)
            main = path == os.path.normpath(self._places.get("FILE", ""))
            self._folder.write("etc/sources.list" if main else f"etc/sources.list.d/{os.path.basename(path)}", text)

    def _write_key(self, number: int, repository: Repository) -> str:
        if "-----BEGIN PGP PUBLIC KEY BLOCK-----" not in repository.key:
            raise PackageError("bad_key", f"{repository.id}: the key is not a PGP public key in ASCII armour")
        if not repository.key_path.startswith("/") or repository.key_path not in repository.content:
            raise PackageError("bad_key", f"{repository.id}: {repository.path} does not name its key {repository.key_path!r}")
        return self._folder.write(f"keys/{number}.asc", repository.key)

    def _write_preferences(self, pins: Iterable[Pin]) -> None:
        """The pins of a request before the node's own: the first that names a package counts (apt_preferences(5))."""
        own = []
        for pin in pins:
            if not all(map(_PATTERN.fullmatch, (*pin.names, pin.version))):
                raise PackageError("refused", f"a pin that apt cannot read: {first_words(' '.join((*pin.names, pin.version)))!r}")
            own.append(f"Package: {' '.join(pin.names)}\nPin: version {pin.version}\nPin-Priority: {pin.priority}\n")
        self._folder.folder("etc/preferences.d")
        main = os.path.normpath(self._places.get("PINS", ""))
        for path, text in self._node_files("PINS", "PINPARTS", ("", ".pref")).items():
            if path == main:
                own.append(text)
            else:
                self._folder.write(f"etc/preferences.d/{os.path.basename(path)}", text)
        self._folder.write("etc/preferences", "\n".join(own))

    def _node_files(self, file: str, parts: str, endings: tuple[str, ...]) -> dict[str, str]:
        """{path: text} of a configuration file of the node and of those in its folder that apt reads."""
        paths = [self._places[file]] if self._places.get(file) else []
        folder = self._places.get(parts, "")
        with contextlib.suppress(HostError):
            paths += [os.path.join(folder, name) for name in (self._host.list(folder) if folder else [])
                      if _PART.fullmatch(name) and os.path.splitext(name)[1] in endings]
        texts = {}
        for path in map(os.path.normpath, paths):
            try:
                texts[path] = self._host.read(path).decode("utf-8", "surrogateescape")
            except HostError as error:
                if error.code != "not_found":
                    self._problems.append({"repository": path, "code": "unreadable", "message": str(error)})
        return texts

    def _seed_lists(self) -> None:
        """The lists that the node has, so that only what changed is fetched. A link to a file of ours costs nothing, and apt never
        writes into a list, it replaces it; the lists of others cannot be linked."""
        source, target = self._places.get("LISTS", ""), self._folder.folder("lists")
        self._folder.folder("lists/partial")
        self._folder.folder("cache/archives/partial")
        names = os.listdir(source) if os.path.isdir(source) else []
        for name in filter(_LIST_FILE.fullmatch, names):
            old, new = os.path.join(source, name), os.path.join(target, name)
            with contextlib.suppress(FileNotFoundError, FileExistsError), told_disk_errors(new):
                try:
                    os.link(old, new)
                except (PermissionError, OSError):
                    shutil.copy2(old, new)

    def _write_configuration(self, proxy: str | None) -> None:
        """Read after the node's own configuration, of which all stays that is not named here: proxies, credentials, Valid-Until."""
        if proxy is not None and not _PROXY.fullmatch(proxy):
            raise PackageError("refused", f"proxy is {proxy!r} (allowed: a URL such as http://proxy.example.com:3128)")
        dump = self._ask("apt-config", "dump")
        values = {"Dir::State::lists": self._folder.path("lists") + "/", "Dir::Cache": self._folder.path("cache") + "/",
                  "Dir::Cache::archives": "archives/", "Dir::Cache::pkgcache": "pkgcache.bin", "Dir::Cache::srcpkgcache": "",
                  "Dir::Etc::sourcelist": self._folder.path("etc/sources.list"),
                  "Dir::Etc::sourceparts": self._folder.path("etc/sources.list.d"),
                  "Dir::Etc::preferences": self._folder.path("etc/preferences"),
                  "Dir::Etc::preferencesparts": self._folder.path("etc/preferences.d"), "Dir::Log": self._folder.folder("log"),
                  "Debug::NoLocking": "true",
                  "APT::Sandbox::User": "root",  # _apt cannot enter a folder that is ours alone
                  "APT::Update::Error-Mode": "any", "APT::Get::Show-User-Simulation-Note": "false", "Acquire::Languages": "none",
                  "Acquire::Retries": "1", **{f"Acquire::{scheme}::Timeout": str(int(min(30, max(3, self._timeout / 10))))
                                              for scheme in ("http", "https", "ftp")}}
        for kind in ("deb", "deb-src"):
            names = parse_config_names(dump, f"Acquire::IndexTargets::{kind}")
            values.update({f"Acquire::IndexTargets::{kind}::{name}::DefaultEnabled": "false" for name in names if name != "Packages"})
        if proxy is not None:
            values.update({f"Acquire::{scheme}::Proxy": proxy for scheme in ("http", "https", "ftp")})
        cleared = [f"{prefix}{hook}" for prefix in ("", *(f"Binary::{name}::" for name in _BINARIES)) for hook in _HOOKS]
        lines = [*(f"#clear {name};" for name in [*cleared, "Acquire::Languages"]),
                 *(f'{name} "{value}";' for name, value in values.items())]
        self._folder.write("apt.conf", "\n".join(lines) + "\n")

    # --- Refresh ---

    def _refresh(self) -> None:
        """`apt-get update`; raises for what matters, keeps the rest as problems. Its exit status alone says too little."""
        output = self._run("apt-get", "-q", "update", timeout=self._timeout)
        if output.error == "timeout":
            raise PackageError("no_network", f"apt-get update: no end within {self._timeout:g} s")
        if output.error:
            raise PackageError("broken", f"apt-get update: {output.error}")
        grouped: dict[SourceLine | None, list[Trouble]] = {}
        for trouble in parse_update(output.stdout, output.stderr, self._sources):
            grouped.setdefault(trouble.source, []).append(trouble)
        serious = [source for source in grouped if source is None or source in self._wished or self._is_distribution(source)]
        for source in sorted(serious, key=lambda one: one is None or one not in self._wished):
            trouble = choose_trouble(grouped[source])
            raise PackageError(trouble.code, self._own_words(trouble.message))
        if output.rc and not grouped:
            raise PackageError(code_of(output.stderr), f"apt-get update: {self._own_words(first_words(output.stderr))}")
        for source, troubles in grouped.items():
            trouble = choose_trouble(troubles)
            self._problems.append({"repository": str(source), "code": trouble.code, "message": self._own_words(trouble.message)})

    def _own_words(self, text: str) -> str:
        """Words of apt with the node's paths in the place of ours."""
        for private, real in (("etc/sources.list.d", "PARTS"), ("etc/sources.list", "FILE"), ("lists", "LISTS"),
                              ("etc/preferences.d", "PINPARTS"), ("etc/preferences", "PINS")):
            text = text.replace(self._folder.path(private), self._places.get(real, "").rstrip("/"))
        return text

    def _is_distribution(self, source: SourceLine) -> bool:
        """Whether an archive is the distribution's own: by the origin in its release file, else by suite and components."""
        release = _os_release(self._host)
        start = re.sub(r"^[a-z0-9+-]+://|^[a-z]+:/*", "", source.uri).strip("/").replace("/", "_")
        for name in (f"{start}_dists_{source.suite.replace('/', '_')}_{ending}" for ending in ("InRelease", "Release")):
            with contextlib.suppress(HostError):
                text = self._host.read(os.path.join(self._places.get("LISTS", ""), name), limit=1 << 14).decode("utf-8", "replace")
                found = re.search(r"(?m)^Origin: (\S+)", text)
                if found:
                    return found[1].lower() == release.get("ID", "").lower()
        code = release.get("VERSION_CODENAME", "")
        own = bool(code) and source.suite.startswith(code) and _SUITES.fullmatch(source.suite[len(code):]) is not None
        return own and bool(source.components) and set(source.components) <= _COMPONENTS

    # --- Questions ---

    def offer(self, patterns: Iterable[str]) -> Offer:
        """All versions of the packages whose names match, one candidate for each repository that has it."""
        wanted = re.compile("|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in patterns) or r"(?!)")
        named = sorted(name for name in self._package_names() if wanted.match(name))
        problems = list(self._problems)
        names = [name for name in named if valid_name(name)]
        problems += [_hostile("", "name", name) for name in named if not valid_name(name)]
        if not names:
            return Offer(self.name, (), tuple(problems))
        fields = parse_policy(self._ask("apt-cache", "policy"))
        candidates: list[Candidate] = []
        for start in range(0, len(names), _NAMES_LIMIT):
            part = names[start:start + _NAMES_LIMIT]
            records = _by_version(parse_records(self._ask("apt-cache", "show", *part)))
            rows = parse_madison(self._ask("apt-cache", "madison", *part))
            candidates += self._candidates(rows, records, fields, problems)
        return Offer(self.name, tuple(candidates), tuple(problems))

    def _candidates(self, rows: Iterable[tuple[str, str, str]], records: Mapping[tuple[str, str], list[Record]],
                    fields: Mapping[str, Mapping[str, str]], problems: list[dict[str, str]]) -> Iterable[Candidate]:
        """Rows of madison with their records. Packages of one name and version that differ stand in the same order in both."""
        seen: dict[tuple[str, str], int] = {}
        for name, version, repository in rows:
            if not valid_version(version):
                problems.append(_hostile(repository, f"version of {name}", version))
                continue
            same = records.get((name, version))
            if not same:
                continue
            place = seen[name, version] = seen.get((name, version), -1) + 1
            record = same[min(place, len(same) - 1)]
            yield Candidate(name, version, record.architecture, self._origin(fields.get(repository, {})), repository,
                            record.depends, record.provides)

    def _origin(self, fields: Mapping[str, str]) -> str | None:
        if self._origin_of is None:
            from .._knowledge import delivery
            self._origin_of = delivery.origin_of
        return self._origin_of(self.name, fields) if fields else None

    def _package_names(self) -> frozenset[str]:
        if self._names is None:
            self._names = frozenset(self._ask("apt-cache", "pkgnames").split("\n")) - {""}
        return self._names

    def resolve(self, request: Request) -> Closure:
        """The transaction as `apt-get install` resolves it, without recommended packages."""
        words = []
        for wanted in request.install:
            self._refuse_hostile(wanted.name, wanted.version)
            # Without this apt takes a name that it does not know for a pattern, or for "remove" where it ends in "-".
            if wanted.name.partition(":")[0] not in self._package_names():
                return Closure((), error=f"Unable to locate package {wanted.name}")
            words.append(f"{wanted.name}={wanted.version}" if wanted.version else wanted.name)
        for name in request.remove:
            self._refuse_hostile(name, None)
            words += [f"{name}-"] if name.partition(":")[0] in self._package_names() else []
        self._write_preferences(request.pins)
        downgrade = ["--allow-downgrades"] if request.downgrade else []
        output = self._run("apt-get", "-q", "--simulate", "--yes", "--no-install-recommends", *downgrade, "install", *words)
        if output.error:
            raise PackageError("broken", f"apt-get --simulate install: {output.error}")
        if output.rc:
            return self._refused(output)
        try:
            simulation = parse_simulation(output.stdout)
        except ValueError as error:
            raise PackageError("unreadable", str(error)) from None
        return self._closure(simulation)

    def _refuse_hostile(self, name: str, version: str | None) -> None:
        bare, _colon, architecture = name.partition(":")
        if not valid_name(bare) or not re.fullmatch("[a-z0-9-]*", architecture, re.ASCII) or (version and not valid_version(version)):
            raise PackageError("refused", f"not a package of Debian's kind: {first_words(f'{name} {version or str()}')!r}")

    def _refused(self, output: Output) -> Closure:
        words = self._own_words(refusal_words(output.stdout, output.stderr)) or f"exit status {output.rc}"
        if re.search(r"dpkg was interrupted|Unmet dependencies\. Try|needs to be reinstalled", output.stderr):
            raise PackageError("broken", words)
        if "could not be opened" in output.stderr or "No space left on device" in output.stderr:
            raise PackageError(code_of(output.stderr), words)
        return Closure((), error=words)

    def _closure(self, simulation: Simulation) -> Closure:
        changes = []
        for word, name, architecture, before, after, repository in simulation.done:
            lower = name in simulation.downgraded or f"{name}:{architecture}" in simulation.downgraded
            action = "remove" if word == "Remv" else "install" if before is None else "downgrade" if lower else \
                "reinstall" if before == after else "upgrade"
            changes.append(Change(action, name, before, after, repository, architecture))
        download, disk = self._sizes(changes)
        return Closure(tuple(changes), None, download, disk)

    def _sizes(self, changes: Sequence[Change]) -> tuple[int | None, int | None]:
        """KiB to fetch, and KiB that the disk will hold more; None where a package's size is not known."""
        if not changes:
            return 0, 0
        records = _by_version(parse_records(self._run("apt-cache", "show", *sorted({one.name for one in changes})).stdout))
        new = [records.get((one.name, one.after), [None])[0] for one in changes if one.after]
        old = [records.get((one.name, one.before), [None])[0] for one in changes if one.before]
        download = [record.download_kib if record else None for record in new]
        disk = [*(record.disk_kib if record else None for record in new), *(-(record.disk_kib or 0) if record else None for record in old)]
        return _sum(download), _sum(disk)

    # --- Programs ---

    def _run(self, program: str, *arguments: str, timeout: float = _ASK_S) -> Output:
        if not self._open:
            raise PackageError("refused", "the private state of apt is not open")
        private = [] if program == "apt-config" else ["-c", self._folder.path("apt.conf")]
        try:
            return self._host.run([program, *private, *arguments], timeout=timeout)
        except HostError as error:
            raise PackageError("unreadable" if error.code == "not_found" else "broken", f"{program}: {error}") from None

    def _ask(self, program: str, *arguments: str) -> str:
        output = self._run(program, *arguments)
        if output.error or output.rc:
            words = first_words(self._own_words(output.stderr)) or output.error or f"exit status {output.rc}"
            raise PackageError(code_of(output.stderr), f"{program} {arguments[0]}: {words}")
        return output.stdout


def _by_version(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    """Records by name and version; dpkg's own only where no repository has that version."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.name, record.version), []).append(record)
    return {key: [record for record in same if not record.installed] or same for key, same in found.items()}


def _hostile(repository: str, what: str, text: str) -> dict[str, str]:
    return {"repository": repository, "code": "refused", "message": f"left out: {what} is {first_words(text)[:80]!r}, not valid in Debian"}


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _os_release(host: Host) -> dict[str, str]:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        with contextlib.suppress(HostError):
            text = host.read(path).decode("utf-8", "replace")
            return {key: value.strip("\"'") for key, value in re.findall(r"(?m)^([A-Z_]+)=(.*)$", text)}
    return {}
