# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thresholds."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import thresholds


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("row_remaps_uncorrected_max", 512, "rows"),
        ("retired_pages_max", 63, "pages"),
        ("nvidia_recommended_branch", 530, "branch"),
    ],
)
def test_threshold(name: str, value: int, unit: str) -> None:
    row = thresholds.threshold(name)
    assert (row.value, row.unit) == (value, unit)
    assert row.origin


def test_unknown_threshold() -> None:
    with pytest.raises(KeyError):
        thresholds.threshold("no_such_threshold")
