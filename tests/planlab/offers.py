# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What package sources offer: the files of offers/, and the repositories that tests/packagerepo describes."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Candidate, Offer
from packagerepo import description

_FOLDER = Path(__file__).parent / "offers"
# Whose repositories those of tests/packagerepo stand for: ids of data/nvidia_packages.yml.
_ORIGINS = {"ubuntu-22.04": "ubuntu", "ubuntu-24.04": "ubuntu", "nvidia-ubuntu2404": "nvidia_ubuntu", "nvidia-debian13": "nvidia_debian",
            "nvidia-rhel8": "nvidia_el", "nvidia-rhel9": "nvidia_el", "nvidia-rhel10": "nvidia_dnf", "nvidia-sles15": "nvidia_suse"}


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
    """The sources of these names together, in the order of preference."""
    candidates: list[Candidate] = []
    conflicts: dict[tuple[str, str], tuple[str, ...]] = {}
    manager = "apt"
    for name in names:
        for manager, one, against in _of_file(name) if (_FOLDER / f"{name}.yml").exists() else _of_description(name):  # noqa: B007
            candidates.append(one)
            conflicts[one.name, one.version] = against
    return Archive(Offer(manager, tuple(candidates)), conflicts)


def _of_file(name: str) -> Iterator[tuple[str, Candidate, tuple[str, ...]]]:
    text = yaml.safe_load((_FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    for repository in text["repositories"]:
        for package, row in repository["packages"].items():
            depends, provides = tuple(row.get("depends", ())), tuple(row.get("provides", ()))
            yield text["manager"], Candidate(package, row["version"], "amd64", repository["origin"], repository["repository"], depends,
                                             provides), tuple(row.get("conflicts", ()))


def _of_description(name: str) -> Iterator[tuple[str, Candidate, tuple[str, ...]]]:
    repository = description.load(name)
    manager = "apt" if repository.kind == "deb" else "zypper" if "sles" in name else "dnf"
    for package in repository.packages:
        relations = package.relations
        against = (*relations.get("conflicts", ()), *relations.get("breaks", ()), *relations.get("obsoletes", ()))
        depends = tuple("|".join(part.strip() for part in words.split("|")) for words in relations.get("depends", ()))
        for stream in package.streams or (None,):
            provides, where = tuple(relations.get("provides", ())), package.suite or name
            yield manager, Candidate(package.name, package.version, package.architecture, _ORIGINS.get(name), where, depends, provides,
                                     stream), against
