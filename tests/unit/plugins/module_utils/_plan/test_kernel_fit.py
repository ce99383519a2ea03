# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that a driver's module cannot be built for: what is chosen instead, and what is refused with which nearest choice."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._check._node import Node
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._plan import _kernel_fit
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan
from planlab import Laboratory, apply, machine, offer, order_of
from planned_node import change, chosen

OFFERS = {"debian-12": ("bookworm",), "debian-13": ("trixie", "trixie-backports", "nvidia-debian13"),
          "ubuntu-24.04": ("ubuntu-24.04", "nvidia-ubuntu2404"), "rocky-9": ("nvidia-rhel9", "el9-base"),
          "rhel-10": ("nvidia-rhel10", "el10-base")}
TRIXIE, PVE, BACKPORT = "6.12.57+deb13-amd64", "6.17.13-2-pve", "6.19.2-amd64"
NOBLE, MAINLINE = "6.8.0-88-generic", "6.19.0-7-generic"
EL7 = "3.10.0-1160.el7.x86_64"
NVIDIA: dict[str, Any] = {"origin": "nvidia"}


def with_kernels(distribution: str, card: str, *releases: str) -> Inventory:
    """A machine that runs the first of these kernels, with headers for each, and boots the last one next."""
    inventory = copy.deepcopy(machine(gpus=[card], distribution=distribution))
    rows = [{"release": one, "next_boot": one == releases[-1], "headers": True, "modules": {}} for one in releases]
    inventory.kernel.update(release=releases[0], next_boot_release=releases[-1], installed=rows)
    return inventory


def planned(inventory: Inventory, distribution: str, **options: Any) -> Plan:
    return Laboratory(inventory, order_of(persistence=False, **options), offer(*OFFERS[distribution])).run()


def told(plan: Plan, severity: str) -> list[str]:
    return [one.code for one in plan.refusals if one.severity == severity and one.code.startswith("ND-KERNEL")]


@pytest.mark.parametrize(("distribution", "card", "releases", "options", "driver", "warnings"), [
    ("debian-13", "RTX4090", (TRIXIE,), {}, "550.163.01-2", []),
    # The release's 550 does not build, its 535 does; a wish for 550 takes what backports patched.
    ("debian-13", "RTX4090", (TRIXIE, PVE), {}, "535.274.02-1~deb13u1", []),
    ("debian-13", "RTX4090", (TRIXIE, PVE), {"version": "550"}, "550.163.01-4~bpo13+1", []),
    ("debian-13", "RTX4090", (PVE, TRIXIE), {"version": "550.163.01-2"}, "550.163.01-2", ["ND-KERNEL-TOO-NEW"]),
    ("debian-13", "RTX4090", (BACKPORT,), NVIDIA, "595.71.05-1", []),
    # 580 is sure to fail with 7.2, of 595.71.05 only one report says so.
    ("debian-13", "RTX4090", ("7.2.1-amd64",), NVIDIA, "595.71.05-1", ["ND-KERNEL-TOO-NEW"]),
    ("ubuntu-24.04", "A100-PCIE-40GB", (NOBLE,), NVIDIA, "580.105.08-0ubuntu1", []),
    ("ubuntu-24.04", "A100-PCIE-40GB", (NOBLE, MAINLINE), NVIDIA, "595.71.05-1ubuntu1", []),
    # Ubuntu patches its own packages: nothing is known against them.
    ("ubuntu-24.04", "A100-PCIE-40GB", (NOBLE, MAINLINE), {"version": "580", "precompiled": "never"}, "580.95.05-0ubuntu0.24.04.2", []),
    ("rhel-10", "A100-PCIE-40GB", ("7.0.3-1.el10.x86_64",), {}, "3:595.71.05-1.el10", []),
    ("rocky-9", "A100-PCIE-40GB", (EL7,), {"acknowledge": ["ND-KERNEL-TOO-OLD"]}, "3:580.105.08-1.el9", ["ND-KERNEL-TOO-OLD"]),
    ("debian-13", "RTX4090", (BACKPORT,), {"acknowledge": ["ND-KERNEL-TOO-NEW"], "version": "550"}, "550.163.01-2", ["ND-KERNEL-TOO-NEW"]),
])
def test_a_driver_that_builds_for_the_kernels_is_preferred(
    distribution: str, card: str, releases: tuple[str, ...], options: dict[str, Any], driver: str, warnings: list[str]
) -> None:
    plan = planned(with_kernels(distribution, card, *releases), distribution, **options)
    assert plan.chosen is not None, plan.refusals
    assert (plan.status, plan.chosen.revision, told(plan, "critical"), told(plan, "warning")) == ("change", driver, [], warnings)


