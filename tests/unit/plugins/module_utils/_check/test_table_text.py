# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.gpufleet.node.plugins.module_utils._check.table_text import table

READY = {
    "verdict": {"status": "ready", "broken_link": None, "devices": [{"name": "NVIDIA L4"}, {"name": "NVIDIA L4"}]},
    "findings": [{"code": "NV-NOT-HELD", "severity": "info"}],
}
BROKEN = {
    "verdict": {"status": "not_ready", "broken_link": "nvml_kfd", "devices": [{"name": "NVIDIA GeForce RTX 4090"}]},
    "findings": [{"code": "NV-LIB-MISMATCH", "severity": "critical"}, {"code": "LOG-UNREAD", "severity": "unknown"}],
}
NONE = {"verdict": {"status": "no_gpu", "broken_link": None, "devices": []}, "findings": []}


def test_one_line_for_each_host() -> None:
    results: dict[str, Any] = {
        "node1": READY,
        "node22": BROKEN,
        "n3": NONE,
        "gone": {"unreachable": True, "msg": "Connection timed out\nsecond line"},
        "bad": {"msg": "The module interpreter was not found."},
        "late": {},
        "odd": None,
    }
    assert table(results) == [
        "node1   READY        2 x NVIDIA L4",
        "node22  NOT READY    NVIDIA GeForce RTX 4090; broken at NVML / KFD; NV-LIB-MISMATCH and 1 more",
        "n3      NO GPU       no GPU",
        "gone    UNREACHABLE  Connection timed out second line",
        "bad     FAILED       The module interpreter was not found.",
        "late    NOT ASKED    the play ended before this host was asked",
        "odd     NOT ASKED    the play ended before this host was asked",
        "7 hosts: 1 ready, 1 not ready, 1 no gpu, 1 unreachable, 1 failed, 2 not asked",
    ]


def test_lines_are_cut_at_the_width() -> None:
    lines = table({"a-host-with-a-name-that-is-longer-than-any-column": {"msg": "words " * 40}}, width=80)
    assert [len(line) for line in lines[:1]] == [80]
    assert lines[0].startswith("a-host-with-a-name-that-is-lo...  FAILED  words")
    assert lines[0].endswith("...")


def test_no_host() -> None:
    assert table({}) == ["no host was asked"]
