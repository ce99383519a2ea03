# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of the driver: a machine, package sources and an order, what is planned, and what is planned after that."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_locks import parse_apt_preferences
from ansible_collections.gpufleet.node.plugins.module_utils._plan import nvidia_driver
from ansible_collections.gpufleet.node.plugins.module_utils._plan._templates import package_key
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan
from ansible_collections.gpufleet.node.plugins.module_utils._plan.text import screen
from planlab import Laboratory, apply, machine, offer, order_of, with_cards
from planned_node import node

DEBIAN = ("trixie", "trixie-backports", "nvidia-debian13")
UBUNTU = ("ubuntu-24.04", "nvidia-ubuntu2404")
EL9 = ("nvidia-rhel9", "el9-base")
EL10 = ("nvidia-rhel10", "el10-base")
OFFERS = {"debian-12": ("bookworm",), "debian-13": DEBIAN, "ubuntu-24.04": UBUNTU, "rocky-9": EL9, "rhel-10": EL10}
B200 = {"model": "B200", "fabric": False, "nvlink": None}


@cache
def fresh(distribution: str, *cards: str) -> Inventory:
    gpus: list[Any] = [dict(B200) if card == "B200" else card for card in cards]
    return machine(gpus=gpus, distribution=distribution)


def planned(inventory: Inventory, distribution: str, **options: Any) -> Plan:
    return Laboratory(inventory, order_of(**options), offer(*OFFERS[distribution])).run()


def after(distribution: str, card: str, *orders: dict[str, Any]) -> Inventory:
    """A machine on which these orders were carried out, one after the other."""
    inventory = fresh(distribution, card)
    for options in orders:
        plan = planned(inventory, distribution, **options)
        assert plan.status == "change", (options, plan.refusals)
        inventory = apply(inventory, plan)
    return inventory


def names(plan: Plan) -> list[str]:
    """What the package manager is told to install, in one line each."""
    return [f"{one['name']}={one['version'] or ''}".rstrip("=") for step in plan.steps if step.kind == "packages"
            for one in step.values["install"]]


def codes(plan: Plan, severity: str = "critical") -> list[str]:
    return [one.code for one in plan.refusals if one.severity == severity]


