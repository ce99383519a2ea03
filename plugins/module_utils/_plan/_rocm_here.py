# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what of ROCm is on a node: its cards, whose packages are there, of which release, and which components are whole."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .._check._amd import boards
from .._check._node import Node, Section, at
from .._inventory._inventory import Inventory
from .._knowledge import rocm, rocm_delivery
from .._knowledge.rocm import Verdict
from .._knowledge.rocm_delivery import Deliverer
from .._knowledge.rocm_drivers import driver_release

__all__ = ["DRIVER", "Here", "Judged", "around", "driver_here", "here", "installed", "judge", "lacks", "makers", "of_deliverer",
           "targets", "version_id", "wanted_names"]

DRIVER = "amdgpu-dkms"
_BAD = ("unsupported", "ended", "not_yet")


class Judged(NamedTuple):
    """What a release makes of each card of the node."""

    version: str
    cards: tuple[tuple[Section, Verdict], ...]

    @property
    def bad(self) -> list[tuple[Section, Verdict]]:
        """The cards that it does not serve."""
        return [(device, found) for device, found in self.cards if found.status in _BAD]

    @property
    def support(self) -> str:
        """The worst of what it says of the cards it serves: supported, unofficial or unknown."""
        told = {found.status for _device, found in self.cards}
        return next((one for one in ("unknown", "unofficial") if one in told), "supported")

    @property
    def overrides(self) -> list[str | None]:
        """The different values of HSA_OVERRIDE_GFX_VERSION that the cards need, None for one that needs none."""
        return sorted({found.override for _device, found in self.cards}, key=str)

    @property
    def listed(self) -> bool:
        """Whether AMD's list of this release has the operating system, for every card; also the one that it is built from."""
        return all(found.system.status == "supported" or found.system.near for _device, found in self.cards)


class Here(NamedTuple):
    """The ROCm of one maker on the node. release: of its core package; packages: names that belong to it."""

    deliverer: Deliverer
    release: str
    packages: tuple[str, ...]


def installed(inventory: Inventory) -> dict[str, dict[str, Any]]:
    """The packages of the GPU stack on the node, by name."""
    found: dict[str, dict[str, Any]] = inventory.packages.get("installed") or {}
    return found


def version_id(inventory: Inventory) -> str:
    """VERSION_ID of the node's distribution."""
    return str(inventory.system.get("distribution_version") or "")


def around(inventory: Inventory) -> list[Deliverer]:
    """Who delivers ROCm to this distribution, in the order in which to ask; for the package manager that the node has."""
    system = inventory.system
    found = rocm_delivery.deliverers(str(system.get("distribution") or ""), version_id(inventory), system.get("distribution_like") or (),
                                     str(system.get("architecture") or "x86_64"), system.get("ubuntu_codename"))
    dnf5 = "dnf5" in (system.get("programs") or ())
    return [one._replace(manager="dnf5") if one.manager == "dnf" and dnf5 else one for one in found]


def judge(inventory: Inventory, version: str) -> Judged:
    """What a release makes of the node's cards."""
    system, node = inventory.system, Node(inventory)
    about = rocm.System(str(system.get("distribution") or ""), version_id(inventory), tuple(system.get("distribution_like") or ()),
                        node.get("kernel.release"), str(system.get("architecture") or "x86_64"))
    cards = [(device, rocm.Card(at(device, "pci.device_id"), at(device, "pci.revision"), device.get("gfx_target")))
             for device in boards(node)]
    return Judged(version, tuple((device, rocm.verdict(card, version, about)) for device, card in cards))


def targets(inventory: Inventory) -> tuple[str, ...]:
    """The gfx targets of the node's cards."""
    node = Node(inventory)
    told = {device.get("gfx_target") or rocm.verdict(rocm.Card(at(device, "pci.device_id"), at(device, "pci.revision")), "").gfx_target
            for device in boards(node)}
    return tuple(sorted(str(one) for one in told if one))


