# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._check import _node


@pytest.mark.parametrize(
    ("version", "parts"),
    [
        ("580.95.05", [580, 95, 5]),
        ("1.17.8-1", [1, 17, 8]),
        ("550.163.01-4~bpo13+1", [550, 163, 1]),
        ("2.9.1+cu130", [2, 9, 1]),
        ("7.1.0", [7, 1, 0]),
        ("12rc1", [12]),
        ("N/A", []),
        (None, []),
        ("\u0663.\u0661", []),
    ],
)
def test_version_key(version: Any, parts: list[int]) -> None:
    assert _node.version_key(version) == parts


@pytest.mark.parametrize(
    ("version", "than", "answer"),
    [
        ("1.16.2", "1.17.8", True),
        ("1.17.8", "1.17.8", False),
        ("1.18", "1.17.8", False),
        ("7.1", "7.1.0", False),
        ("7.1", "7.1.1", True),
        ("7.9", "7.14", True),
        (None, "1.0", False),
        ("unknown", "1.0", False),
    ],
)
def test_older(version: Any, than: Any, answer: bool) -> None:
    assert _node.older(version, than) is answer


@pytest.mark.parametrize(
    ("left", "right", "answer"),
    [("580.126", "580.126.09", True), ("580.95.05", "580.126.09", False), ("580.95.05-1", "580.95.05", True)],
)
def test_same_version(left: str, right: str, answer: bool) -> None:
    assert _node.same_version(left, right) is answer


@pytest.mark.parametrize(
    ("words", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c"), (list("abcdefgh"), "a, b, c, d, e and 3 more")],
)
def test_join(words: list[str], text: str) -> None:
    assert _node.join(words) == text


@pytest.mark.parametrize(
    ("path", "found"),
    [("a.b", 1), ("a.c", None), ("a.b.c", None), ("x", None), ("a", {"b": 1})],
)
def test_at(path: str, found: Any) -> None:
    assert _node.at({"a": {"b": 1}}, path) == found


@pytest.mark.parametrize(
    ("device", "text"),
    [
        ({"name": "NVIDIA L4"}, "NVIDIA L4"),
        ({"vendor": "nvidia", "pci": {"device_id": "2fff"}}, "NVIDIA GPU 2fff"),
        ({"vendor": "amd"}, "AMD GPU"),
        ({}, "unknown GPU"),
    ],
)
def test_name(device: dict[str, Any], text: str) -> None:
    assert _node.name(device) == text
