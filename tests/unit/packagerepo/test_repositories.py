# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The described repositories: everything can be installed, and the names are those of the delivery table."""

from __future__ import annotations

import fnmatch
import re

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.delivery import PackageSet, deliverer, package_sets
from packagerepo.description import Repository, load, names
from packagerepo.relations import parse, twins, unresolved

NAMES = names()
# Origin of the delivery table → repository, branches that it has under the names of a set, flavour of its kernels.
DELIVERED = {
    "ubuntu": ("ubuntu-24.04", (580, 595), "generic"),
    "nvidia_ubuntu": ("nvidia-ubuntu2404", (580, 590, 595, 615), "generic"),
    "nvidia_debian": ("nvidia-debian13", (580, 595, 615), "amd64"),
    "nvidia_el": ("nvidia-rhel9", (580, 595), "default"),
    "nvidia_dnf": ("nvidia-rhel10", (580, 595, 615), "default"),
    "nvidia_suse": ("nvidia-sles15", (580, 595), "default"),
}


def fits(row: PackageSet, branch: int) -> bool:
    """Whether the set is for the branch, and its module one that the repository would have."""
    return (row.first or 0) <= branch <= (row.last or branch) and (row.flavour == "open" or branch < 615)


SETS = [(origin, row, branch) for origin, (_name, branches, _flavour) in DELIVERED.items() for row in package_sets(origin)
        for branch in branches if fits(row, branch)]


def has(repository: Repository, name: str, branch: int) -> bool:
    """Whether a package of that name belongs to the branch, by its version or by that of what it leads to."""
    free = str(branch) in name or name.startswith("linux-")
    return any(package.name == name and (free or re.match(rf"(\d+:)?{branch}\.", package.version)) for package in repository.packages)


@pytest.mark.parametrize("name", NAMES)
def test_every_package_can_be_installed(name: str) -> None:
    repository = load(name)
    assert twins(repository) + unresolved(repository, [load(other) for other in repository.beside]) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_relation_is_one(name: str) -> None:
    repository = load(name)
    for package in repository.packages:
        for relation, values in package.relations.items():
            if relation == "supplements":  # rich dependencies of rpm
                continue
            for value in values:
                for choice in value.split("|"):
                    parse(repository.kind, choice.strip())


def test_the_table_is_looked_at() -> None:
    assert {origin for origin, _row, _branch in SETS} == set(DELIVERED)
    assert len(SETS) > 30


@pytest.mark.parametrize(("origin", "row", "branch"), SETS,
                         ids=[f"{origin}-{branch}-{row.components}-{row.flavour}-{row.build}{'-server' * row.server}"
                              for origin, row, branch in SETS])
def test_names_are_those_of_the_delivery_table(origin: str, row: PackageSet, branch: int) -> None:
    name, _branches, flavour = DELIVERED[origin]
    repository = load(name)
    wanted = {template.format(branch=branch, kernel_flavour=flavour) for template in (*row.install, *row.essential, row.core)}
    assert [one for one in sorted(wanted) if not has(repository, one, branch)] == []


@pytest.mark.parametrize("origin", DELIVERED)
def test_extras_are_those_of_the_delivery_table(origin: str) -> None:
    row = deliverer(origin)
    assert row is not None
    name, branches, _flavour = DELIVERED[origin]
    there = {package.name for package in load(name).packages} | {"nvlsm", "infiniband-diags"}
    for choices in row.extras.values():
        for branch in branches:
            wanted = [template.format(branch=branch) for template in choices]
            assert any(one in there for one in wanted) or not wanted, f"{origin} {branch}: none of {wanted}"


@pytest.mark.parametrize("origin", DELIVERED)
def test_the_driver_is_found_by_the_patterns_of_the_table(origin: str) -> None:
    row = deliverer(origin)
    assert row is not None
    cores = {one.core.format(branch=branch) for other, one, branch in SETS if other == origin}
    assert cores
    assert [core for core in cores if not any(fnmatch.fnmatchcase(core, pattern) for pattern in row.patterns)] == []


@pytest.mark.parametrize(("stream", "module", "other"), [
    ("580-open", "kmod-nvidia-open-dkms", "kmod-nvidia-latest-dkms"),
    ("580-dkms", "kmod-nvidia-latest-dkms", "kmod-nvidia-open-dkms"),
    ("595-open", "kmod-nvidia-open-dkms", "kmod-nvidia-latest-dkms"),
    ("latest-dkms", "kmod-nvidia-latest-dkms", "kmod-nvidia-open-dkms"),
    ("open-dkms", "kmod-nvidia-open-dkms", "kmod-nvidia-latest-dkms"),
])
def test_a_stream_has_one_kind_of_module(stream: str, module: str, other: str) -> None:
    members = [package.name for package in load("nvidia-rhel9").packages if stream in package.streams]
    assert module in members
    assert other not in members
    assert {"nvidia-driver-cuda", "nvidia-driver-cuda-libs", "nvidia-kmod-common", "libnvidia-ml"} <= set(members)


def test_enterprise_linux_10_has_no_streams() -> None:
    assert load("nvidia-rhel10").streams == {}


@pytest.mark.parametrize(("old", "new"), [("535", "580"), ("570", "580"), ("590", "595")])
def test_names_of_older_branches_lead_to_newer_ones(old: str, new: str) -> None:
    newest = [package for package in load("ubuntu-24.04").packages if package.suite == "noble-updates"]
    names_of = {package.name: package.relations.get("depends", ()) for package in newest}
    for name in (f"nvidia-driver-{old}", f"nvidia-headless-{old}-server-open", f"libnvidia-compute-{old}-server"):
        assert names_of[name] == (name.replace(old, new),)
