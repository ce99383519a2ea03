# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run stages side by side, say how each ended, and count."""

from __future__ import annotations

import collections
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import venvs
from .interpreters import Interpreter, best, choose
from .places import BUILD, CHECKOUT, COLLECTIONS, copy_tracked, lock

LIMIT_S = 30 * 60
_TAIL = 80
_PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)")
_PYTEST_REASON = re.compile(r"(?m)^SKIPPED \[(\d+)\] \S+?: (.+)$")


def _nothing(*_: object) -> str:
    return ""


@dataclass(frozen=True)
class Stage:
    """One thing that `make test` does.

    `commands` are lines whose words may hold {python}, {venv}, {work}, {scratch}, {copy}, {collections} and {version}; they run one after
    the other. A stage with `copy` gets a fresh copy of the tracked files and runs there, any other one in the checkout.
    """

    name: str
    group: str
    commands: tuple[str, ...]
    venv: str = "lint"
    role: str = ""  # see interpreters.choose; none: the newest controller Python
    copy: bool = False
    pytest: bool = False
    lane: str = ""  # two stages of one lane never run at the same time
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path, Path], Mapping[str, str]] = lambda venv, work: {}  # returns more environment
    missing: Callable[[], str] = _nothing  # why it cannot run here
    flaw: Callable[[str], str] = _nothing  # what is wrong with an output although the exit status is 0
    left_out: Callable[[str], list[str]] = lambda output: []  # what the tool says that it skipped


@dataclass
class Result:
    stage: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)


_children: set[subprocess.Popen[bytes]] = set()


def stop() -> None:
    """End what the stages have started."""
    for child in list(_children):
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)


def _run(argv: list[str], cwd: Path, env: dict[str, str], log: Path) -> int:
    """Exit status of a command that writes to the end of the log; 124 where it ran into the limit."""
    with log.open("a") as output:
        print("$", *argv, file=output, flush=True)
        child = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        _children.add(child)
        try:
            return child.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            print(f"ended after {LIMIT_S // 60} minutes", file=output)
            return 124
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            _children.discard(child)


def _words(line: str, places: Mapping[str, str]) -> list[str]:
    return [word.format(**places) for word in line.split()]


def _count(stage: Stage, status: int, output: str) -> Result:
    """What one finished stage adds to the sum."""
    left_out = stage.left_out(output)
    result = Result(stage.name, skipped=len(left_out), notes=[f"SKIPPED {stage.name}: {reason}" for reason in left_out])
    flaw = stage.flaw(output) if status == 0 else f"exit status {status}"
    if stage.pytest:
        last = next((line for line in reversed(output.splitlines()) if _PYTEST_COUNT.search(line)), "")
        seen = {word.rstrip("s"): int(number) for number, word in _PYTEST_COUNT.findall(last)}
        result.passed = seen.get("passed", 0) + seen.get("xfailed", 0)
        result.failed = seen.get("failed", 0) + seen.get("error", 0) + seen.get("xpassed", 0)
        result.skipped += seen.get("skipped", 0)
        reasons = collections.Counter[str]()
        for number, reason in _PYTEST_REASON.findall(output):
            reasons[reason] += int(number)
        result.notes += [f"SKIPPED {stage.name}: {number} x {reason}" for reason, number in reasons.items()]
        flaw = flaw or ("" if result.passed else "no test ran")
    elif not flaw:
        result.passed = 1
    if flaw:
        result.failed = max(result.failed, 1)
        result.notes.append(f"{stage.name}: {flaw}; the end of its output:")
        result.notes += [f"    {line}" for line in output.splitlines()[-_TAIL:]]
    return result


def _interpreter(stage: Stage) -> Interpreter | str:
    return choose(stage.role) if stage.role else best()


@contextlib.contextmanager
def _scratch(work: Path) -> Iterator[str]:
    """Where tests write: below the stage's own folder, or elsewhere where package managers and sh could not quote its path."""
    if re.fullmatch(r"[\w@%+=:,./~-]+", str(work), re.ASCII):
        yield str(work / "tmp")
        return
    with tempfile.TemporaryDirectory(prefix="gpufleet-") as folder:
        yield f"{folder}/tmp"


def _perform(stage: Stage, interpreter: Interpreter) -> Result:
    slug = stage.name.replace("/", "-")
    work, log = BUILD / "stages" / slug, BUILD / "logs" / f"{slug}.log"
    with lock(f"stage-{slug}"):
        shutil.rmtree(work, ignore_errors=True)
        for folder in (work, log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        try:
            venv = venvs.ensure(stage.venv, interpreter)
        except RuntimeError as error:
            return _count(stage, 1, str(error))
        cwd = copy_tracked(work / "tree") if stage.copy else CHECKOUT
        places = {"python": str(venv / "bin" / "python"), "venv": str(venv), "work": str(work), "copy": str(cwd)}
        places |= {"collections": str(COLLECTIONS), "version": _version()}
        more = {name: value.format(**places) for name, value in stage.environment.items()} | dict(stage.prepare(venv, work))
        status = 0
        with _scratch(work) as scratch:
            for line in stage.commands:
                status = status or _run(_words(line, {**places, "scratch": scratch}), cwd, venvs.inside(venv, **more), log)
    return _count(stage, status, log.read_text(errors="replace"))


def _version() -> str:
    found = re.search(r"(?m)^version: *(\S+)", (CHECKOUT / "galaxy.yml").read_text())
    return found[1] if found else ""


def finish(stage: Stage) -> Result:
    """Run one stage, or find out why it cannot run, and print how it ended."""
    interpreter, why, began = _interpreter(stage), stage.missing(), time.monotonic()
    why = interpreter if isinstance(interpreter, str) else why
    if isinstance(interpreter, str) or why:
        result = Result(stage.name, skipped=1, notes=[f"SKIPPED {stage.name}: {why}"])
        if os.environ.get("CI") == "true" and stage.lane == "docker":
            result = Result(stage.name, failed=1, notes=[f"{stage.name}: {why}, and CI=true asks for it"])
    else:
        result = _perform(stage, interpreter)
    if result.passed or result.failed:
        counts = f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped"
        word = "FAILED " if result.failed else "PASSED "
        line = f"{word} {stage.name:<28} {time.monotonic() - began:6.1f} s"
        result.notes.append(f"{line}  {counts}" if stage.pytest else line)
    print(*result.notes, sep="\n", flush=True)
    return result


def run(stages: list[Stage], workers: int) -> int:
    """Run all stages, `workers` at a time, in order as far as their lanes allow; the number of failures."""
    waiting, busy, results, turn = list(stages), set[str](), list[Result](), threading.Condition()

    def take() -> Stage | None:
        with turn:
            while waiting:
                free = next((stage for stage in waiting if not stage.lane or stage.lane not in busy), None)
                if free:
                    waiting.remove(free)
                    busy.add(free.lane)
                    return free
                turn.wait()
            return None

    def work() -> None:
        while stage := take():
            try:
                result = finish(stage)
            except Exception as error:
                print(f"FAILED  {stage.name}: {type(error).__name__}: {error}", flush=True)
                result = Result(stage.name, failed=1)
            with turn:
                results.append(result)
                busy.discard(stage.lane)
                turn.notify_all()

    threads = [threading.Thread(target=work, daemon=True) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [result.stage for result in results if result.failed]
    if failed:
        print(f"failed: {', '.join(sorted(failed))} (whole output: build/logs/NAME.log)")
    bad = sum(result.failed for result in results)
    passed, skipped = sum(result.passed for result in results), sum(result.skipped for result in results)
    print(f"{passed} passed, {bad} failed, {skipped} skipped", flush=True)
    return bad
