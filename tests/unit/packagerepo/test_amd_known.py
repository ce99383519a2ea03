# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What data/rocm_packages.yml says of AMD's repositories is what the described ones have: addresses, names, releases, holds."""

from __future__ import annotations

import fnmatch
import functools

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import rocm_delivery, rocm_drivers, rocm_releases
from packagerepo.description import Package, Repository, load

CLASSIC = {"6.4.3": "6.4.3", "7.1.1": "30.20.1", "7.2.4": "30.30.4"}
CORE = {"7.14.0": "31.40", "10.0.0": "31.40", "10.1.0": "31.50"}
# origin, distribution, its version, the repositories that stand for AMD's hosts, release → driver
SERVED = [
    ("amd_classic_deb", "ubuntu", "22.04", ("radeon-ubuntu2204",), CLASSIC),
    ("amd_classic_deb", "ubuntu", "24.04", ("radeon-ubuntu2404",), CLASSIC),
    ("amd_classic_el", "rhel", "9.6", ("radeon-rhel9",), CLASSIC),
    ("amd_classic_suse", "sles", "15.7", ("radeon-sles15",), CLASSIC),
    ("amd_deb", "debian", "13", ("amd-debian13", "radeon-ubuntu2404"), CORE),  # AMD's drivers for Debian 13 are those of noble
    ("amd_deb", "ubuntu", "22.04", ("amd-ubuntu2204", "radeon-ubuntu2204"), CORE),
    ("amd_deb", "ubuntu", "24.04", ("amd-ubuntu2404", "radeon-ubuntu2404"), CORE),
    ("amd_el", "rhel", "9.6", ("amd-rhel9", "radeon-rhel9"), CORE),
    ("amd_suse", "sles", "15.7", ("amd-sles15", "radeon-sles15"), CORE),
]
CASES = [pytest.param(*who, release, driver, id=f"{who[1]}-{who[2]}-{release}") for *who, pairs in SERVED
         for release, driver in pairs.items()]
_load = functools.lru_cache(maxsize=None)(load)


def _described(names: tuple[str, ...], path: str, suite: str | None) -> tuple[Repository, list[Package]]:
    for repository in map(_load, names):
        found = [one for one in repository.packages if one.folder == path and (suite is None or one.suite == suite)]
        if found:
            return repository, found
    raise AssertionError(f"no repository of {names} has {path} {suite or ''}")


@pytest.mark.parametrize(("origin", "distribution", "version", "names", "release", "driver"), CASES)
def test_repositories_and_packages(origin: str, distribution: str, version: str, names: tuple[str, ...], release: str, driver: str) -> None:
    deliverer, besides = rocm_delivery.deliverer(origin), rocm_delivery.delivery_of(origin)
    assert deliverer is not None
    packages: dict[str, list[Package]] = {}
    for place in rocm_delivery.repositories(origin, distribution, version, release, driver):
        if place.use == "graphics" and not names[0].startswith("radeon-ubuntu"):
            continue  # described for Ubuntu alone
        repository, offered = _described(names, place.path, place.suite)
        fields = {"vendor": offered[0].vendor, "url": f"https://mirror.example.com/{place.path}", "repo": place.id}
        if deliverer.manager == "apt":
            fields = {"o": repository.release["Origin"], "l": repository.release["Label"], "c": offered[0].component}
            assert {one.component for one in offered} == set(place.components)
        assert rocm_delivery.origin_of(deliverer.manager, fields, (distribution, origin)) == origin, place
        for package in offered:
            packages.setdefault(package.name, []).append(package)

    def of_the_release(name: str) -> list[Package]:
        return [one for one in packages.get(name, ()) if rocm_delivery.release_of_package(origin, one.version) == release]

    for component in rocm_delivery.components(origin, release, version):
        driven = component in ("dkms", "firmware")
        for beside in (False, True):
            named = rocm_delivery.component(origin, component, release, version, "gfx942", beside)
            assert named is not None
            for name in (*named.install, named.core):
                assert name in packages, (component, name)
                assert driven or of_the_release(name), (component, name, [one.version for one in packages[name]])
                hold = besides.hold_driver if driven else besides.hold_rocm
                assert any(fnmatch.fnmatchcase(name, pattern) for pattern in hold), name
    # apt writes a pin for what it was asked: whatever the repository of ROCm has must be among the patterns, so be held.
    rocm = next(place for place in rocm_delivery.repositories(origin, distribution, version, release) if place.use == "rocm")
    names_there = {one.name for one in _described(names, rocm.path, rocm.suite)[1]}
    loose = sorted(name for name in names_there if not any(fnmatch.fnmatchcase(name, pattern) for pattern in besides.hold_rocm))
    assert loose == [], loose
    (dkms,) = {rocm_drivers.driver_release(one.version) for one in packages["amdgpu-dkms"]}
    assert rocm_releases.folder(str(dkms)) == driver, [one.version for one in packages["amdgpu-dkms"]]
