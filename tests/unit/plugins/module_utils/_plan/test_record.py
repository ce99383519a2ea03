# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of the record: what this collection brought, and which of it a step names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Change
from ansible_collections.gpufleet.node.plugins.module_utils._plan._record import record_step
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Step

INSTALL = Step("packages", "", "", {"install": [{"name": "driver", "version": "2"}, {"name": "headers", "version": None}]})


@pytest.mark.parametrize(
    ("before", "changes", "packages", "asked"),  # headers are on the node
    [
        pytest.param({}, [Change("install", "driver", None, "2"), Change("install", "gcc", None, "14")], {"driver": "2", "gcc": "14"},
                     ["driver"], id="those that come along are not asked for"),
        pytest.param({}, [Change("upgrade", "headers", "1", "2"), Change("install", "driver", None, "2")], {"driver": "2"}, ["driver"],
                     id="those that were there are somebody else's"),
        pytest.param({"driver": "1"}, [Change("install", "driver", None, "2")], {"driver": "2"}, ["driver"], id="somebody has removed it"),
        pytest.param({}, [Change("install", "driver", None, "1"), Change("install", "driver", None, "2")], {"driver": "1 2"}, ["driver"],
                     id="two at once"),
        pytest.param({"driver": "1"}, [Change("upgrade", "driver", "1", "2")], {"driver": "2"}, ["driver"], id="ours is upgraded"),
        pytest.param({"headers": "5.14"}, [Change("install", "headers", None, "5.15")], {"headers": "5.14 5.15"}, ["headers"],
                     id="of a kernel's packages rpm keeps several"),
        pytest.param({"headers": "5.14 5.15"}, [Change("remove", "headers", "5.14", None)], {"headers": "5.15"}, ["headers"],
                     id="one of several goes"),
        pytest.param({"driver": "1", "gcc": "14"}, [Change("remove", "driver", "1", None)], {"gcc": "14"}, [], id="ours goes"),
    ],
)  # fmt: skip
def test_packages(before: dict[str, str], changes: list[Change], packages: dict[str, str], asked: list[str]) -> None:
    inventory = Inventory()
    record: dict[str, Any] = {"schema_version": 1, "packages": before, "asked": [], "files": [], "repositories": [], "locks": []}
    inventory.packages.update(record=record, installed={"headers": {}})
    [step] = record_step(NVIDIA, inventory, [INSTALL], changes, (), ())
    written = json.loads(step.values["content"])
    assert (written["packages"], written["asked"]) == (packages, asked)
    inventory.packages["record"] = written
    assert record_step(NVIDIA, inventory, [], (), (), ()) == []
