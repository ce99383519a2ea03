# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers and releases of ROCm: AMD's packages, and the drivers of kernels."""

from __future__ import annotations

import json

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import rocm_drivers, rocm_releases
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.rocm_drivers import Pair
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.rocm_drivers_table import TABLE

ROWS = json.loads(TABLE)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("6.4", ("6.4.4", "6.4.4", True)),
        ("7.2.3", ("30.30.3", "7.2.3", True)),
        ("7.0.0", ("30.10.0", "7.0.0", True)),
        ("10.0", ("31.50.0", "10.0.0", True)),
        ("10.1", ("31.50.0", "10.0.0", False)),
        ("10.2.0", ("31.50.0", "10.0.0", False)),  # a release that the tables do not have
        ("6.2.3", ("6.2.2", "6.2.2", False)),
        ("5.2", None),
        ("latest", None),
        ("", None),
    ],
)
def test_driver_for(release: str, expected: tuple[str, str, bool] | None) -> None:
    found = rocm_drivers.driver_for(release)
    assert (found[:3] if found else None) == expected


def test_what_is_not_documented_is_said() -> None:
    assert rocm_drivers.driver_for("10.1") == Pair(
        "31.50.0", "10.0.0", False, "The driver of ROCm 10.1 is not documented; 31.50.0 is that of 10.0.0, the newest that is.")
    assert rocm_drivers.driver_for("7.2.3") == Pair("30.30.3", "7.2.3", True, None)
    assert rocm_drivers.driver_for("7.2.4") == Pair("30.30.4", "7.2.4", True, "AMD's page for the driver of ROCm 7.2.4 was not read.")


@pytest.mark.parametrize(
    ("driver", "release", "expected"),
    [
        ("30.30.4", "7.2.4", True),
        ("30.30.4", "6.3.3", True),
        ("30.30.4", "6.2.4", False),
        ("30.30.4", "7.14.0", None),  # between two runs
        ("30.30.4", "10.0.0", True),
        ("30.30.4", "10.1.0", None),  # later than any document
        ("30.10", "7.2", True),
        ("6.4.2", "7.1", True),
        ("6.4.2", "7.2", False),
        ("6.4.2", "5.7.1", False),
        ("6.1.3", "7.0", False),
        ("31.20.0", "7.12", True),  # the pair of a preview
        ("31.20.0", "7.13", None),
        ("31.50.0", "10.0", True),
        ("31.50.0", "7.2", False),
        ("31.50.0", "10.1", None),
        ("32.0.0", "10.1", None),
        ("6.16.13", "7.2", None),  # a kernel's number is no driver of AMD
        ("", "7.2", None),
        ("30.30.4", "newest", None),
    ],
)
def test_driver_fits(driver: str, release: str, expected: bool | None) -> None:
    assert rocm_drivers.driver_fits(driver, release) is expected


def test_the_driver_of_each_release_fits_it() -> None:
    for one in rocm_releases.releases():
        pair = rocm_drivers.driver_for(one.version)
        assert pair is not None
        assert rocm_drivers.driver_fits(pair.version, one.version) is (True if pair.documented else None), one


def test_windows_and_bases_are_in_order() -> None:
    numbers = rocm_releases.numbers
    drivers = [numbers(row["amdgpu"]) for row in ROWS["windows"]]
    assert drivers == sorted(set(drivers))
    for row in ROWS["windows"]:
        ends = [numbers(end) for run in row["rocm"] for end in run]
        assert ends == sorted(ends), row
    bases = [(numbers(row["kernel"]), numbers(row["amdgpu"])) for row in ROWS["bases"]]
    assert bases == sorted(bases)
    assert {driver for _kernel, driver in bases} <= set(drivers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1:6.16.13.30300400-2341068.24.04", "30.30.4"),
        ("1:6.14.14.30100000-2204008.24.04", "30.10.0"),
        ("6.16.6.30200100-2255209.el9", "30.20.1"),
        ("30.30.1.0.30300100-2303411.24.04", "30.30.1"),  # amdgpu-dkms-firmware
        ("7.1.3.31500000-2400000.24.04", "31.50.0"),
        ("1:6.12.12.60402-2187269.24.04", "6.4.2"),
        ("1:6.3.6.60002-1718217.22.04", "6.0.2"),
        ("6.2.4-1652687.22.04", None),
        ("6.10.5.60302_2109964-1_6.6.78.1.3.azl3", "6.3.2"),
        ("20250410-2", None),
        ("", None),
    ],
)
def test_driver_release(text: str, expected: str | None) -> None:
    assert rocm_drivers.driver_release(text) == expected