SERVED: list[tuple[str, str, dict[str, Any], str, list[str]]] = [
    ("debian-13", "RTX4090", {}, "550.163.01 proprietary dkms debian",
     ["nvidia-kernel-dkms=550.163.01-2", "libcuda1=550.163.01-2", "nvidia-smi=550.163.01-2", "nvidia-persistenced=550.163.01-1",
      "linux-headers-amd64"]),
    ("debian-13", "RTX4090", {"persistence": False, "flavour": "open"}, "550.163.01 open dkms debian",
     ["nvidia-open-kernel-dkms=550.163.01-2", "libcuda1=550.163.01-2", "nvidia-smi=550.163.01-2", "linux-headers-amd64"]),
    ("debian-13", "RTX4090", {"components": "full", "persistence": False}, "550.163.01 proprietary dkms debian",
     ["nvidia-driver=550.163.01-2", "nvidia-kernel-dkms=550.163.01-2", "libcuda1=550.163.01-2", "nvidia-smi=550.163.01-2",
      "linux-headers-amd64"]),
    ("debian-13", "RTX4090", {"version": "550.163.01-4~bpo13+1", "persistence": False}, "550.163.01 proprietary dkms debian_backports",
     ["nvidia-kernel-dkms=550.163.01-4~bpo13+1", "libcuda1=550.163.01-4~bpo13+1", "nvidia-smi=550.163.01-4~bpo13+1",
      "linux-headers-amd64"]),
    ("debian-13", "RTX4090", {"version": "535", "persistence": False}, "535.274.02 proprietary dkms debian",
     ["nvidia-tesla-535-kernel-dkms=535.274.02-1~deb13u1", "libnvidia-tesla-535-cuda1=535.274.02-1~deb13u1",
      "nvidia-tesla-535-smi=535.274.02-1~deb13u1", "libnvidia-tesla-535-cfg1=535.274.02-1~deb13u1", "linux-headers-amd64"]),
    ("debian-12", "RTX3080Ti", {"persistence": False}, "535.261.03 proprietary dkms debian",
     ["nvidia-kernel-dkms=535.261.03-1", "libcuda1=535.261.03-1", "nvidia-smi=535.261.03-1", "linux-headers-amd64"]),
    ("debian-13", "B200", {"persistence": False}, "580.105.08 open dkms nvidia_debian",
     ["nvidia-driver-pinning-580", "nvidia-driver-cuda=580.105.08-1", "nvidia-kernel-open-dkms=580.105.08-1", "linux-headers-amd64"]),
    ("ubuntu-24.04", "A100-PCIE-40GB", {}, "580.95.05 open prebuilt ubuntu",
     ["linux-modules-nvidia-580-open-generic=6.8.0-90.91", "linux-modules-nvidia-580-open-6.8.0-88-generic=6.8.0-88.89+1",
      "nvidia-headless-no-dkms-580-open=580.95.05-0ubuntu0.24.04.2", "nvidia-utils-580=580.95.05-0ubuntu0.24.04.2",
      "nvidia-compute-utils-580=580.95.05-0ubuntu0.24.04.2"]),
    ("ubuntu-24.04", "V100-PCIE-32GB", {"precompiled": "never"}, "580.95.05 proprietary dkms ubuntu",
     ["nvidia-headless-580=580.95.05-0ubuntu0.24.04.2", "nvidia-utils-580=580.95.05-0ubuntu0.24.04.2",
      "nvidia-compute-utils-580=580.95.05-0ubuntu0.24.04.2", "linux-headers-generic"]),
    # The archive's modules follow its newest driver.
    ("ubuntu-24.04", "A100-PCIE-40GB", {"version": "580.65.06"}, "580.65.06 open dkms ubuntu",
     ["nvidia-headless-580-open=580.65.06-0ubuntu0.24.04.4", "nvidia-utils-580=580.65.06-0ubuntu0.24.04.4",
      "nvidia-compute-utils-580=580.65.06-0ubuntu0.24.04.4", "linux-headers-generic"]),
    ("ubuntu-24.04", "A100-PCIE-40GB", {"version": "production", "origin": "nvidia"}, "595.71.05 open dkms nvidia_ubuntu",
     ["nvidia-driver-pinning-595", "libnvidia-compute=595.71.05-1ubuntu1", "nvidia-dkms-open=595.71.05-1ubuntu1",
      "nvidia-persistenced=595.71.05-1ubuntu1", "linux-headers-generic"]),
    ("ubuntu-24.04", "A100-PCIE-40GB", {"version": "580.95.05", "origin": "nvidia", "hold": False}, "580.95.05 open dkms nvidia_ubuntu",
     ["libnvidia-compute-580=580.95.05-0ubuntu1", "nvidia-dkms-580-open=580.95.05-0ubuntu1", "nvidia-utils-580=580.95.05-0ubuntu1",
      "nvidia-compute-utils-580=580.95.05-0ubuntu1", "linux-headers-generic"]),
    ("rocky-9", "A100-PCIE-40GB", {"version": "580.95.05", "persistence": False}, "580.95.05 open dkms nvidia_el",
     ["nvidia-driver-cuda=3:580.95.05-1.el9", "kmod-nvidia-open-dkms=3:580.95.05-1.el9", "kernel-devel-matched=5.14.0-570.58.1.el9_6"]),
    ("rocky-9", "V100-PCIE-32GB", {"persistence": False}, "580.105.08 proprietary dkms nvidia_el",
     ["nvidia-driver-cuda=3:580.105.08-1.el9", "kmod-nvidia-latest-dkms=3:580.105.08-1.el9",
      "kernel-devel-matched=5.14.0-570.58.1.el9_6"]),
    ("rhel-10", "B200", {"version": ">=590", "persistence": False}, "595.71.05 open dkms nvidia_dnf",
     ["nvidia-driver-cuda=3:595.71.05-1.el10", "kmod-nvidia-open-dkms=3:595.71.05-1.el10", "kernel-devel-matched=6.12.0-55.41.1.el10_0"]),
]


@pytest.mark.parametrize(("distribution", "card", "options", "driver", "install"), SERVED,
                         ids=[f"{row[0]} {row[1]} {row[2]}" for row in SERVED])
def test_a_bare_host_gets_one_driver_and_is_left_alone_then(
    distribution: str, card: str, options: dict[str, Any], driver: str, install: list[str]
) -> None:
    inventory = fresh(distribution, card)
    plan = planned(inventory, distribution, **options)
    assert codes(plan) == []
    assert plan.chosen is not None
    assert f"{plan.chosen.version} {plan.chosen.flavour} {plan.chosen.build} {plan.chosen.origin}" == driver
    assert names(plan)[: len(install)] == install
    again = planned(apply(inventory, plan), distribution, **options)
    assert (again.status, again.steps) == ("nothing_to_do", ())


def recommended(package: str) -> dict[str, Any]:
    branch, _dash, rest = package.removeprefix("nvidia-driver-").partition("-")
    return {"package": package, "branch": int(branch), "server": "server" in rest, "flavour": "open" if "open" in rest else "proprietary"}


