# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of `make test`, as data; a new check is one entry here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import docker, sanity, venvs
from .runner import Stage

_PYTEST = "{python} -m pytest -q --basetemp={scratch}"
# What nodes never run; tests of modules are about Ansible's side of them.
_CONTROLLER_ONLY = ("roles", "plugins/modules", "plugins/action", "plugins/filter", "plugins/plugin_utils", "tools/stages")
_NODE = " ".join(("tests/unit", *(f"--ignore-glob=*/{folder}/*" for folder in _CONTROLLER_ONLY)))
_GENERATORS = ("render_tables", "render_schema")
_GALAXY = "{python} -m ansible galaxy collection"
_ARTEFACT = "{work}/dist/gpufleet-node-{version}.tar.gz"
# Named, because Ansible's discovery may choose a version manager's shim that refuses to run.
_PYTHON = "--extra-vars ansible_python_interpreter='{python}'"
_OURS = "{collections}/ansible_collections/gpufleet/node"


def _compiler(venv: Path, work: Path) -> Mapping[str, str]:
    return {"PYTHONPATH": str(venvs.compiler())}


def _unit() -> list[Stage]:
    def unit(role: str, venv: str, where: str) -> Stage:
        return Stage(f"unit-{role}", "unit", (f"{_PYTEST} {where}",), venv=venv, role=role, pytest=True, prepare=_compiler)

    return [
        *(unit(role, "node", _NODE) for role in ("node-oldest", "node-newest")),
        *(unit(role, role, "tests/unit") for role in ("controller-oldest", "controller-newest")),
        Stage("unit-rpm", "unit", ("{python} -m stages.rpm {venv}",), venv="node", role="node-newest", pytest=True,
              missing=docker.no_engine, environment={"PYTHONPATH": "tools"}),
    ]


def _lint() -> list[Stage]:
    scripts = " ".join(f"tools/{tool}" for tool in _GENERATORS)
    mypy = f"{{python}} -m mypy {_OURS}/plugins {_OURS}/tests/unit tests/conftest.py tests/fakegpu tests/bench tools noxfile.py {scripts}"
    return [
        Stage("ruff", "lint", ("{python} -m ruff check --no-cache .",)),
        Stage("mypy", "lint", (mypy,), environment={"MYPYPATH": "{collections}:tests:tools"}),
        Stage("licence-headers", "lint", ("{python} -m stages.headers",), environment={"PYTHONPATH": "tools"}),
        Stage("yamllint", "lint", ("{python} -m yamllint --strict .",), copy=True),
        Stage("ansible-lint", "lint", ("{python} -m ansiblelint --offline",), venv="molecule", copy=True,
              environment={"ANSIBLE_COLLECTIONS_PATH": "{work}/tree"}),
        Stage("antsibull-docs", "lint", ("{venv}/bin/antsibull-docs lint-collection-docs --plugin-docs .",), copy=True,
              environment={"ANSIBLE_COLLECTIONS_PATH": "{work}/tree"}),
        Stage("changelog", "lint", ("{python} -m antsibull_changelog lint",), copy=True),
        Stage("generated", "lint", tuple(f"{{python}} tools/{tool} --check" for tool in _GENERATORS), venv="controller-newest"),
    ]


def _alone(venv: Path, work: Path) -> Mapping[str, str]:
    """Nothing of the checkout: an empty configuration, and only the collections that were installed."""
    configuration = work / "ansible.cfg"
    configuration.write_text("")
    return {"ANSIBLE_CONFIG": str(configuration), "ANSIBLE_COLLECTIONS_PATH": str(work / "site")}


def _artefact() -> list[Stage]:
    build = f"{_GALAXY} build {{copy}} --output-path {{work}}/dist"
    return [
        Stage("galaxy-importer", "artefact", (build, f"{{python}} -m galaxy_importer.main {_ARTEFACT}"), venv="galaxy", copy=True,
              environment={"GALAXY_IMPORTER_TMP_ROOT_DIR": "{work}", "GALAXY_IMPORTER_ANSIBLE_LOCAL_TMP": "{work}/tmp"}),
        Stage("artefact", "artefact", (
            build,
            f"{_GALAXY} install {_ARTEFACT} --collections-path {{work}}/site --offline",
            "{python} -m ansible adhoc localhost --connection local --module-name gpufleet.node.gpu_facts",
            f"{{python}} -m ansible playbook gpufleet.node.check_gpu --inventory localhost, --connection local {_PYTHON}",
        ), venv="controller-newest", copy=True, prepare=_alone, flaw=docker.no_hosts),
    ]


def stages(everything: bool = False) -> list[Stage]:
    """All stages; the long ones first, so that the short ones fill the other core. everything: what `make test-all` does."""
    return [
        *docker.scenarios(everything),
        Stage("sanity", "sanity", ("{python} -m ansible test sanity --color no --python default",), venv="controller-newest",
              copy=True, prepare=sanity.home, left_out=sanity.left_out),
        *_unit(),
        *_artefact(),
        *_lint(),
    ]
