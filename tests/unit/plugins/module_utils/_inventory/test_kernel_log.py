# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._kernel_log import normal_log_address, parse_kernel_log
from hypothesis import given
from hypothesis import strategies as st

XID = "NVRM: Xid (PCI:0000:9b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."


@pytest.mark.parametrize(
    ("line", "kind", "reason", "code", "pci"),
    [
        (XID, "xid", "xid", 79, "0000:9b:00.0"),
        ("NVRM: Xid (0000:03:00): 32, Channel ID 00000010", "xid", "xid", 32, "0000:03:00.0"),
        ("NVRM: Xid (PCI:0000:17:00 GPU-I:05): 31, pid=1, name=python", "xid", "xid", 31, "0000:17:00.0"),
        ("NVRM: Xid (PCI:0009:01:00): 149, NETIR_LINK_EVT  Fatal", "xid", "xid", 149, "0009:01:00.0"),
        ("NVRM: Xid (PCI:00000001:00:00.0): 48, DBE", "xid", "xid", 48, "0001:00:00.0"),
        ("nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 28006, Non-fatal, Link 46 MC TS", "sxid", "sxid", 28006, "0000:c1:00.0"),
        ("NVRM: GPU 0000:41:00.0: RmInitAdapter failed! (0x62:0xffff:2477)", "nvrm", "init_failed", None, "0000:41:00.0"),
        ("NVRM: GPU at PCI:0000:41:00: GPU has fallen off the bus", "nvrm", "fallen_off_the_bus", None, "0000:41:00.0"),
        ("NVRM: API mismatch: the client has the version 580.95.05, but", "nvrm", "api_mismatch", None, None),
        ("NVRM: The NVIDIA probe routine failed for 1 device(s).", "nvrm", "probe_failed", None, None),
        ("nvidia: Loading of unsigned module is rejected", "key_rejected", "key_rejected", None, None),
        ("Loading of module with unavailable key is rejected", "key_rejected", "key_rejected", None, None),
        ("modprobe: ERROR: could not insert 'nvidia': Key was rejected by service", "key_rejected", "key_rejected", None, None),
        (
            "Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7",
            "key_rejected",
            "key_rejected",
            None,
            None,
        ),
        ("nouveau 0000:01:00.0: unknown chipset (b72000a1)", "nouveau", "error", None, "0000:01:00.0"),
        ("nouveau 0000:01:00.0: gr: init failed, -22", "nouveau", "error", None, "0000:01:00.0"),
        (
            "amdgpu 0000:03:00.0: amdgpu: ring gfx_0.0.0 timeout, signaled seq=1, emitted seq=3",
            "amdgpu",
            "ring_timeout",
            None,
            "0000:03:00.0",
        ),
        ("[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring sdma0 timeout, signaled seq=9", "amdgpu", "ring_timeout", None, None),
        ("amdgpu 0000:03:00.0: amdgpu: GPU reset begin!", "amdgpu", "gpu_reset", None, "0000:03:00.0"),
        ("amdgpu 0000:03:00.0: amdgpu: Fatal error during GPU init", "amdgpu", "init_failed", None, "0000:03:00.0"),
        ("amdgpu: probe of 0000:03:00.0 failed with error -22", "amdgpu", "init_failed", None, "0000:03:00.0"),
        (
            "amdgpu 0000:83:00.0: amdgpu: 4 uncorrectable hardware errors detected in umc block",
            "amdgpu",
            "ras_uncorrectable",
            None,
            "0000:83:00.0",
        ),
        (
            "amdgpu 0000:03:00.0: amdgpu: [gfxhub0] no-retry page fault (src_id:0 ring:24)",
            "amdgpu",
            "page_fault",
            None,
            "0000:03:00.0",
        ),
        (
            "amdgpu 0000:03:00.0: Direct firmware load for amdgpu/gc_12_0_1_pfp.bin failed with error -2",
            "amdgpu",
            "firmware_missing",
            None,
            "0000:03:00.0",
        ),
        ("NVRM: The NVIDIA probe routine was not called for 1 device(s).", "nvrm", "already_claimed", None, None),
        (
            "NVRM: The NVIDIA GPU 0000:01:00.0 installed in this system requires use of the NVIDIA open kernel modules.",
            "nvrm",
            "needs_open_module",
            None,
            "0000:01:00.0",
        ),
        (
            "NVRM: The NVIDIA GeForce GT 730 GPU installed in this system is supported through the NVIDIA 470.xx Legacy drivers.",
            "nvrm",
            "needs_legacy_driver",
            None,
            None,
        ),
        ("[drm:mes_v11_0_submit_pkt [amdgpu]] *ERROR* amdgpu: MES failed to response msg=2", "amdgpu", "ring_timeout", None, None),
        ("amdgpu 0000:83:00.0: amdgpu: 12 bad pages were found", "amdgpu", "bad_pages", None, "0000:83:00.0"),
        ("kfd kfd: amdgpu: skipped device 1002:67df, PCI rejects atomics 730<0", "amdgpu", "no_pcie_atomics", None, None),
    ],
)
def test_messages(line: str, kind: str, reason: str, code: int | None, pci: str | None) -> None:
    assert parse_kernel_log(f"[   12.345678] {line}\n") == [
        {
            "kind": kind,
            "reason": reason,
            "code": code,
            "pci": pci,
            "count": 1,
            "first": "12.345678",
            "last": "12.345678",
            "message": line,
        }
    ]


