# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which set of driver packages is on a node."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.delivery import deliverer
from ansible_collections.gpufleet.node.plugins.module_utils._plan._present import around, kernels_of, present
from planned_node import node


@pytest.mark.parametrize(("maker", "version"), [("nvidia", "580.95.05"), ("negativo17", None), (None, None)])
def test_a_set_counts_by_its_maker(maker: str | None, version: str | None) -> None:
    inventory, nvidia = node("rocky9-t4"), deliverer("nvidia_el")
    assert nvidia is not None
    for entry in inventory.packages["installed"].values():
        entry.pop("origin")  # what a reader does not know is no key
        entry.update({"origin": maker} if maker else {})
    found = present(inventory, nvidia, kernels_of(inventory, nvidia))
    assert (found.version if found else None) == version


@pytest.mark.parametrize(("programs", "managers"), [(["dnf5"], ["dnf5"]), ([], ["dnf"])])
def test_the_manager_is_the_one_that_the_node_uses(programs: list[str], managers: list[str]) -> None:
    inventory = node("fedora44-l4-bare")
    inventory.system["programs"] = programs
    assert [one.manager for one in around(inventory)] == managers
