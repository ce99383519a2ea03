# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt offers and would do, asked by its own programs in a state of our own (`_apt_state`)."""

from __future__ import annotations

import contextlib
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Callable

from .._host import Host, HostError, Output
from .._knowledge.delivery import origin_of
from ._apt_state import AptState
from ._apt_text import (
    Record,
    Simulation,
    code_of,
    first_words,
    parse_madison,
    parse_policy,
    parse_records,
    parse_simulation,
    refusal_words,
    valid_name,
    valid_version,
)
from ._apt_update import SourceLine, Trouble, choose_trouble, parse_update
from ._installed import dpkg_needs, dpkg_rows
from .types import Candidate, Change, Closure, Installed, Offer, PackageError, Repository, Request

__all__ = ["Apt"]

Origins = Callable[[str, Mapping[str, str]], "str | None"]

_REFRESH_S = 300.0  # for all lists together
_NAMES_LIMIT = 2000  # names in one argv
# Suites and components that a distribution calls its own; for nodes without lists, whose release files tell it else.
_SUITES = re.compile(r"(?:[-/](?:updates|security|backports|backports-sloppy|proposed|proposed-updates))?/?")
_COMPONENTS = {"main", "contrib", "non-free", "non-free-firmware", "restricted", "universe", "multiverse"}