@pytest.mark.parametrize(
    "line",
    [
        "NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.158.01  Release Build",
        "nvidia: module license 'NVIDIA' taints kernel.",
        "nvidia: module verification failed: signature and/or required key missing - tainting kernel",
        "[drm] amdgpu kernel modesetting enabled.",
        "nouveau: detected PR support, will not use DSM",
        "nouveau 0000:01:00.0: DRM: default power state",
        "amdgpu 0000:03:00.0: amdgpu: ring gfx_0.0.0 uses VM inv eng 0 on hub 0",
        "amdgpu 0000:03:00.0: amdgpu: MES settings changed",
        "amdgpu 0000:03:00.0: amdgpu: 0 bad pages",
        "NVRM: GPU at PCI:0000:9b:00: GPU-509665ad-b600-ac93-3616-d754b23d636d",
        "amdgpu 0000:03:00.0: amdgpu: 0 uncorrectable hardware errors",
        "usb 1-1: rejected 1 configuration due to insufficient power",
        "Xid 79",
        "",
    ],
)
def test_what_is_no_event(line: str) -> None:
    assert parse_kernel_log(f"[   12.345678] {line}\n") == []


@pytest.mark.parametrize(
    ("prefix", "boot_time", "when"),
    [
        ("[    1.500000] ", None, "1.500000"),
        ("[    1.500000] ", 1_700_000_000, "2023-11-14T22:13:21Z"),
        ("[Sun Feb 23 16:24:18 2025] ", 1, "2025-02-23T16:24:18"),
        ("kern  :warn  : 2025-01-21T04:41:44,283302+00:00 ", 1, "2025-01-21T04:41:44Z"),
        ("kern  :err   : [    1.500000] ", 0, "1970-01-01T00:00:01Z"),
        ("2025-01-21T04:41:44+0100 gpu-17 kernel: ", 1, "2025-01-21T03:41:44Z"),
        ("2025-01-21T04:41:44-05:30 gpu-17 kernel: ", 1, "2025-01-21T10:11:44Z"),
        ("Jan 21 04:41:44 gpu-17 kernel: [    1.500000] ", 1, "Jan 21 04:41:44"),
        ("2025-13-41T04:41:44Z gpu-17 kernel: ", 1, None),
        ("", 1, None),
    ],
)
def test_times(prefix: str, boot_time: int | None, when: str | None) -> None:
    assert parse_kernel_log(prefix + XID, boot_time) == [
        {
            "kind": "xid",
            "reason": "xid",
            "code": 79,
            "pci": "0000:9b:00.0",
            "count": 1,
            "first": when,
            "last": when,
            "message": XID,
        }
    ]


def test_repeated_lines_are_counted() -> None:
    found = parse_kernel_log(
        "\n".join(f"[{second}.0] NVRM: Xid (PCI:0000:{bus}:00): 13, x" for second, bus in ((1, "9b"), (2, "9b"), (5, "1a"), (9, "9b")))
    )
    assert [(event["pci"], event["count"], event["first"], event["last"]) for event in found] == [
        ("0000:9b:00.0", 3, "1.0", "9.0"),
        ("0000:1a:00.0", 1, "5.0", "5.0"),
    ]


