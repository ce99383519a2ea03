# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what stands in the way of a driver before the first change, or is to be known. Texts are rows of data/refusals.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._check import _packages as _check_packages
from .._check._node import Node, address, at, join, name, passed_through
from .._inventory._own import NVIDIA
from .._knowledge import delivery
from . import _preflight_build, _preflight_room
from ._node_state import packaged, users
from ._owners import OWNERS, owner_of, runfile_stays, serves_wish
from ._preflight_shared import acknowledged, at_work, damaged_record, half_configured, jobs, managers, severe
from ._preflight_shared import held as held_by_others
from ._refuse import refuse
from ._runfile import UNINSTALLER
from .order import Order
from .steps import Chosen, Refusal

__all__ = ["after", "before", "busy", "held"]


def before(inventory: Any, order: Order, today: str | None = None) -> list[Refusal]:
    """What is known before the package manager is asked, what stops first. For a node where something is to be done.
    today: YYYY-MM-DD, unused where no row has a date."""
    node = Node(inventory)
    return acknowledged(
        order,
        [
            *_place(node),
            *_owned(node, order),
            *_cards(node),
            *_packages(node, order),
            *(damaged_record(order.own, node) if order.state != "absent" else ()),
            *at_work(order.own, node, order.wait_for_lock),
            *busy(inventory, order),
        ],
    )


def after(inventory: Any, order: Order, chosen: Chosen, closure: Any, today: str | None = None) -> list[Refusal]:
    """What is known once a driver is chosen and its transaction (Closure of _packages.types) resolved."""
    node = Node(inventory)
    return acknowledged(
        order,
        [
            *_preflight_build.check(node, order, chosen, closure, today),
            *_held_change(node, order, closure),
            *_preflight_room.check(NVIDIA, node, closure, chosen.build == "dkms"),
        ],
    )


def busy(inventory: Any, order: Order) -> list[Refusal]:
    """Jobs that a change would hit: processes, MIG instances in use, an undrained kubelet or slurmd. Critical where when_busy is
    refuse; else warnings, and for `wait` the one who executes asks again until none is left."""
    node = Node(inventory)
    return severe(order, _busy(node))


def _busy(node: Node) -> Iterator[Refusal]:
    held = users(node)
    yield from jobs(NVIDIA, node, held)
    for device in node.nvidia:
        instances = at(device, "mig.instances") or []
        if instances and held != []:  # idle ones are made again by whoever made them
            yield refuse(node, "ND-BUSY-MIG", address(device), gpu=name(device), count=len(instances))
    yield from managers(NVIDIA, node)


def _place(node: Node) -> Iterator[Refusal]:
    if node.container and not node.wsl:
        yield refuse(node, "ND-CONTAINER")


def _owned(node: Node, order: Order) -> Iterator[Refusal]:
    owner, serves = owner_of(node), order.state != "absent" and serves_wish(node, order)
    if owner is not None and not serves:
        yield refuse(node, OWNERS[owner], version=node.driver_version or "none", wish=order.wish)
    runfile = node.get("packages.runfile")
    if not runfile or owner is not None or (serves and runfile_stays(node, order)):
        return
    version, paths = runfile.get("version") or "of unknown version", runfile.get("paths") or ["/var/lib/nvidia"]
    if not order.replace_runfile:
        yield refuse(node, "ND-RUNFILE", version=version, paths=join(paths, 4), use=({"replace_runfile": "true"},))
    elif UNINSTALLER not in paths:
        yield refuse(node, "ND-RUNFILE-NO-UNINSTALLER", version=version, uninstaller=UNINSTALLER)


def _cards(node: Node) -> Iterator[Refusal]:
    """Cards that a guest has: without any other there is nothing to drive here."""
    given = [device for device in node.devices if device.get("vendor") == "nvidia" and passed_through(device)]
    for device in given:
        yield refuse(
            node,
            "ND-PASSED-THROUGH",
            address(device),
            severity="warning" if node.nvidia else None,
            gpu=name(device),
            driver=at(device, "pci.kernel_driver"),
        )


def _packages(node: Node, order: Order) -> Iterator[Refusal]:
    yield from half_configured(NVIDIA, node)
    if not packaged(node):
        return
    for finding in _check_packages.check(node):
        if finding.code == "NV-MIXED-ORIGIN":
            told = join(f"{origin} ({join(names, 3)})" for origin, names in sorted(finding.evidence["origins"].items()))
            # A change of the maker that broke off is ours to finish: the record says what should be there.
            yield refuse(node, "ND-MIXED-ORIGIN", "packages", severity="warning" if _unfinished(node) else None, origins=told)
    if order.state != "absent" and not serves_wish(node, order):
        yield from _third_party(node)
        yield from held(node, sorted(node.get("nvidia.driver.packages") or {}))


def _unfinished(node: Node) -> bool:
    """Whether packages that the record names are not there in the version that it names."""
    installed: dict[str, Any] = node.get("packages.installed") or {}
    wanted = (node.get("packages.record") or {}).get("packages") or {}
    return any(at(installed.get(package), "version") not in str(version).split() for package, version in wanted.items())


def _third_party(node: Node) -> Iterator[Refusal]:
    """A driver of a maker that nobody of our table is, on a distribution that it has."""
    origin = node.get("nvidia.driver.origin")
    around = delivery.deliverers(
        str(node.get("system.distribution") or ""),
        str(node.get("system.distribution_version") or ""),
        node.get("system.distribution_like") or (),
        str(node.get("system.architecture") or "x86_64"),
        node.get("system.ubuntu_codename"),
    )
    if origin and around and origin not in {one.maker for one in around}:
        version = node.get("nvidia.driver.installed_version")
        yield refuse(node, "ND-THIRD-PARTY", "packages", origin=origin, version=version, use=({"version": str(version)},))


def _held_change(node: Node, order: Order, closure: Any) -> Iterator[Refusal]:
    """Held packages that the transaction would change, or that may be why there is none."""
    if closure.error:
        return
    changed = [str(change.name) for change in closure.changes if change.action not in ("install", "reinstall")]
    yield from held(node, changed, apt_marks_only=True)


def held(node: Node, packages: list[str], apt_marks_only: bool = False) -> Iterator[Refusal]:
    """Holds of others on these packages. Our own are replaced by the plan, and NVIDIA's pinning package goes with its driver."""
    there = any(str(name).startswith("nvidia-driver-pinning") for name in node.get("packages.installed") or {})
    pins = [lock for lock in node.items("packages.locks") if there and "nvidia-driver-pinning" in str(lock.get("path"))]
    yield from held_by_others(NVIDIA, node, packages, apt_marks_only, pins)
