# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of refusals, and that every code that our modules name has a row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import refusals

PLUGINS = Path(__file__).resolve().parents[5] / "plugins"
CODE = re.compile(r"[\"'](ND(?:-[A-Z0-9]+)+)[\"']")


def test_row() -> None:
    row = refusals.refusal_row("ND-DOWNGRADE")
    assert (row.code, row.severity) == ("ND-DOWNGRADE", "critical")
    assert row.defaults == {"packages": "{installed} → {version}"}
    assert row.remedy.splitlines()[0] == "allow_downgrade: true"
    assert row.reference.startswith("https://")


def test_every_row_can_be_read() -> None:
    assert len(refusals.codes()) >= 60
    assert {refusals.refusal_row(code).severity for code in refusals.codes()} == {"warning", "critical"}


def test_unknown_code() -> None:
    with pytest.raises(KeyError):
        refusals.refusal_row("ND-NO-SUCH-CODE")


def test_every_code_of_our_modules_has_a_row() -> None:
    named = {code: path.name for path in PLUGINS.rglob("*.py") for code in CODE.findall(path.read_text(encoding="utf-8"))
             if not path.name.endswith("_table.py")}
    assert len(named) > 40
    assert {code: name for code, name in named.items() if code not in refusals.codes()} == {}
