# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make check`: the main job, on this machine or on a simulated one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from . import venvs
from .interpreters import best
from .places import BUILD, CHECKOUT, copy_tracked

_VENV = "controller-newest"
# The report and the failures, without a line for each task that went well.
_TERSE = {"ANSIBLE_DISPLAY_OK_HOSTS": "false", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false"}


def _set_up(name: str) -> Path:
    try:
        return venvs.ensure(name, best())
    except RuntimeError as error:
        raise SystemExit(str(error)) from None


def python(name: str, arguments: list[str], *folders: Path, **environment: str) -> int:
    """Run Python of a virtual environment, with our test tools and more folders to import from; its exit status."""
    venv = _set_up(name)
    path = os.pathsep.join(map(str, (CHECKOUT / "tests", *folders)))
    argv = [str(venv / "bin" / "python"), *arguments]
    return subprocess.run(argv, cwd=CHECKOUT, env=venvs.inside(venv, PYTHONPATH=path, **environment), check=False).returncode


def bench(arguments: list[str]) -> int:
    """Measure speed; the fake library needs the compiler."""
    try:
        compiler = venvs.compiler()
    except RuntimeError as error:
        raise SystemExit(str(error)) from None
    return python(_VENV, ["tests/bench", *arguments], compiler)


def _simulated(*arguments: str) -> int:
    return python(_VENV, ["-m", "fakegpu", *arguments])


def release() -> int:
    """Build the collection from the tracked files into build/release; the exit status of ansible-galaxy."""
    copy = copy_tracked(BUILD / "release-tree")
    return python(_VENV, ["-m", "ansible", "galaxy", "collection", "build", str(copy), "--output-path", str(BUILD / "release"), "--force"])


def check(profile: str) -> int:
    """The verdict on this machine, or on a simulated one by replay; 0 where a verdict was reached, good or bad."""
    if profile == "list":
        return _simulated("list")
    venv = _set_up(_VENV)
    # Our own interpreter, since it has pynvml: NVML tells more than nvidia-smi's output does.
    words = ["-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter='{venv / 'bin' / 'python'}'"]
    if profile:
        evidence = BUILD / "evidence" / f"{profile}.json"
        evidence.parent.mkdir(parents=True, exist_ok=True)
        if _simulated("evidence", profile, str(evidence)):
            print("`make check PROFILE=list` names the simulated machines", file=sys.stderr)
            return 2
        words += ["-e", f"check_gpu_evidence='{evidence}'"]
    return python(_VENV, ["-m", "ansible", "playbook", "playbooks/check_gpu.yml", *words], **_TERSE)
