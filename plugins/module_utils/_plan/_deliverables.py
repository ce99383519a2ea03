# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which drivers an offer holds: complete sets of packages of one version, told by what they depend on.

Neither the name nor the version of a package says which driver it brings: Ubuntu's nvidia-headless-535-server and even its
libnvidia-compute-535-server are of branch 580. So a set counts under the names whose dependencies end at its own core package.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .._inventory._package_text import upstream_version
from .._knowledge import delivery
from .._knowledge.delivery import Deliverer, PackageSet
from .._packages.types import Candidate, Offer, Wanted
from ._templates import Kernel, bare, filled, package_key, pattern_of

__all__ = ["Deliverable", "Index", "deliverables", "without_module"]

_DRIVER_VERSION = re.compile(r"[1-9][0-9]{2,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?", re.ASCII)
# Metadata of a repository is not to be trusted: what is no name or no version never reaches a plan.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,160}", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~^_-]{0,120}", re.ASCII)
_RELATION = re.compile(
    r"(?P<name>[^\s()<>=:]+)(?::[a-z0-9]+|\([a-z0-9-]+\))?\s*(?:\(?\s*(?P<operator>[<>=]{1,2})\s*(?P<version>[^\s()]+)\s*\)?)?"
)
_FOREIGN = frozenset(("i386", "i686", "armhf"))
_KERNEL_FLAVOUR = "{kernel_flavour}"


class Deliverable(NamedTuple):
    """A driver that can be had: NVIDIA's version, the core package's own, and what to name to the package manager. superseded: a
    newer package of the same name leads to another branch, so that the next upgrade would leave this one."""

    version: str
    branch: int
    revision: str
    packages: PackageSet
    wanted: tuple[Wanted, ...]
    stream: str | None = None
    superseded: bool = False


@functools.lru_cache(maxsize=64)
def _same_maker(origin: str | None, other: str) -> bool:
    """Whether a repository's metadata does not tell two origins apart: NVIDIA's say the same for every distribution."""
    one, two = delivery.deliverer(origin) if origin else None, delivery.deliverer(other)
    return origin == other or (one is not None and two is not None and one.match == two.match)


class Index:
    """The candidates of an offer by name, the newest first, without those whose names or versions are none."""

    def __init__(self, offer: Offer, origin: str, sets: Iterable[PackageSet] = ()) -> None:
        self.origin = origin
        templates = {name for row in sets for name in (*row.install, *row.essential, row.core) if "{branch}" in name}
        self._named = [pattern_of(template) for template in sorted(templates)]
        self._by_name: dict[str, list[Candidate]] = {}
        for candidate in offer.candidates:
            sound = _NAME.fullmatch(candidate.name) and _VERSION.fullmatch(candidate.version)
            if sound and candidate.architecture not in _FOREIGN:
                mine = candidate._replace(origin=origin) if _same_maker(candidate.origin, origin) else candidate
                self._by_name.setdefault(candidate.name, []).append(mine)
        for found in self._by_name.values():
            found.sort(key=lambda one: package_key(one.version), reverse=True)

    def matching(self, pattern: re.Pattern[str]) -> list[Candidate]:
        """Candidates of this origin whose names fit."""
        names = sorted(name for name in self._by_name if pattern.fullmatch(name))
        return [one for name in names for one in self._by_name[name] if one.origin == self.origin]

    def names(self) -> Iterable[str]:
        """All names that are offered by anybody."""
        return self._by_name.keys()

    def of(self, name: str, version: str | None = None) -> list[Candidate]:
        """Candidates of a name, those of this origin and, where a version is given, those like it first."""
        found = self._by_name.get(name, [])
        if version is None:
            return sorted(found, key=lambda one: one.origin != self.origin)
        upstream = upstream_version(version)
        return sorted(found, key=lambda one: (bare(one.version) != bare(version), upstream_version(one.version) != upstream,
                                              one.origin != self.origin))

    def matching_name(self, name: str) -> list[Candidate]:
        """Candidates of this origin with that name."""
        return [one for one in self._by_name.get(name, []) if one.origin == self.origin]

    def leads_to(self, name: str, start: str) -> bool:
        """Whether a package of that name depends on one whose name has this start."""
        return any(words.startswith(start) for one in self.of(name) for words in one.depends)

    def leads_only_to(self, start: Candidate, core: Candidate) -> bool:
        """Whether all that start depends on is of the driver that core is the core package of.

        Where a relation leaves a choice, the version of core is followed: that is what the pins of a plan ask for. A relation that
        this version does not serve, and a name that has another branch in it, are of another driver.
        """
        branch = upstream_version(core.version).partition(".")[0]
        seen: set[tuple[str, str]] = set()
        waiting = [start]
        while waiting:
            one = waiting.pop()
            if (one.name, one.version) in seen:
                continue
            seen.add((one.name, one.version))
            other = one.name == core.name and one.version != core.version
            if other or any(match and match[1] != branch for match in (named.fullmatch(one.name) for named in self._named)):
                return False
            for words in one.depends:
                further = self._followed(words, core)
                if further is None:
                    return False
                waiting += further
        return True

    def names_below(self, wanted: Iterable[Wanted], core: Candidate) -> set[str]:
        """The names of all that these packages depend on, and their own."""
        waiting = [one for item in wanted for one in self.of(item.name) if one.version == item.version]
        seen: set[str] = set()
        while waiting:
            one = waiting.pop()
            if one.name not in seen:
                seen.add(one.name)
                waiting += [found for words in one.depends for found in self._followed(words, core) or ()]
        return seen

    def _followed(self, words: str, core: Candidate) -> list[Candidate] | None:
        """The candidate that serves a relation: of the first alternative that there is; none where nobody offers it, None where
        this driver's own packages do not serve it."""
        refused = False
        for alternative in words.split("|"):
            match = _RELATION.fullmatch(alternative.strip())
            found = self.of(match["name"], core.version) if match else []
            if found and upstream_version(found[0].version) == upstream_version(core.version):
                found = [one for one in found if upstream_version(one.version) == upstream_version(core.version)]
            for candidate in found:
                if match and _holds(candidate.version, match["operator"], match["version"]):
                    return [candidate]
            refused = refused or bool(found)
        return None if refused else []


