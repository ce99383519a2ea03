# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of ROCm: their order, and the texts that name one."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import rocm_releases


def test_order_is_by_numbers() -> None:
    found = [one.version for one in rocm_releases.releases()]
    assert found.index("7.2.4") < found.index("7.9.0") < found.index("7.10.0") < found.index("7.14.1") < found.index("10.0.0")
    assert len(found) == len(set(found)) >= 40


def test_streams_follow_each_other_by_number() -> None:
    streams = [one.stream for one in rocm_releases.releases()]
    assert streams == sorted(streams, key=("legacy", "preview", "therock").index)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7.2.4", "7.2.4"), ("7.2", "7.2.4"), ("7.1", "7.1.1"), ("7.10", "7.10.0"), (" 10.1 ", "10.1.0"), ("6.3", "6.3.3"), ("7.2.9", None),
     ("7", None), ("7.2.4.1", None), ("7.2.4-1", None), ("", None), ("latest", None), ("7.2.4\n--help", None), ("\u0667.\u0662", None)],
)
def test_release(text: str, expected: str | None) -> None:
    found = rocm_releases.release(text)
    assert (found.version if found else None) == expected


@pytest.mark.parametrize(
    ("streams", "expected"), [((), "10.1.0"), (("legacy",), "7.2.4"), (("preview",), "7.13.0"), (("therock",), "10.1.0")]
)
def test_newest(streams: tuple[str, ...], expected: str) -> None:
    assert rocm_releases.newest(*streams).version == expected


def test_newest_of_series_has_no_previews() -> None:
    found = [one.version for one in rocm_releases.newest_of_series()]
    assert found == ["5.7.1", "6.0.2", "6.1.5", "6.2.4", "6.3.3", "6.4.4", "7.0.2", "7.1.1", "7.2.4", "7.14.1", "10.0.0", "10.1.0"]


@pytest.mark.parametrize(
    ("first", "last", "version", "expected"),
    [("6.3", "6.4", "6.4.4", True), ("6.3", "6.4", "7.0.0", False), ("6.4.1", "6.4", "6.4.0", False), ("7.2", None, "7.10.0", True),
     ("7.10", None, "7.2.4", False), ("6.3", "6.4.1", "6.4.2", False), ("6.3", "6.4.1", "6.4.1", True), (None, None, "1.0.0", True)],
)
def test_covers(first: str | None, last: str | None, version: str, expected: bool) -> None:
    assert rocm_releases.covers(first, last, version) is expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [("7.2.0", "7.2"), ("7.2.4", "7.2.4"), ("10.1.0", "10.1"), ("6.0.0", "6.0"), ("30.30.0", "30.30"), ("31.40.1", "31.40.1"),
     ("7.10.0", "7.10"), ("7.2", "7.2"), ("7.10", "7.10")],
)
def test_folder(version: str, expected: str) -> None:
    assert rocm_releases.folder(version) == expected