def test_of_the_recovery_action_the_latest_message_counts() -> None:
    lines = [
        "[1.0] NVRM: Xid (PCI:0009:01:00): 154, GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)",
        "[2.0] NVRM: Xid (PCI:0009:01:00): 154, GPU recovery action changed from 0x4 (Drain and Reset) to 0x0 (None)",
    ]
    assert [event["message"] for event in parse_kernel_log("\n".join(lines))] == [lines[1][6:]]


def test_a_message_over_several_lines_is_one() -> None:
    text = (
        "[ 18.1] NVRM: The NVIDIA GPU 0000:b3:00.0\n         NVRM: (PCI ID: 10de:26b5) installed in this system has\n"
        "         NVRM: fallen off the bus and is not responding to commands.\n"
        "[ 18.2] NVRM: The NVIDIA probe routine failed for 1 device(s).\n"
    )
    assert [(event["reason"], event["pci"], event["message"]) for event in parse_kernel_log(text)] == [
        (
            "fallen_off_the_bus",
            "0000:b3:00.0",
            "NVRM: The NVIDIA GPU 0000:b3:00.0 (PCI ID: 10de:26b5) installed in this system has fallen off "
            "the bus and is not responding to commands.",
        ),
        ("probe_failed", None, "NVRM: The NVIDIA probe routine failed for 1 device(s)."),
    ]


def test_open_module_on_an_old_card() -> None:
    text = (
        "[ 3.1] NVRM: The NVIDIA GPU 0000:01:00.0 (PCI ID: 10de:1b80)\n"
        "[ 3.1] NVRM: installed in this system is not supported by open\n"
        "[ 3.1] NVRM: nvidia.ko because it does not include the required GPU\n[ 3.1] NVRM: System Processor (GSP).\n"
    )
    assert [(event["reason"], event["pci"]) for event in parse_kernel_log(text)] == [("needs_proprietary_module", "0000:01:00.0")]


def test_a_long_message_is_cut_and_a_flood_is_bounded() -> None:
    assert len(parse_kernel_log("NVRM: Xid (PCI:0000:9b:00): 13, " + "x" * 9999)[0]["message"]) == 240
    assert len(parse_kernel_log("\n".join(f"NVRM: Xid (PCI:0000:9b:00): {code}, x" for code in range(2000)))) == 500


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0000:9B:00", "0000:9b:00.0"),
        ("1a:00.1", "0000:1a:00.1"),
        ("00001580:00:00", "1580:00:00.0"),
        ("nonsense", None),
        (None, None),
    ],
)
def test_addresses(text: str | None, address: str | None) -> None:
    assert normal_log_address(text) == address


@given(st.text(), st.one_of(st.none(), st.integers(0, 10**12)))
def test_any_text(text: str, boot_time: int | None) -> None:
    parse_kernel_log(text, boot_time)


@given(
    st.lists(
        st.sampled_from(
            [
                "[",
                "]",
                " 1.5",
                "2025-99-01T00:00:00",
                "Z",
                " kernel: ",
                "NVRM: ",
                "Xid ",
                "(PCI:0000:9b:00)",
                ": ",
                "79",
                ",",
                "The NVIDIA GPU",
                "\n",
                "amdgpu",
                "GPU reset",
                "9999999999999999.9",
            ]
        )
    ),
    st.integers(0, 10**12),
)
def test_pieces_of_real_lines(pieces: list[str], boot_time: int) -> None:
    for event in parse_kernel_log("".join(pieces), boot_time):
        assert event["count"] >= 1


def test_captures(captures: Path) -> None:
    import yaml

    entries: list[dict[str, Any]] = [
        entry for entry in yaml.safe_load((captures / "SOURCES.yml").read_text())["files"] if entry["kind"] == "dmesg_xid"
    ]
    assert len(entries) >= 4
    for entry in entries:
        found = [event for event in parse_kernel_log((captures / entry["file"]).read_text()) if event["kind"] == "xid"]
        assert sorted({event["code"] for event in found}) == entry["expect"]["xids"], entry["file"]
        assert sorted({event["pci"][:-2] for event in found}) == entry["expect"]["pci"], entry["file"]
        assert sum(event["count"] for event in found) == entry["expect"]["xid_lines"], entry["file"]
