# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""clinfo in its two layouts: platforms, their devices, what it complains of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import clinfo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
# As the distributions' program prints it; the names of a second platform stand between, its devices after those of the first.
ALIGNED = """Number of platforms                               2
  Platform Name                                   AMD Accelerated Parallel Processing
  Platform Vendor                                 Advanced Micro Devices, Inc.
  Platform Version                                OpenCL 2.1 AMD-APP (3635.0)
  Platform Extensions                             cl_khr_icd cl_amd_event_callback

  Platform Name                                   rusticl
  Platform Vendor                                 Mesa/X.org
  Platform Version                                OpenCL 3.0

  Platform Name                                   AMD Accelerated Parallel Processing
Number of devices                                 2
  Device Name                                     gfx90a:sramecc+:xnack-
  Device Vendor                                   Advanced Micro Devices, Inc.
  Device Version                                  OpenCL 2.0
  Driver Version                                  3635.0 (HSA1.1,LC)
  Device Type                                     GPU
  Device Board Name (AMD)                         AMD Instinct MI210
  Device Topology (AMD)                           PCI-E, 0000:23:00.0
  Max compute units                               104
  Device Name                                     gfx1036
  Device Type                                     GPU, Default
  Device Topology (AMD)                           PCI-E, c3:00.0

  Platform Name                                   rusticl
Number of devices                                 0

NULL platform behavior
  clGetPlatformInfo(NULL, CL_PLATFORM_NAME, ...)  AMD Accelerated Parallel Processing
  clCreateContext(NULL, ...) [default]            Success [AMD]
    Platform Name                                 AMD Accelerated Parallel Processing
    Device Name                                   gfx90a:sramecc+:xnack-

ICD loader properties
  ICD loader Name                                 OpenCL ICD Loader
"""
# As AMD's own program prints it: the type first, the name last.
COLON = """Number of platforms:\t\t\t\t 1
  Platform Profile:\t\t\t\t FULL_PROFILE
  Platform Version:\t\t\t\t OpenCL 2.1 AMD-APP (3649.0)
  Platform Name:\t\t\t\t AMD Accelerated Parallel Processing
  Platform Vendor:\t\t\t\t Advanced Micro Devices, Inc.


  Platform Name:\t\t\t\t AMD Accelerated Parallel Processing
Number of devices:\t\t\t\t 2
  Device Type:\t\t\t\t\t CL_DEVICE_TYPE_GPU
  Vendor ID:\t\t\t\t\t 1002h
  Board name:\t\t\t\t\t AMD Radeon RX 6700 XT
  Device Topology:\t\t\t\t PCI[ B#3, D#0, F#0 ]
  Name:\t\t\t\t\t\t gfx1031
  Vendor:\t\t\t\t\t Advanced Micro Devices, Inc.
  Driver version:\t\t\t\t 3649.0 (HSA1.1,LC)
  Version:\t\t\t\t\t OpenCL 2.0
  Device Type:\t\t\t\t\t CL_DEVICE_TYPE_CPU
  Board name:\t\t\t\t\t
  Name:\t\t\t\t\t\t AMD Ryzen 7
"""


def test_aligned() -> None:
    amd, mesa = clinfo.parse_clinfo(ALIGNED)
    assert amd[:3] == ("AMD Accelerated Parallel Processing", "Advanced Micro Devices, Inc.", "OpenCL 2.1 AMD-APP (3635.0)")
    first, second = amd.devices
    assert tuple(first) == ("gfx90a:sramecc+:xnack-", "AMD Instinct MI210", "Advanced Micro Devices, Inc.", "gpu", "OpenCL 2.0",
                            "3635.0 (HSA1.1,LC)", "0000:23:00.0")
    assert (first.target, second.target, second.kind, second.address) == ("gfx90a", "gfx1036", "gpu", "0000:c3:00.0")
    assert mesa == ("rusticl", "Mesa/X.org", "OpenCL 3.0", ())


