# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD chips by PCI id, and their targets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import amd


@pytest.mark.parametrize(
    ("device_id", "revision", "expected"),
    [
        ("73bf", "c1", ("AMD Radeon RX 6800 XT", "Navi 21", "gfx1030", "rdna2", 16, False, False, "listed")),
        ("73bf", "c3", ("AMD Radeon RX 6800", "Navi 21", "gfx1030", "rdna2", 16, False, False, "listed")),
        ("73bf", None, (None, "Navi 21", "gfx1030", "rdna2", 16, False, False, "listed")),
        ("73bf", "ff", (None, "Navi 21", "gfx1030", "rdna2", 16, False, False, "listed")),
        ("74a1", "00", ("AMD Instinct MI300X", "Aqua Vanjaram", "gfx942", "cdna3", 192, False, False, "listed")),
        ("74a1", None, ("AMD Instinct MI300X", "Aqua Vanjaram", "gfx942", "cdna3", 192, False, False, "listed")),
        ("74b5", "00", ("AMD Instinct MI300X VF", "Aqua Vanjaram", "gfx942", "cdna3", None, False, True, "listed")),
        ("740f", "02", ("AMD Instinct MI210", "Aldebaran", "gfx90a", "cdna2", 64, False, False, "listed")),
        ("744c", "c8", ("AMD Radeon RX 7900 XTX", "Navi 31", "gfx1100", "rdna3", 24, False, False, "listed")),
        ("1586", None, (None, "Strix Halo", "gfx1151", "rdna3.5", None, True, False, "listed")),
        ("66a1", "02", ("AMD Instinct MI60 / MI50", "Vega 20", "gfx906", "gcn5", None, False, False, "listed")),
        ("1586", "c1", ("AMD Radeon 8060S Graphics", "Strix Halo", "gfx1151", "rdna3.5", None, True, False, "listed")),
        ("15c8", "c1", ("AMD Radeon 740M Graphics", "Phoenix 2", "gfx1103", "rdna3", None, True, False, "listed")),
        ("15c8", None, ("AMD Radeon 740M", "Phoenix 2", "gfx1103", "rdna3", None, True, False, "listed")),
        ("67df", "c7", ("AMD Radeon RX 480 Graphics", "Polaris 10", "gfx803", "gcn4", None, False, False, "block")),
        ("9874", "c4", ("AMD Radeon R7 Graphics", "Carrizo", "gfx801", "gcn3", None, True, False, "block")),
        ("7444", None, (None, "Navi 31", "gfx1100", "rdna3", None, False, False, "block")),
    ],
)
def test_chip(device_id: str, revision: str | None, expected: tuple[Any, ...]) -> None:
    assert amd.chip(device_id, revision) == amd.AmdChip(*expected)


@pytest.mark.parametrize("device_id", ["ffff", "", "xyz"])
def test_no_chip(device_id: str) -> None:
    assert amd.chip(device_id) is None


@pytest.mark.parametrize(
    ("number", "target"),
    [
        (90402, "gfx942"),
        (90010, "gfx90a"),
        (90006, "gfx906"),
        (90500, "gfx950"),
        (100300, "gfx1030"),
        (110501, "gfx1151"),
        (120001, "gfx1201"),
        (80003, "gfx803"),
    ],
)
def test_gfx_from_number(number: int, target: str) -> None:
    assert amd.gfx_from_number(number) == target


@pytest.mark.parametrize(
    ("target", "architecture"),
    [
        ("gfx942", "cdna3"),
        ("gfx90a", "cdna2"),
        ("gfx1030", "rdna2"),
        ("gfx1151", "rdna3.5"),
        ("gfx906", "gcn5"),
        ("gfx9999", None),
    ],
)
def test_architecture_of_gfx(target: str, architecture: str | None) -> None:
    assert amd.architecture_of_gfx(target) == architecture
