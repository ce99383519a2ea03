# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of refusals, and that every code that our modules name has a row."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import refusals

PLUGINS = Path(__file__).resolve().parents[5] / "plugins"
CODE = re.compile(r"[\"']((?:ND|RS)(?:-[A-Z0-9]+)+)[\"']")


# Words that nobody has to give: commands of the node (_check/_commands.py and _plan/_refuse.py).
OF_THE_NODE = {"install", "remove", "policy", "refresh", "repair", "headers", "kernel"}
# Words that a function which makes refusals adds to those that it is given.
ADDED = {"stop": {"wish", "origin"}}


def _calls() -> Iterator[tuple[str, int, str, set[str]]]:
    """(file, line, code, words) of each call that makes a refusal of a code that stands there."""
    for path in sorted(PLUGINS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                codes = [one.value for one in node.args if isinstance(one, ast.Constant) and CODE.fullmatch(repr(one.value))]
                seen = all(keyword.arg for keyword in node.keywords)  # **words cannot be told from here
                if codes and seen and name in ("refuse", "_refusal", "stop"):
                    words = {str(keyword.arg) for keyword in node.keywords} | ADDED.get(name, set())
                    yield path.name, node.lineno, str(codes[0]), words


def _fields(*texts: str) -> set[str]:
    return {field for text in texts for _text, field, _spec, _conversion in string.Formatter().parse(text) if field}


def _lacking(code: str, given: set[str]) -> set[str]:
    """Words of a row's texts that are not given; one with a default is there where those of its default are."""
    row = refusals.refusal_row(code)
    by_default = {word for word, text in row.defaults.items() if _fields(text) <= given}
    return _fields(row.message, row.remedy) - OF_THE_NODE - given - by_default


def test_every_call_gives_the_words_of_its_row() -> None:
    calls = list(_calls())
    assert len(calls) > 30
    lacking = {f"{name}:{line} {code}": _lacking(code, words) for name, line, code, words in calls}
    assert {where: words for where, words in lacking.items() if words} == {}


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
