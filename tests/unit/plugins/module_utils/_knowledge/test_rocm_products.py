# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD's lists of products, and what the facts say of a card without asking for a release."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import rocm_products
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.rocm_products import Override, Product


@pytest.mark.parametrize(
    ("device_id", "revision", "gfx", "status", "first", "last", "override"),
    [
        ("73bf", "c1", "gfx1030", "unofficial", None, None, None),
        ("73bf", "c1", None, "unofficial", None, None, None),
        ("73a3", "00", "gfx1030", "supported", "5.7", None, None),
        ("73df", "c1", "gfx1031", "unofficial", None, None, "10.3.0"),
        ("74a1", "00", "gfx942", "supported", "6.0", None, None),
        ("74b5", None, None, "supported", "6.0", None, None),
        ("744c", "c8", "gfx1100", "supported", "5.7", None, None),
        ("744c", "cf", "gfx1100", "unofficial", None, None, None),
        ("7480", "cf", "gfx1102", "supported", "7.14", None, None),
        ("66a1", "02", "gfx906", "ended", "5.7", "6.3", None),
        ("6860", "00", "gfx900", "unsupported", None, None, None),
        ("687f", "c1", "gfx900", "unsupported", None, None, None),
        ("731f", "c1", "gfx1010", "unsupported", None, None, None),
        ("7444", None, "gfx1100", "unknown", None, None, None),
        ("67df", "c7", "gfx803", "unsupported", None, None, None),
        ("67df", "c7", None, "unsupported", None, None, None),
        ("ffff", None, None, "unknown", None, None, None),
        ("ffff", None, "gfx9999", "unknown", None, None, None),
        (None, None, None, "unknown", None, None, None),
        (None, None, "gfx1031", "unofficial", None, None, "10.3.0"),
    ],
)
def test_support(
    device_id: str | None,
    revision: str | None,
    gfx: str | None,
    status: str,
    first: str | None,
    last: str | None,
    override: str | None,
) -> None:
    expected = {"status": status, "first_release": first, "last_release": last, "override": override}
    assert rocm_products.support(device_id, revision, gfx) == expected


@pytest.mark.parametrize(
    ("device_id", "revision", "expected"),
    [
        ("74a1", "00", Product("Instinct MI300X", "gfx942", "instinct", "6.0", None, True)),
        ("74a1", None, Product("Instinct MI300X", "gfx942", "instinct", "6.0", None, True)),
        ("744c", "ce", Product("Radeon RX 7900 GRE", "gfx1100", "radeon", "6.0.2", None, True)),
        ("744c", None, None),
        ("66af", "c1", Product("Instinct MI50 / MI60, Radeon VII, Radeon Pro VII", "gfx906", "instinct", "5.7", "6.3", True)),
        ("6860", "00", Product("Instinct MI25", "gfx900", "instinct", None, None, False)),
        ("0x1586", "c1", Product("Ryzen AI Max 300 / PRO 300 (Strix Halo)", "gfx1151", "ryzen", "7.14", None, True)),
        ("73bf", "c1", None),
        (None, None, None),
        ("MI300X", None, None),
    ],
)
def test_product(device_id: str | None, revision: str | None, expected: Product | None) -> None:
    assert rocm_products.product(device_id, revision) == expected


@pytest.mark.parametrize(
    ("gfx", "expected"),
    [
        ("gfx1031", Override("10.3.0", "gfx1030")),
        ("gfx1102", Override("11.0.0", "gfx1100")),
        ("gfx1030", None),  # needs none
        ("gfx1010", None),  # of low confidence
        ("gfx9999", None),
    ],
)
def test_override(gfx: str, expected: Override | None) -> None:
    assert rocm_products.override(gfx) == expected


def test_an_override_stands_for_a_listed_target() -> None:
    targets = {product.gfx_target for product, _ids in rocm_products.products() if product.listed}
    found = [way for way in map(rocm_products.override, (f"gfx{number}" for number in range(900, 1300))) if way]
    assert len(found) >= 6
    assert {way.stands_for for way in found} <= targets
