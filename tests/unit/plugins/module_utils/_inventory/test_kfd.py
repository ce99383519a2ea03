# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""KFD topology: boards and not partitions, the target from its number, video memory from its banks, links within a hive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import ReplayHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import kfd
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._amd_cards import board_of
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
GIB = 1 << 30
PROCESSOR = "cpu_cores_count 96\nsimd_count 0\nvendor_id 0\nlocation_id 0\n"


def node(location: int, **others: int) -> str:
    rows = {
        "simd_count": 1216,
        "vendor_id": 4098,
        "device_id": 0x74A1,
        "gfx_target_version": 90402,
        "location_id": location,
        "domain": 0,
        "unique_id": location + 1,
        **others,
    }
    return "".join(f"{name} {value}\n" for name, value in rows.items())


def bank(size: int, heap: int = 1) -> str:
    return f"heap_type {heap}\nsize_in_bytes {size}\nflags 0\nwidth 8192\nmem_clk_max 1300\n"


def look(files: dict[str, Any], present: tuple[str, ...] = (), wanted: tuple[str, ...] = ("topology",)) -> Inventory:
    """What the reader sees of these files below nodes/, on a machine with these AMD devices on its bus."""
    known = Inventory()
    known.add("pci", {"devices": [{"vendor": "amd", "pci": {"address": address}} for address in present]})
    tables: dict[str, Any] = {"files": {f"{kfd.NODES}/{name}": text for name, text in files.items()}}
    host = ReplayHost({"dirs": {}, "links": {}, "probes": {}, "commands": [], **tables})
    known.add("kfd", kfd.read(Source(host, "kfd", known.problems, wanted=frozenset(wanted)), known))
    return known


def test_one_card() -> None:
    known = look(
        {
            "0/properties": PROCESSOR,
            "1/properties": node(0x0300, max_engine_clk_fcompute=2100),
            "1/mem_banks/0/properties": bank(192 * GIB),
        }
    )
    assert known.devices == [
        {
            "vendor": "amd",
            "pci": {"address": "0000:03:00.0", "vendor_id": "1002", "device_id": "74a1"},
            "gfx_target": "gfx942",
            "uuid": "GPU-0000000000000301",
            "memory": {"total_mib": 196608},
            "clocks_mhz": {"max_sm": 2100, "max_memory": 1300},
            "source": ["kfd"],
        }
    ]
    assert known.amd == {"driver": {"kfd": True}}
    assert known.problems == []


def test_a_machine_without_the_driver() -> None:
    known = look({})
    assert (known.devices, known.amd, known.problems) == ([], {}, [])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param({"gfx_target_version": 90010}, {"gfx_target": "gfx90a"}, id="stepping in hexadecimal"),
        pytest.param({"gfx_target_version": 110501}, {"gfx_target": "gfx1151"}, id="two digits of major"),
        pytest.param({"gfx_target_version": 0}, {"gfx_target": None}, id="number not told"),
        pytest.param({"gfx_target_version": 10**7}, {"gfx_target": None}, id="number of no target"),
        pytest.param({"device_id": 0}, {"pci": {"address": "0000:03:00.0", "vendor_id": "1002"}}, id="chip not told"),
        pytest.param({"unique_id": 0}, {"uuid": None}, id="consumer card"),
        pytest.param({"unique_id": 14073402507705256556}, {"uuid": "GPU-c34ec50444dd0a6c"}, id="unique id"),
        pytest.param({"cpu_cores_count": 4}, {"apu": True, "memory": {"kind": "unified"}}, id="processor with graphics"),
        pytest.param({"local_mem_size": 16 * GIB}, {"memory": {"total_mib": 16384}}, id="memory of an old kernel"),
        pytest.param(
            {"domain": 0x1580}, {"pci": {"address": "1580:03:00.0", "vendor_id": "1002", "device_id": "74a1"}}, id="domain"
        ),
        pytest.param(
            {"domain": 0x10001},
            {"pci": {"address": "10001:03:00.0", "vendor_id": "1002", "device_id": "74a1"}},
            id="domain of five digits",
        ),
    ],
)
def test_values(rows: dict[str, int], expected: dict[str, Any]) -> None:
    (device,) = look({"1/properties": node(0x0300, **rows)}).devices
    assert {name: device.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("banks", "total"),
    [
        pytest.param([bank(16 * GIB)], 16384, id="visible to the host"),
        pytest.param([bank(16 * GIB, heap=2)], 16384, id="small BAR"),
        pytest.param([bank(64 * GIB, heap=0)], None, id="memory of the system"),
        pytest.param([bank(0)], None, id="nothing"),
    ],
)
def test_memory(banks: list[str], total: int | None) -> None:
    files = {f"1/mem_banks/{number}/properties": text for number, text in enumerate(banks)}
    (device,) = look({"1/properties": node(0x0300), **files}).devices
    assert device["memory"].get("total_mib") == total


@pytest.mark.parametrize(
    "locations",
    [
        pytest.param([0x0500 + part for part in range(8)], id="told by function bits"),
        pytest.param([0x0500 | part << 28 for part in range(8)], id="told by the top bits"),
    ],
)
def test_partitions_are_one_board(locations: list[int]) -> None:
    files = {}
    for number, location in enumerate(locations, start=2):
        files[f"{number}/properties"] = node(location, unique_id=7)
        files[f"{number}/mem_banks/0/properties"] = bank(24 * GIB)
    (device,) = look(files, present=("0000:05:00.0",)).devices
    assert device["pci"]["address"] == "0000:05:00.0"
    assert device["partitioning"] == {"partitions": 8}
    assert device["memory"]["total_mib"] == 196608
    assert device["source"] == ["pci", "kfd"]