@pytest.mark.parametrize(("distribution", "card", "releases", "options", "reason"), [
    ("debian-13", "RTX4090", (TRIXIE, PVE), {}, "550 would come first: its 550.163.01-2 does not build for kernel 6.17.13-2-pve"),
    ("ubuntu-24.04", "A100-PCIE-40GB", (NOBLE, MAINLINE), NVIDIA,
     "580 would come first: its 580.105.08-0ubuntu1 does not build for kernel 6.19.0-7-generic"),
    ("ubuntu-24.04", "A100-PCIE-40GB", (NOBLE,), NVIDIA, None),
    ("ubuntu-24.04", "A100-PCIE-40GB", (MAINLINE,), {**NVIDIA, "version": "595"}, None),
])
def test_the_plan_says_why_another_branch_comes(
    distribution: str, card: str, releases: tuple[str, ...], options: dict[str, Any], reason: str | None
) -> None:
    plan = planned(with_kernels(distribution, card, *releases), distribution, **options)
    assert [one for one in plan.reasons if "would come first" in one] == ([reason] if reason else [])


@pytest.mark.parametrize(("distribution", "card", "releases", "options", "message", "first", "use"), [
    ("debian-13", "RTX4090", (TRIXIE, BACKPORT), {},
     "kernel 6.19.2-amd64 is too new for driver 550.163.01-2 of debian: its module does not build for Linux 6.17 and later; use version"
     " 580 with origin: nvidia, or boot kernel 6.12.57+deb13-amd64, which is installed",
     'version: "580"', ({"version": "580"}, {"origin": "nvidia"})),
    ("debian-13", "RTX4090", (PVE,), {"version": "550.163.01-2"},
     "kernel 6.17.13-2-pve is too new for driver 550.163.01-2 of debian: its module does not build for Linux 6.17 and later; use version"
     " 535.274.02-1~deb13u1", 'version: "535.274.02-1~deb13u1"', ({"version": "535.274.02-1~deb13u1"},)),
    ("ubuntu-24.04", "A100-PCIE-40GB", (MAINLINE,), {**NVIDIA, "version": ">=580,<590"},
     "kernel 6.19.0-7-generic is too new for driver 580.105.08-0ubuntu1 of nvidia_ubuntu: its module does not build for Linux 6.19 and"
     " later; use version 595.71.05, 595.58.03 or 615.71.09", 'version: "595.71.05"',
     ({"version": "595.71.05"}, {"version": "595.58.03"}, {"version": "615.71.09"})),
    ("rhel-10", "V100-PCIE-32GB", ("7.0.3-1.el10.x86_64",), {},
     "kernel 7.0.3-1.el10.x86_64 is too new for driver 3:580.105.08-1.el10 of nvidia_dnf: its module does not build for Linux 6.19 and"
     " later; use version 580.178.04, which is not offered here", 'version: "580.178.04"', ({"version": "580.178.04"},)),
    ("rocky-9", "A100-PCIE-40GB", (EL7,), {},
     f"kernel {EL7} is too old for branch 580, which wants at least 4.15: use version 550, which is not offered here",
     'version: "550"', ({"version": "550"},)),
    ("rocky-9", "B200", ("4.14.0-1.el7.x86_64",), {},
     "kernel 4.14.0-1.el7.x86_64 is too old for branch 580, which wants at least 4.15: no version is known that fits", "uname -r", ()),
])
def test_what_no_version_in_the_wish_builds_for_is_refused(
    distribution: str, card: str, releases: tuple[str, ...], options: dict[str, Any], message: str, first: str, use: Any
) -> None:
    plan = planned(with_kernels(distribution, card, *releases), distribution, **options)
    assert (plan.status, plan.steps) == ("refused", ())
    found = plan.refusals[0]
    assert (found.severity, found.message, found.remedy.splitlines()[0], found.use) == ("critical", message, first, use)