def of_deliverer(inventory: Inventory, deliverer: Deliverer) -> list[str]:
    """The node's packages of ROCm that come from a deliverer; AMD's two streams are told by their names."""
    patterns = rocm_delivery.delivery_of(deliverer.id).hold_rocm
    return sorted(name for name, entry in installed(inventory).items()
                  if entry.get("origin") == deliverer.maker and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))


def makers(inventory: Inventory, every: Iterable[Deliverer]) -> dict[str, list[str]]:
    """Packages of ROCm by the id of their deliverer, of those who have any here."""
    found = {one.id: of_deliverer(inventory, one) for one in every}
    return {origin: names for origin, names in found.items() if names}


def here(inventory: Inventory) -> Here | None:
    """The ROCm that is on the node; of several makers the one whose core package the node's programs come from, else the newest."""
    found = []
    for one in around(inventory):
        names = of_deliverer(inventory, one)
        release = _release_of(inventory, one, names)
        if release:
            found.append(Here(one, release, tuple(names)))
    default = next((entry["version"] for entry in inventory.amd.get("installs") or () if entry.get("default")), None)
    return max(found, key=lambda one: (one.release == default, len(one.packages)), default=None)


def _release_of(inventory: Inventory, deliverer: Deliverer, names: Iterable[str]) -> str | None:
    core = rocm_delivery.component(deliverer.id, "runtime", None, version_id(inventory))
    pattern = _pattern(core.core) if core else None
    versions = [rocm_delivery.release_of_package(deliverer.id, installed(inventory)[name]["version"]) for name in names
                if pattern and pattern.fullmatch(name)]
    told = [one for one in versions if one]
    return max(told, key=lambda one: [int(part) for part in one.split(".")], default=None)


def _pattern(template: str) -> re.Pattern[str]:
    """Names made of a template, also those that stand side by side, with the release or the series in them."""
    words = re.escape(template).replace(r"\{xy\}", r"(?:[0-9]+\.[0-9]+)?").replace(r"\-\{gfx\}", r"(?:-gfx\w+)?")
    return re.compile(words.replace(r"-\{gfx\}", r"(?:-gfx\w+)?") + r"[0-9.]*", re.ASCII)


def lacks(
    inventory: Inventory, deliverer: Deliverer, component: str, release: str, gfx: Iterable[str], beside: bool = False
) -> list[str]:
    """The packages of a component that the node has not, of a release; where the origin has no such component, its name."""
    return [name for name in wanted_names(deliverer, component, release, version_id(inventory), gfx, beside)
            if not _is_there(inventory, deliverer, name, release)]


def wanted_names(
    deliverer: Deliverer, component: str, release: str, version: str, gfx: Iterable[str], beside: bool = False
) -> list[str]:
    """The packages of a component, one for each target where they are made by target; its own name where the origin has none."""
    names: list[str] = []
    for target in tuple(gfx) or (None,):
        row = rocm_delivery.component(deliverer.id, component, release, version, target, beside)
        if row is None:
            return [component]
        names += [name.replace("-{gfx}", "") for name in row.install]
    return list(dict.fromkeys(names))


def _is_there(inventory: Inventory, deliverer: Deliverer, name: str, release: str) -> bool:
    entry = installed(inventory).get(name)
    if entry is None or (deliverer.kind == "vendor" and entry.get("origin") not in (deliverer.maker, None)):
        return False
    told = rocm_delivery.release_of_package(deliverer.id, entry["version"])
    return deliverer.kind != "vendor" or told in (release, None)


def driver_here(inventory: Inventory) -> str | None:
    """The version of AMD's driver package on the node ("30.30.4"), "" where it tells none; None where it is not installed."""
    entry: Mapping[str, Any] | None = installed(inventory).get(DRIVER)
    return (driver_release(str(entry["version"])) or "") if entry else None
