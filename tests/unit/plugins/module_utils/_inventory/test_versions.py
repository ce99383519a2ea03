# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._versions import newest_first, version_key
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("6.1.0-9-amd64", "6.1.0-18-amd64"),
        ("6.8.0-44-generic", "6.8.0-101-generic"),
        ("5.14.0-503.29.1.el9_5.x86_64", "5.14.0-687.5.1.el9_8.x86_64"),
        ("6.12-rc1", "6.12"),
        ("6.12~rc1-1", "6.12"),
        ("0-rescue-8f3a", "3.10.0-1160.el7.x86_64"),
        ("6.1.0", "6.1.0-18"),
    ],
)
def test_order(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)
    assert newest_first([older, newer]) == [newer, older]


@given(st.lists(st.text()))
def test_any_text_can_be_sorted(texts: list[str]) -> None:
    assert sorted(newest_first(texts)) == sorted(texts)
