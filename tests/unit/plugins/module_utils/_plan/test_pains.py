# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pains of users of GPU servers as acceptance cases: what a person reads on a machine that has one (pains.yml)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._check.run import check
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._facts import facts
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_text import upstream_version
from ansible_collections.gpufleet.node.plugins.module_utils._plan.answer import failure
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan
from ansible_collections.gpufleet.node.plugins.module_utils._plan.text import screen
from ansible_collections.gpufleet.node.plugins.module_utils._plan.verify import verify
from planlab import Archive, Laboratory, apply, offer, order_of
from planned_node import changed, node

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("pains.yml").read_text(encoding="utf-8"))
OFFERS = {
    "debian-12": ("bookworm",), "debian-13": ("trixie", "trixie-backports", "nvidia-debian13"), "ubuntu-22.04": ("ubuntu-22.04",),
    "ubuntu-24.04": ("ubuntu-24.04", "nvidia-ubuntu2404"), "rocky-9": ("nvidia-rhel9", "el9-base"),
}
DRIVER = re.compile(r"[1-9][0-9]{2}\.[0-9]{2,3}(?:\.[0-9]{2})?")
# Of the thirty those that a driver's installation meets; the others belong to containers, to MIG, to ROCm and to PyTorch.
PAINS = {*range(1, 23), 26}


def sources(inventory: Inventory) -> Archive:
    name = f"{inventory.system['distribution']}-{inventory.system['distribution_version']}"
    return offer(*OFFERS[next(release for release in OFFERS if name.startswith(release))])


def planned(inventory: Inventory, wish: dict[str, Any]) -> Plan:
    return Laboratory(inventory, order_of(**wish), sources(inventory)).run()


def machine_of(case: dict[str, Any]) -> Inventory:
    inventory = node(case["machine"])
    for order in case.get("done", ()):
        inventory = apply(inventory, planned(inventory, order))
        inventory.nvidia["services"] = {"persistenced": "active", "fabricmanager": "active", "imex": "absent", "dcgm": "absent"}
    return changed(inventory, case.get("changes"))


def test_every_pain_has_its_case() -> None:
    assert {case["pain"] for case in CASES} == PAINS


@pytest.mark.parametrize("case", CASES, ids=[f"{case['pain']} {case['title']}" for case in CASES])
def test_what_is_shown(case: dict[str, Any]) -> None:
    inventory, order = machine_of(case), order_of(**case["wish"])
    plan, verification, findings = planned(inventory, case["wish"]), verify(inventory, order), check(inventory, ()).as_dict()["findings"]
    before = (facts(inventory, ("devices", "driver", "kernel")).get("nvidia") or {}).get("driver")
    text = " ".join(" ".join(screen(plan, before, verification, None, findings)).split())
    assert plan.status == case["status"], text
    at = 0
    for words in case["shown"]:
        found = text.find(words, 0 if case.get("unordered") else at)
        assert found >= 0, (words, text)
        at = found + len(words)
    assert not [words for words in case.get("hidden", ()) if words in text], text
    told = failure(plan, verification, findings)
    assert bool(told) is (case["status"] == "refused" or "msg" in case), told
    assert str(told.get("msg", "")).endswith(case.get("msg", "")), told
    assert set(case.get("findings", ())) <= {one["code"] for one in findings}
    if case.get("packages"):
        versions = {upstream_version(one.after) for one in plan.packages if one.after}
        assert {version for version in versions if DRIVER.fullmatch(version)} == {case["packages"]}