def test_a_location_told_twice_counts_once() -> None:
    (device,) = look(
        {
            f"{number}/{name}": text
            for number in (1, 2)
            for name, text in (("properties", node(0x0300)), ("mem_banks/0/properties", bank(16 * GIB)))
        }
    ).devices
    assert device["memory"]["total_mib"] == 16384
    assert "partitioning" not in device


def hive(boards: int, links: dict[int, list[int]], hive_id: int = 99) -> dict[str, str]:
    files = {"0/properties": PROCESSOR}
    for number in range(1, boards + 1):
        files[f"{number}/properties"] = node(number << 8, hive_id=hive_id)
        for index, end in enumerate([0, *links.get(number, [])]):
            files[f"{number}/io_links/{index}/properties"] = f"type {11 if end else 2}\nnode_from {number}\nnode_to {end}\n"
    return files


@pytest.mark.parametrize(
    ("files", "first"),
    [
        pytest.param(hive(4, {1: [2, 3, 4]}), {"links_total": 3, "links_active": 3}, id="all linked"),
        pytest.param(hive(4, {1: [2, 4]}), {"links_total": 3, "links_active": 2}, id="one missing"),
        pytest.param(hive(4, {}), {"links_total": 3, "links_active": 0}, id="none"),
        pytest.param(hive(4, {}, hive_id=0), None, id="no hive"),
        pytest.param(hive(2, {1: [2]}, hive_id=0), {"links_total": 1, "links_active": 1}, id="kernel without hives"),
        pytest.param(
            {f"{number}/properties": node(number << 8, hive_id=5) for number in (1, 2)},
            {"links_total": 1, "links_active": None},
            id="links not told",
        ),
        pytest.param(hive(1, {1: [0]}), None, id="alone"),
    ],
)
def test_xgmi(files: dict[str, str], first: dict[str, Any] | None) -> None:
    device = look(files).devices[0]
    expected = None if first is None else {name: value for name, value in first.items() if value is not None}
    assert device.get("xgmi") == expected
    assert "xgmi" not in look(files, wanted=()).devices[0]


@pytest.mark.parametrize(
    "text",
    ["", "\n", "simd_count\n", "\x00\x01", "simd_count one\n", "simd_count 123456789012345678901\n", "simd_count 1\n" * 10000],
)
def test_text_that_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        kfd.parse_properties(text)


def test_broken_files_are_named_and_the_rest_is_read() -> None:
    known = look(
        {
            "1/properties": "\x00",
            "2/properties": node(0x0300),
            "3/properties": {"error": "EACCES"},
            "4/properties": node(0x0400, vendor_id=1),
            "x/properties": node(0x0500),
        }
    )
    assert [device["pci"]["address"] for device in known.devices] == ["0000:03:00.0"]
    assert [(problem["source"], problem["code"]) for problem in known.problems] == [
        ("kfd", "unreadable"),
        ("kfd", "not_permitted"),
    ]
    assert f"{kfd.NODES}/1/properties" in known.problems[0]["message"]


@PATIENT
@given(st.text(max_size=300) | st.from_regex(r"(\w+ \d+\n)*", fullmatch=True))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        found = kfd.parse_properties(text)
    except ValueError:
        return
    assert all(isinstance(value, int) and value >= 0 for value in found.values())


@PATIENT
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "simd_count",
                "location_id",
                "domain",
                "unique_id",
                "device_id",
                "gfx_target_version",
                "hive_id",
                "cpu_cores_count",
                "local_mem_size",
            ]
        ),
        st.integers(0, 10**20 - 1),
    )
)
def test_no_number_breaks_the_reader(rows: dict[str, int]) -> None:
    files = {f"{number}/properties": node(0x0300, **rows) for number in (1, 2)}
    for device in look(files).devices:
        assert board_of(device["pci"]["address"], ()) == device["pci"]["address"]


def _captured(captures: Path) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    index = yaml.safe_load((captures / "SOURCES.yml").read_text())["files"]
    found = []
    for entry in index:
        folder = captures / entry["file"]
        if entry["kind"] == "kfd_topology" and folder.is_dir():
            files = {
                path.relative_to(folder / "nodes").as_posix(): path.read_text()
                for path in (folder / "nodes").rglob("*")
                if path.is_file()
            }
            found.append((entry["file"], entry["expect"], files))
    return found


def test_captures(captures: Path) -> None:
    seen = {}
    for name, expect, files in _captured(captures):
        known = look(files)
        assert known.problems == [], name
        first = known.devices[0]
        memory = expect["gpu0_vram_bytes"]
        assert first["memory"].get("total_mib") == (memory and memory // 2**20), name
        seen[name] = (len(known.devices), first.get("gfx_target"), first["pci"]["address"], first.get("partitioning"))
    assert seen == {
        "kfd_topology/mi25-1gpu-plus-copy/": (1, None, "0000:19:00.0", None),
        "kfd_topology/mi300x-cpx-63nodes/": (8, "gfx942", "0000:05:00.0", {"partitions": 8}),
    }