def _holds(version: str, operator: str | None, wanted: str | None) -> bool:
    if not operator or not wanted:
        return True
    if "-" not in wanted:  # of rpm: a version without its release fits every release
        version = version.rpartition("-")[0] or version
    have, want = package_key(version), package_key(wanted)
    if ":" not in wanted:
        have = (0, have[1])
    equal, above = have == want, have > want
    return {"=": equal, ">=": above or equal, "<=": not above, ">": above, ">>": above}.get(operator, not above and not equal)


def deliverables(offer: Offer, deliverer: Deliverer, sets: Iterable[PackageSet], kernels: Sequence[Kernel]) -> list[Deliverable]:
    """What a deliverer's sets come to with an offer, in the order of the sets, the newest of each first.

    Sets of prebuilt modules count where the offer has a module for every one of the kernels.
    """
    rows = list(sets)
    index = Index(offer, deliverer.id, rows)
    return [found for row in rows for found in _of_set(row, index, kernels)]


def _of_set(row: PackageSet, index: Index, kernels: Sequence[Kernel]) -> list[Deliverable]:
    found: dict[str, Deliverable] = {}
    passed: set[str] = set()  # names of which a newer package leads elsewhere
    for core in index.matching(pattern_of(row.core)):
        version = upstream_version(core.version)
        branch = int(version.partition(".")[0]) if _DRIVER_VERSION.fullmatch(version) else 0
        stream = filled(row.stream, branch=branch) if row.stream else None
        fits = branch and (row.first or 0) <= branch <= (row.last or branch) and core.name == filled(row.core, branch=branch)
        if not fits or (stream and core.stream != stream):
            continue
        if not index.leads_only_to(core, core):
            passed.add(core.name)
            continue
        wanted = _wanted(row, index, core, branch, kernels)
        if wanted and core.version not in found:
            found[core.version] = Deliverable(version, branch, core.version, row, tuple(wanted), stream, core.name in passed)
    return sorted(found.values(), key=lambda one: package_key(one.revision), reverse=True)


def _wanted(row: PackageSet, index: Index, core: Candidate, branch: int, kernels: Sequence[Kernel]) -> list[Wanted]:
    """The packages of a set with this core, each at the version that goes with it; empty where one is missing."""
    wanted: list[Wanted] = []
    for template in row.install:
        name = filled(template, branch=branch)
        names = _for_kernels(name, index, kernels) if _KERNEL_FLAVOUR in name else [name]
        found = [_best(one, index, core) for one in names]
        if not found or not all(found):
            return []
        wanted += [Wanted(one.name, one.version) for one in found if one]
    return wanted


def _for_kernels(name: str, index: Index, kernels: Sequence[Kernel]) -> list[str]:
    """The package that follows each kernel's flavour and, where a maker has packages for each release, that of each kernel."""
    names = [filled(name, kernel_flavour=flavour) for flavour in sorted({kernel.flavour for kernel in kernels})]
    by_release = re.compile(re.escape(name).replace(r"\{kernel_flavour\}", r"[0-9].*"), re.ASCII)
    if any(by_release.fullmatch(known) for known in index.names()):
        names += [filled(name, kernel_flavour=kernel.release) for kernel in kernels]
    return names


def without_module(sets: Iterable[PackageSet], index: Index, kernels: Sequence[Kernel]) -> list[str]:
    """The releases of the kernels that no set has a prebuilt module for; empty where modules fit by their symbols, not by a release."""
    templates = {name for row in sets if row.build == "prebuilt" for name in row.install if _KERNEL_FLAVOUR in name}
    if not templates:
        return []
    names = list(index.names())
    return [one.release for one in kernels
            if not any(pattern_of(filled(name, kernel_flavour=one.release)).fullmatch(known) for name in templates for known in names)]


def _best(name: str, index: Index, core: Candidate) -> Candidate | None:
    for candidate in index.of(name, core.version):
        if (not core.stream or candidate.stream in (None, core.stream)) and index.leads_only_to(candidate, core):
            return candidate
    return None
