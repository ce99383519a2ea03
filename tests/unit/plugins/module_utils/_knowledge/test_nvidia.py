# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA chips, what drives them, driver branches."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import nvidia


@pytest.mark.parametrize(
    ("device_id", "architecture", "capability", "chip", "certainty"),
    [
        ("2684", "ada", "8.9", "AD102", "listed"),
        ("2208", "ampere", "8.6", "GA102", "listed"),
        ("20b5", "ampere", "8.0", "GA100", "listed"),
        ("1f08", "turing", "7.5", "TU106", "listed"),
        ("2182", "turing", "7.5", "TU116", "listed"),
        ("1db1", "volta", "7.0", "GV100", "listed"),
        ("1b80", "pascal", "6.1", "GP104", "listed"),
        ("15f8", "pascal", "6.0", "GP100", "listed"),
        ("17c2", "maxwell", "5.2", "GM200", "listed"),
        ("102d", "kepler", "3.7", "GK210", "listed"),
        ("06d1", "fermi", "2.0", "GF100", "listed"),
        ("0191", "tesla", None, None, "listed"),
        ("2330", "hopper", "9.0", "GH100", "listed"),
        ("2901", "blackwell", "10.0", "GB100", "listed"),
        ("3182", "blackwell", "10.3", "GB110", "listed"),
        ("2b85", "blackwell", "12.0", "GB202", "listed"),
        ("2e12", "blackwell", "12.1", "GB20B", "listed"),
        ("0x2684", "ada", "8.9", "AD102", "listed"),
        ("26ff", "ada", "8.9", None, "block"),
        ("2fff", "blackwell", None, None, "block"),
        ("24ff", "ampere", None, None, "block"),
    ],
)
def test_chip(device_id: str, architecture: str, capability: str | None, chip: str | None, certainty: str) -> None:
    assert nvidia.chip(device_id) == nvidia.NvidiaChip(architecture, capability, chip, certainty)


@pytest.mark.parametrize("device_id", ["ffff", "4000", "1af1", "", "zzzz", "1e00000"])
def test_no_chip(device_id: str) -> None:
    assert nvidia.chip(device_id) is None
    assert nvidia.driver_support(device_id) == {
        "status": "unknown",
        "first_branch": None,
        "last_branch": None,
        "open_module": None,
    }
    assert nvidia.open_module_since(device_id) is None


@pytest.mark.parametrize(
    ("device_id", "status", "first", "last", "open_module"),
    [
        ("2684", "served", 525, None, "supported"),
        ("2208", "served", 455, None, "supported"),
        ("20b5", "served", 450, None, "supported"),
        ("1f08", "served", 410, None, "supported"),
        ("2330", "served", 525, None, "supported"),
        ("2331", "served", 520, None, "supported"),
        ("2335", "served", 550, None, "supported"),
        ("2342", "served", 535, None, "required"),
        ("2901", "served", 570, None, "required"),
        ("3182", "served", 580, None, "required"),
        ("2e12", "served", 580, None, "required"),
        ("1db1", "ended", 384, 580, "unsupported"),
        ("1b80", "ended", 367, 580, "unsupported"),
        ("17c2", "ended", 340, 580, "unsupported"),
        ("102d", "ended", None, 470, "unsupported"),
        ("11bf", "ended", None, 367, "unsupported"),
        ("06d1", "ended", None, 390, "unsupported"),
        ("0191", "ended", None, 340, "unsupported"),
        ("0040", "ended", None, 304, "unsupported"),
        ("0301", "ended", None, 173, "unsupported"),
        ("0200", "ended", None, 96, "unsupported"),
        ("0100", "ended", None, 71, "unsupported"),
        ("26ff", "served", None, None, "supported"),
        ("2fff", "served", None, None, "required"),
    ],
)
def test_driver_support(device_id: str, status: str, first: int | None, last: int | None, open_module: str) -> None:
    expected: dict[str, Any] = {"status": status, "first_branch": first, "last_branch": last, "open_module": open_module}
    assert nvidia.driver_support(device_id) == expected


@pytest.mark.parametrize(
    ("device_id", "branch"), [("1f08", 515), ("2684", 525), ("1e09", 565), ("2b85", 570), ("2e12", 580), ("1db1", None)]
)
def test_open_module_since(device_id: str, branch: int | None) -> None:
    assert nvidia.open_module_since(device_id) == branch


def test_unknown_ids_are_named_with_the_date_of_the_table() -> None:
    date = nvidia.newest_table_date()
    assert len(date) == len("2026-11-23")
    assert nvidia.unknown_id_note("ffff") == f"unknown, newer than this table of {date}"
    assert nvidia.unknown_id_note("1aff") == f"unknown to this table of {date}"
    assert nvidia.unknown_id_note("") == f"unknown to this table of {date}"
    assert nvidia.unknown_id_note("26ff") == f"not in this table of {date}; its block of ids is ada"
    assert nvidia.unknown_id_note("2684") is None


@pytest.mark.parametrize(("device_id", "expected"), [("1af1", True), ("22a3", True), ("22A3", True), ("2330", False), ("", False)])
def test_is_nvswitch(device_id: str, expected: bool) -> None:
    assert nvidia.is_nvswitch(device_id) is expected


def test_branch() -> None:
    branch = nvidia.branch(580)
    assert branch is not None
    assert (branch.number, branch.type, branch.eol, branch.supported) == (580, "LTSB", "2028-06", True)
    assert (branch.first, branch.cuda, branch.min_kernel, branch.newest_architecture) == (
        "580.65.06",
        "13.0",
        "4.15",
        "blackwell",
    )
    assert nvidia.branch(581) is None
    assert [entry.number for entry in nvidia.branches()] == sorted(entry.number for entry in nvidia.branches())


@pytest.mark.parametrize(
    ("version", "branch"),
    [
        ("550.163.01", 550),
        ("580", 580),
        ("340.108", 340),
        ("N/A", None),
        ("", None),
        (None, None),
        ("550.163.01-4~bpo13+1", None),
    ],
)
def test_branch_of(version: str | None, branch: int | None) -> None:
    assert nvidia.branch_of(version) == branch


@pytest.mark.parametrize(("branch", "cuda"), [(535, "12.2"), (550, "12.4"), (580, "13.0"), (470, "11.4"), (340, None), (999, None)])
def test_cuda_of_branch(branch: int, cuda: str | None) -> None:
    assert nvidia.cuda_of_branch(branch) == cuda


@pytest.mark.parametrize(
    ("cuda", "floor", "full"),
    [
        ("12.4", "525.60.13", "550.54.14"),
        ("11.8", "450.80.02", "520.61.05"),
        ("13.0", "580.65.06", "580.65.06"),
        ("13", "580.65.06", "580.65.06"),
        ("10.1", "418.39", "418.39"),
        ("13.5", "580.65.06", None),
        ("99.0", None, None),
        ("N/A", None, None),
    ],
)
def test_minimum_driver(cuda: str, floor: str | None, full: str | None) -> None:
    assert nvidia.minimum_driver(cuda) == floor
    assert nvidia.minimum_driver(cuda, full=True) == full


@pytest.mark.parametrize(("architecture", "branch"), [("volta", 580), ("kepler", 470), ("blackwell", 580), ("curie", None)])
def test_recommended_branch(architecture: str, branch: int | None) -> None:
    assert nvidia.recommended_branch(architecture) == branch
