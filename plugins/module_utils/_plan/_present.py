# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the packages of a node's driver: which set is there, which kernels want modules, what this hardware asks for besides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from .._check._node import Node
from .._inventory._inventory import Inventory
from .._inventory._package_text import upstream_version
from .._knowledge import delivery
from .._knowledge.delivery import Deliverer, PackageSet
from ._node_state import has_program, kernels_to_boot
from ._templates import Kernel, bare, filled, pattern_of
from .order import Order

__all__ = ["EXACT", "Offered", "Present", "around", "extras_told", "installed", "kernels_of", "names_of", "present", "revision_of",
           "roles", "sets_of", "under_another_name"]

EXACT = ("fabricmanager", "nscq", "imex")  # of these only the driver's own version works

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,160}", re.ASCII)


class Present(NamedTuple):
    """A complete set of driver packages on a node. revision is the core package's whole version."""

    deliverer: Deliverer
    packages: PackageSet
    version: str
    branch: int
    revision: str


class Offered(Protocol):
    """What is offered, as far as the kinds of kernels are told from it (Index of _deliverables)."""

    def names(self) -> Iterable[str]: ...
    def leads_to(self, name: str, start: str) -> bool: ...


def revision_of(version: str) -> str | None:
    """The revision in a package's version: 1:550.163.01-4~bpo13+1 → 4~bpo13+1."""
    return bare(version).partition("-")[2] or None


def installed(inventory: Inventory) -> dict[str, dict[str, Any]]:
    """The packages of the GPU stack on the node, by name."""
    found: dict[str, dict[str, Any]] = inventory.packages.get("installed") or {}
    return found


def sets_of(inventory: Inventory, deliverer: Deliverer) -> list[PackageSet]:
    """The sets of a deliverer for the node's release."""
    return delivery.package_sets(deliverer.id, inventory.system.get("distribution_version"))


def around(inventory: Inventory) -> list[Deliverer]:
    """All who deliver drivers for the node, in the order of rank. Their manager is dnf5 where dnf is dnf 5."""
    system = inventory.system
    found = delivery.deliverers(
        system.get("distribution") or "",
        system.get("distribution_version") or "",
        tuple(system.get("distribution_like") or ()),
        system.get("architecture") or "x86_64",
        system.get("ubuntu_codename"),
    )
    dnf = "dnf5" if has_program(Node(inventory), "dnf5") else "dnf"
    return [one._replace(manager=dnf) if one.manager == "dnf" else one for one in found]


def names_of(templates: Iterable[str], branch: int, kernels: Sequence[Kernel]) -> list[str]:
    """The names that templates come to on a node, one a kernel flavour where they have that."""
    names: list[str] = []
    for template in templates:
        name = filled(template, branch=branch)
        flavours = sorted({kernel.flavour for kernel in kernels}) if "{kernel_flavour}" in name else [""]
        names += [filled(name, kernel_flavour=flavour) for flavour in flavours]
    return names


def present(inventory: Inventory, deliverer: Deliverer, kernels: Sequence[Kernel]) -> Present | None:
    """The set of this deliverer that is complete on the node; where several are a full one, else the one with most packages."""
    there = installed(inventory)
    found: list[tuple[int, Present]] = []
    for row in sets_of(inventory, deliverer):
        for name in there:
            match = pattern_of(row.core).fullmatch(name)
            version = upstream_version(there[name]["version"]) if match else ""
            branch = int(version.partition(".")[0]) if version[:1].isdecimal() and version.isascii() else 0
            if not branch or name != filled(row.core, branch=branch) or there[name].get("origin") != deliverer.maker:
                continue
            essential = names_of(row.essential, branch, kernels)
            if essential and all(one in there for one in essential) and _same_stream(row, branch, inventory):
                found.append((len(essential), Present(deliverer, row, version, branch, there[name]["version"])))
    return max(found, key=lambda one: (one[1].packages.components == "full", one[0]))[1] if found else None


