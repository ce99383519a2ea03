# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every plan, whatever the cards, the sources, the order and the driver that was there before."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import fakegpu
import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_text import upstream_version
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._versions import version_key
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.nvidia_table import TABLE
from ansible_collections.gpufleet.node.plugins.module_utils._plan._cards import cards_of, flavours
from ansible_collections.gpufleet.node.plugins.module_utils._plan._present import revision_of
from ansible_collections.gpufleet.node.plugins.module_utils._plan._removal import _KERNEL
from ansible_collections.gpufleet.node.plugins.module_utils._plan._satisfied import satisfied
from ansible_collections.gpufleet.node.plugins.module_utils._plan.order import Order
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import STATUSES, Plan
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from planlab import Laboratory, apply, machine, offer, order_of, with_cards
from planned_node import node

# One card of each architecture of our table, and some with rules of their own: (PCI device id, name).
CARDS = {
    "fahrenheit": ("0020", "RIVA TNT"),
    "celsius": ("0110", "GeForce2 MX"),
    "kelvin": ("0250", "GeForce4 Ti 4600"),
    "rankine": ("0301", "GeForce FX 5800 Ultra"),
    "curie": ("0040", "GeForce 6800 Ultra"),
    "tesla": ("05e7", "Tesla C1060"),
    "fermi": ("06d1", "Tesla C2050"),
    "kepler": ("102d", "Tesla K80"),
    "maxwell": ("17fd", "Tesla M40"),
    "pascal": ("15f8", "Tesla P100-PCIE-16GB"),
    "volta": ("1db6", "Tesla V100-PCIE-32GB"),
    "turing": ("1eb8", "Tesla T4"),
    "ampere": ("20b5", "NVIDIA A100 80GB PCIe"),
    "ada": ("2684", "NVIDIA GeForce RTX 4090"),
    "hopper": ("2330", "NVIDIA H100 80GB HBM3"),
    "blackwell": ("2901", "NVIDIA B200"),
    "rubin": ("3001", "NVIDIA R100"),
    "unknown": ("3fff", "NVIDIA Graphics Device"),
}
RECENT = ["pascal", "volta", "turing", "ampere", "ada", "hopper", "blackwell"]
OFFERS = {
    "debian-12": ("bookworm",),
    "debian-13": ("trixie", "trixie-backports", "nvidia-debian13"),
    "ubuntu-24.04": ("ubuntu-24.04", "nvidia-ubuntu2404"),
    "rocky-9": ("nvidia-rhel9", "el9-base"),
    "rhel-10": ("nvidia-rhel10", "el10-base"),
}
SOURCES: dict[str, tuple[str, ...]] = {
    **OFFERS, "ubuntu-22.04": ("ubuntu-22.04",), "rocky-8": ("nvidia-rhel8",), "sles-15": ("nvidia-sles15",)}
# Parts of a driver, which have its version; Debian packs the tools on their own.
NVIDIA = re.compile(r"(?:lib)?nvidia(?!-(?:persistenced|modprobe|settings|xconfig|installer-cleanup))|libcuda|cuda-drivers|kmod-nvidia")
DRIVER = re.compile(r"[1-9][0-9]{2}\.[0-9]{2,3}(?:\.[0-9]{2})?")
PROFILES = sorted(path.stem for path in Path(fakegpu.__file__).parents[1].joinpath("profiles").glob("*.yml"))
WISHES = [">=530", "535", "550", "570", "580", "590", "595", "615", "580.95.05", "550.163.01", "550.163.01-4~bpo13+1", ">=535,<590",
          ">=590", ">=580,!=580.105.08", "<580", "lts", "production", "new_feature", "580.1.1", "700"]

ORDERS = st.fixed_dictionaries(
    {"version": st.sampled_from(WISHES)},
    optional={
        "flavour": st.sampled_from(["open", "proprietary"]),
        "origin": st.sampled_from(["distribution", "nvidia"]),
        "components": st.just("full"),
        "precompiled": st.sampled_from(["always", "never"]),
        "hold": st.just(False),
        "persistence": st.just(False),
        "state": st.just("latest"),
        "allow_downgrade": st.just(True),
    },
).filter(lambda one: not (one.get("state") == "latest" and one.get("allow_downgrade")))


@cache
def bare(distribution: str) -> Inventory:
    return machine(gpus=["A100-PCIE-40GB"], distribution=distribution)


def planned(inventory: Inventory, distribution: str, order: Order) -> Plan:
    return Laboratory(inventory, order, offer(*SOURCES[distribution])).run()


