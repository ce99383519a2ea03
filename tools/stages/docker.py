# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule scenarios, which run in containers."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess

from .places import CHECKOUT
from .runner import Stage

_SCENARIOS = CHECKOUT / "extensions" / "molecule"
_NO_HOSTS = re.compile(r"(?i)no hosts matched|could not match supplied host pattern|provided hosts list is empty")


@functools.cache
def no_engine() -> str:
    """Why containers cannot be started here, or nothing."""
    if not shutil.which("docker"):
        return "no docker command"
    try:
        argv = ["docker", "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return "the Docker engine does not answer"
    return "" if done.returncode == 0 else f"no Docker engine: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"


def no_hosts(output: str) -> str:
    """Ansible ends well where a pattern matches no host; a test that looked at nothing is a failure."""
    found = _NO_HOSTS.search(output)
    return f"it matched no host ({found[0]})" if found else ""


# Run by name and by `make test-all`: its image is of a Debian that changes from day to day, the only one with dnf 5.
_UNSTEADY = frozenset(("nvidia_fedora",))
UNSTEADY = "unsteady"  # their group


def scenarios(everything: bool = False) -> list[Stage]:
    """One stage a scenario; `default` only creates and destroys for the others. everything: with what takes minutes more."""
    names = sorted(path.parent.name for path in _SCENARIOS.glob("*/molecule.yml") if path.parent.name != "default")
    left_out = frozenset() if everything else _UNSTEADY
    more = {"GPUFLEET_TEST_ALL": "1" if everything else ""}
    return [
        Stage(f"molecule/{name}", UNSTEADY if name in left_out else "molecule", (f"{{python}} -m molecule test --scenario-name {name}",),
              venv="molecule", lane="docker", environment=more, missing=no_engine, flaw=no_hosts)
        for name in names
    ]
