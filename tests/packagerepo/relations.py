# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the packages of a repository can be installed: every relation has somebody who satisfies it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping

from .description import Package, Repository
from .errors import RepositoryError

DEB = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::any)?(?:\s*\((?P<op><<|<=|=|>=|>>)\s*(?P<version>[^()\s]+)\))?")
RPM = re.compile(r"(?P<name>[^\s()][^\s]*?(?:\([^)]*\))?)(?:\s+(?P<op><|<=|=|>=|>)\s+(?P<version>\S+))?")
HOLDS = {"<<": (-1,), "<": (-1,), "<=": (-1, 0), "=": (0,), ">=": (0, 1), ">>": (1,), ">": (1,)}


def unresolved(repository: Repository, beside: Iterable[Repository] = ()) -> list[str]:
    """What cannot be installed, and why: one line each."""
    everything = [repository, *beside]
    offered: dict[str, list[tuple[str, str | None]]] = {}
    for package in itertools.chain.from_iterable(one.packages for one in everything):
        offered.setdefault(package.name, []).append((package.version, package.version))
        for provided in package.relations.get("provides", ()):
            name, op, version = parse(repository.kind, provided)
            offered.setdefault(name, []).append(("", version if op == "=" else None))
    outside = set(itertools.chain.from_iterable(one.outside for one in everything))
    lines = []
    for package in repository.packages:
        for relation in package.relations.get("depends", ()):
            choices = [parse(repository.kind, choice.strip()) for choice in relation.split("|")]
            if not any(name in outside or _served(repository.kind, offered.get(name, []), op, version) for name, op, version in choices):
                lines.append(f"{repository.name}: {package.name} {package.version} depends on {relation}, which nothing satisfies")
    return lines


def twins(repository: Repository) -> list[str]:
    """Packages that are described twice with one version in one suite of a folder."""
    seen: dict[tuple[str, ...], Package] = {}
    lines = []
    for package in repository.packages:
        key = (package.name, package.version, package.architecture, package.folder if repository.kind == "deb" else "", package.suite)
        if key in seen:
            lines.append(f"{repository.name}: {package.name} {package.version} is there twice")
        seen[key] = package
    return lines


def parse(kind: str, relation: str) -> tuple[str, str | None, str | None]:
    """(name, operator, version) of one relation; RepositoryError for another text."""
    found = (DEB if kind == "deb" else RPM).fullmatch(relation)
    if not found:
        raise RepositoryError(f"{relation!r} is not a relation of {kind} packages")
    return found["name"], found["op"], found["version"]


def _served(kind: str, offers: list[tuple[str, str | None]], op: str | None, version: str | None) -> bool:
    if op is None or version is None:
        return bool(offers)
    return any(have is not None and _compare(kind, have, version) in HOLDS[op] for _text, have in offers)


def _compare(kind: str, left: str, right: str) -> int:
    """-1, 0 or 1. An rpm relation without a release stands for every release."""
    parts = [_split(text) for text in (left, right)]
    if kind == "rpm" and not (parts[0][2] and parts[1][2]):
        parts = [(epoch, upstream, "") for epoch, upstream, _release in parts]
    order = _deb_key if kind == "deb" else _rpm_key
    (epoch, *texts), (other_epoch, *other_texts) = parts
    mine, theirs = (epoch, *map(order, texts)), (other_epoch, *map(order, other_texts))
    return (mine > theirs) - (mine < theirs)


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    upstream, _dash, release = (rest if colon else version).rpartition("-")
    if not upstream:
        upstream, release = release, ""
    return int(epoch) if colon else 0, upstream, release


def _deb_key(text: str) -> list[tuple[tuple[int, ...], int]]:
    """Key of Debian's order: "~" before the end, the end before letters, letters before the rest; runs of digits as numbers."""
    key = []
    for word, number in re.findall(r"(\D*)(\d*)", text):
        order = tuple(-1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in word)
        key.append(((*order, 0), int(number or 0)))
    return key


def _rpm_key(text: str) -> list[tuple[int, int, str]]:
    """Key of rpm's order: runs of digits are newer than runs of letters; "~" is older than the end, "^" newer."""
    key: list[tuple[int, int, str]] = []
    for digits, letters, mark in re.findall(r"(\d+)|([A-Za-z]+)|([~^])", text):
        key.append((3, int(digits), "") if digits else (2, 0, letters) if letters else (-1, 0, "") if mark == "~" else (1, 0, ""))
    return [*key, (0, 0, "")]


def by_name(packages: Iterable[Package]) -> Mapping[str, list[Package]]:
    """Packages by their names."""
    found: dict[str, list[Package]] = {}
    for package in packages:
        found.setdefault(package.name, []).append(package)
    return found
