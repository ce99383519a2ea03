# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make check`: the main job, on this machine or on a simulated one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from . import venvs
from .interpreters import best
from .places import BUILD, CHECKOUT

_VENV = "controller-newest"


def _set_up(name: str) -> Path:
    try:
        return venvs.ensure(name, best())
    except RuntimeError as error:
        raise SystemExit(str(error)) from None


def python(name: str, arguments: list[str]) -> int:
    """Run Python of a virtual environment; its exit status."""
    venv = _set_up(name)
    return subprocess.run([venv / "bin" / "python", *arguments], cwd=CHECKOUT, env=_environment(venv), check=False).returncode


def _environment(venv: Path) -> dict[str, str]:
    return venvs.inside(venv, PYTHONPATH=str(CHECKOUT / "tests"))


def _simulated(*arguments: str) -> int:
    return python(_VENV, ["-m", "fakegpu", *arguments])


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
    return python(_VENV, ["-m", "ansible", "playbook", "playbooks/check_gpu.yml", *words])
