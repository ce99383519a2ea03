# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rocminfo: GPU agents, neither processors nor NPUs; addresses from BDFID; the chip's own target whatever the text says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import ReplayHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import rocminfo
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
LOADED = "\x1b[37mROCk module is loaded\x1b[0m\n"
POOL = """  Pool Info:
    Pool 1
      Segment:                 GLOBAL; FLAGS: COARSE GRAINED
      Size:                    16760832(0xffc000) KB
      Allocatable:             TRUE
    Pool 2
      Segment:                 GROUP
      Size:                    64(0x40) KB
  ISA Info:
    ISA 1
      Name:                    amdgcn-amd-amdhsa--gfx1030
"""
CARD = {
    "Name": "gfx1030",
    "Uuid": "GPU-7f4a4b6ce131e3a9",
    "Marketing Name": "AMD Radeon RX 6800 XT",
    "Vendor Name": "AMD",
    "Device Type": "GPU",
    "Chip ID": "29631(0x73bf)",
    "BDFID": "768",
    "Compute Unit": "72",
    "Memory Properties": "",
}
PROCESSOR = {"Name": "AMD EPYC 7452", "Uuid": "CPU-XX", "Device Type": "CPU", "Chip ID": "0(0x0)", "BDFID": "0"}
NPU = {"Name": "aie2", "Uuid": "AIE-XX", "Device Type": "DSP", "Chip ID": "0(0x0)", "BDFID": "0"}


def text_of(*agents: dict[str, Any], first: str = LOADED) -> str:
    blocks = []
    for number, agent in enumerate(agents, start=1):
        rows = "".join(f"  {name + ':':24} {value:35}\n" for name, value in agent.items() if value is not None)
        blocks.append(f"*******                  \nAgent {number}                  \n*******                  \n{rows}{POOL}")
    return f"{first}=====\nHSA System Attributes\n=====\nRuntime Version: 1.18\n\nHSA Agents\n{''.join(blocks)}*** Done ***\n"


def look(
    outcome: dict[str, Any] | None, present: tuple[str, ...] = ("0000:03:00.0",), wsl: bool = False, **sections: Any
) -> Inventory:
    known = Inventory()
    known.add(
        "pci",
        {
            "devices": [{"vendor": "amd", "pci": {"address": address, "kernel_driver": "amdgpu"}} for address in present],
            "amd": {"driver": {"loaded": not wsl}},
            "system": {"wsl": wsl},
            **sections,
        },
    )
    commands = [] if outcome is None else [{"argv": ["rocminfo"], **outcome}]
    host = ReplayHost({"files": {}, "dirs": {}, "links": {}, "probes": {}, "commands": commands})
    known.add("rocminfo", rocminfo.read(Source(host, "rocminfo", known.problems), known))
    return known


def said(*agents: dict[str, Any], rc: int = 0) -> dict[str, Any]:
    return {"rc": rc, "stdout": text_of(*agents), "stderr": ""}


def test_a_card() -> None:
    known = look(said(PROCESSOR, CARD, NPU))
    assert known.devices == [
        {
            "vendor": "amd",
            "name": "AMD Radeon RX 6800 XT",
            "gfx_target": "gfx1030",
            "uuid": "GPU-7f4a4b6ce131e3a9",
            "pci": {"address": "0000:03:00.0", "kernel_driver": "amdgpu", "vendor_id": "1002", "device_id": "73bf"},
            "memory": {"total_mib": 16368},
            "source": ["pci", "rocminfo"],
        }
    ]
    assert known.problems == []