def test_with_colons() -> None:
    (platform,) = clinfo.parse_clinfo(COLON)
    assert platform.version == "OpenCL 2.1 AMD-APP (3649.0)"
    card, processor = platform.devices
    assert tuple(card) == ("gfx1031", "AMD Radeon RX 6700 XT", "Advanced Micro Devices, Inc.", "gpu", "OpenCL 2.0", "3649.0 (HSA1.1,LC)",
                           "0000:03:00.0")
    assert (processor.kind, processor.name, processor.board, processor.target) == ("cpu", "AMD Ryzen 7", None, None)


def test_plain_values() -> None:
    plain = clinfo.as_plain(clinfo.parse_clinfo(ALIGNED))
    assert plain[0]["devices"][0]["target"] == "gfx90a"
    assert plain[1] == {"name": "rusticl", "vendor": "Mesa/X.org", "version": "OpenCL 3.0", "devices": []}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PCI-E, 0000:03:00.0", "0000:03:00.0"),
        ("PCI-E, 0001:C3:00.1", "0001:c3:00.1"),
        ("PCI-E, 09:00.0", "0000:09:00.0"),
        ("PCI[ B#12, D#1, F#0 ]", "0000:0c:01.0"),
        ("PCI-E, 0000:ffffff90:00.0", "0000:90:00.0"),  # as Debian's clinfo 3.0 says of a card on bus 0x90
        ("PCI[ B#-112, D#0, F#0 ]", "0000:90:00.0"),
        ("PCI-E, 3:0.0", None),
        ("", None),
    ],
)
def test_topology(text: str, expected: str | None) -> None:
    assert clinfo.parse_topology(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ERROR: clGetPlatformIDs(-1001)\n", {"code": "no_platform", "message": "ERROR: clGetPlatformIDs(-1001)"}),
        (f"{COLON}ERROR: clGetDeviceIDs(-1)\n", {"code": "runtime_failed", "message": "ERROR: clGetDeviceIDs(-1)"}),
        ("terminate called after throwing an instance of 'cl::Error'\n  what():  clGetPlatformIDs\n",
         {"code": "runtime_failed", "message": "what():  clGetPlatformIDs"}),
        (ALIGNED, None),
        (COLON, None),
        ("Number of platforms                               0\n", None),
    ],
)
def test_errors(text: str, expected: dict[str, str] | None) -> None:
    assert clinfo.parse_error(text) == expected


@pytest.mark.parametrize("text", ["", "clinfo: command not found", "Number of platforms: many\n", "x" * (9 << 20)])
def test_no_output_of_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"platforms|more text"):
        clinfo.parse_clinfo(text)


def test_a_platform_that_tells_nothing() -> None:
    assert clinfo.parse_clinfo("Number of platforms   1\n") == [(None, None, None, ())]


@PATIENT
@given(data=st.data(), base=st.sampled_from([ALIGNED, COLON]))
def test_damaged_outputs_are_parsed_or_refused(data: Any, base: str) -> None:
    lines = base.splitlines(keepends=True)
    kept = data.draw(st.lists(st.sampled_from(lines), max_size=60))
    try:
        platforms = clinfo.parse_clinfo("".join(kept))
    except ValueError:
        return
    assert all(isinstance(platform, clinfo.Platform) for platform in platforms)


def test_captures(captures: Path) -> None:
    seen = 0
    for entry in yaml.safe_load((captures / "SOURCES.yml").read_text())["files"]:
        if entry["kind"] != "clinfo" or not entry["file"].endswith(".txt"):
            continue
        platforms = clinfo.parse_clinfo((captures / entry["file"]).read_text())
        expect = entry["expect"]
        assert len(platforms) == expect["platforms"]
        assert [len(platform.devices) for platform in platforms] == expect["devices_per_platform"]
        assert [platform.version for platform in platforms] == [text.strip() for text in expect["platform_versions"]]
        assert [device.name for platform in platforms for device in platform.devices] == expect["device_names"]
        seen += 1
    assert seen >= 5