def test_a_driver_that_is_there_meets_a_newer_kernel() -> None:
    """The wish is served, so the version stays: its revision that was patched comes from backports, and no older driver is named. A
    kernel that has a module of this version is none that it fails for."""
    inventory = apply(with_kernels("debian-13", "RTX4090", TRIXIE), planned(with_kernels("debian-13", "RTX4090", TRIXIE), "debian-13"))
    inventory.kernel["installed"].append({"release": PVE, "next_boot": True, "headers": False, "modules": {}})
    inventory.kernel["installed"][0]["next_boot"] = False
    inventory.kernel["next_boot_release"] = PVE
    plan = planned(inventory, "debian-13", acknowledge=["ND-NO-HEADERS"])
    assert plan.chosen is not None, plan.refusals
    assert (plan.status, plan.chosen.revision) == ("change", "550.163.01-4~bpo13+1")
    found = planned(inventory, "debian-13", version="550.163.01-2").refusals
    assert [(one.code, one.use) for one in found] == [("ND-KERNEL-TOO-NEW", ({"version": "580"}, {"origin": "nvidia"}))]
    inventory.kernel["installed"][-1]["modules"] = {"nvidia": {"version": "550.163.01", "flavour": "proprietary", "path": "/lib"}}
    assert told(planned(inventory, "debian-13", version="550.163.01-2"), "critical") == []


def test_a_kernel_that_comes_along_counts_like_the_next_one_and_one_nobody_boots_does_not() -> None:
    node = Node(with_kernels("debian-13", "RTX4090", TRIXIE))
    driver = chosen("580.95.05", origin="nvidia_debian")
    assert _kernel_fit.misfits(node, driver) == []
    coming = (change("linux-image-6.19.2-amd64", "6.19.2-1"),)
    assert [(one.release, one.stops) for one in _kernel_fit.misfits(node, driver, coming)] == [(BACKPORT, True)]
    assert _kernel_fit.misfits(node, driver._replace(build="prebuilt"), coming) == []
    old = Node(with_kernels("debian-13", "RTX4090", EL7, TRIXIE))
    old.inventory.kernel["release"] = TRIXIE
    assert _kernel_fit.misfits(old, driver) == []


@pytest.mark.parametrize(("distribution", "cards"), [("debian-12", ["RTX3080Ti"]), ("debian-13", ["RTX4090", "V100-PCIE-32GB"]),
                                                     ("ubuntu-24.04", ["A100-PCIE-40GB", "V100-PCIE-32GB"]),
                                                     ("rocky-9", ["A100-PCIE-40GB"]), ("rhel-10", ["A100-PCIE-40GB", "V100-PCIE-32GB"])])
def test_no_plan_builds_a_module_that_is_known_to_fail_for_the_next_boot(distribution: str, cards: list[str]) -> None:
    for card in cards:
        for release in ("4.4.0-1-amd64", "6.12.57-amd64", "6.15.2-amd64", "6.17.1-amd64", "6.19.1-amd64", "7.0.1-amd64", "7.2.1-amd64"):
            inventory = with_kernels(distribution, card, release)
            for options in ({}, {"version": ">=580"}, {"version": "550"}, NVIDIA, {"flavour": "open"}, {"precompiled": "never"}):
                plan = planned(inventory, distribution, **options)
                assert plan.status in ("change", "refused")
                if plan.status == "change" and plan.chosen:
                    assert not [one for one in _kernel_fit.misfits(Node(inventory), plan.chosen) if one.stops], (release, options)
