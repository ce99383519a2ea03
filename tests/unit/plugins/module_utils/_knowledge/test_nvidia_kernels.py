# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that are too new for a driver: by its maker, its version and the flavour of its module."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import nvidia, nvidia_kernels
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.nvidia_kernels import Break
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.nvidia_kernels_table import TABLE

ROWS = json.loads(TABLE)["breaks"]


@pytest.mark.parametrize(
    ("release", "maker", "version", "flavour", "expected"),
    [
        ("6.12.57+deb13-amd64", "debian", "550.163.01-2", "proprietary", None),
        ("6.16.3-amd64", "debian", "550.163.01-2", "proprietary", None),
        ("6.16.3-amd64", "debian", "550.163.01-2", "open", Break("6.16", "550.163.01-3", True)),
        ("6.17.13-2-pve", "debian", "550.163.01-2", "proprietary", Break("6.17", "550.163.01-4", True)),
        ("6.17.13-2-pve", "debian", "550.163.01-4~bpo13+1", "proprietary", None),
        ("6.17.13-2-pve", "debian", "550.163.01-4", "open", None),
        ("6.17.13-2-pve", "debian", "535.274.02-1~deb13u1", "proprietary", None),
        ("6.17.13-2-pve", "debian", "535.261.03-1", "proprietary", Break("6.17", "535.274.02-1", True)),
        # What several series ask for together.
        ("7.0.4+deb14-amd64", "debian", "550.163.01-4", "proprietary", Break("6.19", "550.163.01-5.1", True)),
        ("7.0.4+deb14-amd64", "debian", "550.163.01-5", "proprietary", Break("7.0", "550.163.01-5.1", True)),
        ("7.0.4+deb14-amd64", "debian", "550.163.01-5.1", "proprietary", None),
        ("7.2.1-amd64", "debian", "550.163.01-5.1", "proprietary", Break("7.2", None, False)),
        ("6.19.1-amd64", "debian", "550.163.01-4", "open", Break("6.19", None, True)),
        ("6.15.0-1-amd64", "nvidia", "550.163.01", "open", Break("6.15", None, True)),
        ("6.14.11-1-amd64", "nvidia", "550.163.01", "open", None),
        ("6.15.0-1-amd64", "nvidia", "570.153.02", "open", None),
        ("6.15.0-1-amd64", "nvidia", "570.153.02", "proprietary", Break("6.15", "570.169", True)),
        ("6.17.0-5-generic", "nvidia", "580.76.05", "open", Break("6.17", "580.82.07", True)),
        ("6.17.0-5-generic", "nvidia", "580.82.07", "open", None),
        ("6.19.0-7-generic", "nvidia", "580.95.05", "open", Break("6.19", "580.126.18", True)),
        ("6.19.0-7-generic", "nvidia", "580.126.09", "open", Break("6.19", "580.126.18", False)),
        ("6.19.0-7-generic", "nvidia", "580.126.18", "open", None),
        ("6.19.0-7-generic", "nvidia", "590.48.01", "open", Break("6.19", None, True)),
        ("7.1.0-1-amd64", "nvidia", "580.142", "open", Break("7.1", "580.159.04", True)),
        ("7.1.0-1-amd64", "nvidia", "580.159.03", "open", None),  # between the two nobody says
        ("7.1.0-1-amd64", "nvidia", "580.105.08", "open", Break("6.19", "580.159.04", True)),
        ("7.2.0-1-amd64", "nvidia", "610.43.02", "open", Break("7.2", "610.57.04", True)),
        ("7.2.0-1-amd64", "nvidia", "610.57.04", "open", None),
        ("7.2.0-1-amd64", "nvidia", "580.178.04", "open", None),
        # Enterprise Linux takes interfaces of later series over.
        ("5.14.0-687.12.1.el9_8.x86_64", "nvidia", "575.57.08", "open", Break("5.14.0-687", None, False)),
        ("5.14.0-570.58.1.el9_6.x86_64", "nvidia", "575.57.08", "open", None),
        ("5.14.0-1058-oem", "nvidia", "575.57.08", "open", None),
        ("5.15.0-700.el9.x86_64", "nvidia", "575.57.08", "open", None),
        # Who patches and says nothing is not judged by others' packages.
        ("6.19.0-7-generic", "ubuntu", "580.95.05-0ubuntu0.24.04.2", "open", None),
        ("6.19.0-7-generic", "", "", None, None),
        ("", "nvidia", "580.95.05", "open", None),
        ("6.19.0", "nvidia", "620.70.06", "open", None),
    ],
)
def test_too_new(release: str, maker: str, version: str, flavour: str | None, expected: Break | None) -> None:
    assert nvidia_kernels.too_new(release, maker, version, flavour) == expected


def numbers(text: str) -> list[int]:
    return list(map(int, re.findall("[0-9]+", text)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['maker']} {row['branch']} {row['kernel']} {row['fails']}")
def test_each_row_speaks_of_one_branch_that_is_known_and_of_an_order(row: dict[str, Any]) -> None:
    assert nvidia.branch(row["branch"]) is not None
    assert numbers(row["fails"])[0] == row["branch"]
    if "builds" in row:
        assert numbers(row["builds"])[0] == row["branch"]
        assert numbers(row["fails"]) < numbers(row["builds"])
        assert nvidia_kernels.too_new(row["kernel"], row["maker"], row["builds"], row.get("flavour")) is None
    assert ("-" in row["fails"]) is (row["maker"] != "nvidia")


def test_the_newest_version_of_each_supported_branch_builds_for_the_kernels_of_supported_distributions() -> None:
    kernels = ("4.18.0-553.el8_10.x86_64", "5.14.0-570.58.1.el9_6.x86_64", "6.12.0-55.41.1.el10_0.x86_64", "5.15.0-100-generic",
               "6.8.0-88-generic", "6.17.0-5-generic", "7.0.0-27-generic", "6.1.0-39-amd64", "6.12.57+deb13-amd64",
               "6.4.0-150600.23.25-default")
    for row in nvidia.branches():
        for flavour in ("open", "proprietary"):
            found = [one for one in kernels if row.supported and row.latest and nvidia_kernels.too_new(one, "nvidia", row.latest, flavour)]
            assert found == [], (row.number, flavour)
