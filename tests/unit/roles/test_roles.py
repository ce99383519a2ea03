# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles: their defaults, their argument specifications and the modules that they hand options to say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._plan import order, rocm_order

ROLES = Path(__file__).resolve().parents[3] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir())
# Options that a module takes as absent are empty in a role, whose variables cannot be.
EMPTY = {"mirror": "", "proxy": "", "repository_key": "", "repository_priority": 0, "driver_version": "auto"}
MODULES = {"nvidia_driver": order.ARGUMENTS, "rocm_stack": rocm_order.ARGUMENTS}


def loaded(role: str, path: str) -> dict[str, Any]:
    """A YAML file of a role."""
    found = yaml.safe_load((ROLES / role / path).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def options(role: str) -> dict[str, dict[str, Any]]:
    """The options of a role's main entry point."""
    found: dict[str, dict[str, Any]] = loaded(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


def test_there_are_roles() -> None:
    assert set(MODULES) <= set(NAMES)


@pytest.mark.parametrize("role", NAMES)
def test_every_input_is_specified_with_its_default(role: str) -> None:
    told = {name: about["default"] for name, about in options(role).items() if not about.get("required")}
    assert told == (loaded(role, "defaults/main.yml") if (ROLES / role / "defaults").exists() else {})


@pytest.mark.parametrize("role", NAMES)
def test_inputs_begin_with_the_name_of_the_role(role: str) -> None:
    assert [name for name in options(role) if not name.startswith(f"{role}_")] == []


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, arguments in MODULES.items() for name in sorted(arguments)])
def test_a_role_has_each_option_of_its_module(role: str, name: str) -> None:
    mine, its = options(role)[f"{role}_{name}"], MODULES[role][name]
    assert mine["type"] == its["type"]
    assert mine.get("choices") == its.get("choices")
    assert mine.get("elements") == its.get("elements")
    assert mine["default"] == EMPTY.get(name, its.get("default"))


@pytest.mark.parametrize("role", MODULES)
def test_a_role_hands_all_of_them_on(role: str) -> None:
    tasks = yaml.safe_load((ROLES / role / "tasks/enforce.yml").read_text(encoding="utf-8"))
    handed = tasks[0][f"gpufleet.node.{role}"]
    assert set(handed) == set(MODULES[role])
    for name, value in handed.items():
        assert f"{role}_{name}" in value
