# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every simulated machine, seen through the whole product: profile → evidence → inventory → facts and findings.

`expect` of a profile holds `facts` (path → value; `[*]` means every item), `problems` ("source code", exactly these), `findings` (codes
that are worse than info, exactly these) or `findings_include` (at least these), `info` (at least these), `verdict` and `fitness`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._check.run import check
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._facts import facts
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._survey import wanted_subsets
from fakegpu import evidence_of, load_profile, profile_names

NAMES = profile_names()
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "gpu_facts.schema.json"
MISSING = "(missing)"
EXPECT_KEYS = {"facts", "problems", "findings", "findings_include", "info", "verdict", "fitness"}


@cache
def seen(name: str) -> tuple[dict[str, Any], Any, dict[str, Any], str]:
    """(facts, report, what the profile expects, the evidence as text) of one machine."""
    profile = load_profile(name)
    expect = profile.expect
    text = json.dumps(evidence_of(profile))
    inventory = gather(load(text), ("all",), deep=True)
    return facts(inventory, wanted_subsets(["all"])), check(inventory), expect, text


def pick(value: Any, path: str) -> Any:
    """The value at a path like devices[0].pci.address; with [*] the one value that all items have, or the list of them."""
    steps = re.findall(r"\[(\*|\d+)\]|([^.\[\]]+)", path)
    for number, (index, key) in enumerate(steps):
        if index == "*":
            rest = "".join(f"[{later[0]}]" if later[0] else f".{later[1]}" for later in steps[number + 1 :])
            found = [pick(item, rest) for item in value]
            return found[0] if found and all(one == found[0] for one in found) else found
        if index:
            value = value[int(index)] if int(index) < len(value) else MISSING
        elif isinstance(value, dict):
            value = value.get(key, MISSING)
        elif value is not None:
            return MISSING
    return value


def bad(report: Any) -> list[str]:
    """Codes that are worse than info, each once."""
    return sorted({finding.code for finding in report.findings if finding.severity != "info"})


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_those_of_the_machine(name: str) -> None:
    told, _report, expect, _text = seen(name)
    wrong = {
        path: {"expected": value, "got": pick(told, path)} for path, value in expect.get("facts", {}).items() if pick(told, path) != value
    }
    assert wrong == {}
    problems = sorted({f"{problem['source']} {problem['code']}" for problem in told["problems"]})
    assert problems == sorted(expect.get("problems", []))


@pytest.mark.parametrize("name", NAMES)
def test_check_says_what_is_wrong_with_the_machine(name: str) -> None:
    _told, report, expect, _text = seen(name)
    if "findings" in expect:
        assert bad(report) == sorted(expect["findings"])
    assert set(expect.get("findings_include", [])) - set(bad(report)) == set()
    infos = {finding.code for finding in report.findings if finding.severity == "info"}
    assert set(expect.get("info", [])) - infos == set()
    assert "CHECK-FAILED" not in bad(report)
    verdict = expect.get("verdict", {})
    assert {key: report.verdict[key] for key in verdict} == verdict
    grades = [device["fitness"] for device in report.verdict["devices"]]
    wanted = expect.get("fitness", [])
    assert [grades[number] if grade else None for number, grade in enumerate(wanted)] == wanted


@pytest.mark.parametrize("name", NAMES)
def test_facts_have_the_documented_form(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(seen(name)[0], json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", NAMES)
def test_a_second_look_shows_the_same(name: str) -> None:
    told, _report, _expect, text = seen(name)
    assert facts(gather(load(text), ("all",), deep=True), wanted_subsets(["all"])) == told
    assert json.dumps(evidence_of(load_profile(name))) == text


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_expects_something(name: str) -> None:
    expect = seen(name)[2]
    assert expect.get("facts") or expect.get("findings") is not None
    assert set(expect) <= EXPECT_KEYS
