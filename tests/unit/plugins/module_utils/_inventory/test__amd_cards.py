# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AMD's readers share: the board of a location, cards that the driver serves, names that tables know."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import _amd_cards
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory


@pytest.mark.parametrize(
    ("location", "domain", "present", "address"),
    [
        (0x1900, 0, (), "0000:19:00.0"),
        (0x0503, 0, (), "0000:05:00.0"),
        (0x0503, 0, ("0000:05:00.0",), "0000:05:00.0"),
        (0x0503, 0, ("0000:05:00.3",), "0000:05:00.3"),  # a function passed through to a guest
        (0x0500, 0, ("0000:05:00.1",), "0000:05:00.1"),
        (0x0300, None, ("0002:03:00.0",), "0002:03:00.0"),
        (0x0300, None, ("0001:03:00.0", "0002:03:00.0"), "0000:03:00.0"),
        (0x0300, None, (), "0000:03:00.0"),
        (0xC4F8, 0, (), "0000:c4:1f.0"),
    ],
)
def test_address_of_location(location: int, domain: int | None, present: tuple[str, ...], address: str) -> None:
    assert _amd_cards.address_of_location(location, domain, present) == address


@pytest.mark.parametrize(
    ("unique_id", "uuid"),
    [(None, None), (0, None), (1, "GPU-0000000000000001"), (14073402507705256556, "GPU-c34ec50444dd0a6c")],
)
def test_uuid_of(unique_id: int | None, uuid: str | None) -> None:
    assert _amd_cards.uuid_of(unique_id) == uuid


@pytest.mark.parametrize(
    ("device", "loaded", "served"),
    [
        pytest.param({"vendor": "amd", "pci": {"kernel_driver": "amdgpu"}}, True, 1, id="bound"),
        pytest.param({"vendor": "amd", "pci": {"kernel_driver": "amdgpu"}}, False, 0, id="driver not loaded"),
        pytest.param({"vendor": "amd", "pci": {"kernel_driver": "vfio-pci"}}, True, 0, id="passed through"),
        pytest.param({"vendor": "amd"}, True, 1, id="without PCI"),
        pytest.param({"vendor": "nvidia", "pci": {"kernel_driver": None}}, True, 0, id="not AMD"),
    ],
)
def test_served_cards(device: dict[str, Any], loaded: bool, served: int) -> None:
    known = Inventory()
    known.add("pci", {"devices": [device], "amd": {"driver": {"loaded": loaded}}})
    assert len(_amd_cards.served_cards(known)) == served


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        pytest.param({"name": "AMD Next", "pci": {"device_id": "7fff"}}, True, id="told"),
        pytest.param({"pci": {"device_id": "74a1", "revision": "00"}}, True, id="in our tables"),
        pytest.param({"pci": {"device_id": "15bf"}}, False, id="an APU of several names"),
        pytest.param({"pci": {"device_id": "7fff"}}, False, id="unknown"),
        pytest.param({"pci": None}, False, id="without PCI"),
    ],
)
def test_has_name(device: dict[str, Any], expected: bool) -> None:
    assert _amd_cards.has_name(device) is expected
