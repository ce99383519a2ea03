# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to go back from a change that several runs have worked at."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import MODPROBE
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Change
from ansible_collections.gpufleet.node.plugins.module_utils._plan import _way_back
from ansible_collections.gpufleet.node.plugins.module_utils._plan._record import closing_step, record_step
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Step

FILES = [Step("file", f"write {path}", "", {"path": path, "content": "new\n"}, undo=f"rm {path}") for path in (OWN.preferences, MODPROBE)]
CHANGES = [Change("install", "driver", None, "2"), Change("upgrade", "library", "1", "2")]
REMOVE = "apt-get remove driver; apt-get install --allow-downgrades library=1"
PACKAGES = Step("packages", "install", "", {"install": [{"name": "driver", "version": "2"}]}, undo=REMOVE)
SERVICE = Step("service", "enable it", "", {"name": "daemon"}, undo="systemctl disable --now daemon")
STREAM = Step("command", "", "", {"argv": ["dnf", "-y", "module", "enable", "nvidia-driver:580"]}, undo="dnf -y module reset nvidia-driver")
LOCK = Step("command", "", "", {"argv": ["dnf", "versionlock", "add", "--raw", "nv*-1.*"]}, undo="dnf versionlock delete --raw 'nv*-1.*'")
RM = [f"rm {MODPROBE}", f"rm {OWN.preferences}"]


def node(**packages: Any) -> Inventory:
    inventory = Inventory()
    inventory.packages.update(packages)
    return inventory


def written(inventory: Inventory, steps: list[Step], changes: list[Change]) -> dict[str, Any]:
    [step] = record_step(OWN, inventory, steps, changes, (), ())
    content: dict[str, Any] = json.loads(step.values["content"])
    return content


def test_the_record_has_the_way_back_of_all_runs() -> None:
    """The first run fails at its packages, the second one wants another version and fails too."""
    record = written(node(), [*FILES, PACKAGES, SERVICE], CHANGES)
    there: dict[str, Any] = {"record": record, "own_files": {OWN.preferences: "new\n", MODPROBE: "new\n"}}
    assert _way_back.told(node(**there)) == RM, "no package came, and services go with theirs"
    half = {**there, "installed": {"library": {"version": "2"}}}
    assert _way_back.told(node(**half)) == [REMOVE, *RM]

    later = [Change("install", "driver", None, "3")]
    other = PACKAGES._replace(undo="apt-get remove driver")
    second = _way_back.restoring(OWN, node(**half), [FILES[0]._replace(values={"path": OWN.preferences, "content": "newer\n"}), other])
    half["record"] = written(node(**half), second, later)
    half["own_files"][OWN.preferences] = "newer\n"
    assert _way_back.told(node(**half)) == [f"printf '%s\\n' new >{OWN.preferences}", REMOVE, *RM]
    half["installed"]["driver"] = {"version": "3"}
    assert _way_back.told(node(**half)) == ["apt-get remove driver", f"printf '%s\\n' new >{OWN.preferences}", REMOVE, *RM]


def test_a_change_that_has_come_to_its_end_needs_none() -> None:
    [first] = record_step(OWN, node(), [*FILES, PACKAGES], CHANGES, (), ())
    closed = _way_back.closed(OWN, node(), [first, *FILES])
    assert closed is not None
    kept = {key: value for key, value in json.loads(first.values["content"]).items() if key != _way_back.KEY}
    assert json.loads(closed) == kept
    # A run that goes on where another one was cut off has no reason to write the record, and still closes it.
    cut_off = node(record=json.loads(first.values["content"]), installed={"driver": {"version": "2"}})
    assert record_step(OWN, cut_off, [], CHANGES[1:], (), ()) == []
    assert _way_back.closed(OWN, cut_off, [PACKAGES]) == closed
    assert [step.values["content"] for step in closing_step(OWN, cut_off)] == [closed]
    ended = node(record=json.loads(closed))
    assert (_way_back.closed(OWN, ended, FILES), closing_step(OWN, ended), _way_back.told(ended)) == (None, [], [])
    gone = Step("file_absent", "", "", {"path": OWN.record})
    assert _way_back.closed(OWN, cut_off, [gone]) is None


@pytest.mark.parametrize("content", ["one\n", "# it's\n\nPackage: nv-[0-9]* lib*\nPin: version 1:580.*\n", "$(touch x) `y` \\n %s\n"])
@pytest.mark.parametrize("kind", ["file", "file_absent", "key"])
def test_what_was_there_is_written_again(kind: str, content: str, tmp_path: Path) -> None:
    path = str(tmp_path / "a file")
    [step] = _way_back.restoring(OWN, node(own_files={path: content}), [Step(kind, "", "", {"path": path}, undo=f"rm {path}")])
    subprocess.run(["sh", "-c", step.undo], check=True, cwd=tmp_path)
    assert Path(path).read_text(encoding="utf-8") == content
    assert [one.name for one in tmp_path.iterdir()] == ["a file"]


@pytest.mark.parametrize(
    ("step", "there", "expected"),
    [
        (STREAM, {}, False),
        (STREAM, {"streams": {"nvidia-driver": "580"}}, True),
        (STREAM, {"streams": {"nvidia-driver": "590"}}, False),
        (LOCK, {"locks": [{"pattern": "other"}]}, False),
        (LOCK, {"locks": [{"pattern": "nv*-1.*"}]}, True),
        (SERVICE, {}, False),
        (FILES[0], {"own_files": {MODPROBE: ""}}, False),
        (PACKAGES, {"installed": {"driver": {"version": "3:2"}}}, True),
        (PACKAGES, {"installed": {"driver": {"version": "1"}, "library": {"version": "1"}}}, False),
    ],
)
def test_only_what_was_done_is_told(step: Step, there: dict[str, Any], expected: bool) -> None:
    record = {_way_back.KEY: _way_back.journal(node(), [step], CHANGES)}
    assert _way_back.told(node(record=record, **there)) == ([step.undo] if expected else [])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["rm a", "apt-get remove a b", "rm a"], ["rm a", "apt-get remove a b"]),
        (["apt-get remove a", "rm b", "apt-get remove c a"], ["rm b", "apt-get remove c a"]),
        (["apt-get remove a", "apt-get remove b"], ["apt-get remove a", "apt-get remove b"]),
        ([], []),
    ],
)
def test_lines_of_several_runs(lines: list[str], expected: list[str]) -> None:
    assert _way_back.merged(lines) == expected
