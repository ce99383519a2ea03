# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the driver of a node that stays as it is though nobody offers it any more: archives keep their newest. What else the node
lacks then comes beside it; a satisfied wish is no reason for another driver."""

from __future__ import annotations

from collections.abc import Iterable

from .._check._node import Node, at
from .._inventory._inventory import Inventory
from .._inventory._package_text import upstream_version
from .._knowledge import delivery
from ._cards import cards_of, flavours
from ._deliverables import Deliverable, Index
from ._node_state import kernels_to_boot
from ._present import Present, installed, kernels_of, names_of, revision_of, roles, sets_of, under_another_name
from ._templates import filled
from .order import Order

__all__ = ["kept"]


def kept(inventory: Inventory, order: Order, there: Present | None, found: Iterable[Deliverable], index: Index) -> Deliverable | None:
    """The driver that is there, with nothing wanted, where it serves the order and is none of those found. None where it has to
    change, or where it is offered: then it is named to the package manager like any other."""
    if there is None or order.state != "present" or not order.wish.allows(there.version, revision_of(there.revision)):
        return None
    row = there.packages
    if any((one.packages, one.revision) == (row, there.revision) for one in found):
        return None
    serves = row.flavour in flavours(cards_of(Node(inventory).nvidia), there.branch) and order.flavour in ("auto", row.flavour)
    whole = order.components == "compute" or row.components == "full"
    built = order.precompiled in ("auto", {"dkms": "never", "prebuilt": "always"}[row.build])
    if not (serves and whole and built and _of_one_piece(inventory, there) and _has_exact(inventory, order, there, index)):
        return None
    stream = filled(row.stream, branch=there.branch) if row.stream else None
    return Deliverable(there.version, there.branch, there.revision, row, (), stream)


def _of_one_piece(inventory: Inventory, there: Present) -> bool:
    """Whether all parts are of its version, and prebuilt modules are there for every kernel."""
    known, row = installed(inventory), there.packages
    names = names_of(row.essential, there.branch, kernels_of(inventory, there.deliverer))
    versions = {upstream_version(known[name]["version"]) for name in names}
    # Meta packages and modules of kernels have versions of their own.
    of_driver = {version for version in versions if version.partition(".")[0] == str(there.branch)}
    built = row.build == "dkms" or all(at(one, "modules.nvidia") for one in kernels_to_boot(Node(inventory)))
    return built and of_driver <= {there.version}


def _has_exact(inventory: Inventory, order: Order, there: Present, index: Index) -> bool:
    """Whether Fabric Manager, without which CUDA does not start, is there or offered for this version; Ubuntu has it for -server sets.
    NSCQ and IMEX of this version come where they are offered."""
    asked, known = roles(inventory, order), installed(inventory)
    if "fabricmanager" in asked and not there.packages.server and any(row.server for row in sets_of(inventory, there.deliverer)):
        return False
    names = delivery.extras(there.deliverer.id, there.branch).get("fabricmanager", ()) if "fabricmanager" in asked else ()
    return all(under_another_name(known, name, there.version) or there.version in {upstream_version(one.version) for one in index.of(name)}
               for name in names)
