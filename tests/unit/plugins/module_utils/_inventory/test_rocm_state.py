# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of ROCm finds: installations side by side, blacklists, words of the kernel."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import ReplayHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import rocm_state
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source

CARD: dict[str, Any] = {"vendor": "amd", "pci": {"address": "0000:03:00.0", "kernel_driver": "amdgpu"}}
LOG = [{"argv": ["dmesg"], "rc": 0, "stdout": "[    1.1] kfd kfd: amdgpu: skipped device 1002:67e3, PCI rejects atomics 730<0\n"}]


def look(
    files: dict[str, str] | None = None, links: dict[str, str] | None = None, commands: Any = (), source: str = "pci", **known_before: Any
) -> Inventory:
    known = Inventory()
    known.add(source, {"devices": [CARD], "amd": {"driver": {"loaded": True}}, **known_before})
    host = ReplayHost({"files": files or {}, "dirs": {}, "links": links or {}, "probes": {}, "commands": list(commands)})
    known.add("rocm_state", rocm_state.read(Source(host, "rocm_state", known.problems), known))
    return known


def test_installations_side_by_side() -> None:
    known = look(
        {"/opt/rocm-6.4.3/.info/version": "6.4.3-128\n", "/opt/rocm-7.2.4/.info/version": "7.2.4-90\n"},
        {"/opt/rocm": "/etc/alternatives/rocm", "/etc/alternatives/rocm": "/opt/rocm-6.4.3"},
    )
    assert known.amd["installs"] == [
        {"path": "/opt/rocm-6.4.3", "version": "6.4.3", "stream": "classic", "default": True},
        {"path": "/opt/rocm-7.2.4", "version": "7.2.4", "stream": "classic", "default": False},
    ]


def test_the_new_stream_beside_the_old_one() -> None:
    known = look(
        {"/opt/rocm/core-10.1/.info/version": "10.1.0\n", "/opt/rocm/core-10.0/.info/version": "10.0.2\n",
         "/opt/rocm-7.2.4/.info/version": "7.2.4-90\n"},
        {"/opt/rocm/core": "core-10.1"},
    )
    assert known.amd["installs"] == [
        {"path": "/opt/rocm/core-10.1", "version": "10.1.0", "stream": "core", "default": True},
        {"path": "/opt/rocm/core-10.0", "version": "10.0.2", "stream": "core", "default": False},
        {"path": "/opt/rocm-7.2.4", "version": "7.2.4", "stream": "classic", "default": False},
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blacklist amdgpu\n", "blacklist amdgpu"),
        ("# mine\n  blacklist  amdgpu   # for the VM\n", "blacklist  amdgpu   # for the VM"),
        ("install amdgpu /bin/false\n", "install amdgpu /bin/false"),
        ("#blacklist amdgpu\n", None),
        ("blacklist amdgpu_xcp\noptions amdgpu ppfeaturemask=1\n", None),
        ("install amdgpu /sbin/modprobe --ignore-install amdgpu\n", None),
    ],
)
def test_blacklists(text: str, expected: str | None) -> None:
    assert rocm_state.blacklisted(text) == expected


def test_where_amdgpu_is_kept_away() -> None:
    known = look({
        "/etc/modprobe.d/blacklist-amdgpu.conf": "blacklist amdgpu\n",
        "/usr/lib/modprobe.d/blacklist-amdgpu.conf": "install amdgpu /bin/true\n",
        "/usr/lib/modprobe.d/other.conf": "install amdgpu /bin/true\n",
        "/proc/cmdline": "ro quiet modprobe.blacklist=nouveau,amdgpu\n",
    })
    assert known.amd["blacklists"] == [
        {"path": "/etc/modprobe.d/blacklist-amdgpu.conf", "line": "blacklist amdgpu"},
        {"path": "/usr/lib/modprobe.d/other.conf", "line": "install amdgpu /bin/true"},
        {"path": "/proc/cmdline", "line": "modprobe.blacklist=nouveau,amdgpu"},
    ]


