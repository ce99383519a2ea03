# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions and their order."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import versions
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.versions import DriverVersion


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("550.54.15", "550.163.01"),
        ("470.256.02", "535.43.02"),
        ("580", "580.65.06"),
        ("390.157", "390.158"),
        ("96.43.23", "340.108"),
        ("9.1", "10.0"),
    ],
)
def test_order(older: str, newer: str) -> None:
    assert DriverVersion.parse(older) < DriverVersion.parse(newer)
    assert DriverVersion.parse(newer) >= DriverVersion.parse(older)
    assert DriverVersion.parse(older) != DriverVersion.parse(newer)


def test_leading_zeros_do_not_count_and_stay_in_the_text() -> None:
    one, other = DriverVersion.parse("550.163.01"), DriverVersion.parse("550.163.1")
    assert one == other
    assert hash(one) == hash(other)
    assert (str(one), repr(one), one.branch, one.parts) == ("550.163.01", "DriverVersion('550.163.01')", 550, (550, 163, 1))


@pytest.mark.parametrize("text", ["", "N/A", "550.x", "550-1", "v550", "550..1", ".550", "1.2.3.4.5.6", "550.163.01-4~bpo13+1"])
def test_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="not a version"):
        DriverVersion.parse(text)


@pytest.mark.parametrize(
    ("version", "floor", "expected"),
    [
        ("550.163.01", "525.60.13", True),
        ("450.80.02", "450.80.02", True),
        ("450.66", "450.80.02", False),
        (None, "450.80.02", None),
        ("450.66", None, None),
        ("[N/A]", "450.80.02", None),
    ],
)
def test_at_least(version: str | None, floor: str | None, expected: bool | None) -> None:
    assert versions.at_least(version, floor) is expected
