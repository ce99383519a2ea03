# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Xid numbers."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import xids


@pytest.mark.parametrize(
    ("code", "part", "severity", "meaning"),
    [
        (79, "hardware", "critical", "the GPU has fallen off the bus"),
        (119, "firmware", "critical", "the GSP firmware did not answer in time"),
        (48, "memory", "critical", "memory error that ECC cannot correct"),
        (63, "memory", "warning", "a memory row was remapped or a page retired; it takes effect with a reset"),
        (74, "nvlink", "critical", "error on an NVLink"),
        (13, "application", "warning", "exception in the graphics or compute engine, most often a wrong access of the program"),
        (43, "application", "info", "the program met a fault of its own and was ended; the GPU is healthy"),
        (154, "driver", "warning", "the driver changed which recovery the GPU needs"),
    ],
)
def test_xid(code: int, part: str, severity: str, meaning: str) -> None:
    row = xids.xid(code)
    assert row is not None
    assert (row.code, row.class_, row.severity, row.meaning) == (code, part, severity, meaning)
    assert row.next_step


@pytest.mark.parametrize("code", [0, -1, 999, 4711])
def test_no_xid(code: int) -> None:
    assert xids.xid(code) is None
