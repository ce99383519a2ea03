# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.gpu_architecture."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="filters run on the controller")

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.filter.gpu_architecture import FilterModule

gpu_architecture = FilterModule().filters()["gpu_architecture"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("2330",), "hopper"),
        (("2330", "nvidia"), "hopper"),
        (("73bf", "amd"), "rdna2"),
        (("gfx942",), "cdna3"),
        (("gfx99",), None),
        (("ffff",), None),
        (("ffff", "amd"), None),
        (({"vendor": "nvidia", "pci": {"device_id": "1db1"}},), "volta"),
        (({"vendor": "amd", "pci": {"device_id": "ffff"}, "gfx_target": "gfx1201"},), "rdna4"),
        (({"vendor": "amd", "pci": {"device_id": "74a1", "revision": "00"}},), "cdna3"),
        (({"vendor": "intel", "pci": {"device_id": "56a0"}},), None),
        (({"vendor": "nvidia", "pci": None},), None),
    ],
)
def test_answer(arguments: tuple[Any, ...], expected: str | None) -> None:
    assert gpu_architecture(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hopper",), "'hopper' is not a PCI device id"),
        (("2330", "nvidea"), "vendor is 'nvidea' (allowed: nvidia, amd)"),
        ((["2330"],), "got list"),
    ],
)
def test_bad_input(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        gpu_architecture(*arguments)
    assert message in str(caught.value)