@pytest.mark.parametrize(("package", "options", "first", "told"), [
    # Where the rules leave two builds equal, Ubuntu's word counts; a branch of its own is not followed.
    ("nvidia-driver-580-server-open", {}, "linux-modules-nvidia-580-server-open-generic", False),
    ("nvidia-driver-580-open", {}, "linux-modules-nvidia-580-open-generic", False),
    ("nvidia-driver-595-open", {}, "linux-modules-nvidia-580-open-generic", True),
    ("nvidia-driver-580-server", {}, "linux-modules-nvidia-580-open-generic", True),
    ("nvidia-driver-580-server-open", {"version": "595", "precompiled": "never"}, "nvidia-headless-595-open", True),
])
def test_what_ubuntu_drivers_recommends(package: str, options: dict[str, Any], first: str, told: bool) -> None:
    inventory = copy.deepcopy(fresh("ubuntu-24.04", "A100-PCIE-40GB"))
    inventory.packages["recommended"] = [recommended(package)]
    plan = planned(inventory, "ubuntu-24.04", **options)
    assert names(plan)[0].partition("=")[0] == first
    reason = f"ubuntu-drivers recommends {package}; the wish and the rules above count more"
    assert (reason in plan.reasons) is told


REFUSED: list[tuple[str, str, dict[str, Any], list[str], str]] = [
    ("debian-13", "RTX4090", {"version": "580"}, ["ND-VERSION-NOT-OFFERED"],
     "debian does not offer a driver for version 580: the package source offers 535, 550, and none that is in 580 serves every GPU:"
     " use version 550, or another package source"),
    ("debian-13", "RTX4090", {"version": "550.90.07"}, ["ND-VERSION-NOT-OFFERED"],
     "debian does not offer a driver for version 550.90.07: nearest are 550.163.01 and 535.274.02"),
    ("debian-13", "RTX4090", {"version": "550.163.01-9"}, ["ND-VERSION-NOT-OFFERED"],
     "debian does not offer a driver for version 550.163.01-9: nearest are 550.163.01-2 and 535.274.02-1~deb13u1"),
    ("debian-13", "RTX4090", {"precompiled": "always"}, ["ND-NO-PREBUILT"],
     "precompiled is always, and debian has no prebuilt kernel module for every kernel of this node and version >=530"),
    ("debian-12", "RTX3080Ti", {"flavour": "open"}, ["ND-NO-FLAVOUR"],
     "debian has no open kernel module that serves every GPU here and version >=530; it has: proprietary"),
    ("ubuntu-24.04", "A100-PCIE-40GB", {"version": "535"}, ["ND-VERSION-NOT-OFFERED"],
     "ubuntu does not offer a driver for version 535: the package source offers 550, 580, 595, and none that is in 535 serves every GPU:"
     " use version 580, or another package source"),
    ("ubuntu-24.04", "V100-PCIE-32GB", {"version": ">=590"}, ["ND-ORIGIN-NO-GPU"],
     "NVIDIA has no driver for this node and version >=590: Tesla V100-PCIE-32GB (volta) ends with branch 580: use version 580, or <590"),
    ("ubuntu-24.04", "B200", {"flavour": "proprietary"}, ["ND-NO-FLAVOUR"],
     "ubuntu has no proprietary kernel module that serves every GPU here and version >=530; it has: open"),
]


def newer_archive() -> Any:
    """A source that has a branch which our table does not know: 595 under another number."""
    archive = offer(*EL10)

    def renamed(text: str) -> str:
        return text.replace("595.71.05", "995.10.01")

    rows = [one for one in archive.offer.candidates if "595.71.05" in one.version]
    new = [one._replace(version=renamed(one.version), depends=tuple(map(renamed, one.depends)), provides=tuple(map(renamed, one.provides)))
           for one in rows]
    return archive._replace(offer=archive.offer._replace(candidates=(*archive.offer.candidates, *new)))


@pytest.mark.parametrize(("card", "version", "chosen", "critical", "warnings"), [
    ("A100-PCIE-40GB", "995", 995, [], ["ND-BRANCH-UNKNOWN"]),
    ("A100-PCIE-40GB", "995.10.01", 995, [], ["ND-BRANCH-UNKNOWN"]),
    ("A100-PCIE-40GB", ">=590", 595, [], []),  # nobody asked for it by its number
    ("A100-PCIE-40GB", "996", None, ["ND-VERSION-NOT-OFFERED"], []),
    ("V100-PCIE-32GB", "995", None, ["ND-ORIGIN-NO-GPU"], []),  # its support ends with a branch that is known
])
def test_a_branch_that_is_newer_than_our_table(
    card: str, version: str, chosen: int | None, critical: list[str], warnings: list[str]
) -> None:
    plan = Laboratory(fresh("rhel-10", card), order_of(version=version), newer_archive()).run()
    assert (codes(plan), codes(plan, "warning")) == (critical, warnings)
    assert (plan.chosen.branch if plan.chosen else None) == chosen


