# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use AMD's compute devices: udev rules in their order, accounts, and what is no answer of ours."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import ReplayHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import rocm_access
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source

ANSWER: dict[str, Any] = {
    "nodes": [{"path": "/dev/kfd", "mode": "0660", "owner": "root", "group": "render", "gid": 993}],
    "groups": {"render": {"gid": 993, "members": ["alice"]}},
    "users": {"alice": {"exists": True, "uid": 1000, "groups": ["alice", "render"], "processes": 0, "session_groups": None}},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('SUBSYSTEM=="drm", KERNEL=="renderD*", GROUP="render", MODE="0666"', [("render", "0666", "render")]),
        ('SUBSYSTEM=="kfd", GROUP="render", MODE="0666"', [("kfd", "0666", "render")]),
        ('SUBSYSTEM=="kfd", KERNEL=="kfd", TAG+="uaccess", GROUP="video"', [("kfd", None, "video")]),
        ('KERNEL=="kfd", GROUP="render", MODE="660"\nKERNEL=="renderD*", MODE:="0660"\n',
         [("kfd", "0660", "render"), ("render", "0660", None)]),
        ('KERNEL=="card*|renderD*", GROUP="video"', [("render", None, "video")]),
        ('KERNEL=="kfd", \\\n  GROUP="users"\n', [("kfd", None, "users")]),
        ('# KERNEL=="kfd", GROUP="render"', []),
        ('KERNEL!="kfd", GROUP="render"', []),
        ('KERNEL=="kfd", TAG+="uaccess"', []),
        ('SUBSYSTEM=="drm", KERNEL=="renderD*", ATTRS{vendor}=="0x10de", GROUP="nv"', []),
        ('SUBSYSTEM=="drm", KERNEL=="card[0-9]*", GROUP="video"', []),
        ('SUBSYSTEM=="input", KERNEL=="renderD*", GROUP="x"', []),
    ],
)
def test_rules(text: str, expected: list[Any]) -> None:
    assert [(rule["device"], rule["mode"], rule["group"]) for rule in rocm_access.parse_rules(text)] == expected


def look(files: dict[str, str] | None = None, answer: Any = None) -> Inventory:
    known = Inventory()
    probes = {} if answer is None else {"accounts": answer}
    host = ReplayHost({"files": files or {}, "dirs": {}, "links": {}, "probes": probes, "commands": []})
    known.add("rocm_access", rocm_access.read(Source(host, "rocm_access", known.problems, users=("alice",)), known))
    return known


def test_files_are_read_in_the_order_of_their_names_and_replace_those_below() -> None:
    known = look({
        "/usr/lib/udev/rules.d/50-udev-default.rules": 'SUBSYSTEM=="kfd", GROUP="render", MODE="0666"\n',
        "/usr/lib/udev/rules.d/70-amdgpu.rules": 'KERNEL=="kfd", MODE="0600"\n',
        "/etc/udev/rules.d/70-amdgpu.rules": 'KERNEL=="kfd", MODE="0660"\n',
        "/etc/udev/rules.d/10-mine.rules": 'KERNEL=="kfd", GROUP="users"\n',
        "/etc/udev/rules.d/notes.txt": 'KERNEL=="kfd", GROUP="nobody"\n',
    })
    assert [(rule["path"], rule["mode"], rule["group"]) for rule in known.amd["access"]["udev_rules"]] == [
        ("/etc/udev/rules.d/10-mine.rules", None, "users"),
        ("/usr/lib/udev/rules.d/50-udev-default.rules", "0666", "render"),
        ("/etc/udev/rules.d/70-amdgpu.rules", "0660", None),
    ]


def test_accounts() -> None:
    known = look(answer=ANSWER)
    assert known.problems == []
    access = known.amd["access"]
    assert (access["nodes"], access["groups"]) == (ANSWER["nodes"], ANSWER["groups"])
    assert access["users"]["alice"]["groups"] == ["alice", "render"]


@pytest.mark.parametrize("answer", [{"nodes": []}, {**ANSWER, "nodes": [{"path": 1, "mode": "0660"}]}, {**ANSWER, "users": {"alice": []}},
                                    {**ANSWER, "users": {"alice": {"exists": 1}}}, {**ANSWER, "groups": None}, [1]])
def test_an_answer_that_is_none_of_ours(answer: Any) -> None:
    known = look(answer=answer)
    assert known.problems == [{"source": "rocm_access", "code": "unreadable", "message": "accounts: an answer that is not understood"}]
    assert known.amd["access"] == {"udev_rules": []}
