# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.holders import is_gpu_file, parse_holders, probe_gpu_holders, read
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import known


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/dev/nvidia0", True),
        ("/dev/nvidia12", True),
        ("/dev/nvidiactl", True),
        ("/dev/nvidia-uvm", True),
        ("/dev/nvidia-modeset", True),
        ("/dev/nvidia-caps/nvidia-cap1", True),
        ("/dev/kfd", True),
        ("/dev/dri/renderD128", True),
        ("/dev/dri/card0", True),
        ("/dev/null", False),
        ("/dev/nvme0n1", False),
        ("/tmp/dev/nvidia0", False),
        ("/dev/nvidia0 (deleted)", False),
        ("", False),
    ],
)
def test_is_gpu_file(path: str, expected: bool) -> None:
    assert is_gpu_file(path) is expected


def holder(name: str | None, service: bool) -> dict[str, Any]:
    return {"pid": 7, "name": name, "path": "/dev/nvidia0", "service": service}


@pytest.mark.parametrize(
    ("name", "service"),
    [("python3", False), ("nvidia-persiste", True), ("nv-hostengine", True), ("Xorg", False), ("nvidia-persistenced", True)],
)
def test_services_of_the_drivers_are_told_apart(name: str, service: bool) -> None:
    assert parse_holders({"holders": [{"pid": 7, "name": name, "path": "/dev/nvidia0"}]}) == [holder(name, service)]


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"holders": {}}, {"holders": [1]}, {"holders": [{"pid": "7", "path": "/dev/kfd"}]}, {"holders": [{"pid": 7}]}]
)
def test_refuses(answer: Any) -> None:
    with pytest.raises(ValueError, match="holder"):
        parse_holders(answer)


def look(probes: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    problems: list[dict[str, str]] = []
    document = json.dumps({"evidence": 1, "probes": probes})
    return read(Source(load(document), "holders", problems), known("nvidia")), problems


NAMED = {"pid": 7, "name": "python3", "path": "/dev/nvidia0"}


@pytest.mark.parametrize(
    ("probes", "found"),
    [
        ({}, {}),
        ({"gpu_holders": {"holders": [], "complete": True}}, {"health": {"gpu_holders": []}}),
        ({"gpu_holders": {"holders": [], "complete": False}}, {}),
        ({"gpu_holders": {"holders": [NAMED], "complete": False}}, {"health": {"gpu_holders": [holder("python3", False)]}}),
    ],
)
def test_read(probes: dict[str, Any], found: dict[str, Any]) -> None:
    assert look(probes) == (found, [])


@pytest.mark.parametrize(
    ("answer", "problem"),
    [({"holders": 5}, ("unreadable", "gpu_holders: no list of holders")), ({"error": "timeout"}, ("timeout", "timeout"))],
)
def test_failure_is_a_problem(answer: Any, problem: tuple[str, str]) -> None:
    found, problems = look({"gpu_holders": answer})
    assert found == {}
    assert [(entry["code"], entry["message"]) for entry in problems] == [problem]


def test_this_machine_answers_and_does_not_see_plain_files() -> None:
    with open(os.devnull) as _file:
        answer = probe_gpu_holders(None)
    assert isinstance(answer["complete"], bool)
    assert all(is_gpu_file(entry["path"]) for entry in answer["holders"])


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["holders", "pid", "name", "path"]), inner),
    )
)
def test_only_value_errors_leave(answer: Any) -> None:
    with contextlib.suppress(ValueError):
        parse_holders(answer)
