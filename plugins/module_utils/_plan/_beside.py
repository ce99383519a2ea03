# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what goes with a driver of an offer: headers of kernels, the daemons of this hardware, the operator's own packages."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence

from .._inventory._inventory import Inventory
from .._inventory._package_text import upstream_version
from .._knowledge import delivery
from .._knowledge.delivery import Deliverer
from .._packages.types import Wanted
from ._deliverables import Deliverable, Index
from ._present import EXACT, installed, roles, under_another_name
from ._templates import Kernel, bare, filled, package_key
from .order import Order

__all__ = ["extras_of", "headers_of"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,160}", re.ASCII)


def headers_of(inventory: Inventory, deliverer: Deliverer, kernels: Sequence[Kernel], index: Index) -> list[Wanted]:
    """The packages with headers for each kernel that has none yet, where they are offered, and those that follow new kernels."""
    has = {entry["release"]: bool(entry.get("headers")) for entry in inventory.kernel.get("installed") or ()}
    found: list[Wanted] = []
    for kernel in kernels:
        if not has.get(kernel.release):
            found += _exact_headers(deliverer.headers, kernel, index)
        meta = filled(deliverer.headers.get("meta", ""), kernel_flavour=kernel.flavour)
        if meta and (index.of(meta) or meta in installed(inventory)):
            found.append(Wanted(meta, _matching(deliverer.headers, meta, kernels, index)))
    return [wanted for wanted in dict.fromkeys(found) if _NAME.fullmatch(wanted.name)]


def _exact_headers(templates: Mapping[str, str], kernel: Kernel, index: Index) -> list[Wanted]:
    """Either the release stands in the name of the package, or it is the version of one (rpm, which has several at once)."""
    name = filled(templates.get("exact", ""), release=kernel.release, kernel_flavour=kernel.flavour)
    pattern = templates.get("exact_version")
    if pattern is None:
        return [Wanted(name)] if index.of(name) else []
    wanted = filled(pattern, kernel_version=delivery.kernel_version(kernel.release))
    return [Wanted(name, one.version) for one in index.of(name) if fnmatch.fnmatchcase(bare(one.version), wanted)][:1]


def _matching(templates: Mapping[str, str], meta: str, kernels: Sequence[Kernel], index: Index) -> str | None:
    """The version of a meta package that brings no other kernel than those which are here; None where it has none for them."""
    if "exact_version" not in templates:
        return None
    here = [filled(templates["exact_version"], kernel_version=delivery.kernel_version(kernel.release)) for kernel in kernels]
    return next((one.version for one in index.of(meta) if any(fnmatch.fnmatchcase(bare(one.version), version) for version in here)), None)


def extras_of(inventory: Inventory, order: Order, deliverable: Deliverable, index: Index) -> list[Wanted]:
    """What goes with this driver on this hardware: Fabric Manager and what it needs, the persistence daemon, the operator's own."""
    wanted = []
    for role, names in delivery.extras(index.origin, deliverable.branch).items():
        if role in roles(inventory, order):
            for name in names:
                fits = [one for one in index.of(name, deliverable.revision) if role not in EXACT or _same(one.version, deliverable)]
                other = name not in installed(inventory) and under_another_name(installed(inventory), name, deliverable.version)
                if fits and (_newer_build(inventory, name, fits[0].version, deliverable) or (role in EXACT and other)):
                    continue
                wanted += [Wanted(name, fits[0].version if _same(fits[0].version, deliverable) else None)] if fits else []
    return [*wanted, *(Wanted(name) for name in order.extra_packages)]


def _newer_build(inventory: Inventory, name: str, offered: str, deliverable: Deliverable) -> bool:
    """Whether a newer build of the same version is there, so that the offered one would be a downgrade for nothing."""
    there = installed(inventory).get(name, {}).get("version", "")
    return bool(there) and _same(there, deliverable) and package_key(there) > package_key(offered)


def _same(version: str, deliverable: Deliverable) -> bool:
    return upstream_version(version) == deliverable.version
