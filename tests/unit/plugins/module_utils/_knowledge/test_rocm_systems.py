# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operating systems and kernels on AMD's lists."""

from __future__ import annotations

import json

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import rocm_matrix_table, rocm_products, rocm_releases, rocm_systems
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.rocm_systems import System

RHEL = ("rhel", "fedora")


def _standing(release: str, family: str, product: str | None, system: System) -> rocm_systems.Standing:
    one = rocm_releases.release(release)
    assert one is not None
    row = next((row for row, _ids in rocm_products.products() if row.name == product), None)
    assert (row is None) is (product is None)
    return rocm_systems.standing(one, family, row, system)


@pytest.mark.parametrize(
    ("release", "family", "product", "system", "status", "kernels", "kernel_listed", "near"),
    [
        ("10.1", "instinct", "Instinct MI300X", System("ubuntu", "24.04", (), "6.8.0-88-generic"), "supported", ("6.8",), True, None),
        ("10.1", "instinct", "Instinct MI300X", System("ubuntu", "24.04", (), "6.14.0-37-generic"), "supported", ("6.8",), False, None),
        ("10.1", "radeon", None, System("ubuntu", "24.04", (), "7.0.0-14-generic"), "supported", ("7.0",), True, None),
        ("10.0", "radeon", None, System("ubuntu", "24.04", (), "7.0.0-14-generic"), "supported", ("6.17",), False, None),
        ("7.1", "instinct", "Instinct MI300X", System("ubuntu", "24.04", (), "6.80.0-1"), "supported", ("6.8", "6.14"), False, None),
        ("7.1", "instinct", "Instinct MI210", System("rhel", "9.6", RHEL, "5.14.0-570.58.1"), "supported", ("5.14.0-570",), True, None),
        ("7.1", "instinct", "Instinct MI210", System("rhel", "9.6", RHEL), "supported", ("5.14.0-570",), None, None),
        ("7.14", "instinct", "Instinct MI210", System("rhel", "9.6", RHEL, "5.14.0-570.el9"), "supported", (), None, None),
        ("7.1", "instinct", "Instinct MI210", System("rhel", "9.5", RHEL), "unlisted", (), None, None),
        ("7.1", "instinct", "Instinct MI210", System("almalinux", "9.6", RHEL), "unlisted", (), None, "rhel 9.6"),
        ("7.1", "instinct", "Instinct MI300X", System("rocky", "9.5", RHEL), "supported", ("5.14.0-570",), None, None),
        ("7.1", "instinct", "Instinct MI210", System("rocky", "9.6", RHEL), "unlisted", (), None, "rhel 9.6"),
        ("7.1", "radeon", "Radeon PRO V620", System("rhel", "9.6", RHEL), "unlisted", (), None, None),
        ("7.1", "radeon", "Radeon PRO W6800", System("rhel", "9.6", RHEL), "supported", ("5.14.0-570",), None, None),
        ("10.0", "instinct", "Instinct MI350P", System("ubuntu", "22.04"), "unlisted", (), None, None),
        ("10.0", "instinct", "Instinct MI100", System("sles", "16.0"), "unlisted", (), None, None),
        ("10.0", "instinct", "Instinct MI250X", System("sles", "16.0"), "supported", ("6.12",), None, None),
        ("10.0", "ryzen", None, System("debian", "13"), "unlisted", (), None, None),
        ("6.4", "ryzen", None, System("ubuntu", "24.04"), "unknown", (), None, None),
        ("7.11", "instinct", "Instinct MI300X", System("ubuntu", "24.04"), "unknown", (), None, None),
        ("6.0", "instinct", "Instinct MI210", System("centos", "7", RHEL), "supported", ("3.10",), None, None),
        ("6.2", "instinct", "Instinct MI300X", System("ol", "8.9", ("fedora",)), "supported", ("5.15.0",), None, None),
        ("6.2", "instinct", "Instinct MI210", System("ol", "8.9", ("fedora",)), "unlisted", (), None, None),
        ("10.1", "instinct", "Instinct MI300X", System("ubuntu", "24.04", (), None, "aarch64"), "unlisted", (), None, None),
        ("10.1", "instinct", "Instinct MI300X", System("", ""), "unlisted", (), None, None),
    ],
)
def test_standing(release: str, family: str, product: str | None, system: System, status: str, kernels: tuple[str, ...],
                  kernel_listed: bool | None, near: str | None) -> None:
    found = _standing(release, family, product, system)
    assert (found.status, found.kernels, found.kernel_listed, found.near) == (status, kernels, kernel_listed, near)


@pytest.mark.parametrize(
    ("release", "product", "system", "why"),
    [
        ("7.2", "Instinct MI300X", System("debian", "13"), "AMD lists debian 13 for ROCm 7.2.4."),
        ("6.4", "Instinct MI300X", System("debian", "13"),
         "AMD's list for ROCm 6.4.4 does not have debian 13; ROCm 7.0.2, 7.1.1, 7.2.4, 7.14.1, 10.0.0 or 10.1.0 has it."),
        ("7.2", "Instinct MI210", System("almalinux", "9.6", RHEL),
         "AMD's list for ROCm 7.2.4 does not have almalinux 9.6; it is built from rhel 9.6, which is listed."),
        ("7.2", "Instinct MI210", System("fedora", "44"), "AMD's list for ROCm 7.2.4 does not have fedora 44."),
        ("7.9", "Instinct MI210", System("fedora", "44"), "No list of systems for instinct cards was read for ROCm 7.9.0."),
    ],
)
def test_sentences(release: str, product: str, system: System, why: str) -> None:
    assert _standing(release, "instinct", product, system).why == why


def test_limits_speak_of_products_and_systems_that_are_listed() -> None:
    tables = json.loads(rocm_matrix_table.TABLE)
    names = {row.name for row, _ids in rocm_products.products()}
    systems = {(name, one) for row in tables["os_support"] for name, versions in row["systems"].items() for one in versions}
    for row in tables["os_limits"]:
        assert {*row.get("products", ()), *row.get("all_but", ())} <= names, row
        kept = row.get("only") or row["without"]
        assert {(name, one) for name, versions in kept.items() for one in versions} <= systems, row


def test_each_limit_changes_a_list() -> None:
    """A row that takes nothing away is a mistake in the data."""
    tables = json.loads(rocm_matrix_table.TABLE)
    families = {row.name: row.family for row, _ids in rocm_products.products()}
    for row in tables["os_limits"]:
        meant = [one.version for one in rocm_releases.releases() if rocm_releases.covers(row["first"], row.get("last"), one.version)]
        other = row.get("all_but", ["no such product"])[0]
        for name in row.get("products", ["Instinct MI210"]):
            found = [rocm_systems.listed(one, families[name], name) != rocm_systems.listed(one, families[name], other) for one in meant]
            assert any(found), (row, name)


def test_every_product_has_a_system_while_it_is_listed() -> None:
    for product, _ids in rocm_products.products():
        for one in rocm_releases.newest_of_series():
            if product.listed and rocm_releases.covers(product.first, product.last, one.version):
                assert rocm_systems.listed(one.version, product.family, product.name), (product, one)
