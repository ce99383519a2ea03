# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions that are not what was meant: the package manager would install another driver, or none, or remove what is others'."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Change, Closure, Offer, PackageError
from ansible_collections.gpufleet.node.plugins.module_utils._plan import nvidia_driver
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan
from planlab import machine, offer, order_of
from planlab.resolver import Resolver


@cache
def debian() -> Inventory:
    return machine(gpus=["RTX4090"], distribution="debian-13")


def plan_of(closure: Closure | None = None, more: tuple[Change, ...] = (), less: tuple[str, ...] = (), **options: Any) -> Plan:
    """The plan for a bare host with another transaction than the right one, or with more or less in it."""
    order, archive = order_of(**options), offer("trixie")
    found = nvidia_driver.select(debian(), order, lambda attempt: archive.seen_by(attempt.deliverer.patterns, ["debian"]), "2026-11-23")
    assert not isinstance(found, list)
    right = Resolver(archive, {}, found.request, ["debian"]).run()
    changes = (*(change for change in right.changes if change.name not in less), *more)
    return nvidia_driver.plan(debian(), order, found.attempt.deliverer, found.chosen, found.request,
                              closure or right._replace(changes=changes), found.attempt.repositories, "2026-11-23")


def critical(plan: Plan) -> list[tuple[str, str]]:
    return [(one.code, one.message) for one in plan.refusals if one.severity == "critical"]


def test_the_right_transaction_passes() -> None:
    assert critical(plan_of()) == []


@pytest.mark.parametrize(("more", "less", "code", "message"), [
    ((Change("install", "libcuda1", None, "580.95.05-1", "cuda"),), ("libcuda1",), "ND-OTHER-VERSION",
     "with driver 550.163.01 (version >=530) the package manager would also install libcuda1 580.95.05-1 from cuda"),
    ((Change("install", "nvidia-driver", None, "580.95.05-1"),), (), "ND-OTHER-VERSION",
     "with driver 550.163.01 (version >=530) the package manager would also install nvidia-driver 580.95.05-1 from an unknown repository"),
    ((), ("nvidia-smi",), "ND-NOT-REACHED", "the package manager would not install nvidia-smi 550.163.01-2 for driver 550.163.01"),
    ((Change("remove", "openssh-server", "1:10.0p1-7", None),), (), "ND-REMOVES-OTHERS",
     "the package manager would remove openssh-server, which are no part of the driver"),
    ((Change("remove", "nvidia-container-toolkit", "1.18.1-1", None),), (), "ND-REMOVES-OTHERS",
     "the package manager would remove nvidia-container-toolkit, which are no part of the driver"),
    ((Change("downgrade", "libnvidia-ml1", "580.95.05-1", "550.163.01-2"),), (), "ND-DOWNGRADE",
     "allow_downgrade is false, and this would be a downgrade: libnvidia-ml1 580.95.05-1 → 550.163.01-2"),
])
def test_a_transaction_that_does_something_else_is_refused(
    more: tuple[Change, ...], less: tuple[str, ...], code: str, message: str
) -> None:
    plan = plan_of(None, more, less)
    assert (plan.status, plan.steps) == ("refused", ())
    assert (code, message) in critical(plan)
    assert plan.packages != ()  # a person wants to see what it would have been


def test_the_package_managers_own_words_are_told() -> None:
    plan = plan_of(Closure((), error="nvidia-kernel-dkms : Depends: dkms but it is not installable"))
    assert critical(plan) == [("ND-TRANSACTION", "the package manager finds no way to driver 550.163.01 (version >=530):"
                                                 " nvidia-kernel-dkms : Depends: dkms but it is not installable")]


def test_an_operator_may_live_with_removals_and_with_nothing_else() -> None:
    gone = Change("remove", "openssh-server", "1:10.0p1-7", None)
    assert critical(plan_of(None, (gone,), acknowledge=["ND-REMOVES-OTHERS"])) == []
    other = Change("install", "nvidia-driver", None, "580.95.05-1")
    assert plan_of(None, (other,), acknowledge=["ND-OTHER-VERSION"]).status == "refused"


@pytest.mark.parametrize(("options", "codes"), [
    ({"version": "550"}, []),  # served by the release before backports are asked
    ({"version": "580"}, [("ND-VERSION-NOT-OFFERED", "critical"), ("ND-PACKAGE-MANAGER", "warning")]),
])
def test_a_mirror_without_backports_answers_for_the_release(options: dict[str, Any], codes: list[tuple[str, str]]) -> None:
    archive = offer("trixie")

    def ask(attempt: nvidia_driver.Attempt) -> Offer:
        if attempt.deliverer.id == "debian_backports":
            raise PackageError("no_network", "trixie-backports Release File not found")
        return archive.seen_by(attempt.deliverer.patterns, ["debian"])

    found = nvidia_driver.select(debian(), order_of(origin="distribution", **options), ask, "2026-11-23")
    assert [(one.code, one.severity) for one in (found if isinstance(found, list) else [])] == codes


def test_a_repository_that_nobody_was_asked_before_is_not_passed_over() -> None:
    def ask(_attempt: nvidia_driver.Attempt) -> Offer:
        raise PackageError("no_network", "no answer")

    with pytest.raises(PackageError, match="no answer"):
        nvidia_driver.select(debian(), order_of(), ask, "2026-11-23")