def test_without_epel_dkms_is_asked_for_by_name() -> None:
    inventory = copy.deepcopy(fresh("rocky-9", "A100-PCIE-40GB"))
    inventory.packages["installed"] = {name: entry for name, entry in inventory.packages["installed"].items() if name != "dkms"}
    archive = offer(*EL9)
    bare = archive._replace(offer=archive.offer._replace(candidates=tuple(one for one in archive.offer.candidates if one.name != "dkms")))
    plan = Laboratory(inventory, order_of(version="580"), bare).run()
    assert codes(plan) == ["ND-NO-DKMS"]
    assert plan.refusals[0].remedy.splitlines() == [
        "sudo dnf install https://dl.fedoraproject.org/pub/epel/epel-release-latest-9.noarch.rpm",
        "Then sudo crb enable, a program of that package; on RHEL it needs a registered system."]
    inventory.packages["installed"]["dkms"] = {"version": "3.2.2-1.el9", "origin": None, "architecture": "noarch", "held": False}
    assert codes(Laboratory(inventory, order_of(version="580"), bare).run()) == []
    assert "DKMS builds the kernel module here: precompiled ones of NVIDIA fit Red Hat's own kernels only" in planned(
        fresh("rocky-9", "A100-PCIE-40GB"), "rocky-9").reasons


@pytest.mark.parametrize(("distribution", "card", "options", "refused", "message"), REFUSED,
                         ids=[f"{row[0]} {row[1]} {row[2]}" for row in REFUSED])
def test_what_cannot_be_served_is_refused_with_the_nearest_choice(
    distribution: str, card: str, options: dict[str, Any], refused: list[str], message: str
) -> None:
    plan = planned(fresh(distribution, card), distribution, **options)
    assert (plan.status, plan.steps, codes(plan)) == ("refused", (), refused)
    assert [one.message for one in plan.refusals if one.severity == "critical"] == [message]


def test_nothing_of_debians_own_branch_comes_beside_its_tesla_packages() -> None:
    """nvidia-persistenced takes the first library of its list unless another one comes with it, and with that its alternative."""
    plan = planned(fresh("debian-13", "RTX4090"), "debian-13", version="535")
    coming = {change.name: change.after for change in plan.packages}
    assert coming["nvidia-persistenced"] == "550.163.01-1"
    found = [name for name in coming if name.endswith(("cfg1", "-alternative"))]
    assert found == ["libnvidia-tesla-535-cfg1", "nvidia-tesla-535-alternative"]


CHANGED: list[tuple[str, str, dict[str, Any], dict[str, Any], str, list[str]]] = [
    ("debian-13", "RTX4090", {"version": "550"}, {"version": "550.163.01-4~bpo13+1"}, "550.163.01-4~bpo13+1", []),
    ("debian-13", "RTX4090", {}, {"flavour": "open"}, "550.163.01-2", ["nvidia-kernel-dkms"]),
    ("ubuntu-24.04", "A100-PCIE-40GB", {"version": "580.65.06"}, {"version": "580", "state": "latest"}, "580.95.05-0ubuntu0.24.04.2",
     ["nvidia-firmware-580-580.65.06"]),
    ("ubuntu-24.04", "A100-PCIE-40GB", {"version": "580.105.08", "origin": "nvidia"}, {"version": "595"}, "595.71.05-1ubuntu1",
     ["libnvidia-compute-580", "libnvidia-gpucomp-580", "nvidia-compute-utils-580", "nvidia-dkms-580-open",
      "nvidia-driver-pinning-580.105.08", "nvidia-firmware-580", "nvidia-kernel-common-580", "nvidia-kernel-source-580-open",
      "nvidia-utils-580"]),
    ("ubuntu-24.04", "A100-PCIE-40GB", {"precompiled": "never"}, {"version": "595", "origin": "nvidia"}, "595.71.05-1ubuntu1",
     ["libnvidia-cfg1-580", "libnvidia-compute-580", "nvidia-compute-utils-580", "nvidia-dkms-580-open", "nvidia-firmware-580-580.95.05",
      "nvidia-headless-580-open", "nvidia-headless-no-dkms-580-open", "nvidia-kernel-common-580", "nvidia-kernel-source-580-open",
      "nvidia-utils-580"]),
    # From prebuilt modules to a branch that has none for a kernel of this node.
    ("ubuntu-24.04", "A100-PCIE-40GB", {"version": "580"}, {"version": "595"}, "595.58.03-0ubuntu0.24.04.1",
     ["libnvidia-cfg1-580", "libnvidia-compute-580", "linux-modules-nvidia-580-open-6.8.0-88-generic",
      "linux-modules-nvidia-580-open-6.8.0-90-generic", "linux-modules-nvidia-580-open-generic", "nvidia-compute-utils-580",
      "nvidia-firmware-580-580.95.05", "nvidia-headless-no-dkms-580-open", "nvidia-kernel-common-580", "nvidia-kernel-source-580-open",
      "nvidia-utils-580"]),
    # The display part stays, and what is there afterwards is known by it.
    ("ubuntu-24.04", "A100-PCIE-40GB", {"components": "full"}, {"precompiled": "never", "state": "latest"}, "580.95.05-0ubuntu0.24.04.2",
     ["linux-modules-nvidia-580-open-6.8.0-88-generic", "linux-modules-nvidia-580-open-6.8.0-90-generic",
      "linux-modules-nvidia-580-open-generic"]),
    ("rocky-9", "A100-PCIE-40GB", {"version": "580"}, {"version": "595"}, "3:595.71.05-1.el9", []),
    ("rocky-9", "A100-PCIE-40GB", {"version": "580"}, {"version": "580", "flavour": "proprietary"}, "3:580.105.08-1.el9",
     ["kmod-nvidia-open-dkms"]),
    ("rhel-10", "A100-PCIE-40GB", {"version": "595"}, {"version": "580", "allow_downgrade": True}, "3:580.105.08-1.el10", []),
]