class Apt:
    """`Manager` for apt; folder is an absolute path for the private state, refresh_timeout is in seconds.

    origins(manager, fields) names the row of data/nvidia_packages.yml for fields of a release file ({o, a, n, l, c, v, b, site}).
    """

    name = "apt"

    def __init__(self, host: Host, folder: str, refresh_timeout: float = _REFRESH_S, origins: Origins = origin_of) -> None:
        self._state, self._timeout, self._origin_of = AptState(host, folder), refresh_timeout, origins
        self._names: frozenset[str] | None = None

    def __enter__(self) -> Apt:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the private state."""
        self._state.close()

    def open(self, repositories: Sequence[Repository], refresh: bool = True, proxy: str | None = None) -> None:
        """Make the private state and fetch the lists. Without `refresh` the node's own lists are what there is."""
        self._names = None
        try:
            self._state.open(repositories, proxy, self._timeout)
            if refresh:
                self._refresh()
        except BaseException:
            self.close()
            raise

    def _refresh(self) -> None:
        """`apt-get update`; raises for what matters, keeps the rest as problems. Its exit status alone says too little."""
        output = self._state.run("apt-get", "-q", "update", timeout=self._timeout)
        if output.error not in (None, "timeout"):
            raise PackageError("broken", f"apt-get update: {output.error}")
        grouped: dict[SourceLine | None, list[Trouble]] = {}
        for trouble in parse_update(output.stdout, output.stderr, self._state.sources):
            grouped.setdefault(trouble.source, []).append(trouble)
        serious = []
        for source, troubles in grouped.items():
            worst = choose_trouble(troubles)
            wished = source in self._state.wished
            if source is None or wished or (not worst.warning and self._is_distribution(source)):
                serious.append((not wished, worst))
            else:
                self._state.problems.append({"repository": str(source), "code": worst.code, "message": self._words(worst.message)})
        if serious:
            _unwished, worst = min(serious, key=lambda item: item[0])
            raise PackageError(worst.code, self._words(worst.message))
        if output.error:
            raise PackageError("no_network", f"apt-get update: no end within {self._timeout:g} s")
        if output.rc and not grouped:
            raise PackageError(code_of(output.stderr), f"apt-get update: {self._words(output.stderr)}")

    def _words(self, text: str) -> str:
        return first_words(self._state.own_paths(text))

    def _is_distribution(self, source: SourceLine) -> bool:
        """Whether an archive is the distribution's own: by the origin in its release file, else by suite and components."""
        system = _os_release(self._state.host)
        found = re.search(r"(?m)^Origin: (\S+)", self._state.node_release(source))
        if found:
            return found[1].lower() in (system.get("ID", ""), *system.get("ID_LIKE", "").split())
        code = system.get("VERSION_CODENAME", "")
        own = bool(code) and source.suite.startswith(code) and _SUITES.fullmatch(source.suite[len(code):]) is not None
        return own and bool(source.components) and set(source.components) <= _COMPONENTS

    def offer(self, patterns: Iterable[str]) -> Offer:
        """All versions of the packages whose names match, one candidate for each repository that has it."""
        wanted = re.compile("|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in patterns) or r"(?!)")
        named = sorted(name for name in self._package_names() if wanted.match(name))
        problems = list(self._state.problems)
        names = [name for name in named if valid_name(name)]
        problems += [_hostile("", "name", name) for name in named if not valid_name(name)]
        if not names:
            return Offer(self.name, (), tuple(problems))
        fields = parse_policy(self._state.ask("apt-cache", "policy"))
        candidates: list[Candidate] = []
        for start in range(0, len(names), _NAMES_LIMIT):
            part = names[start:start + _NAMES_LIMIT]
            records = _by_version(parse_records(self._state.ask("apt-cache", "show", *part)))
            rows = parse_madison(self._state.ask("apt-cache", "madison", *part))
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
        return self._origin_of(self.name, fields) if fields else None

    def _package_names(self) -> frozenset[str]:
        if self._names is None:
            self._names = frozenset(self._state.ask("apt-cache", "pkgnames").split("\n")) - {""}
        return self._names

    def resolve(self, request: Request) -> Closure:
        """The transaction as `apt-get install` or, where nothing is to be installed, `apt-get remove` resolves it, without
        recommended packages."""
        names = self._package_names()
        for name, version in [*request.install, *((name, None) for name in request.remove)]:
            _refuse_hostile(name, version, names)
        missing = [wanted.name for wanted in request.install if wanted.name.partition(":")[0] not in names]
        if missing:  # apt would take such a name for a pattern of names
            return Closure((), error="; ".join(f"Unable to locate package {name}" for name in missing))
        words = [f"{wanted.name}={wanted.version}" if wanted.version else wanted.name for wanted in request.install]
        sign, verb = ("-", "install") if request.install else ("", "remove")
        words += [f"{name}{sign}" for name in request.remove if name.partition(":")[0] in names]
        self._state.write_preferences(request.pins, dict(request.files))
        downgrade = ["--allow-downgrades"] if request.downgrade else []
        output = self._state.run("apt-get", "-q", "--simulate", "--yes", "--no-install-recommends", *downgrade, verb, *words)
        if output.error:
            raise PackageError("broken", f"apt-get --simulate {verb}: {output.error}")
        if output.rc:
            return self._refused(output)
        try:
            simulation = parse_simulation(output.stdout)
        except ValueError as error:
            raise PackageError("unreadable", str(error)) from None
        return self._closure(simulation)

    def installed(self, names: Iterable[str]) -> tuple[Installed, ...]:
        """Those of these packages that are on the disk, whole or not."""
        rows = dpkg_rows(self._state.host, names)
        manual = self._state.ask("apt-mark", "showmanual", *(row.name for row in rows)).split() if rows else ()
        return tuple(Installed(row.name, row.version, row.name in manual) for row in rows)

    def needs(self, names: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """For each of these packages: those of them that it needs directly, all alternatives."""
        return dpkg_needs(dpkg_rows(self._state.host, names))

    def _refused(self, output: Output) -> Closure:
        words = self._state.own_paths(refusal_words(output.stdout, output.stderr)) or f"exit status {output.rc}"
        if re.search(r"dpkg was interrupted|Unmet dependencies\. Try|needs to be reinstalled", output.stderr):
            raise PackageError("broken", words)
        if "could not be opened" in output.stderr or code_of(output.stderr) == "no_space":
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
        records = _by_version(parse_records(self._state.run("apt-cache", "show", *sorted({one.name for one in changes})).stdout))
        new = [records.get((one.name, one.after), [None])[0] for one in changes if one.after]
        old = [records.get((one.name, one.before), [None])[0] for one in changes if one.before]
        download = [record.download_kib if record else None for record in new]
        disk = [*(record.disk_kib if record else None for record in new), *(-(record.disk_kib or 0) if record else None for record in old)]
        return _sum(download), _sum(disk)


def _by_version(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    """Records by name and version; dpkg's own only where no repository has that version."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.name, record.version), []).append(record)
    return {key: [record for record in same if not record.installed] or same for key, same in found.items()}


def _hostile(repository: str, what: str, text: str) -> dict[str, str]:
    return {"repository": repository, "code": "refused", "message": f"left out: {what} is {first_words(text)[:80]!r}, not valid in Debian"}


def _refuse_hostile(name: str, version: str | None, names: frozenset[str]) -> None:
    """apt reads "-" and "+" at the end of a word as "remove" and "install", unless a package has such a name."""
    bare, _colon, architecture = name.partition(":")
    good = valid_name(bare) and re.fullmatch("[a-z0-9-]*", architecture, re.ASCII) and f"{bare}-" not in names
    if not good or (version is not None and (not valid_version(version) or version.endswith(("-", "+")))):
        raise PackageError("refused", f"{first_words(f'{name} {version or str()}')[:200]!r}: apt has no clear way to name this package")


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _os_release(host: Host) -> dict[str, str]:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        with contextlib.suppress(HostError):
            text = host.read(path).decode("utf-8", "replace")
            return {key: value.strip("\"'") for key, value in re.findall(r"(?m)^([A-Z_]+)=(.*)$", text)}
    return {}