@pytest.mark.parametrize(
    ("gfx", "kernel", "release", "enough", "floor", "counterpart"),
    [
        ("gfx1030", "6.12.48+deb13-amd64", "6.4", True, "5.14", "6.4"),
        ("gfx1030", "6.12.48+deb13-amd64", "7.2.4", None, "5.14", "6.4"),
        ("gfx1030", "6.14.0-37-generic", "7.2.4", True, "5.14", "30.10"),
        ("gfx1030", "5.15.0-160-generic", "6.4", None, "5.14", None),
        ("gfx1030", "5.4.0-200-generic", "6.4", False, "5.14", None),
        ("gfx942", "6.8.0-88-generic", "6.2", True, "6.5", "6.2"),
        ("gfx942", "6.8.0-88-generic", "7.2", None, "6.5", "6.2"),
        ("gfx942", "6.1.0-47-amd64", "6.4", False, "6.5", None),
        ("gfx942", "5.14.0-570.58.1.el9_6.x86_64", "7.2", None, "6.5", None),
        ("gfx942", "6.4.0-150700.53-default", "7.2", None, "6.5", None),
        ("gfx942", "6.12.0-55.41.1.el10_0.x86_64", "7.0", True, "6.5", "6.4"),
        ("gfx1100", "6.1.0-47-amd64", "6.1", None, "6.0", None),
        ("gfx1201", "6.8.0-88-generic", "6.4", False, "6.11", None),
        ("gfx1201", "6.11.0-29-generic", "6.4", True, "6.11", "6.3"),
        ("gfx950", "6.14.0-37-generic", "7.0", True, "6.14", "30.10"),
        ("gfx1151", "6.12.48+deb13-amd64", "7.2", False, "6.18.4", None),
        ("gfx1151", "6.14.0-1017-oem", "7.2", False, "6.18.4", None),
        ("gfx1151", "6.14.0-1018-oem", "7.2", True, "6.18.4", "30.10"),
        ("gfx1151", "6.17.0-1005-oem", "10.0", True, "6.18.4", "30.30"),
        ("gfx1151", "6.18.3-1-amd64", "10.0", False, "6.18.4", None),
        ("gfx1151", "6.18.4-1-amd64", "10.0", True, "6.18.4", "30.30"),
        ("gfx1151", "7.0.0-14-generic", "10.1", True, "6.18.4", "30.30"),
        ("gfx1151", "7.2.1-amd64", "10.1", True, "6.18.4", "31.50"),
        ("gfx803", "6.12.0", "6.4", None, None, None),
        ("gfx942", "", "7.2", None, None, None),
        ("gfx942", "not a kernel", "7.2", None, None, None),
    ],
)
def test_inbox(gfx: str, kernel: str, release: str, enough: bool | None, floor: str | None, counterpart: str | None) -> None:
    found = rocm_drivers.inbox(gfx, kernel, release)
    assert (found.enough, found.kernel, found.counterpart) == (enough, floor, counterpart)
    assert found.why.endswith(".")
    assert "None" not in found.why


def test_inbox_sentences() -> None:
    assert rocm_drivers.inbox("gfx1151", "6.14.0-37-generic", "7.2").why == (
        "Linux drives gfx1151 since 6.9, but computing on it needs changes of 6.18.4; 6.14.0-37-generic is older.")
    assert rocm_drivers.inbox("gfx1030", "6.14.0-37-generic", "7.2.4").why == (
        "The amdgpu of 6.14.0-37-generic drives gfx1030 and is like AMD's driver 30.10.")
    assert rocm_drivers.inbox("gfx1030", "6.12.0-1-amd64", "7.2.4").why == (
        "The amdgpu of 6.12.0-1-amd64 drives gfx1030 and is like AMD's driver 6.4, which AMD does not name with ROCm 7.2.4.")


def test_a_later_kernel_never_drives_less() -> None:
    kernels = ["5.4.0", "5.15.0", "6.1.0", "6.5.0", "6.8.0", "6.11.0", "6.12.0", "6.14.0", "6.17.0", "6.18.4", "7.0.0", "7.2.0"]
    for gfx in {gfx for row in ROWS["inbox"] for gfx in row["gfx"]}:
        older = [rocm_drivers.inbox(gfx, kernel, "10.0").enough is False for kernel in kernels]
        assert older == sorted(older, reverse=True), gfx
        assert older[-1] is False
