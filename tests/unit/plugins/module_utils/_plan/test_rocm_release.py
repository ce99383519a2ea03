# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release of AMD's own for every product of our tables, every series and three systems: what each choice and each refusal keeps to."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from functools import cache

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import amd, rocm_products
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.rocm_releases import newest_of_series
from ansible_collections.gpufleet.node.plugins.module_utils._plan._rocm_here import around, judge
from ansible_collections.gpufleet.node.plugins.module_utils._plan._rocm_release import Picked, pick
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Refusal
from planlab.rocm import rocm_machine, rocm_order

SYSTEMS = ("noble-mi300x8-bare", "trixie-rx6800xt-bare", "rocky9-mi210-bare", "sles15-mi210-bare")
WISHES = (">=6.0", "<7", *sorted({one.series for one in newest_of_series()})[::2])


@cache
def _base(profile: str) -> Inventory:
    return rocm_machine(profile, ())


def _with(profile: str, *ids: str) -> Inventory:
    """A machine with other cards, of which no driver tells the target."""
    inventory = copy.copy(_base(profile))
    device = next(one for one in inventory.devices if one["vendor"] == "amd")
    inventory.devices = []
    for number, one in enumerate(ids):
        made = copy.deepcopy(device)
        device_id, _colon, revision = one.partition(":")
        made["pci"].update(device_id=device_id, revision=revision or None, address=f"0000:{number + 1:02x}:00.0")
        chip = amd.chip(device_id, revision or None)
        made.update(gfx_target=chip.gfx_target if chip else None, apu=bool(chip and chip.apu), name=chip.name if chip else one)
        inventory.devices.append(made)
    return inventory


def _ids() -> Iterator[str]:
    """One PCI id (with its revision) of each product, and those of chips that no list names."""
    for _product, ids in rocm_products.products():
        yield from list(ids)[:1]
    yield from ("73df", "731f", "67df", "15bf")


def _pick(inventory: Inventory, **options: str) -> Picked | list[Refusal]:
    return pick(inventory, rocm_order(**options), [one for one in around(inventory) if one.kind == "vendor"], None)


@pytest.mark.parametrize("profile", SYSTEMS)
def test_every_product_and_series(profile: str) -> None:
    """A choice is inside the wish and serves the card; a refusal that names a release names one that would be chosen."""
    seen = {"chosen": 0, "refused": 0, "advised": 0}
    for card in sorted(set(_ids())):
        inventory = _with(profile, card)
        for wish in WISHES:
            found = _pick(inventory, version=wish)
            if isinstance(found, Picked):
                seen["chosen"] += 1
                assert rocm_order(version=wish).wish.allows(found.version), (card, wish)
                assert not judge(inventory, found.version).bad, (card, wish, found.version)
                continue
            seen["refused"] += 1
            assert all(one.severity == "critical" and one.remedy for one in found)
            for refusal in found:
                if refusal.code.startswith("RS-GPU") and refusal.use:
                    seen["advised"] += 1
                    better = _pick(inventory, **refusal.use[0])
                    assert isinstance(better, Picked), (card, wish, refusal.use)
    assert min(seen.values()) > 5, seen


@pytest.mark.parametrize("profile", SYSTEMS)
def test_no_card_is_left_out(profile: str) -> None:
    """Two cards: what is chosen serves both, and where nothing does, each card in the way is named."""
    cards = ["740f", "74a1", "66af", "744c", "73bf"]  # MI210, MI300X, Radeon VII, RX 7900, RX 6800 XT
    for first, second in itertools.combinations(cards, 2):
        inventory = _with(profile, first, second)
        for wish in WISHES[:5]:
            found = _pick(inventory, version=wish)
            if isinstance(found, Picked):
                assert not found.judged.bad
            else:
                assert {one.subject for one in found} <= {"0000:01:00.0", "0000:02:00.0", "packages"}