@pytest.mark.parametrize(
    ("rows", "key", "expected"),
    [
        pytest.param({"Uuid": "GPU-XX"}, "uuid", None, id="consumer card"),
        pytest.param({"Uuid": ""}, "uuid", None, id="empty uuid"),
        pytest.param({"Uuid": None}, "uuid", None, id="no uuid"),
        pytest.param({"Uuid": "GPU-0000000000000000"}, "uuid", None, id="uuid of zeros"),
        pytest.param({"Marketing Name": ""}, "name", None, id="no name"),
        pytest.param({"Name": "gfx90a", "Chip ID": "0(0x0)"}, "gfx_target", "gfx90a", id="chip unknown"),
        pytest.param({"Name": "gfx1030", "Chip ID": "29663(0x73df)"}, "gfx_target", "gfx1031", id="target overridden"),
        pytest.param({"Name": "generic", "Chip ID": None}, "gfx_target", None, id="no target"),
        pytest.param({"Memory Properties": "APU"}, "apu", True, id="processor with graphics"),
        pytest.param({"Memory Properties": "APU"}, "memory", {"total_mib": 16368, "kind": "unified"}, id="unified memory"),
    ],
)
def test_values(rows: dict[str, Any], key: str, expected: Any) -> None:
    assert look(said(PROCESSOR, {**CARD, **rows})).devices[0].get(key) == expected


def test_partitions_are_one_board() -> None:
    (device,) = look(said(PROCESSOR, *({**CARD, "BDFID": str(0x0300 + part)} for part in range(8)))).devices
    assert device["partitioning"] == {"partitions": 8}
    assert device["memory"]["total_mib"] == 8 * 16368


def test_the_domain_is_that_of_the_card_on_the_bus() -> None:
    (device,) = look(said(CARD), ("0002:03:00.0",)).devices
    assert (device["pci"]["address"], device["name"]) == ("0002:03:00.0", "AMD Radeon RX 6800 XT")


def test_under_wsl_there_is_no_bus() -> None:
    known = look(said(PROCESSOR, CARD, {**CARD, "Uuid": "GPU-1111111111111111"}), (), wsl=True)
    assert [(device.get("pci"), device["uuid"]) for device in known.devices] == [
        (None, "GPU-7f4a4b6ce131e3a9"),
        (None, "GPU-1111111111111111"),
    ]


def test_processors_and_npus_are_no_devices() -> None:
    assert rocminfo.parse_agents(text_of(PROCESSOR, NPU)) == []
    assert rocminfo.parse_agents(text_of(PROCESSOR, first="ROCk module is NOT loaded, possibly no GPU devices\n")) == []


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        pytest.param({"rc": 0, "stdout": "", "stderr": ""}, "unreadable", "no agent", id="empty"),
        pytest.param({"rc": 0, "stdout": "\x00\x01", "stderr": ""}, "unreadable", "no agent", id="binary"),
        pytest.param(
            {"rc": 1, "stdout": LOADED, "stderr": "Unable to open /dev/kfd read-write: Permission denied"},
            "not_permitted",
            "Unable to open /dev/kfd",
            id="denied",
        ),
        pytest.param(
            {"rc": 8, "stdout": "hsa api call failure at: rocminfo.cc:1282", "stderr": ""},
            "refused",
            "hsa api call",
            id="refused",
        ),
        pytest.param({"error": "timeout"}, "timeout", "rocminfo", id="hanging"),
        pytest.param({"signal": 6, "stdout": LOADED}, "crashed", "signal 6", id="crashed"),
    ],
)
def test_failures_are_one_problem(outcome: dict[str, Any], code: str, words: str) -> None:
    known = look(outcome)
    assert [(problem["source"], problem["code"]) for problem in known.problems] == [("rocminfo", code)]
    assert words in known.problems[0]["message"]
    assert len(known.devices) == 1


def test_not_installed_is_no_problem() -> None:
    assert look(None).problems == []


def test_it_is_asked_only_where_the_kind_is_open() -> None:
    assert rocminfo.is_open(look(None))
    assert not rocminfo.is_open(look(said(CARD)))
    assert not rocminfo.is_open(look(None, present=()))


@pytest.mark.parametrize("text", ["", "Agent", "A" * 5_000_000])
def test_text_that_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"agent|more text"):
        rocminfo.parse_agents(text)


@PATIENT
@given(
    st.lists(
        st.dictionaries(st.sampled_from(sorted(CARD)), st.text(max_size=20) | st.sampled_from(sorted(CARD.values()))),
        max_size=3,
    )
)
def test_no_agent_breaks_the_reader(agents: list[dict[str, str]]) -> None:
    known = look(said(*({**CARD, **agent} for agent in agents), PROCESSOR))
    assert all(problem["code"] == "unreadable" for problem in known.problems)


