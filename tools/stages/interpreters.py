# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Pythons this machine has, and which of them stands for the oldest and the newest node and controller."""

from __future__ import annotations

import functools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

NODE_FLOOR, CONTROLLER_FLOOR, NEWEST_CORE_FLOOR = 9, 11, 12
_NEWEST = 14
_SYSTEM = ("/usr/bin", "/usr/local/bin")
# Where version managers keep the interpreters themselves; the shims that they put on PATH may refuse to run.
_MANAGED = (
    ("PYENV_ROOT", "~/.pyenv", "versions/*/bin"),
    ("ASDF_DATA_DIR", "~/.asdf", "installs/python/*/bin"),
    ("MISE_DATA_DIR", "~/.local/share/mise", "installs/python/*/bin"),
    ("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python", "*/bin"),
)
_QUESTION = "import ensurepip, sys, venv; print(*sys.version_info[:2])"


@dataclass(frozen=True)
class Interpreter:
    """A Python 3 that runs and can make virtual environments."""

    minor: int
    path: str

    @property
    def version(self) -> str:
        return f"3.{self.minor}"


def _folders() -> list[Path]:
    """Folders to look in, real interpreters first."""
    managed: list[Path] = []
    for variable, usual, pattern in _MANAGED:
        root = Path(os.environ.get(variable) or usual).expanduser()
        managed += sorted(root.glob(pattern))
    on_path = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    return [*map(Path, _SYSTEM), *managed, *on_path]


def _answers(path: Path, minor: int) -> bool:
    try:
        argv = [str(path), "-I", "-c", _QUESTION]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.split() == ["3", str(minor)]


@functools.cache
def found() -> dict[int, Interpreter]:
    """One interpreter for each minor version of Python 3 that is here, oldest first."""
    folders = _folders()
    here: dict[int, Interpreter] = {}
    for minor in range(NODE_FLOOR, _NEWEST + 1):
        for path in (folder / f"python3.{minor}" for folder in folders):
            if path.exists() and _answers(path, minor):
                here[minor] = Interpreter(minor, str(path))
                break
    return here


def choose(role: str) -> Interpreter | str:
    """The interpreter for a role (`node-oldest` … `controller-newest`), or why no separate one stands for it here."""
    kind, end = role.split("-")
    floor = NODE_FLOOR if kind == "node" else CONTROLLER_FLOOR
    fit = [python for minor, python in sorted(found().items()) if minor >= floor]
    if not fit:
        return f"no Python 3.{floor} or newer that can make virtual environments (on Debian: python3 and python3-venv)"
    if end == "oldest":
        return fit[0]
    if kind == "node" and len(fit) == 1:
        return f"Python {fit[0].version} is the only one here; node-oldest runs on it"
    if kind == "controller" and fit[-1].minor < NEWEST_CORE_FLOOR:
        return f"the newest ansible-core needs Python 3.{NEWEST_CORE_FLOOR}; the newest here is {fit[-1].version}"
    return fit[-1]


def best() -> Interpreter:
    """The newest interpreter fit for a controller; ends the program where there is none."""
    fit = [python for minor, python in found().items() if minor >= CONTROLLER_FLOOR]
    if not fit:
        raise SystemExit(str(choose("controller-oldest")))
    return fit[-1]
