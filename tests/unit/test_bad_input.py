# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a broken machine can show: nothing readable, garbage, floods, lies. Facts keep their form, and no traceback leaves."""

from __future__ import annotations

import copy
import json
import re
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._check.run import check
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._facts import facts
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._survey import SUBSETS
from fakegpu.profile import load_profile
from fakegpu.render import evidence_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "gpu_facts.schema.json"
SCHEMA = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
MACHINES = ("rtx4090-healthy", "rx6800xt-inbox", "h100-mig")
REPORT_ME = re.compile(r"please report")  # what gather says of a fault of ours


def look(document: dict[str, Any]) -> dict[str, Any]:
    """Facts and check of a recorded machine; the facts must have their form, and no reader may have failed by a fault of ours."""
    inventory = gather(load(json.dumps(document)), ("all",), deep=True)
    report = check(inventory, ())
    json.dumps(report.as_dict())
    found = facts(inventory, frozenset(SUBSETS))
    SCHEMA.validate(found)
    faults = [problem for problem in found["problems"] if REPORT_ME.search(problem["message"])]
    assert faults == []
    return found


@pytest.fixture(scope="module", params=MACHINES)
def machine(request: pytest.FixtureRequest) -> dict[str, Any]:
    return evidence_of(load_profile(request.param))


def paths_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(verb, path) for verb in ("files", "dirs", "links") for path in document.get(verb) or {}]


def test_each_path_denied_in_turn(machine: dict[str, Any]) -> None:
    """A path of PCI that is refused may hide a device; every other one must not."""
    whole = look(machine)["count"]
    for verb, path in paths_of(machine):
        document = {**machine, verb: {**machine[verb], path: {"error": "EACCES"}}}
        found = look(document)
        if "/sys/bus/pci" not in path and "/sys/devices" not in path:
            assert found["count"] == whole, path


def test_everything_denied(machine: dict[str, Any]) -> None:
    document = copy.deepcopy(machine)
    for verb, path in paths_of(machine):
        document[verb][path] = {"error": "EACCES"}
    document["dirs"]["/sys/bus/pci/devices"] = {"error": "EACCES"}
    assert {problem["code"] for problem in look(document)["problems"]} >= {"not_permitted"}


@pytest.mark.parametrize(
    "content",
    ["", "\x00\x01\xfe binary \x00", "N/A\n", "9" * 400, "-1\n", "{" * 5000, "é" * 300, "\n" * 1000],
    ids=["empty", "binary", "N/A", "huge number", "negative", "braces", "not ASCII", "only lines"],
)
def test_every_file_and_output_replaced(machine: dict[str, Any], content: str) -> None:
    document = copy.deepcopy(machine)
    for path in document["files"]:
        if "/sys/bus/pci" not in path and "/sys/devices" not in path:
            document["files"][path] = content
    for entry in document["commands"]:
        entry["stdout"] = content
    document["probes"] = {"nvml": {}, "device_access": {}} if not content else {}
    assert look(document)["count"] == look(machine)["count"]


@pytest.mark.parametrize("outcome", [{"error": "timeout"}, {"signal": 11}, {"rc": 255}, {"error": "not_found"}, {"error": "truncated"}],
                         ids=["timeout", "crash", "failure", "not installed", "flood"])
def test_every_command_failing(machine: dict[str, Any], outcome: dict[str, Any]) -> None:
    document = copy.deepcopy(machine)
    document["commands"] = [
        {"argv": entry["argv"], "stdout": (entry.get("stdout") or "")[:200], **outcome} for entry in machine["commands"]]
    document["probes"] = {}
    assert look(document)["count"] == look(machine)["count"]


@pytest.mark.parametrize("answer", [[], "text", 7, {"devices": 3}, {"devices": [None, 5, {}]}, {"devices": [{"pci": "x", "mig": 1}]},
                                    {"error": "Unknown Error"}, {"error": "timeout"}])
def test_a_probe_that_answers_nonsense(machine: dict[str, Any], answer: Any) -> None:
    document = {**machine, "probes": dict.fromkeys((*machine["probes"], "nvml", "device_access"), answer)}
    assert look(document)["count"] == look(machine)["count"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_machines(machine: dict[str, Any], data: st.DataObject) -> None:
    """Cut, doubled and scrambled texts anywhere in a recording."""
    document = copy.deepcopy(machine)
    for _change in range(data.draw(st.integers(1, 6))):
        path = data.draw(st.sampled_from(sorted(document["files"])))
        text = document["files"][path]
        if isinstance(text, str):
            document["files"][path] = mutate(text, data)
        if document["commands"]:
            entry = data.draw(st.sampled_from(document["commands"]))
            entry["stdout"] = mutate(entry.get("stdout") or "", data)
    look(document)


def mutate(text: str, data: st.DataObject) -> str:
    at = data.draw(st.integers(0, max(0, len(text))))
    insertion = data.draw(st.sampled_from(["", "\x00", "N/A", "<", "&x;", "GPU is lost", "-", "\r\n", "9" * 30, text[:50]]))
    return text[:at] + insertion + text[at + data.draw(st.integers(0, 40)):]


def test_a_flood_is_cut_at_the_limit() -> None:
    """100 MB in one file: readers take what they can use and no more."""
    files = {"/etc/os-release": "ID=debian\n" + "#" * 50_000_000, "/proc/version": "x" * 50_000_000}
    found = look({"evidence": 1, "files": files, "commands": []})
    assert found["system"]["distribution"] == "debian"


@pytest.mark.parametrize(
    "path",
    ["/boot/grub/grub.cfg", "/etc/default/grub", "/etc/modprobe.d/x.conf", "/etc/os-release", "/var/lib/dpkg/status",
     "/usr/lib/python3/dist-packages/torch/version.py"],
)
@pytest.mark.parametrize("text", ["\n" * 300_000, "cuda = 'x" + " " * 300_000 + "y\n"], ids=["blank lines", "blanks"])
def test_a_flood_of_blanks_costs_no_time(path: str, text: str) -> None:
    """A pattern whose cost grows with the square of a text would be busy for minutes."""
    document = evidence_of(load_profile("rtx4090-healthy"))
    document["files"][path] = text
    begun = time.process_time()
    look(document)
    assert time.process_time() - begun < 5
