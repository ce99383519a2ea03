# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of one execution of rocm_stack, with files in the place of the package manager; machines before and after a plan."""

from __future__ import annotations

import copy
import fnmatch
import json
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import ROCM
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_locks import holds
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.packages import rocm_packages
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.rocm import release_of_packages
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import rocm_delivery
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Candidate, Closure, Offer
from ansible_collections.gpufleet.node.plugins.module_utils._plan import rocm_stack
from ansible_collections.gpufleet.node.plugins.module_utils._plan._way_back import closed
from ansible_collections.gpufleet.node.plugins.module_utils._plan.rocm_order import ARGUMENTS, RocmOrder
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan, Step
from fakegpu import evidence_of, load_profile
from packagerepo import description

from .machine import KINDS, with_own_sources
from .offers import Archive, offer
from .remover import PackagesThere, packages_there
from .resolver import Resolver

TODAY = "2026-11-30"
# What a distribution has, and AMD's two hosts beside it, by ID and version of the distribution.
_SOURCES = {
    "debian 13": (("trixie-rocm",), ("amd-debian13", "radeon-ubuntu2404")),
    "ubuntu 22.04": ((), ("radeon-ubuntu2204", "amd-ubuntu2204")),
    "ubuntu 24.04": (("noble-rocm",), ("radeon-ubuntu2404", "amd-ubuntu2404")),
    "rocky 9.6": (("el9-base",), ("radeon-rhel9", "amd-rhel9")),
    "sles 15.7": ((), ("radeon-sles15", "amd-sles15")),
}


def rocm_order(**options: Any) -> RocmOrder:
    """An order with the defaults of the module."""
    return RocmOrder.parse({**{name: row.get("default") for name, row in ARGUMENTS.items()}, **options})


def rocm_machine(profile: str, users: tuple[str, ...] = ()) -> Inventory:
    """The inventory of a profile, seen as rocm_stack sees it."""
    made = load_profile(profile)
    inventory = gather(load(json.dumps(evidence_of(made))), ("all",), deep=True, change=True, users=users)
    return with_own_sources(inventory, str(made.about["distribution"]))


@cache
def _vendors(names: tuple[str, ...]) -> tuple[tuple[Candidate, ...], dict[tuple[str, str], tuple[str, ...]]]:
    """All packages of AMD's hosts, with the folder as their repository."""
    candidates, conflicts = [], {}
    for name in names:
        repository = description.load(name)
        kind = {"deb": "deb"}.get(repository.kind, "suse" if "sles" in name else "el")
        origin = f"amd_{'classic_' if name.startswith('radeon') else ''}{kind}"
        for one in repository.packages:
            against = (*one.relations.get("conflicts", ()), *one.relations.get("breaks", ()), *one.relations.get("obsoletes", ()))
            depends = tuple("|".join(part.strip() for part in words.split("|")) for words in one.relations.get("depends") or ())
            candidates.append(Candidate(one.name, one.version, one.architecture, origin, one.folder, depends,
                                        tuple(one.relations.get("provides") or ())))
            conflicts[one.name, one.version] = against
    return tuple(candidates), conflicts


class RocmLaboratory:
    """Plans for one machine. asked: the deliverers that were asked, in this order."""

    def __init__(self, inventory: Inventory, order: RocmOrder) -> None:
        self.inventory, self.order = inventory, order
        self.asked: list[str] = []
        system = inventory.system
        own, vendors = _SOURCES.get(f"{system['distribution']} {system['distribution_version']}", ((), ()))
        self.own = offer(*own) if own else Archive(Offer("apt", ()), {})
        self.vendors, self.conflicts = _vendors(vendors)

    def run(self) -> Plan:
        plan = rocm_stack.assess(self.inventory, self.order, TODAY)
        if plan is not None:
            return plan
        installed = {name: str(entry["version"]) for name, entry in (self.inventory.packages.get("installed") or {}).items()}
        if self.order.state == "absent":
            asked = self.inventory.packages["record"].get("asked") or ()
            archive = self._archive([], everything=True)
            manager = "apt" if self.inventory.packages.get("manager") == "dpkg" else "dnf"
            return rocm_stack.remove(self.inventory, self.order, PackagesThere(packages_there(installed, archive, asked), manager))
        found = self.select()
        if isinstance(found, list):
            return Plan("refused", refusals=tuple(found))
        archive = self._archive(self.folders(found.attempt))
        origins = {one.origin for one in archive.offer.candidates if one.origin}
        request = found.request
        closure = Resolver(archive, installed, request, origins).run() if request.install or request.remove else Closure(())
        repositories = tuple(one._replace(key="KEY", fingerprint="F" * 40) for one in found.attempt.repositories)
        return rocm_stack.plan(self.inventory, self.order, found.attempt.deliverer, found.chosen, request, closure, repositories, TODAY)

    def select(self) -> Any:
        """What is to be had, with its transaction; or refusals."""
        return rocm_stack.select(self.inventory, self.order, self._ask, TODAY)

    def _ask(self, attempt: Any) -> Offer:
        self.asked.append(attempt.deliverer.id)
        offered = self._archive(self.folders(attempt)).offer
        fits = tuple(one for one in offered.candidates if any(fnmatch.fnmatchcase(one.name, each) for each in attempt.deliverer.patterns))
        return offered._replace(candidates=fits)

    def _archive(self, folders: list[str], everything: bool = False) -> Archive:
        mine = tuple(one for one in self.vendors if everything or one.repository in folders)
        manager = "apt" if self.inventory.packages.get("manager") == "dpkg" else "zypper" if "sles" in str(self.inventory.system) else "dnf"
        return Archive(Offer(manager, (*self.own.offer.candidates, *mine)), {**self.own.conflicts, **self.conflicts})

    def candidates(self) -> dict[tuple[str, str], dict[str, str]]:
        """What each package of a name and version depends on, as a field for dpkg's database."""
        every = self._archive([], everything=True).offer.candidates
        return {(one.name, one.version): {"Depends": ", ".join(words.replace("|", " | ") for words in one.depends)}
                for one in every if one.depends}

    def folders(self, attempt: Any) -> list[str]:
        """The folders of AMD's hosts that the node has, and those that are to be added in the place of ours of the same names."""
        written = {one.path: one.content for one in attempt.repositories}
        texts = list(written.values())
        texts += [" ".join(entry["uris"]) for entry in self.inventory.packages.get("repositories") or () if entry["path"] not in written]
        words = [word.rpartition("=")[2] for text in texts for word in text.split() if "://" in word]
        return [urlsplit(word).path.strip("/") for word in words]


