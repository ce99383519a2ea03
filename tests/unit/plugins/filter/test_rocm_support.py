# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.rocm_support."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="filters run on the controller")

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.filter.rocm_support import FilterModule

rocm_support = FilterModule().filters()["rocm_support"]
RX = {"vendor": "amd", "name": "AMD Radeon RX 6800 XT", "gfx_target": "gfx1030", "pci": {"device_id": "73bf", "revision": "c1"}}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((RX,), ("unofficial", None, None, None)),
        (("73bf", "c1"), ("unofficial", None, None, None)),
        (("0x73DF", "c1"), ("unofficial", None, None, "10.3.0")),
        (("74a1",), ("supported", "6.0", None, None)),
        (("66a1", "02"), ("ended", "5.7", "6.3", None)),
        (("ffff",), ("unknown", None, None, None)),
        (({"vendor": "amd", "pci": None, "gfx_target": "gfx1031"},), ("unofficial", None, None, "10.3.0")),
    ],
)
def test_answer(arguments: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    assert tuple(rocm_support(*arguments).values()) == expected
    assert list(rocm_support(*arguments)) == ["status", "first_release", "last_release", "override"]


NOBLE = {"distribution": "ubuntu", "version": "24.04", "kernel": "6.8.0-88-generic"}


@pytest.mark.parametrize(
    ("arguments", "status", "nearest", "system"),
    [
        (((RX,), {"release": "7.2.4"}), "unofficial", None, "unknown"),
        (((RX,), {"release": "7.2", "system": NOBLE}), "unofficial", None, "supported"),
        ((("73df", "c1", "7.2.4"), {}), "unofficial", None, "unknown"),
        ((("66af", "c1", "7.2.4", NOBLE), {}), "ended", "6.3.3", "supported"),
        ((("1586", "c1", "6.4", NOBLE), {}), "not_yet", "7.14.1", "unknown"),
        ((("740f", "02", "10.1"), {"system": {"distribution": "debian", "version": "12"}}), "supported", "7.2.4", "unlisted"),
        ((("740f", "02", "11.9"), {}), "unknown", "10.1.0", "unknown"),
    ],
)
def test_with_a_release(arguments: tuple[tuple[Any, ...], dict[str, Any]], status: str, nearest: str | None, system: str) -> None:
    found = rocm_support(*arguments[0], **arguments[1])
    assert (found["status"], found["nearest"], found["system"]["status"]) == (status, nearest, system)
    assert found["why"].endswith(".")


def test_with_a_release_the_answer_is_plain() -> None:
    found = rocm_support("73df", "c1", "7.2.4", NOBLE)
    assert list(found) == ["status", "why", "first_release", "last_release", "nearest", "override", "needs", "system", "gfx_target",
                           "family", "apu"]
    assert found["needs"] == ["HSA_OVERRIDE_GFX_VERSION=10.3.0 in the environment of what uses the card"]
    assert (found["override"], found["gfx_target"], found["family"], found["apu"]) == ("10.3.0", "gfx1031", "radeon", False)
    assert found["system"] == {"status": "supported", "why": "AMD lists ubuntu 24.04 for ROCm 7.2.4.", "kernels": ["6.8", "6.14"],
                               "releases": ["6.2.4", "6.3.3", "6.4.4", "7.0.2", "7.1.1", "7.2.4", "7.14.1", "10.0.0", "10.1.0"],
                               "kernel_listed": True, "near": None}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"release": 7.2}, "release is 7.2 (allowed: a release in quotes"),
        ({"system": NOBLE}, "system needs a release"),
        ({"release": "7.2", "system": "ubuntu"}, "system is 'ubuntu' (allowed: distribution and version"),
        ({"release": "7.2", "system": {"distribution": "ubuntu", "version": 24.04}}, "(allowed: distribution and version in quotes"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        rocm_support("73bf", **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("MI300X", "'MI300X' is not a PCI device id"),
        (7, "got int 7"),
        ({"vendor": "nvidia", "pci": {"device_id": "2684"}}, "is of vendor 'nvidia' (allowed: amd)"),
    ],
)
def test_bad_input(value: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        rocm_support(value)
    assert message in str(caught.value)
