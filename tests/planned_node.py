# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and orders for tests of single parts of a plan: a simulated machine with a few values changed."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Change, Closure
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Chosen
from planlab import machine

NOTHING = Closure(())


@cache
def _seen(profile: str) -> Inventory:
    return machine(profile)


def node(profile: str, changes: dict[str, Any] | None = None) -> Inventory:
    """node("library-mismatch", {"health.gpu_holders": None, "devices.0.mig": {…}}): the inventory of a profile with these changes."""
    return changed(copy.deepcopy(_seen(profile)), changes)


def changed(inventory: Inventory, changes: dict[str, Any] | None) -> Inventory:
    """The same inventory with changes by their paths."""
    for path, new in (changes or {}).items():
        section, *keys = path.split(".")
        value = getattr(inventory, section)
        for key in keys[:-1]:
            value = value[int(key)] if isinstance(value, list) else value.setdefault(key, {})
        value[int(keys[-1]) if isinstance(value, list) else keys[-1]] = copy.deepcopy(new)
    return inventory


def chosen(
    version: str = "550.163.01", build: str = "dkms", flavour: str = "proprietary", origin: str = "debian", revision: str = "-2"
) -> Chosen:
    """A driver that a plan leads to."""
    return Chosen(version, int(version.partition(".")[0]), flavour, origin, build, version + revision)


def change(name: str, after: str | None = "550.163.01-2", before: str | None = None) -> Change:
    """One package of a transaction."""
    action = "remove" if after is None else "upgrade" if before else "install"
    return Change(action, name, before, after)


def holder(name: str = "python3", pid: int = 4242, service: bool = False) -> dict[str, Any]:
    """A process that holds a GPU."""
    return {"pid": pid, "name": name, "path": "/dev/nvidia0", "service": service}