def rocm_apply(inventory: Inventory, plan: Plan) -> Inventory:
    """The machine after a plan, and after the boot where the plan asks for one. The inventory itself stays as it is."""
    after = copy.deepcopy(inventory)
    for step in plan.steps:
        {"user": _user, "group": _group, "command": _command}.get(step.kind, KINDS.get(step.kind, _command))(after, step)
    record = closed(ROCM, inventory, plan.steps)
    if record is not None:
        after.packages["record"] = json.loads(record)
    _packages(after, plan)
    return after


def _packages(after: Inventory, plan: Plan) -> None:
    installed: dict[str, Any] = after.packages.setdefault("installed", {})
    deliverer = rocm_delivery.deliverer(plan.chosen.origin) if plan.chosen else None
    for change in plan.packages:
        if change.action == "remove":
            installed.pop(change.name, None)
        else:
            own = change.repository in ("trixie", "noble", "el9-base")
            maker = after.system["distribution"] if own else deliverer.maker if deliverer else None
            installed[change.name] = {"version": change.after, "origin": maker, "architecture": "amd64", "source": change.name}
    locks = after.packages.get("locks") or ()
    for name, entry in installed.items():
        entry["held"] = any(holds(lock, name) for lock in locks)
    for entry in after.kernel.get("installed") or ():
        if any(change.name.endswith(entry["release"]) for change in plan.packages):
            entry["headers"] = True
        path = f"/lib/modules/{entry['release']}/"
        if "amdgpu-dkms" in installed and entry.get("headers"):
            entry.setdefault("modules", {})["amdgpu"] = {"version": "6.16.13", "path": f"{path}updates/dkms/amdgpu.ko"}
        elif plan.packages:
            entry.setdefault("modules", {})["amdgpu"] = {"version": None, "path": f"{path}kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko"}
    rocm = rocm_packages(installed)
    release = rocm.get("version") or release_of_packages(installed)
    after.amd.pop("rocm", None)
    if rocm:
        after.amd["rocm"] = {**rocm, "version": release}
    after.amd["installs"] = []
    if plan.reboot_reasons or any((step.values.get("argv") or [""])[0] == "modprobe" for step in plan.steps):
        method = "dkms" if "amdgpu-dkms" in installed else "inbox"
        after.amd.setdefault("driver", {}).update(loaded=True, kfd=True, method=method, version="6.16.13" if method == "dkms" else None)
        for device in after.devices:
            if device["vendor"] == "amd" and device.get("pci"):
                device["pci"]["kernel_driver"] = "amdgpu"


def _user(after: Inventory, step: Step) -> None:
    about = after.amd["access"]["users"][step.values["name"]]
    about["groups"] = [*about.get("groups", ()), *step.values["groups"]]


def _group(after: Inventory, step: Step) -> None:
    after.amd["access"]["groups"][step.values["name"]] = {"gid": 990, "members": []}


def _command(after: Inventory, step: Step) -> None:
    if {"versionlock", "addlock", "removelock"} & set(step.values.get("argv") or ()):
        KINDS["command"](after, step)
    if step.values.get("argv", [""])[0] == "udevadm":
        after.amd["access"]["udev_rules"] += [{"path": "/etc/udev/rules.d/70-gpufleet-rocm.rules", "device": device, "group": "render",
                                              "mode": "0660"} for device in ("kfd", "render")]
