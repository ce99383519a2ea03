# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which drivers an offer holds: complete sets of packages of one version, told by what they depend on.

Neither the name nor the version of a package says which driver it brings: Ubuntu's nvidia-headless-535-server and even its
libnvidia-compute-535-server are of branch 580. So a set counts under the names whose dependencies end at its own core package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .._inventory._package_text import upstream_version
from .._inventory._versions import VersionKey, version_key
from .._knowledge.delivery import Deliverer, PackageSet
from .._packages.types import Candidate, Offer, Wanted

__all__ = ["Deliverable", "Index", "Kernel", "bare", "deliverables", "filled", "package_key", "pattern_of"]

_DRIVER_VERSION = re.compile(r"[1-9][0-9]{2,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?", re.ASCII)
# Metadata of a repository is not to be trusted: what is no name or no version never reaches a plan.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,160}", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~^_-]{0,120}", re.ASCII)
_RELATION = re.compile(
    r"(?P<name>[^\s()<>=:]+)(?::[a-z0-9]+|\([a-z0-9-]+\))?\s*(?:\(?\s*(?P<operator>[<>=]{1,2})\s*(?P<version>[^\s()]+)\s*\)?)?"
)
_FOREIGN = frozenset(("i386", "i686", "armhf"))
_KERNEL_FLAVOUR = "{kernel_flavour}"


class Kernel(NamedTuple):
    """An installed kernel. flavour is what packages call its kind: generic, generic-hwe-24.04, cloud-amd64, default."""

    release: str
    flavour: str


class Deliverable(NamedTuple):
    """A driver that can be had: NVIDIA's version, the core package's own, and what to name to the package manager."""

    version: str
    branch: int
    revision: str
    packages: PackageSet
    wanted: tuple[Wanted, ...]
    stream: str | None = None


def bare(version: str) -> str:
    """A package's version without its epoch."""
    return version.partition(":")[2] or version


def package_key(version: str) -> tuple[int, VersionKey]:
    """A sort key for versions as package managers write them."""
    epoch, colon, rest = version.partition(":")
    return (int(epoch) if colon and epoch.isdecimal() and epoch.isascii() else 0, version_key(rest if colon else version))


def filled(template: str, **words: object) -> str:
    """A name of a template; a word that it has and that is not given stays."""
    for key, value in words.items():
        template = template.replace(f"{{{key}}}", str(value))
    return template


def pattern_of(template: str) -> re.Pattern[str]:
    """What names made of a template look like."""
    text = re.escape(template).replace(r"\{branch\}", "([0-9]{3,4})").replace(r"\{kernel_flavour\}", "(.+)")
    return re.compile(text, re.ASCII)


class Index:
    """The candidates of an offer by name, the newest first, without those whose names or versions are none."""

    def __init__(self, offer: Offer, origin: str) -> None:
        self.origin = origin
        self._by_name: dict[str, list[Candidate]] = {}
        for candidate in offer.candidates:
            sound = _NAME.fullmatch(candidate.name) and _VERSION.fullmatch(candidate.version)
            if sound and candidate.architecture not in _FOREIGN:
                self._by_name.setdefault(candidate.name, []).append(candidate)
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

    def cores(self, start: Candidate, core: Candidate, pattern: re.Pattern[str]) -> set[tuple[str, str]]:
        """(name, version) of the packages like core that the dependencies of start end at.

        Where a relation leaves a choice, the versions of core are followed: that is what the pins of a plan ask for.
        """
        ends: set[tuple[str, str]] = set()
        seen: set[tuple[str, str]] = set()
        waiting = [start]
        while waiting:
            one = waiting.pop()
            if (one.name, one.version) in seen:
                continue
            seen.add((one.name, one.version))
            further = [found for words in one.depends for found in self._followed(words, core)]
            waiting += further
            if pattern.fullmatch(one.name) and not any(pattern.fullmatch(found.name) for found in further):
                ends.add((one.name, one.version))
        return ends

    def _followed(self, words: str, core: Candidate) -> list[Candidate]:
        """The candidate that serves a relation: of the first alternative that there is."""
        for alternative in words.split("|"):
            match = _RELATION.fullmatch(alternative.strip())
            for candidate in self.of(match["name"], core.version) if match else ():
                if match and _holds(candidate.version, match["operator"], match["version"]):
                    return [candidate]
        return []


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
    index = Index(offer, deliverer.id)
    return [found for row in sets for found in _of_set(row, index, kernels)]


def _of_set(row: PackageSet, index: Index, kernels: Sequence[Kernel]) -> list[Deliverable]:
    pattern = pattern_of(row.core)
    found = []
    for core in index.matching(pattern):
        version = upstream_version(core.version)
        branch = int(version.partition(".")[0]) if _DRIVER_VERSION.fullmatch(version) else 0
        stream = filled(row.stream, branch=branch) if row.stream else None
        fits = branch and (row.first or 0) <= branch <= (row.last or branch) and core.name == filled(row.core, branch=branch)
        if not fits or (stream and core.stream != stream) or index.cores(core, core, pattern) != {(core.name, core.version)}:
            continue
        wanted = _wanted(row, index, core, branch, pattern, kernels)
        if wanted:
            found.append(Deliverable(version, branch, core.version, row, tuple(wanted), stream))
    return sorted(found, key=lambda one: package_key(one.revision), reverse=True)


def _wanted(
    row: PackageSet, index: Index, core: Candidate, branch: int, pattern: re.Pattern[str], kernels: Sequence[Kernel]
) -> list[Wanted]:
    """The packages of a set with this core, each at the version that goes with it; empty where one is missing."""
    wanted: list[Wanted] = []
    for template in row.install:
        name = filled(template, branch=branch)
        flavours = sorted({kernel.flavour for kernel in kernels}) if _KERNEL_FLAVOUR in name else [""]
        if not flavours or (_KERNEL_FLAVOUR in name and not _has_every(name, index, kernels)):
            return []
        for flavour in flavours:
            fit = _best(filled(name, kernel_flavour=flavour), index, core, pattern)
            if fit is None:
                return []
            wanted.append(Wanted(fit.name, fit.version))
    return wanted


def _has_every(name: str, index: Index, kernels: Sequence[Kernel]) -> bool:
    """Whether modules are offered for each kernel, where a maker has packages for each release at all."""
    by_release = re.compile(re.escape(name).replace(r"\{kernel_flavour\}", r"[0-9].*"), re.ASCII)
    if not any(by_release.fullmatch(known) for known in index.names()):
        return True
    return all(index.of(filled(name, kernel_flavour=kernel.release)) for kernel in kernels)


def _best(name: str, index: Index, core: Candidate, pattern: re.Pattern[str]) -> Candidate | None:
    for candidate in index.of(name, core.version):
        if core.stream and candidate.stream not in (None, core.stream):
            continue
        if index.cores(candidate, core, pattern) <= {(core.name, core.version)}:
            return candidate
    return None