@pytest.mark.parametrize(("distribution", "card", "first", "then", "revision", "removed"), CHANGED,
                         ids=[f"{row[0]} {row[2]} {row[3]}" for row in CHANGED])
def test_a_driver_is_replaced_in_one_transaction_that_takes_the_old_names_away(
    distribution: str, card: str, first: dict[str, Any], then: dict[str, Any], revision: str, removed: list[str]
) -> None:
    inventory = after(distribution, card, first)
    plan = planned(inventory, distribution, **then)
    assert codes(plan) == []
    assert plan.chosen is not None
    assert plan.chosen.revision == revision
    assert [change.name for change in plan.packages if change.action == "remove"] == removed
    again = planned(apply(inventory, plan), distribution, **then)
    assert (again.status, again.steps) == ("nothing_to_do", ())


def test_a_satisfied_wish_changes_nothing_though_newer_versions_exist_and_nobody_is_asked() -> None:
    inventory = after("ubuntu-24.04", "A100-PCIE-40GB", {"version": "580.65.06"})
    laboratory = Laboratory(inventory, order_of(version="580.65.06"), offer(*UBUNTU))
    assert (laboratory.run().status, laboratory.asked) == ("nothing_to_do", [])
    wider = planned(inventory, "ubuntu-24.04", version=">=530")
    # Only the hold is another one: the branch in the place of the version.
    assert [step.what for step in wider.steps] == ["write /etc/apt/preferences.d/gpufleet-nvidia-driver.pref"]
    assert wider.packages == ()


def only_newest(*names: str, without: str = "") -> Any:
    """A source that has kept the newest version of each package only, as Ubuntu's archive does; without: names with this in them."""
    archive = offer(*names)
    newest = {one.name: one for one in sorted(archive.offer.candidates, key=lambda one: package_key(one.version))}
    kept = tuple(one for one in archive.offer.candidates if newest[one.name] == one and (not without or without not in one.name))
    return archive._replace(offer=archive.offer._replace(candidates=kept))


@pytest.mark.parametrize(("options", "without", "version"), [
    ({}, "", "580.65.06"),
    ({"version": "580.65.06"}, "", "580.65.06"),
    ({}, "580", "580.65.06"),  # nothing of the branch is left, and others would do
    ({"state": "latest"}, "", "580.95.05"),
    ({"components": "full"}, "", "580.95.05"),
    ({"flavour": "proprietary"}, "", "580.95.05"),
])
def test_what_is_lacking_comes_beside_a_driver_that_nobody_offers_any_more(options: dict[str, Any], without: str, version: str) -> None:
    """A satisfied wish is no reason for another driver, also where another package has to come."""
    inventory = copy.deepcopy(after("ubuntu-24.04", "A100-PCIE-40GB", {"version": "580.65.06"}))
    del inventory.packages["installed"]["linux-headers-generic"]
    inventory.packages["record"] = None
    archive = only_newest("ubuntu-24.04", without=without)
    plan = Laboratory(inventory, order_of(**options), archive).run()
    assert codes(plan) == []
    assert plan.chosen is not None
    assert plan.chosen.version == version
    if version == "580.65.06":
        assert [change.name for change in plan.packages] == ["linux-headers-generic"]
        assert "linux-headers-generic is not installed: the next kernel would have no headers" in plan.reasons
        again = Laboratory(apply(inventory, plan), order_of(**options), archive).run()
        assert (again.status, again.steps) == ("nothing_to_do", ())


def test_a_driver_in_pieces_is_replaced_by_one_that_is_offered() -> None:
    inventory = copy.deepcopy(after("ubuntu-24.04", "A100-PCIE-40GB", {"version": "580.65.06"}))
    inventory.packages["installed"]["nvidia-utils-580"]["version"] = "580.82.07-0ubuntu1"
    plan = Laboratory(inventory, order_of(version="580"), only_newest("ubuntu-24.04")).run()
    assert plan.chosen is not None
    assert (plan.chosen.version, codes(plan)) == ("580.95.05", [])