def _same_stream(row: PackageSet, branch: int, inventory: Inventory) -> bool:
    enabled = (inventory.packages.get("streams") or {}).values()
    return not row.stream or not enabled or filled(row.stream, branch=branch) in enabled


def kernels_of(inventory: Inventory, deliverer: Deliverer, index: Offered | None = None) -> list[Kernel]:
    """The kernels that should boot with a driver, each with the flavour of its packages.

    A kernel's name does not tell generic from generic-hwe-24.04: the headers that are installed do, else those that are offered.
    """
    node = Node(inventory)
    releases = [str(entry["release"]) for entry in kernels_to_boot(node)] or [str(node.get("kernel.release") or "")]
    found = []
    for release in releases:
        base = delivery.kernel_flavour(release) or ""
        if _NAME.fullmatch(release):
            found.append(Kernel(release, _flavour(release, base, inventory, deliverer, index) if base else ""))
    return found


def _flavour(release: str, base: str, inventory: Inventory, deliverer: Deliverer, index: Offered | None) -> str:
    meta, exact = deliverer.headers.get("meta", ""), deliverer.headers.get("exact", "")
    words = f"({re.escape(base)}(?:-[a-z][a-z0-9.-]*)?)"
    pattern = re.compile(re.escape(meta).replace(r"\{kernel_flavour\}", words), re.ASCII)
    if not pattern.groups:
        return base
    series = filled(exact, release=release.partition("-")[0] + "-", kernel_flavour=base)
    mine = sorted(match[1] for match in map(pattern.fullmatch, installed(inventory)) if match)
    offered = sorted(match[1] for match in map(pattern.fullmatch, index.names()) if match) if index else []
    leading = [one for one in offered if index and index.leads_to(filled(meta, kernel_flavour=one), series)]
    for group in ([one for one in leading if one in mine], [] if mine else leading, mine):
        if group:
            return base if base in group else group[0]
    return base


def under_another_name(known: Mapping[str, Mapping[str, Any]], name: str, version: str) -> bool:
    """Whether a package of this version is there with or without a branch in its name: NVIDIA's nvidia-fabricmanager and the
    nvidia-fabricmanager-580 of Ubuntu or of older releases are the same files, and exclude each other."""
    stem = re.compile(re.escape(re.sub(r"-[0-9]{3,4}$", "", name)) + r"(?:-[0-9]{3,4})?", re.ASCII)
    return any(stem.fullmatch(other) and upstream_version(str(entry.get("version") or "")) == version for other, entry in known.items())


def roles(inventory: Inventory, order: Order) -> set[str]:
    """The extras that this hardware and this order ask for."""
    found = {"persistenced"} if order.persistence else set()
    if (inventory.nvidia.get("fabric") or {}).get("required"):
        found |= {"fabricmanager", "nscq"}
    kinds = {device.get("architecture") for device in inventory.devices} if "fabricmanager" in found else set()
    cards = {(device.get("pci") or {}).get("device_id") for device in inventory.devices if device.get("vendor") == "nvidia"}
    return found | {row["role"] for row in delivery.hardware() if cards & {*row.get("pci", ())} or kinds & {*row.get("architectures", ())}}


def extras_told(inventory: Inventory, order: Order, origin: str | None, branch: int) -> list[str]:
    """What to say of extras that this hardware asks for: those that the origin does not have, and those that want a word of advice."""
    asked, offered = roles(inventory, order), delivery.extras(origin, branch) if origin else {}
    label = {"imex": "nvidia-imex (memory shared with other trays of the rack)", "nvlink5": "nvlsm (switches of NVLink 5)"}
    found = [f"{origin} has no {label[role]} for branch {branch}" for role in sorted(asked & label.keys() - offered.keys())]
    if "imex" in asked and "imex" in offered:
        found.append("nvidia-imex wants the addresses of the rack's trays in /etc/nvidia-imex/nodes_config.cfg: it is not started here")
    return found
