# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which drivers an offer holds: by what packages depend on, never by their names or versions."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import delivery
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Candidate, Offer
from ansible_collections.gpufleet.node.plugins.module_utils._plan._deliverables import Deliverable, deliverables
from ansible_collections.gpufleet.node.plugins.module_utils._plan._templates import Kernel, package_key
from planlab import offer

GENERIC = (Kernel("6.8.0-88-generic", "generic"),)


def found(origin: str, archive: Offer, kernels: tuple[Kernel, ...] = GENERIC, version: str | None = None) -> list[Deliverable]:
    deliverer = delivery.deliverer(origin)
    assert deliverer is not None
    return deliverables(archive, deliverer, delivery.package_sets(origin, version), kernels)


def told(drivers: list[Deliverable]) -> set[str]:
    return {f"{one.branch} {one.version} {one.packages.flavour} {one.packages.build}{' server' if one.packages.server else ''}"
            f"{' superseded' if one.superseded else ''}" for one in drivers if one.packages.components == "compute"}


def test_names_that_lead_to_another_branch_are_no_drivers_of_their_own() -> None:
    drivers = found("ubuntu", offer("ubuntu-24.04").offer)
    assert {one.branch for one in drivers if not one.superseded} == {550, 580, 595}
    assert told(drivers) >= {"580 580.95.05 open prebuilt", "580 580.95.05 open prebuilt server", "580 580.65.06 open dkms",
                             "535 535.171.04 proprietary dkms superseded"}
    # The 535 of the updates pocket are names for 580: of the release pocket's real ones nothing but an exact wish may take them.
    assert {one.version for one in drivers if one.branch == 535} == {"535.171.04", "535.161.08"}


def test_prebuilt_modules_count_where_each_kernel_has_one() -> None:
    archive = offer("ubuntu-24.04").offer
    both = (*GENERIC, Kernel("6.8.0-90-generic", "generic"))
    other = (*GENERIC, Kernel("6.8.0-31-generic", "generic"))
    assert "580 580.95.05 open prebuilt" in told(found("ubuntu", archive, both))
    assert not any("prebuilt" in one for one in told(found("ubuntu", archive, other)))
    assert not any("prebuilt" in one for one in told(found("ubuntu", archive, ())))


@pytest.mark.parametrize(("name", "origin", "version", "expected"), [
    ("trixie", "debian", "13", {"550 550.163.01 proprietary dkms", "550 550.163.01 open dkms", "535 535.274.02 proprietary dkms"}),
    ("trixie-backports", "debian_backports", "13", {"550 550.163.01 proprietary dkms", "550 550.163.01 open dkms"}),
    ("bookworm", "debian", "12", {"535 535.261.03 proprietary dkms", "535 535.216.03 proprietary dkms", "470 470.256.02 proprietary dkms"}),
])
def test_drivers_of_debian(name: str, origin: str, version: str, expected: set[str]) -> None:
    assert told(found(origin, offer(name).offer, (), version)) == expected


def test_streams_go_with_their_branch() -> None:
    drivers = found("nvidia_el", offer("nvidia-rhel9", "el9-base").offer, ())
    assert {(one.branch, one.packages.flavour, one.stream) for one in drivers} == {
        (580, "open", "580-open"), (580, "proprietary", "580-dkms"), (595, "open", "595-open"), (595, "proprietary", "595-dkms")}


def test_another_distributions_name_of_the_same_maker_counts() -> None:
    # What NVIDIA's repositories say of themselves does not tell for which distribution they are.
    archive = offer("nvidia-debian13").offer
    other = archive._replace(candidates=tuple(one._replace(origin="nvidia_ubuntu") for one in archive.candidates))
    assert told(found("nvidia_debian", other, ())) == told(found("nvidia_debian", archive, ())) != set()


def _archive(*rows: tuple[str, str, tuple[str, ...]]) -> Offer:
    return Offer("apt", tuple(Candidate(name, version, "amd64", "debian", "r", depends) for name, version, depends in rows))


@pytest.mark.parametrize("depends", [
    ("libcuda1 (= 550.90.07-1)",),  # another version of the core
    ("nvidia-alternative (= 550.90.07-1)",),  # another version of what the core depends on
    ("nvidia-alternative (>= 560)",),
])
def test_a_set_whose_parts_want_another_driver_is_none(depends: tuple[str, ...]) -> None:
    core = ("libcuda1", "550.163.01-2", ("nvidia-alternative (= 550.163.01-2)",))
    rest = [("nvidia-alternative", "550.163.01-2", ()), ("nvidia-kernel-dkms", "550.163.01-2", ())]
    assert told(found("debian", _archive(core, *rest, ("nvidia-smi", "550.163.01-2", ())), ())) == {"550 550.163.01 proprietary dkms"}
    assert told(found("debian", _archive(core, *rest, ("nvidia-smi", "550.163.01-2", depends)), ())) == set()


@pytest.mark.parametrize(("name", "version"), [
    ("libcuda1", "550.163.01-2; rm -rf /"),
    ("libcuda1", "\u0665\u0665\u0660.163.01-2"), ("libcuda1", "../../550"), ("libcuda1", "550.163.01-2\nPin: x"),
    ("libcuda1;x", "550.163.01-2"), ("libcuda1", ""),
])
def test_hostile_metadata_is_left_out(name: str, version: str) -> None:
    rows = [(package, version if package == "libcuda1" else "550.163.01-2", ()) for package in ("nvidia-kernel-dkms", "nvidia-smi")]
    assert found("debian", _archive(*rows, (name, version, ())), ()) == []


def test_a_loop_of_relations_ends() -> None:
    rows = [("libcuda1", "550.163.01-2", ("nvidia-smi",)), ("nvidia-smi", "550.163.01-2", ("libcuda1 (= 550.163.01-2)",)),
            ("nvidia-kernel-dkms", "550.163.01-2", ("nvidia-smi|nvidia-kernel-dkms", "no-such-package"))]
    assert told(found("debian", _archive(*rows), ())) == {"550 550.163.01 proprietary dkms"}


@pytest.mark.parametrize(("older", "newer"), [
    ("550.163.01-2", "550.163.01-4~bpo13+1"), ("550.163.01-4~bpo13+1", "550.163.01-4"), ("3:580.95.05-1.el9", "3:580.105.08-1.el9"),
    ("580.105.08-1", "1:550.163.01-1"), ("535.216.03-3~deb12u1", "535.261.03-1"),
])
def test_the_order_of_package_versions(older: str, newer: str) -> None:
    assert package_key(older) < package_key(newer)