@PATIENT
@given(st.integers(0, 4000), st.text(max_size=50))
def test_no_cut_breaks_the_parser(length: int, rest: str) -> None:
    try:
        agents = rocminfo.parse_agents(text_of(PROCESSOR, CARD, CARD)[:length] + rest)
    except ValueError:
        return
    assert len(agents) <= 3


def test_captures(captures: Path) -> None:
    checked = 0
    for entry in yaml.safe_load((captures / "SOURCES.yml").read_text())["files"]:
        if entry["kind"] != "rocminfo":
            continue
        agents = rocminfo.parse_agents((captures / entry["file"]).read_text())
        assert len(agents) == entry["expect"]["gpu_agents"], entry["file"]
        first = entry["expect"].get("gpu0")
        if first:
            assert (agents[0].target, agents[0].name) == (first["name"], first["marketing_name"])
            assert agents[0].location == int(first["bdfid"])
            assert f"(0x{agents[0].chip})" in first["chip_id"]
            assert agents[0].uuid is None
        checked += 1
    assert checked >= 4


NOT_MEMBER = ('alice is not member of "render" group, the default DRM access group. Users must be a member of the "render" group or '
              "another DRM access group in order for ROCm applications to run successfully.\n")
FAILED = ("hsa api call failure at: /src/rocminfo/rocminfo.cc:1142\nCall returned HSA_STATUS_ERROR_OUT_OF_RESOURCES: The runtime failed "
          "to allocate the necessary resources.\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"{LOADED}Unable to open /dev/kfd read-write: Permission denied\n{NOT_MEMBER}",
                     ("not_permitted", "Unable to open /dev/kfd read-write: Permission denied", "render"), id="not a member"),
        pytest.param(f"{LOADED}\x1b[31mUnable to open /dev/kfd read-write: Permission denied\x1b[0m\n"
                     "\x1b[31mFailed to get user name to check for render group membership\x1b[0m\n",  # without a terminal
                     ("not_permitted", "Unable to open /dev/kfd read-write: Permission denied", "render"), id="nobody logged in"),
        pytest.param(f"{LOADED}Unable to open /dev/kfd read-write: No such device or address\n",
                     ("no_device_node", "Unable to open /dev/kfd read-write: No such device or address", None), id="no driver behind it"),
        pytest.param(f"{LOADED}user is not member of video group\n", ("not_permitted", "user is not member of video group", "video"),
                     id="not a member, old words"),
        pytest.param("ROCk module is NOT loaded, possibly no GPU devices\nUnable to open /dev/kfd read-write: No such file or directory\n"
                     f"johndoe is member of video group\n{FAILED}",
                     ("no_device_node", "Unable to open /dev/kfd read-write: No such file or directory", None), id="no device file"),
        pytest.param("\x1b[31mROCk module is NOT loaded, possibly no GPU devices\x1b[0m\n",
                     ("module_not_loaded", "ROCk module is NOT loaded, possibly no GPU devices", None), id="no module"),
        pytest.param(f"{LOADED}{FAILED}", ("runtime_failed", "hsa api call failure at: /src/rocminfo/rocminfo.cc:1142", None),
                     id="runtime failed"),
        pytest.param(text_of(PROCESSOR, CARD), None, id="nothing wrong"),
        pytest.param(f"{LOADED}alice is member of render group\n{text_of(CARD, first='')}", None, id="member"),
    ],
)
def test_what_it_complains_of(text: str, expected: Any) -> None:
    found = rocminfo.parse_trouble(text)
    assert (tuple(found.values()) if found else None) == expected


def test_plain_agents() -> None:
    known = Inventory()
    known.add("pci", {"devices": [{"vendor": "amd", "pci": {"address": "0002:03:00.0"}}]})
    other = {**CARD, "Name": "gfx1031", "BDFID": ""}
    assert rocminfo.as_plain(rocminfo.parse_agents(text_of(PROCESSOR, CARD, other)), known) == [
        {"target": "gfx1030", "name": "AMD Radeon RX 6800 XT", "address": "0002:03:00.0"},
        {"target": "gfx1031", "name": "AMD Radeon RX 6800 XT", "address": None},
    ]
