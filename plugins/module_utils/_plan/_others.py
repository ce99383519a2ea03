# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what keeps the packages of other makers out of a held driver, where apt has several makers of one name.

A hold names versions, and a pin of apt cannot name a maker besides: "580.*" would let Ubuntu's 580.126 replace NVIDIA's 580.105.
"""

from __future__ import annotations

from .._inventory._inventory import Inventory
from .._knowledge.delivery import Deliverer
from ._names import says_enough, spelt
from ._present import around
from .order import Order
from .steps import Step

__all__ = ["others_steps", "others_text"]

_HEAD = "# Written by gpufleet.node.{module} (hold: true): {what} here comes from {origin}.\n"
# 100 is the priority of what is installed: such a version is taken where nothing else is there, and replaces nothing.
_RECORD = "Package: {names}\nPin: release o={maker}\nPin-Priority: 100\n"


def others_steps(inventory: Inventory, order: Order, deliverer: Deliverer, changes: bool) -> list[Step]:
    """Write the file where other makers can be seen, take it away where none is or no hold is wanted. Without changes of packages
    a file that is not there is not missed: nobody had it from us."""
    if deliverer.manager != "apt":
        return []
    path = order.own.others
    there, text = (inventory.packages.get("own_files") or {}).get(path), others_text(inventory, order, deliverer)
    if text is None:
        return [Step("file_absent", f"remove {path}", "it is not needed", {"path": path})] if there is not None else []
    if there == text or (not changes and (there is None or says_enough(there, text, inventory.packages))):
        return []
    reason = f"packages of {' and '.join(_rivals(inventory, deliverer))} with the same names stay out of the held driver"
    return [Step("file", f"write {path}", reason, {"path": path, "content": text, "mode": "0644"}, undo=f"rm {path}")]


def others_text(inventory: Inventory, order: Order, deliverer: Deliverer) -> str | None:
    """The file, None where none is wanted."""
    rivals = _rivals(inventory, deliverer) if order.hold else []
    records = [_RECORD.format(names=spelt(deliverer.hold_patterns), maker=maker) for maker in rivals]
    return _HEAD.format(module=order.own.module, what=order.own.what, origin=deliverer.id) + "\n".join(records) if records else None


def _rivals(inventory: Inventory, deliverer: Deliverer) -> list[str]:
    """What the other deliverers' repositories call themselves, of those that the node has."""
    every = [one for one in around(inventory) if one.match != deliverer.match and _has(inventory, one)]
    # Of one maker only what comes later is one: a release stays as it is below its backports.
    found = [one for one in every if one.maker != deliverer.maker or one.rank > deliverer.rank]
    return sorted({rule["o"] for one in found for rule in one.match if "o" in rule and not set("*?[\n") & set(rule["o"])})


def _has(inventory: Inventory, deliverer: Deliverer) -> bool:
    own = [entry for entry in inventory.packages.get("repositories") or () if entry.get("enabled", True)]
    row = deliverer.repository
    if row.get("path"):
        return any(str(row["path"]).rstrip("/") in uri for entry in own for uri in entry["uris"])
    if row.get("suite"):
        return any(row["suite"] in entry["suites"] for entry in own)
    return True  # the release's own