@pytest.mark.parametrize(
    ("line", "kind", "device_id", "pci"),
    [
        ("kfd kfd: amdgpu: skipped device 1002:67e3, PCI rejects atomics 730<0", "no_pcie_atomics", "67e3", None),
        ("kfd: skipped device 1002:7300, PCI rejects atomics", "no_pcie_atomics", "7300", None),
        ("kfd kfd: error getting iommu info. is the iommu enabled?", "iommu_failed", None, None),
        ("kfd kfd: amdgpu: device 1002:15d8 NOT added due to errors", "not_added", "15d8", None),
        ("amdgpu 0000:03:00.0: Direct firmware load for amdgpu/navi10_pfp.bin failed with error -2", "firmware_missing", None,
         "0000:03:00.0"),
        ("amdgpu 0000:c3:00.0: amdgpu: probe with driver amdgpu failed with error -22", "probe_failed", None, "0000:c3:00.0"),
        ("amdgpu: probe of 0000:03:00.0 failed with error -2", "probe_failed", None, "0000:03:00.0"),
        ("kfd kfd: amdgpu: added device 1002:73bf", None, None, None),
    ],
)
def test_words_of_the_kernel(line: str, kind: str | None, device_id: str | None, pci: str | None) -> None:
    found = rocm_state.parse_hints(f"[   12.3] {line}\n[   99.9] {line}\n")
    assert [(hint["kind"], hint["device_id"], hint["pci"]) for hint in found] == ([(kind, device_id, pci)] if kind else [])


def test_the_log_is_read_only_where_a_card_is_not_served() -> None:
    assert [hint["kind"] for hint in look(commands=LOG).amd["hints"]] == ["no_pcie_atomics"]
    assert look(commands=LOG, source="kfd").amd["hints"] == []


def test_a_card_that_the_processor_sees_in_part() -> None:
    folder = "/sys/bus/pci/devices/0000:03:00.0"
    sizes = {f"{folder}/mem_info_vram_total": f"{16 << 30}\n", f"{folder}/mem_info_vis_vram_total": f"{256 << 20}\n"}
    assert look(sizes).amd["hints"] == [
        {"kind": "small_bar", "device_id": None, "pci": "0000:03:00.0", "message": "256 MiB of 16384 MiB are visible to the processor"}
    ]
    assert look({**sizes, f"{folder}/mem_info_vis_vram_total": f"{16 << 30}\n"}).amd["hints"] == []


@pytest.mark.parametrize(
    ("files", "there"),
    [
        ([], False),
        (["/lib/firmware/amdgpu/navi10_mec.bin"], False),
        (["/lib/firmware/amdgpu/sienna_cichlid_mec.bin"], True),
        (["/lib/firmware/amdgpu/sienna_cichlid_mec.bin.zst"], True),
        (["/lib/firmware/updates/amdgpu/sienna_cichlid_smc.bin"], True),
        (["/lib/firmware/6.8.0-88-generic/amdgpu/sienna_cichlid_rlc.bin.xz"], True),
    ],
)
def test_firmware(files: list[str], there: bool) -> None:
    card = {"vendor": "amd", "pci": {**CARD["pci"], "device_id": "73bf", "revision": "c1", "kernel_driver": None}}
    known = look(dict.fromkeys(files, ""), devices=[card], kernel={"release": "6.8.0-88-generic"})
    assert known.amd["firmware"] == {"gfx1030": there}
    missing = "no firmware amdgpu/sienna_cichlid_* is there for gfx1030"
    assert [hint["message"] for hint in known.amd["hints"]] == ([] if there else [missing])


def test_firmware_of_a_card_that_is_served_or_unknown() -> None:
    card = {"vendor": "amd", "pci": {**CARD["pci"], "device_id": "73bf"}}
    known = look(source="kfd", devices=[card])
    assert (known.amd["firmware"], known.amd["hints"]) == ({"gfx1030": False}, [])
    assert look(devices=[{**CARD, "gfx_target": "gfx701"}]).amd["firmware"] == {}
