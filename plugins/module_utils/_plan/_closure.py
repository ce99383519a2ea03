# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whether a resolved transaction is what was meant. A package manager may answer with another driver, or with none."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator

from .._check._node import Node, join
from .._inventory._inventory import Inventory
from .._inventory._package_text import upstream_version
from .._packages.types import Change, Closure, Request
from ._present import around, installed, sets_of
from ._refuse import refuse
from ._templates import bare, pattern_of
from .order import Order
from .steps import Chosen, Refusal

__all__ = ["refusals_of"]

_DRIVER_VERSION = re.compile(r"[1-9][0-9]{2,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?", re.ASCII)
_OTHERS = re.compile(r"container|cuda-toolkit|docker")  # that a hold's patterns fit, and that are no part of a driver


def refusals_of(inventory: Inventory, order: Order, chosen: Chosen, request: Request, closure: Closure) -> list[Refusal]:
    """What is wrong with a transaction, what stops first."""
    node = Node(inventory)
    if closure.error is not None:
        return [refuse(node, "ND-TRANSACTION", "packages", version=chosen.version, wish=order.wish, words=closure.error)]
    return [*_other_driver(node, inventory, order, chosen, closure), *_not_reached(node, inventory, chosen, request, closure),
            *_foreign(node, inventory, order, request, closure), *_downgrades(node, inventory, order, closure)]


def _driver_packages(inventory: Inventory, changes: Iterable[Change]) -> Iterator[Change]:
    """Changes of packages that a set of this distribution names: their version is the driver's."""
    templates = {name for one in around(inventory) for row in sets_of(inventory, one) for name in (*row.install, *row.essential, row.core)}
    patterns = [pattern_of(template) for template in sorted(templates) if "{kernel_flavour}" not in template]
    return (change for change in changes if any(pattern.fullmatch(change.name) for pattern in patterns))


def _other_driver(node: Node, inventory: Inventory, order: Order, chosen: Chosen, closure: Closure) -> Iterator[Refusal]:
    wrong = []
    for change in _driver_packages(inventory, closure.changes):
        version = upstream_version(change.after) if change.after and change.action != "remove" else ""
        if _DRIVER_VERSION.fullmatch(version) and version != chosen.version:
            wrong.append(f"{change.name} {change.after} from {change.repository or 'an unknown repository'}")
    if wrong:
        yield refuse(node, "ND-OTHER-VERSION", "packages", version=chosen.version, wish=order.wish, packages=join(wrong))


def _not_reached(node: Node, inventory: Inventory, chosen: Chosen, request: Request, closure: Closure) -> Iterator[Refusal]:
    """Packages that were asked for and that will not be there in that version."""
    after = {name: entry["version"] for name, entry in installed(inventory).items()}
    after.update({change.name: change.after or "" for change in closure.changes if change.action != "remove"})
    wrong = [f"{wanted.name} {wanted.version}" for wanted in request.install
             if wanted.version and _of_driver(wanted.version, chosen) and bare(after.get(wanted.name, "")) != bare(wanted.version)]
    if wrong:
        yield refuse(node, "ND-NOT-REACHED", "packages", version=chosen.version, packages=join(wrong))


def _of_driver(version: str, chosen: Chosen) -> bool:
    """Packages with other versions, such as kernel headers, may be there in several of them."""
    return upstream_version(version) == chosen.version


def _foreign(node: Node, inventory: Inventory, order: Order, request: Request, closure: Closure) -> Iterator[Refusal]:
    gone = [change.name for change in closure.changes if change.action == "remove" and change.name not in request.remove]
    # Prebuilt modules are never held, and are of the driver all the same.
    patterns = [pattern for one in around(inventory) for pattern in (*one.hold_patterns, *one.patterns)
                if pattern in one.hold_patterns or (pattern.startswith("linux-") and "nvidia" in pattern)]
    driver = node.get("nvidia.driver.packages") or {}
    others = [name for name in gone if name not in driver
              and (_OTHERS.search(name) or not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))]
    if others:
        # The only one of these that an operator can live with: all others would not give the driver that was asked for.
        severity = "warning" if order.allows_acknowledged("ND-REMOVES-OTHERS") else None
        yield refuse(node, "ND-REMOVES-OTHERS", "packages", severity, packages=join(others))


def _downgrades(node: Node, inventory: Inventory, order: Order, closure: Closure) -> Iterator[Refusal]:
    lower = [f"{change.name} {change.before} → {change.after}" for change in closure.changes if change.action == "downgrade"]
    if lower and not order.allow_downgrade:
        use = ({"allow_downgrade": "true"},)
        yield refuse(node, "ND-DOWNGRADE", "packages", use=use, packages=join(lower), version="", installed=join(lower))