@pytest.mark.parametrize(("has_module", "version"), [(True, "580.82.07"), (False, "580.95.05")])
def test_prebuilt_modules_that_nobody_offers_any_more(has_module: bool, version: str) -> None:
    """They stay where every kernel has one; else a driver that has modules for all is taken, of the same branch."""
    inventory = copy.deepcopy(after("ubuntu-24.04", "A100-PCIE-40GB", {"version": "580"}))
    for entry in inventory.packages["installed"].values():
        entry["version"] = entry["version"].replace("580.95.05", "580.82.07")
    for entry in inventory.kernel["installed"]:
        entry["modules"] = {"nvidia": {"version": "580.82.07", "flavour": "open", "path": "/x"}} if has_module else {}
    inventory.nvidia["driver"]["installed_version"] = "580.82.07"
    plan = Laboratory(inventory, order_of(extra_packages=["make"]), only_newest("ubuntu-24.04")).run()
    assert plan.chosen is not None
    assert plan.chosen.version == version


def test_a_pin_comes_alone_to_a_driver_that_nobody_offers_any_more() -> None:
    inventory = node("persistence-off", {"packages.installed.linux-headers-amd64": {"version": "6.12.57-1"}})
    archive = only_newest("trixie", "nvidia-debian13")
    plan = Laboratory(inventory, order_of(version="580"), archive).run()
    assert codes(plan) == []
    assert [change.name for change in plan.packages] == ["nvidia-driver-pinning-580"]
    assert names(plan) == ["nvidia-driver-pinning-580"]
    again = Laboratory(apply(inventory, plan), order_of(version="580"), archive).run()
    assert (again.status, again.steps) == ("nothing_to_do", ())


@pytest.mark.parametrize(("profile", "changes", "status", "codes_then"), [
    ("h100x8-healthy", {}, "nothing_to_do", []),  # its nvidia-fabricmanager-580 is what is called nvidia-fabricmanager elsewhere
    ("h100x8-healthy", {"packages.installed.nvidia-fabricmanager-580.version": "580.82.07-1"}, "refused", ["ND-ORIGIN-NOTHING"]),
])
def test_fabric_manager_counts_under_either_name(profile: str, changes: dict[str, Any], status: str, codes_then: list[str]) -> None:
    inventory = node(profile, {"packages.installed.linux-headers-generic": {"version": "5.15.0-164.174"}, **changes})
    plan = Laboratory(inventory, order_of(), offer("ubuntu-22.04")).run()
    assert (plan.status, codes(plan)) == (status, codes_then)
    assert status != "refused" or plan.refusals[0].remedy.splitlines()[0] == "apt-cache policy"  # NVIDIA was asked already


def test_a_flavour_that_is_asked_for_is_told_as_such() -> None:
    bare = planned(fresh("ubuntu-24.04", "A100-PCIE-40GB"), "ubuntu-24.04", flavour="proprietary")
    assert [reason for reason in bare.reasons if "kernel module" in reason] == ["kernel module: proprietary, as flavour says"]
    changed = planned(after("rocky-9", "A100-PCIE-40GB", {"version": "580"}), "rocky-9", version="580", flavour="proprietary")
    assert "kernel module: proprietary, as flavour says" in changed.reasons
    # An installed flavour that the card does not take is not what stays.
    wrong = planned(machine("open-module-on-pascal"), "ubuntu-24.04")
    assert [reason for reason in wrong.reasons if "kernel module" in reason] == [
        "the open kernel module that is installed does not drive every GPU",
        "kernel module: proprietary, the only one of branch 580 for NVIDIA GeForce GTX 1080 Ti (pascal)"]


def test_an_older_driver_is_refused_unless_it_is_allowed() -> None:
    inventory = after("rhel-10", "A100-PCIE-40GB", {"version": "595"})
    plan = planned(inventory, "rhel-10", version="580")
    assert (plan.status, codes(plan)) == ("refused", ["ND-DOWNGRADE"])
    assert plan.refusals[0].message == "allow_downgrade is false, and this would be a downgrade: 595.71.05 → 580.105.08"


def test_latest_never_goes_back_to_the_long_term_branch() -> None:
    inventory = after("rhel-10", "A100-PCIE-40GB", {"version": "595.58.03"} if _offered("595.58.03") else {"version": "595"})
    plan = planned(inventory, "rhel-10", version=">=530", state="latest")
    assert plan.chosen is not None
    assert plan.chosen.branch == 595


def _offered(version: str) -> bool:
    return any(version in one.version for one in offer(*EL10).offer.candidates)


