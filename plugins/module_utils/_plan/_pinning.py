# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: packages that pin drivers (NVIDIA's), and the hold that serves on a node: such a package, or a file of ours."""

from __future__ import annotations

from .._inventory._inventory import Inventory
from .._knowledge.delivery import Deliverer
from .._packages.types import Request
from ._names import named
from ._present import installed
from ._templates import pattern_of

__all__ = ["holding", "is_pinning", "pinning_here"]


def pinning_here(inventory: Inventory, deliverer: Deliverer) -> list[str]:
    """The packages on the node that pin drivers."""
    return sorted(name for name in installed(inventory) if is_pinning(name, deliverer))


def is_pinning(name: str, deliverer: Deliverer) -> bool:
    """Whether a package is one of those that pin drivers."""
    return any(pattern_of(template.replace("{version}", "{branch}")).match(name) for template in deliverer.pinning)


def holding(inventory: Inventory, deliverer: Deliverer, request: Request | None = None) -> Deliverer:
    """The deliverer with the hold that serves on this node: where it has no package that pins its driver, a file of ours does; for apt
    with names instead of patterns, where they are known."""
    if deliverer.manager == "apt":
        names = request.held if request else named(inventory.packages, deliverer)
        deliverer = deliverer._replace(hold_patterns=names or deliverer.hold_patterns)
    if deliverer.hold != "pinning_package":
        return deliverer
    wanted = request.install if request else ()
    pinned = any(is_pinning(one.name, deliverer) for one in wanted) or (request is None and pinning_here(inventory, deliverer))
    return deliverer if pinned else deliverer._replace(hold="preferences")