def must_hold(inventory: Inventory, distribution: str, order: Order, plan: Plan) -> None:
    """Every plan: inside the wish, for every card, never down unasked; and nothing is left to do after it."""
    assert plan.status in STATUSES
    assert (plan.status == "refused") == any(one.severity == "critical" for one in plan.refusals)
    if plan.status != "change":
        assert plan.steps == ()
        return
    chosen = plan.chosen
    assert chosen is not None
    assert order.wish.allows(chosen.version, revision_of(chosen.revision or ""))
    assert chosen.flavour in flavours(cards_of(inventory.devices), chosen.branch)
    assert order.flavour in ("auto", chosen.flavour)
    before = (inventory.nvidia.get("driver") or {}).get("installed_version")
    if before and not order.allow_downgrade:
        assert version_key(chosen.version) >= version_key(before)
    for step in plan.steps:
        for one in step.values["install"] if step.kind == "packages" else ():
            version = upstream_version(one["version"] or "")
            if len(version.split(".")[0]) == 3:
                assert version == chosen.version, one
    for change in plan.packages:
        assert change.action != "downgrade" or order.allow_downgrade, change
        version = upstream_version(change.after or "")
        assert not NVIDIA.match(change.name) or not DRIVER.fullmatch(version) or version == chosen.version, change
    after = apply(inventory, plan)
    driver = after.nvidia["driver"]
    assert driver["installed_version"] == chosen.version
    again = planned(after, distribution, order)
    assert (again.status, again.steps) == ("nothing_to_do", ()), [step.what for step in again.steps]
    assert satisfied(after, order) in (None, again)


def test_the_cards_here_are_all_architectures_of_the_table() -> None:
    assert {row["name"] for row in json.loads(TABLE)["architectures"]} == set(CARDS) - {"unknown"}


@pytest.mark.parametrize("distribution", OFFERS)
@pytest.mark.parametrize("card", CARDS)
def test_every_architecture_on_every_distribution(card: str, distribution: str) -> None:
    inventory = with_cards(bare(distribution), CARDS[card])
    for wish in (">=340", ">=530", "580", ">=590"):
        order = order_of(version=wish)
        plan = planned(inventory, distribution, order)
        must_hold(inventory, distribution, order, plan)
        if plan.status == "change":
            assert satisfied(apply(inventory, plan), order) is not None, "no node that is as ordered takes a second look"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile(profile: str) -> None:
    """A driver that the wish allows and that drives all cards stays, whatever else the machine lacks and the sources have."""
    inventory = node(profile)
    release = f"{inventory.system['distribution']}-{inventory.system['distribution_version']}"
    distribution = next((name for name in SOURCES if release.startswith(name)), "debian-13")
    for options in ({}, {"state": "latest", "when_busy": "proceed"}, {"version": ">=590", "origin": "nvidia"},
                    {"version": "580", "allow_downgrade": True, "hold": False}):
        order = order_of(**options)
        plan = planned(inventory, distribution, order)
        must_hold(inventory, distribution, order, plan)
        before = str((inventory.nvidia.get("driver") or {}).get("installed_version") or "")
        stays = before and order.state == "present" and order.wish.allows(before)
        if stays and plan.chosen and flavours(cards_of(inventory.devices), int(before.partition(".")[0])):
            assert plan.chosen.version == before


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(distribution=st.sampled_from(sorted(OFFERS)), cards=st.lists(st.sampled_from(RECENT), min_size=1, max_size=2), options=ORDERS)
def test_a_plan_for_a_bare_host(distribution: str, cards: list[str], options: dict[str, Any]) -> None:
    inventory, order = with_cards(bare(distribution), *(CARDS[card] for card in cards)), order_of(**options)
    must_hold(inventory, distribution, order, planned(inventory, distribution, order))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(distribution=st.sampled_from(sorted(OFFERS)), card=st.sampled_from(RECENT), first=ORDERS, then=ORDERS)
def test_a_plan_for_a_host_with_a_driver(distribution: str, card: str, first: dict[str, Any], then: dict[str, Any]) -> None:
    inventory = with_cards(bare(distribution), CARDS[card])
    plan = planned(inventory, distribution, order_of(**first))
    assume(plan.status == "change")
    inventory, order = apply(inventory, plan), order_of(**then)
    must_hold(inventory, distribution, order, planned(inventory, distribution, order))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(distribution=st.sampled_from(sorted(OFFERS)), card=st.sampled_from(RECENT), options=ORDERS)
def test_absent_leaves_the_packages_that_were_there_before(distribution: str, card: str, options: dict[str, Any]) -> None:
    bare_host = with_cards(bare(distribution), CARDS[card])
    plan = planned(bare_host, distribution, order_of(**options))
    assume(plan.status == "change")
    order = order_of(state="absent")
    removal = planned(apply(bare_host, plan), distribution, order)
    assert removal.status == "change", removal.refusals
    after = apply(apply(bare_host, plan), removal)
    kept = {reason.partition(" stays: ")[0] for reason in removal.reasons if " stays: " in reason}
    assert bool(kept) is any(_KERNEL.fullmatch(one.name) for one in plan.packages)  # that one stays, with what it needs
    assert not any("nvidia" in name or "cuda" in name for name in kept)
    assert set(after.packages["installed"]) - kept == set(bare_host.packages["installed"])
    assert {one.name for one in removal.packages} == {one.name for one in plan.packages if one.action == "install"} - kept
    again = planned(after, distribution, order)
    assert (again.status, again.steps) == ("nothing_to_do", ()), [step.what for step in again.steps]