def test_a_box_with_nvswitches_gets_the_server_set_and_its_fabric_manager() -> None:
    inventory = machine(distribution="ubuntu-24.04", gpus=[{"model": "H100-SXM5-80GB", "count": 8}],
                        devices=[{"model": "nvswitch-h100", "addresses": ["0000:c0:00.0", "0000:c1:00.0"]}])
    plan = planned(inventory, "ubuntu-24.04")
    assert codes(plan) == []
    version = "580.95.05-0ubuntu0.24.04.2"
    assert names(plan) == [
        "linux-modules-nvidia-580-server-open-generic=6.8.0-90.91", "linux-modules-nvidia-580-server-open-6.8.0-88-generic=6.8.0-88.89+1",
        f"nvidia-headless-no-dkms-580-server-open={version}", f"nvidia-utils-580-server={version}",
        f"nvidia-compute-utils-580-server={version}", f"nvidia-fabricmanager-580={version}", f"libnvidia-nscq-580={version}"]
    again = planned(apply(inventory, plan), "ubuntu-24.04")
    assert (again.status, again.steps) == ("nothing_to_do", ())


def test_a_box_with_nvswitches_falls_to_nvidia_where_the_distribution_has_no_fabric_manager() -> None:
    inventory = machine(distribution="debian-13", gpus=[{"model": "H100-SXM5-80GB", "count": 8}],
                        devices=[{"model": "nvswitch-h100", "addresses": ["0000:c0:00.0", "0000:c1:00.0"]}])
    plan = planned(inventory, "debian-13")
    assert plan.chosen is not None
    assert (plan.chosen.origin, plan.chosen.branch) == ("nvidia_debian", 580)
    assert f"nvidia-fabricmanager={plan.chosen.revision}" in names(plan)


HARDWARE: list[tuple[str, list[tuple[str, str]], bool, dict[str, Any], set[str], list[str]]] = [
    ("ubuntu-24.04", [("2941", "NVIDIA GB200")], False, {"origin": "nvidia"}, {"nvidia-imex"},
     ["nvidia-imex wants the addresses of the rack's trays in /etc/nvidia-imex/nodes_config.cfg: it is not started here"]),
    ("ubuntu-24.04", [("31c2", "NVIDIA GB300")], False, {"origin": "nvidia"}, {"nvidia-imex"},
     ["nvidia-imex wants the addresses of the rack's trays in /etc/nvidia-imex/nodes_config.cfg: it is not started here"]),
    ("ubuntu-24.04", [("2901", "NVIDIA B200")], True, {"origin": "nvidia"}, {"nvidia-fabricmanager", "libnvidia-nscq", "nvlsm"}, []),
    ("ubuntu-24.04", [("2901", "NVIDIA B200")], False, {"origin": "nvidia"}, set(), []),
    ("ubuntu-24.04", [("2330", "NVIDIA H100 80GB HBM3")], True, {"origin": "nvidia"}, {"nvidia-fabricmanager", "libnvidia-nscq"}, []),
    ("ubuntu-24.04", [("20b5", "NVIDIA A100 80GB PCIe")], False, {"origin": "nvidia"}, set(), []),
]


@pytest.mark.parametrize(("distribution", "cards", "switches", "options", "extras", "told"), HARDWARE,
                         ids=[f"{row[1][0][1]} {row[2]}" for row in HARDWARE])
def test_what_the_hardware_asks_for(
    distribution: str, cards: list[tuple[str, str]], switches: bool, options: dict[str, Any], extras: set[str], told: list[str]
) -> None:
    inventory = with_cards(fresh(distribution, "A100-PCIE-40GB"), *cards)
    inventory.nvidia["fabric"] = {"required": switches}
    plan = planned(inventory, distribution, **options)
    coming = {name.partition("=")[0] for name in names(plan)}
    every = {"nvidia-imex", "nvidia-fabricmanager", "libnvidia-nscq", "nvlsm"}
    assert coming & every == extras
    assert [reason for reason in plan.reasons if "imex" in reason or "nvlsm" in reason] == told


def test_a_kernel_that_comes_with_the_modules_is_named() -> None:
    """What follows new kernels depends on the module of the newest one, and that on its image."""
    plan = planned(fresh("ubuntu-24.04", "A100-PCIE-40GB"), "ubuntu-24.04")
    assert plan.touches["kernels"] == ["6.8.0-88-generic", "6.8.0-90-generic (new)"]
    assert "kernel 6.8.0-90-generic comes along: what brings modules to new kernels follows the newest" in plan.reasons
    assert "Kernels       6.8.0-88-generic, 6.8.0-90-generic (new)" in screen(plan)
    plan = planned(fresh("ubuntu-24.04", "A100-PCIE-40GB"), "ubuntu-24.04", precompiled="never")
    assert plan.touches["kernels"] == ["6.8.0-88-generic"]
    assert not [reason for reason in plan.reasons if "comes along" in reason]


