# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.room import parse_df, parse_lock, read
from recorded_node import command, known, node

# GNU df 9.7 of a machine with two file systems, a quota that is exceeded, and one whose name has a blank.
DF = """\
Filesystem                  1024-blocks     Used Available Capacity Mounted on
/dev/nvme0n1p2                  1038336   529332    509004      51% /boot
/dev/mapper/system-root       104805376 61283432  43521944      59% /
tank/var with blank           104805376 61283432        -8     100% /var
"""
PLACES = ["/boot", "/usr", "/var"]


def test_parse_df() -> None:
    assert parse_df(DF, PLACES) == {"/boot": 497, "/usr": 42501, "/var": 0}


@pytest.mark.parametrize(
    ("text", "found"),
    [("", 0), (DF.replace("tank", "tank\n"), 3), ("\n".join(DF.splitlines()[:3]), 2), (DF.replace("43521944", "much"), 2)],
)
def test_df_without_a_line_for_each_folder_is_refused(text: str, found: int) -> None:
    with pytest.raises(ValueError, match=f"df: {found} file systems for 3 folders"):
        parse_df(text, PLACES)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"holder": None}, None),
        ({"holder": {"pid": 812, "name": "unattended-upgr"}}, {"pid": 812, "name": "unattended-upgr"}),
        ({"holder": {"pid": None, "name": ""}}, {"pid": None, "name": None}),
    ],
)
def test_parse_lock(answer: Any, found: Any) -> None:
    assert parse_lock(answer) == found


@pytest.mark.parametrize("answer", [None, [], {}, {"holder": 1}, {"holder": {"pid": "812"}}])
def test_an_answer_of_another_form_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="holder"):
        parse_lock(answer)


def test_read() -> None:
    document = {
        "evidence": 1,
        "dirs": {"/": ["boot", "usr", "var"]},
        "commands": [command("df -kP /boot /usr /var", DF)],
        "probes": {"package_lock": {"holder": {"pid": 9, "name": "apt-get"}}},
    }
    problems: list[dict[str, str]] = []
    found = read(Source(load(json.dumps(document)), "room", problems), known("nvidia", packages={"manager": "dpkg"}))
    assert problems == []
    assert found == {
        "system": {"free_mib": {"/boot": 497, "/usr": 42501, "/var": 0}},
        "packages": {"lock_holder": {"pid": 9, "name": "apt-get"}, "recommended": None},
    }


def test_a_node_without_any_of_it() -> None:
    source, problems = node("room")
    found = read(source, known("nvidia"))
    assert problems == []
    assert found == {"system": {"free_mib": {}}, "packages": {"lock_holder": None, "recommended": None}}


def test_df_that_breaks_off_is_a_problem() -> None:
    commands = [command("df -kP /boot /usr", DF.partition("/dev/mapper")[0], 1, "df: /usr: Input/output error")]
    source, problems = node("room", dirs={"/": ["boot", "usr"]}, commands=commands)
    assert read(source, known("nvidia"))["system"]["free_mib"] == {}
    message = "df: 1 file systems for 2 folders: df: /usr: Input/output error"
    assert problems == [{"source": "room", "code": "unreadable", "message": message}]
