# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PCI ids."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import _ids


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2684", "2684"),
        ("0x2684", "2684"),
        ("1E30", "1e30"),
        (" 20B5\n", "20b5"),
        ("a1", "00a1"),
        ("", None),
        (None, None),
        ("12345", None),
        ("0x", None),
        ("n/a", None),
        ("26 84", None),
    ],
)
def test_device_id(given: str | None, expected: str | None) -> None:
    assert _ids.device_id(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("c1", "c1"), ("0xC1", "c1"), ("0", "00"), ("00c1", "c1"), ("1c1", None), (None, None), ("", None)],
)
def test_revision_id(given: str | None, expected: str | None) -> None:
    assert _ids.revision_id(given) == expected