def test_the_order_of_the_steps() -> None:
    plan = planned(fresh("ubuntu-24.04", "A100-PCIE-40GB"), "ubuntu-24.04", version="580.95.05", origin="nvidia")
    assert [f"{step.kind} {step.values.get('path') or names(Plan('change', (step,)))[:1] or ''}" for step in plan.steps][:9] == [
        "file /var/lib/gpufleet/nvidia_driver.json",
        "key /usr/share/keyrings/gpufleet-nvidia-ubuntu.asc",
        "file /etc/apt/sources.list.d/gpufleet-nvidia-ubuntu.sources",
        "packages ['nvidia-driver-pinning-580.95.05']",
        "file /etc/apt/preferences.d/gpufleet-nvidia-0-others.pref",
        "file /etc/apt/preferences.d/gpufleet-nvidia-ubuntu.pref",
        "file /etc/modprobe.d/gpufleet-nvidia.conf",
        "packages ['libnvidia-compute-580=580.95.05-0ubuntu1']",
        "command ",
    ]


def test_other_makers_stay_out_of_a_held_driver() -> None:
    path = "/etc/apt/preferences.d/gpufleet-nvidia-0-others.pref"
    inventory = after("ubuntu-24.04", "A100-PCIE-40GB", {"version": "580", "origin": "nvidia"})
    text = inventory.packages["own_files"][path]
    assert text.startswith("# Written by gpufleet.node.nvidia_driver (hold: true): the driver here comes from nvidia_ubuntu.\n")
    assert [pin[1:] for pin in parse_apt_preferences(text)] == [("release o=Ubuntu", 100)]
    free = planned(inventory, "ubuntu-24.04", version="580", origin="nvidia", hold=False)
    assert f"remove {path}" in [step.what for step in free.steps]
    back = planned(inventory, "ubuntu-24.04", version=">=580", origin="distribution", state="latest", allow_downgrade=False)
    text = next(step.values["content"] for step in back.steps if step.values.get("path") == path)
    assert "Pin: release o=NVIDIA\n" in text
    assert "o=Ubuntu" not in text


def test_a_node_without_gpu_is_skipped_or_refused() -> None:
    plan = nvidia_driver.assess(machine("no-gpu"), order_of())
    assert plan is not None
    assert (plan.status, plan.reasons) == ("skipped", ("PCI shows no NVIDIA GPU: there is nothing to install a driver for",))
    plan = nvidia_driver.assess(machine("no-gpu"), order_of(when_no_gpu="fail"))
    assert plan is not None
    assert (plan.status, codes(plan)) == ("refused", ["ND-NO-GPU"])


def test_cards_that_exclude_each_other_are_refused_without_asking_anybody() -> None:
    laboratory = Laboratory(machine("v100-b200-mixed"), order_of(version=">=570"), offer(*UBUNTU))
    plan = laboratory.run()
    assert (plan.status, laboratory.asked) == ("refused", [])
    assert codes(plan) == ["ND-NO-COMMON-DRIVER", "ND-NO-COMMON-DRIVER"]
    assert [one.remedy.partition("\n")[0] for one in plan.refusals] == [
        f"sudo driverctl set-override {address} vfio-pci" for address in ("0000:3b:00.0", "0000:5e:00.0")]


def test_a_card_that_was_given_to_a_guest_does_not_count() -> None:
    """What the remedy of ND-NO-COMMON-DRIVER leads to."""
    inventory = copy.deepcopy(fresh("ubuntu-24.04", "V100-PCIE-32GB", "B200"))
    next(one for one in inventory.devices if one["architecture"] == "volta")["pci"]["kernel_driver"] = "vfio-pci"
    plan = Laboratory(inventory, order_of(), offer(*UBUNTU)).run()
    assert (plan.status, codes(plan)) == ("change", [])
    assert plan.chosen is not None
    assert plan.chosen.flavour == "open"


def test_a_broken_installation_is_repaired_first() -> None:
    inventory = after("debian-13", "RTX4090", {})
    inventory.packages["broken"] = ["nvidia-kernel-dkms"]
    plan = planned(inventory, "debian-13")
    assert [step.kind for step in plan.steps][:1] == ["repair"]
    assert codes(plan) == []


@pytest.mark.parametrize(("distribution", "options"), [("debian-13", {}), ("ubuntu-24.04", {"origin": "nvidia"}), ("rocky-9", {})])
def test_what_check_mode_predicts_is_what_is_there_then(distribution: str, options: dict[str, Any]) -> None:
    inventory = fresh(distribution, "A100-PCIE-40GB")
    plan = planned(inventory, distribution, **options)
    predicted, found = nvidia_driver.predict(inventory, plan), apply(inventory, plan).nvidia["driver"]
    keys = ("installed_version", "origin", "packages", "loaded_version", "kernel_module", "held")
    assert {key: predicted.get(key) for key in keys} == {key: found.get(key) for key in keys}
