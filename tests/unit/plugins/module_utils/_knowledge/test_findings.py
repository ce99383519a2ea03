# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of findings."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import findings


def test_row() -> None:
    row = findings.finding_row("GPU-LOST")
    assert (row.code, row.severity, row.link) == ("GPU-LOST", "critical", "pci")
    assert "{address}" in row.message
    assert row.reference.startswith("https://")


def test_every_code_has_a_row() -> None:
    assert len(findings.codes()) > 100
    assert {findings.finding_row(code).severity for code in findings.codes()} == {"info", "warning", "critical", "unknown"}


def test_unknown_code() -> None:
    with pytest.raises(KeyError):
        findings.finding_row("NO-SUCH-CODE")
