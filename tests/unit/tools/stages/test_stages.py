# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of the stages: what it counts, what it takes for a failure, which interpreter stands for which role."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "tools"))

from stages import catalogue, docker, interpreters, runner, sanity
from stages.interpreters import Interpreter
from stages.runner import Result, Stage

NOBODY = "PLAY [Look] ***\nskipping: no hosts matched\n"
UNMATCHED = "[WARNING]: Could not match supplied host pattern, ignoring: gpu\n"


def stage(**fields: object) -> Stage:
    return Stage(name="s", group="g", commands=(), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "status", "output", "counts"),
    [
        ({}, 0, "all is well", (1, 0, 0)),
        ({}, 1, "all is well", (0, 1, 0)),
        ({"flaw": docker.no_hosts}, 0, "PLAY RECAP", (1, 0, 0)),
        ({"flaw": docker.no_hosts}, 0, NOBODY, (0, 1, 0)),
        ({"flaw": docker.no_hosts}, 0, UNMATCHED, (0, 1, 0)),
        ({"pytest": True}, 0, "....\n12 passed in 0.10s", (12, 0, 0)),
        ({"pytest": True}, 0, "SKIPPED [2] t.py:3: no file\n12 passed, 2 skipped, 1 xfailed in 1.2s", (13, 0, 2)),
        ({"pytest": True}, 1, "3 failed, 12 passed, 1 error in 1.2s", (12, 4, 0)),
        ({"pytest": True}, 1, "12 passed, 1 warning in 1.2s\n", (12, 1, 0)),
        ({"pytest": True}, 5, "no tests ran in 0.01s", (0, 1, 0)),
        ({"pytest": True}, 0, "2 skipped in 0.01s", (0, 1, 2)),
        ({"pytest": True}, 2, "1 error in 0.01s", (0, 1, 0)),
        ({"left_out": sanity.left_out}, 0, 'WARNING: Skipping sanity test "import" on Python 3.9 because', (1, 0, 1)),
    ],
)
def test_count(fields: dict[str, object], status: int, output: str, counts: tuple[int, int, int]) -> None:
    result = runner._count(stage(**fields), status, output)
    assert (result.passed, result.failed, result.skipped) == counts


def test_reasons_for_skipping_are_shown_once() -> None:
    output = "SKIPPED [2] a.py:3: no file\nSKIPPED [1] b.py:9: no file\nSKIPPED [1] b.py: no root\n1 passed, 4 skipped in 1s"
    assert runner._count(stage(pytest=True), 0, output).notes == ["SKIPPED s: 3 x no file", "SKIPPED s: 1 x no root"]


def test_a_failure_shows_the_end_of_the_output() -> None:
    notes = runner._count(stage(), 3, "\n".join(str(number) for number in range(200))).notes
    assert notes[0] == "s: exit status 3; the end of its output:"
    assert (notes[1], notes[-1], len(notes)) == ("    120", "    199", 81)


@pytest.mark.parametrize(
    ("ci", "lane", "line", "counts"),
    [
        ("", "docker", "SKIPPED s: no engine", (0, 0, 1)),
        ("true", "docker", "s: no engine, and CI=true asks for it", (0, 1, 0)),
        ("true", "", "SKIPPED s: no engine", (0, 0, 1)),
    ],
)
def test_a_stage_that_cannot_run_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, lane: str, line: str, counts: tuple[int, int, int]
) -> None:
    monkeypatch.setenv("CI", ci)
    result = runner.finish(stage(lane=lane, missing=lambda: "no engine"))
    assert (result.passed, result.failed, result.skipped) == counts
    assert line in capsys.readouterr().out.splitlines()


def test_the_last_line_is_the_sum(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    results = {"a": Result("a", passed=3, skipped=1), "b": Result("b", failed=2), "c": Result("c", passed=1)}
    monkeypatch.setattr(runner, "finish", lambda stage: results[stage.name])
    stages = [Stage(name=name, group="g", commands=(), lane="one") for name in results]
    assert runner.run(stages, workers=2) == 2
    assert capsys.readouterr().out.splitlines() == [
        "failed: b (whole output: build/logs/NAME.log)",
        "4 passed, 2 failed, 1 skipped",
    ]


@pytest.mark.parametrize(
    ("minors", "role", "chosen"),
    [
        ([9, 11, 13], "node-oldest", 9),
        ([9, 11, 13], "node-newest", 13),
        ([9, 11, 13], "controller-oldest", 11),
        ([9, 11, 13], "controller-newest", 13),
        ([13], "node-oldest", 13),
        ([13], "node-newest", "Python 3.13 is the only one here; node-oldest runs on it"),
        ([13], "controller-oldest", 13),
        ([13], "controller-newest", 13),
        ([11], "controller-oldest", 11),
        ([11], "controller-newest", "the newest ansible-core needs Python 3.12; the newest here is 3.11"),
    ],
)
def test_roles(monkeypatch: pytest.MonkeyPatch, minors: list[int], role: str, chosen: int | str) -> None:
    monkeypatch.setattr(interpreters, "found", lambda: {minor: Interpreter(minor, f"/python3.{minor}") for minor in minors})
    answer = interpreters.choose(role)
    assert (answer.minor if isinstance(answer, Interpreter) else answer) == chosen


def test_a_shim_that_refuses_to_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version manager's real interpreter is found although its shim, first on PATH, fails."""
    real = Path(sys.executable).resolve()
    name = f"python3.{sys.version_info.minor}"
    shim, managed = tmp_path / "shims" / name, tmp_path / "root" / "versions" / "3" / "bin" / name
    for path in (shim, managed):
        path.parent.mkdir(parents=True)
    shim.write_text("#!/bin/sh\necho 'no version is set' >&2\nexit 127\n")
    shim.chmod(0o755)
    managed.symlink_to(real)
    monkeypatch.setattr(interpreters, "_SYSTEM", ())
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("PATH", str(shim.parent))
    interpreters.found.cache_clear()
    try:
        assert interpreters.found()[sys.version_info.minor].path == str(managed)
    finally:
        interpreters.found.cache_clear()


def test_stages_have_names_of_their_own() -> None:
    names = [stage.name for stage in catalogue.stages()]
    assert len(names) == len(set(names))
    assert {"ruff", "mypy", "sanity", "artefact", "unit-node-oldest", "unit-controller-newest"} <= set(names)
