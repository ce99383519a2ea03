# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.logs import has_entries, parse_boot_time, read
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import command, known, node

JOURNAL = "journalctl -k -b -o short-iso --no-pager"
XID = "NVRM: Xid (PCI:0000:9b:00): 79, GPU has fallen off the bus."


@pytest.mark.parametrize(
    ("text", "seconds"), [("cpu 1 2\nbtime 1700000000\nprocesses 5\n", 1_700_000_000), ("btime x\n", None), ("", None)]
)
def test_boot_time(text: str, seconds: int | None) -> None:
    assert parse_boot_time(text) == seconds


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("-- No entries --\n", False),
        ("-- Journal begins at x --\n", False),
        ("", False),
        ("\n", False),
        ("-- Logs begin --\n2025-01-21T04:41:44Z h kernel: x\n", True),
    ],
)
def test_has_entries(text: str, filled: bool) -> None:
    assert has_entries(text) is filled


@pytest.mark.parametrize(
    ("commands", "read_it", "first", "problem"),
    [
        (
            [command(JOURNAL, f"2025-01-21T04:41:44+0000 gpu-17 kernel: {XID}\n"), command("dmesg", "")],
            True,
            "2025-01-21T04:41:44Z",
            None,
        ),
        ([command(JOURNAL, "-- No entries --\n"), command("dmesg", f"[ 1.5] {XID}\n")], True, "2023-11-14T22:13:21Z", None),
        (
            [
                command(JOURNAL, "", 1, "No journal files were opened due to insufficient permissions.\n"),
                command("dmesg", f"[ 1.5] {XID}\n"),
            ],
            True,
            "2023-11-14T22:13:21Z",
            None,
        ),
        ([command("dmesg", f"[ 1.5] {XID}\n")], True, "2023-11-14T22:13:21Z", None),
        (
            [command("dmesg", "", 1, "dmesg: read kernel buffer failed: Operation not permitted\n")],
            False,
            None,
            ("not_permitted", "dmesg: read kernel buffer failed: Operation not permitted; read as root to see the kernel log"),
        ),
        ([command(JOURNAL, "", 1, "No journal files were found.\n")], False, None, ("refused", "No journal files were found.")),
        ([], False, None, None),
    ],
)
def test_read(commands: list[Any], read_it: bool, first: str | None, problem: tuple[str, str] | None) -> None:
    source, problems = node("logs", files={"/proc/stat": "btime 1700000000\n"}, commands=commands, wanted=("deep",))
    health = read(source, known())["health"]
    assert health["log_read"] is read_it
    assert health["boot_time"] == 1_700_000_000
    assert [event["first"] for event in health["events"]] == ([first] if first else [])
    assert [(entry["code"], entry["message"]) for entry in problems] == ([problem] if problem else [])


def test_facts_do_not_read_the_log() -> None:
    source, _unused = node("logs", commands=[command("dmesg", f"[ 1.5] {XID}\n")])
    assert read(source, known()) == {}


@given(st.text())
def test_any_text(text: str) -> None:
    parse_boot_time(text)
    has_entries(text)
