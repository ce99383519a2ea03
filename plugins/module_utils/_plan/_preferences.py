# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the files of apt's preferences that belong to a plan.

The transaction is resolved with the same texts that the steps write, so that the real one finds nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._inventory._inventory import Inventory
from .._knowledge.delivery import Deliverer
from .._packages.types import Request
from . import _hold
from ._names import spelt
from ._others import others_text
from ._priority import priority_file
from .order import Order
from .steps import Chosen

__all__ = ["preference_files"]

_EXACT = _hold.PRIORITY + 1  # above the hold, which may allow other versions of the branch
# NVIDIA's pinning packages have 1000, and below that apt takes no older version of what a package depends on.
_ABOVE_ALL = 1001
_PIN = "# Written by gpufleet.node.{module} for one transaction.\nPackage: {names}\nPin: version {version}\nPin-Priority: {priority}\n"


def preference_files(
    inventory: Inventory, order: Order, deliverer: Deliverer, chosen: Chosen, exact: str | None, request: Request
) -> tuple[tuple[str, str | None], ...]:
    """(path, content) of the files that there will be when packages change; None for one that will not be there. deliverer: with the
    hold and the names that serve on this node; exact: the version to prefer for this one transaction."""
    if deliverer.manager != "apt":
        return ()
    held = deliverer.hold == "preferences" and order.hold
    priority = _ABOVE_ALL if deliverer.hold == "pinning_package" or request.downgrade else _EXACT
    names = spelt(deliverer.hold_patterns)
    return (
        *((str(path), None) for path in _of_packages(inventory.packages.get("locks") or (), request.remove)),
        (order.own.others, others_text(inventory, order, deliverer)),
        (order.own.transaction, _PIN.format(module=order.own.module, names=names, version=exact, priority=priority) if exact else None),
        (order.own.preferences, _hold.preferences_text(order, chosen, deliverer) if held else None),
        *priority_file(inventory, order, deliverer),
    )


def _of_packages(locks: Iterable[dict[str, Any]], names: tuple[str, ...]) -> list[Any]:
    """The preferences that these packages brought: their files have their names."""
    return sorted({lock["path"] for lock in locks if str(lock.get("path")).rpartition("/")[2].removesuffix(".pref") in names})
