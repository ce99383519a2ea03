# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of cases.yml, each changed as a test asks."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import SECTIONS, Inventory

MACHINES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "cases.yml").read_text(encoding="utf-8"))["machines"]


def _put(value: Any, path: list[str], new: Any) -> None:
    """Set what stands at a path; numbers are places in lists."""
    for number, key in enumerate(path):
        place: Any = int(key) if isinstance(value, list) else key
        if isinstance(value, list) and place == len(value):
            value.append({})
        if number == len(path) - 1:
            value[place] = new
        elif isinstance(value, dict):
            value = value.setdefault(place, [] if path[number + 1].isdigit() else {})
        else:
            value = value[place]


@pytest.fixture
def machine() -> Callable[..., Inventory]:
    """machine("rtx4090", {"nvidia.driver.held": False}): the inventory of that machine with these changes."""

    def make(name: str, changes: dict[str, Any] | None = None) -> Inventory:
        sections = json.loads(json.dumps(MACHINES[name]))  # nothing shared, also where YAML has an alias
        for path, value in (changes or {}).items():
            _put(sections, path.split("."), copy.deepcopy(value))
        inventory = Inventory()
        for section in ("devices", "problems", *SECTIONS):
            if section in sections:
                setattr(inventory, section, sections[section])
        return inventory

    return make
