# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What package sources offer, and a resolver that answers like a package manager: exact relations, pins, conflicts."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._versions import version_key
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Candidate, Change, Closure, Offer, Request

_FOLDER = Path(__file__).parent / "offers"
_RELATION = re.compile(r"(\S+?)(?:\s*\(?\s*(<=|>=|<<|>>|=|<|>)\s*([^\s()]+)\s*\)?)?")


class Archive(NamedTuple):
    """An offer, and what a resolver knows besides: the conflicts of packages, by (name, version)."""

    offer: Offer
    conflicts: Mapping[tuple[str, str], tuple[str, ...]]

    def seen_by(self, patterns: Iterable[str], origins: Iterable[str]) -> Offer:
        """The offer for patterns, with the sources of these origins and those of nobody."""
        wanted, known = tuple(patterns), {*origins, None}
        fits = tuple(one for one in self.offer.candidates if one.origin in known and any(fnmatch.fnmatchcase(one.name, p) for p in wanted))
        return self.offer._replace(candidates=fits)


@cache
def offer(*names: str) -> Archive:
    """The sources of these files together, in the order of preference."""
    candidates: list[Candidate] = []
    conflicts: dict[tuple[str, str], tuple[str, ...]] = {}
    manager = "apt"
    for name in names:
        text = yaml.safe_load((_FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
        manager = text["manager"]
        for repository in text["repositories"]:
            for package, rows in repository["packages"].items():
                for row in rows if isinstance(rows, list) else [rows]:
                    one = Candidate(package, row["version"], row.get("architecture", "amd64"), repository["origin"],
                                    repository["repository"], tuple(row.get("depends", ())), tuple(row.get("provides", ())),
                                    row.get("stream"))
                    candidates.append(one)
                    conflicts[package, row["version"]] = tuple(row.get("conflicts", ()))
    return Archive(Offer(manager, tuple(candidates)), conflicts)


def key(version: str) -> Any:
    """The order of versions, epochs first."""
    epoch, colon, rest = version.partition(":")
    return (int(epoch) if colon else 0, version_key(rest if colon else version))


def _holds(version: str, operator: str | None, wanted: str | None) -> bool:
    if not operator or not wanted:
        return True
    have, want = key(version), key(wanted)
    if "-" not in wanted:
        have = key(version.rpartition("-")[0] or version)
    if ":" not in wanted:
        have, want = (0, have[1]), (0, want[1])
    return {"=": have == want, ">=": have >= want, "<=": have <= want, ">>": have > want, ">": have > want}.get(operator, have < want)


class Resolver:
    """One transaction on the packages of a machine ({name: version})."""

    def __init__(self, archive: Archive, installed: Mapping[str, str], request: Request, origins: Iterable[str]) -> None:
        self.archive, self.request, self.installed = archive, request, dict(installed)
        self.origins = {*origins, None}
        self.after = {name: version for name, version in installed.items() if name not in request.remove}
        self.chosen: dict[str, Candidate] = {}
        self.removed = {name for name in request.remove if name in installed}

    def run(self) -> Closure:
        for wanted in self.request.install:
            if not self._take(wanted.name, "=" if wanted.version else None, wanted.version):
                words = f"{wanted.name}={wanted.version}" if wanted.version else wanted.name
                return Closure((), error=f"Version or package {words} was not found or its dependencies are not installable")
        changes = []
        for name in sorted({*self.installed, *self.after}):
            before, after = self.installed.get(name), self.after.get(name)
            if before == after:
                continue
            if after is None:
                changes.append(Change("remove", name, before, None))
                continue
            lower = before is not None and key(after) < key(before)
            if lower and not self.request.downgrade:
                return Closure((), error=f"Packages were downgraded and -y was used without --allow-downgrades: {name}")
            action = "install" if before is None else "downgrade" if lower else "upgrade"
            changes.append(Change(action, name, before, after, self.chosen[name].repository, self.chosen[name].architecture))
        return Closure(tuple(changes), None, 1024, 4096)

    def _priority(self, one: Candidate) -> tuple[int, Any]:
        pins = [pin for pin in self.request.pins if any(fnmatch.fnmatchcase(one.name, name) for name in pin.names)]
        fit = next((pin.priority for pin in pins if fnmatch.fnmatchcase(one.version, pin.version)), None)
        usual = 100 if one.origin == "debian_backports" else 500
        return (usual if fit is None else fit, key(one.version))

    def _take(self, name: str, operator: str | None, version: str | None) -> bool:
        have = self.after.get(name)
        if have is not None and _holds(have, operator, version):
            return True
        found = [one for one in self.archive.offer.candidates if one.name == name and one.origin in self.origins]
        enabled = {stream.partition(":")[2] for stream in self.request.streams}
        found = [one for one in found if one.stream is None or not enabled or one.stream in enabled]
        fits = [one for one in found if _holds(one.version, operator, version)]
        if not fits:
            providers = [one for one in self.archive.offer.candidates
                         if one.origin in self.origins and any(given.partition(" ")[0] == name for given in one.provides)]
            if operator is None and any(self.after.get(one.name) == one.version for one in providers):
                return True
            return bool(providers) and operator is None and self._put(max(providers, key=self._priority))
        exact = operator == "="
        best = max(found, key=self._priority)
        if not exact and best not in fits:
            return False  # apt does not look for another version than its candidate
        return self._put(max(fits, key=self._priority))

    def _put(self, one: Candidate) -> bool:
        self.after[one.name], self.chosen[one.name] = one.version, one
        for other in list(self.after):
            theirs = self.archive.conflicts.get((other, self.after[other]), ())
            mine = self.archive.conflicts.get((one.name, one.version), ())
            if other != one.name and (any(fnmatch.fnmatchcase(other, c) for c in mine) or any(fnmatch.fnmatchcase(one.name, c) for c in theirs)):
                if other in self.chosen:
                    return False
                del self.after[other]
        return all(self._serve(words) for words in one.depends)

    def _serve(self, words: str) -> bool:
        for alternative in words.split("|"):
            match = _RELATION.fullmatch(alternative.strip())
            known = {one.name for one in self.archive.offer.candidates} | {
                given.partition(" ")[0] for one in self.archive.offer.candidates for given in one.provides}
            if match and match[1] not in known:
                return True  # of software that these files leave out
            if match and self._take(match[1], match[2], match[3]):
                return True
        return False
