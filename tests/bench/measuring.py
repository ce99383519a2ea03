# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all measurements share: a value with its budget, and the time of commands that take turns."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]


class Measurement(NamedTuple):
    """A measured value with its budget; lower is better. A budget of None is for information only."""

    name: str
    value: float
    unit: str
    budget: float | None = None

    @property
    def met(self) -> bool | None:
        return None if self.budget is None else self.value <= self.budget


def environment() -> dict[str, str]:
    """Run the collection of this checkout, in plain words, without caches of earlier runs in the way."""
    return {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "PYTHONPATH": f"{CHECKOUT}/build/collections:{CHECKOUT}/tests",
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "build/collections"), "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False"}


def seconds(command: list[str], worst: int = 0) -> float:
    """Wall time of a command that must succeed: with an exit status of `worst` at most."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=CHECKOUT, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if not 0 <= done.returncode <= worst:
        raise SystemExit(f"bench: {' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - began


def taking_turns(commands: dict[str, list[str]], rounds: int, worst: int = 0) -> dict[str, float]:
    """Median wall time of each command, one round of all after the other; the first round warms caches and does not count."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            spent = seconds(command, worst)
            if turn:
                taken[name].append(spent)
    return {name: statistics.median(values) for name, values in taken.items()}
