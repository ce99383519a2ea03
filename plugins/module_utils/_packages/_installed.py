# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which packages are installed and which of them need which, by the databases of dpkg and rpm. Only direct needs; of
alternatives all that are there, since the package manager may take none of them away alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .._host import Host, HostError
from ._apt_text import first_words, valid_name, valid_version
from ._rpm_private import ask, installed
from ._rpm_text import RPM_FORMAT, parse_installed
from ._rpm_text import valid_name as valid_rpm_name
from .types import PackageError

__all__ = ["DpkgRow", "dpkg_needs", "dpkg_rows", "parse_dpkg_rows", "rpm_needs", "rpm_versions"]

_FOREIGN = ("i386", "i686", "armhf")
_FORMAT = r"${Package}\t${Architecture}\t${Version}\t${db:Status-Abbrev}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
_ON_DISK = "iWtUFH"  # letters of dpkg's listings: there, whole or not
_RELATION = re.compile(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", re.ASCII)
_NOT_A_WORD = {"and", "or", "if", "unless", "else", "with", "without", "=", "<", ">", "<=", ">="}


class DpkgRow(NamedTuple):
    """One package on the disk; a foreign architecture stands in its name ("libcuda1:i386")."""

    name: str
    version: str
    needs: frozenset[str]  # names of packages, real or virtual
    provides: frozenset[str]


def dpkg_rows(host: Host, names: Iterable[str]) -> list[DpkgRow]:
    """Those of these packages that are on the disk. PackageError."""
    wanted = sorted({name for name in names if valid_name(name.partition(":")[0])})
    if not wanted:
        return []
    try:
        output = host.run(["dpkg-query", "-W", f"-f={_FORMAT}", *wanted])
    except HostError as error:
        raise PackageError("unreadable", f"dpkg-query: {error}") from None
    if output.error or output.rc not in (0, 1):  # 1: one of them is not known
        words = output.error or first_words(output.stderr) or f"exit status {output.rc}"
        raise PackageError("broken", f"dpkg-query: {words}")
    return [row for row in parse_dpkg_rows(output.stdout) if row.name in wanted]


def parse_dpkg_rows(text: str) -> list[DpkgRow]:
    """The rows of dpkg-query; PackageError for a line of another form."""
    rows = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 6 or not valid_name(fields[0]):
            raise PackageError("unreadable", f"dpkg-query: a line that cannot be read: {first_words(line)}")
        name, architecture, version, state, depends, provides = fields
        if state[1:2] in _ON_DISK and state.strip() and valid_version(version):
            label = f"{name}:{architecture}" if architecture in _FOREIGN else name
            rows.append(DpkgRow(label, version, frozenset(_RELATION.findall(depends)), frozenset(_RELATION.findall(provides))))
    return rows


def dpkg_needs(rows: Iterable[DpkgRow]) -> dict[str, frozenset[str]]:
    """{name: names} of these packages: those of them that one needs."""
    kept = list(rows)
    givers: dict[str, set[str]] = {}
    for row in kept:
        for name in (row.name.partition(":")[0], *row.provides):
            givers.setdefault(name, set()).add(row.name)
    return {row.name: frozenset(giver for name in row.needs for giver in givers.get(name, ()) if giver != row.name) for row in kept}


def rpm_versions(host: Host, names: Iterable[str]) -> list[tuple[str, str]]:
    """(name, EVR) of those of these packages that are there; several of a name for kernels and what belongs to them."""
    wanted = [name for name in names if valid_rpm_name(name)]
    return [(one.name, one.evr) for one in installed(host, wanted) if one.architecture not in _FOREIGN]


def rpm_needs(host: Host, names: Iterable[str]) -> dict[str, frozenset[str]]:
    """The same as dpkg_needs for installed packages of rpm, by name or name-version-release."""
    wanted = {name for name in names if valid_rpm_name(name)}
    bare: Mapping[str, list[str]] = {name: [one.name for one in installed(host, [name])] for name in wanted}
    specs: dict[str, set[str]] = {}
    for spec, real in bare.items():
        for name in real:
            specs.setdefault(name, set()).add(spec)
    return {spec: frozenset(other for name in _providers(host, spec) for other in specs.get(name, ()) if other != spec) for spec in wanted}


def _providers(host: Host, name: str) -> set[str]:
    lines = ask(host, ["rpm", "-q", "--requires", "--", name], "rpm")[1].splitlines()
    words = sorted({word for line in lines if not line.startswith("rpmlib(") for word in _capabilities(line)})
    argv = ["rpm", "-q", "--whatprovides", "--qf", RPM_FORMAT, "--", *words]
    return {one.name for one in parse_installed(ask(host, argv, "rpm")[1])} if words else set()


def _capabilities(line: str) -> list[str]:
    """The capabilities of a requirement, without versions; all of them of a rich one, "(a if b)"."""
    if not line.startswith("("):
        return [line.split()[0]] if line.split() else []
    return [word.strip("()") if word.count("(") != word.count(")") else word for word in line.split() if word not in _NOT_A_WORD]
