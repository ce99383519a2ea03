# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and cards."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import catalog


@pytest.mark.parametrize(
    ("vendor", "device_id", "revision", "subsystem", "name"),
    [
        ("nvidia", "2684", None, None, "NVIDIA GeForce RTX 4090"),
        ("nvidia", "2208", None, None, "NVIDIA GeForce RTX 3080 Ti"),
        ("nvidia", "1f08", None, None, "NVIDIA GeForce RTX 2060"),
        ("nvidia", "2330", None, None, "NVIDIA H100 80GB HBM3"),
        ("nvidia", "102d", None, None, "Tesla K80"),
        ("nvidia", "1db1", None, None, "Tesla V100-SXM2-16GB"),
        ("nvidia", "1e30", None, None, "Quadro RTX 6000"),
        ("nvidia", "1e30", None, "10de:129e", "Quadro RTX 8000"),
        ("nvidia", "1E30", None, "10DE:129E", "Quadro RTX 8000"),
        ("nvidia", "1e30", None, "10de:ffff", "Quadro RTX 6000"),
        ("nvidia", "25b6", None, "10de:14a9", "NVIDIA A16"),
        ("nvidia", "25b6", None, "10de:157e", "NVIDIA A2"),
        ("nvidia", "2901", None, None, "NVIDIA B200"),
        ("nvidia", "2e12", None, None, "NVIDIA GB10"),
        ("nvidia", "2b00", None, None, "NVIDIA Jetson AGX Thor"),
        ("nvidia", "ffff", None, None, None),
        ("nvidia", None, None, None, None),
        ("amd", "73bf", "c1", None, "AMD Radeon RX 6800 XT"),
        ("amd", "74a1", "00", None, "AMD Instinct MI300X"),
        ("amd", "73bf", None, None, None),
        ("amd", "1681", "c7", None, "AMD Radeon 680M"),
        ("intel", "56a0", None, None, None),
    ],
)
def test_name(vendor: str, device_id: str | None, revision: str | None, subsystem: str | None, name: str | None) -> None:
    assert catalog.name(vendor, device_id, revision, subsystem) == name


@pytest.mark.parametrize(
    ("vendor", "device_id", "revision", "name", "card", "vram", "bandwidth"),
    [
        ("nvidia", "2684", None, None, "GeForce RTX 4090", 24, 1010),
        ("nvidia", "1e30", None, None, "Quadro RTX 6000 / Quadro RTX 8000", None, 672),
        ("nvidia", "1e30", None, "Quadro RTX 8000", "Quadro RTX 8000", 48, 672),
        ("nvidia", None, None, "NVIDIA A100-SXM4-80GB", "A100 SXM4 80GB", 80, 2040),
        ("nvidia", None, None, "Tesla T4", "Tesla T4", 16, 320),
        ("nvidia", None, None, "NVIDIA GeForce RTX 3080 Ti", "GeForce RTX 3080 Ti", 12, 912),
        ("amd", "73bf", "c1", None, "Radeon RX 6800 XT", 16, 512),
        ("amd", "74a1", "00", "AMD Instinct MI300X", "Instinct MI300X", 192, 5300),
    ],
)
def test_card(
    vendor: str,
    device_id: str | None,
    revision: str | None,
    name: str | None,
    card: str,
    vram: int | None,
    bandwidth: int | None,
) -> None:
    found = catalog.card(vendor, device_id, revision, name)
    assert found is not None
    assert (found.name, found.vram_gib, found.bandwidth_gbs) == (card, vram, bandwidth)


@pytest.mark.parametrize(
    ("vendor", "device_id", "name"),
    [
        ("nvidia", "ffff", None),
        ("nvidia", None, "Graphics Device"),
        ("nvidia", "24b6", "NVIDIA RTX A5000 Laptop GPU"),
        ("intel", "56a0", None),
        ("amd", None, None),
        ("amd", "ffff", ""),
    ],
)
def test_no_card(vendor: str, device_id: str | None, name: str | None) -> None:
    assert catalog.card(vendor, device_id, None, name) is None


def test_card_in_full() -> None:
    assert catalog.card("nvidia", "2330") == catalog.Card(
        "H100 SXM5 80GB", 80, 3350, ("fp32", "tf32", "fp16", "bf16", "int8", "fp8", "fp64"), "sxm", 4, 7, None
    )
    found = catalog.card("amd", "74a1", "00")
    assert found is not None
    assert (found.form, found.xgmi, found.nvlink, found.mig_max) == ("oam", True, None, None)
