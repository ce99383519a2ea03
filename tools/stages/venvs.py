# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments of locked requirements, made once and used again while neither lock nor interpreter changes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .interpreters import Interpreter, best
from .places import BUILD, CHECKOUT, environment, lock

_ROOT = CHECKOUT / ".venv"
_STAMP = "complete"


def _digest(requirements: Path, interpreter: Interpreter) -> str:
    # The checkout's path belongs to it: scripts of a virtual environment name their interpreter by full path.
    parts = (requirements.read_text(), os.path.realpath(interpreter.path), str(CHECKOUT))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _install(folder: Path, requirements: Path, interpreter: Interpreter) -> None:
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--no-compile", "-r", str(requirements)]
    for argv in ([interpreter.path, "-m", "venv", str(folder)], pip):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(), check=False)
        if done.returncode:
            words = f"{done.stdout}\n{done.stderr}".strip()
            raise RuntimeError(f"{' '.join(argv[:4])} … ended with {done.returncode}:\n{words}")


def ensure(name: str, interpreter: Interpreter) -> Path:
    """The folder of the virtual environment with requirements/`name`.txt on `interpreter`; made where it is not there.

    Raises RuntimeError with the words of venv or pip where it cannot be made.
    """
    requirements = CHECKOUT / "requirements" / f"{name}.txt"
    folder = _ROOT / f"{name}-{interpreter.version}-{_digest(requirements, interpreter)}"
    if (folder / _STAMP).exists():
        return folder
    with lock(folder.name):
        if not (folder / _STAMP).exists():
            print(f"setting up {name} on Python {interpreter.version} …", file=sys.stderr, flush=True)
            began = time.monotonic()
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder, requirements, interpreter)
            (folder / _STAMP).write_text(f"{time.monotonic() - began:.1f} s\n")
    return folder


def compiler() -> Path:
    """A folder for PYTHONPATH with nothing but the C compiler: the wheel `ziglang`, which the scenarios' environment holds."""
    package = next(ensure("molecule", best()).glob("lib/python*/site-packages/ziglang"))
    folder = BUILD / "compiler" / package.parents[3].name
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (folder / "ziglang").symlink_to(package)
    return folder


def inside(folder: Path, **more: str) -> dict[str, str]:
    """The environment for a command of this virtual environment."""
    base = environment(**more)
    return {**base, "VIRTUAL_ENV": str(folder), "PATH": f"{folder / 'bin'}{os.pathsep}{base.get('PATH', os.defpath)}"}
