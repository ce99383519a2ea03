# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: how much a vendor's repository counts beside the distribution's: a file of preferences for apt, a line of the .repo file
for dnf and zypper."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .._inventory._inventory import Inventory
from .._knowledge.delivery import Deliverer
from .order import Order
from .steps import Step

__all__ = ["priority_file", "priority_steps"]

# As NVIDIA documents it: by the label of its repository, whoever mirrors that. A pin of all packages counts less than one of names.
_TEXT = """\
# Written by gpufleet.node.nvidia_driver (repository_priority).
Package: *
Pin: release l={label}
Pin-Priority: {priority}
"""
_LINE = re.compile(r"^priority[ \t]*=.*$", re.MULTILINE)


def priority_file(inventory: Inventory, order: Order, deliverer: Deliverer) -> list[tuple[str, str]]:
    """[(path, content)] of apt's pin of the repository; none where there is none to set. A repository that somebody else set up keeps
    the priority that they gave it, unless repository_priority is set."""
    label = next((str(rule["l"]) for rule in deliverer.match if "l" in rule), None)
    priority = order.repository_priority or deliverer.repository.get("priority")
    if deliverer.manager != "apt" or deliverer.kind != "vendor" or not label or not priority:
        return []
    if order.repository_priority is None and _of_others(inventory, deliverer):
        return []
    return [(f"/etc/apt/preferences.d/{_name(deliverer)}.pref", _TEXT.format(label=label, priority=priority))]


def priority_steps(
    inventory: Inventory, order: Order, deliverer: Deliverer, changes: bool, written: Iterable[str] = ()
) -> list[Step]:
    """Set the priority where it is another one. changes: packages change, so that a file that is not there is written too. written:
    paths of repositories that the plan writes anyway."""
    files = inventory.packages.get("own_files") or {}
    kept = (inventory.packages.get("record") or {}).get("files") or ()
    found = []
    for path, text in [*priority_file(inventory, order, deliverer), *_repo_file(files, order, deliverer)]:
        asked = changes or order.repository_priority is not None or path in files or path in kept
        if asked and path not in written and files.get(path) != text:
            priority = order.repository_priority or deliverer.repository.get("priority")
            reason = f"{deliverer.id} has priority {priority} in {deliverer.manager}"
            found.append(Step("file", f"write {path}", reason, {"path": path, "content": text, "mode": "0644"}, undo=f"rm {path}"))
    return found


def _repo_file(files: dict[str, str], order: Order, deliverer: Deliverer) -> list[tuple[str, str]]:
    """Our .repo file with another priority in it."""
    if deliverer.manager == "apt" or deliverer.kind != "vendor" or order.repository_priority is None:
        return []
    own = [path for path in files if path.endswith(f"/{_name(deliverer)}.repo")]
    line = f"priority={order.repository_priority}"
    return [(path, _LINE.sub(line, files[path]) if _LINE.search(files[path]) else f"{files[path].rstrip()}\n{line}\n") for path in own]


def _of_others(inventory: Inventory, deliverer: Deliverer) -> bool:
    """Whether the repository is on the node, and not by us."""
    row = str(deliverer.repository.get("path") or "").strip("/")
    own = [one for one in inventory.packages.get("repositories") or () if any(row in uri for uri in one["uris"])] if row else []
    return any(not str(one.get("path")).endswith(f"/{_name(deliverer)}.sources") for one in own)


def _name(deliverer: Deliverer) -> str:
    """How our files of a deliverer's repository are called."""
    return f"gpufleet-{deliverer.id.replace('_', '-')}"
