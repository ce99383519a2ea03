# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whether the packages of a node are what an order asks for, told without the package manager."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .._check._node import Node, at, join
from .._inventory._inventory import Inventory
from .._inventory._package_text import upstream_version
from .._knowledge import delivery
from .._knowledge.delivery import Deliverer
from ._cards import cards_of, flavours
from ._hold import tools_of
from ._node_state import kernels_to_boot
from ._pinning import pinning_here
from ._present import (
    EXACT,
    Present,
    around,
    extras_told,
    installed,
    kernels_of,
    names_of,
    present,
    revision_of,
    roles,
    sets_of,
    under_another_name,
)
from ._repositories import attempts
from ._templates import Kernel, filled
from .branch import Installed, choose_branch
from .order import Order
from .steps import Chosen

__all__ = ["There", "lacking", "others_driver", "reasons_of", "stays"]


class There(NamedTuple):
    """A driver that is on the node, complete, from somebody who may be asked for one."""

    deliverer: Deliverer
    present: Present
    chosen: Chosen


def stays(inventory: Inventory, order: Order, today: str | None = None) -> There | None:
    """The driver of the node where it serves the wish and every card; today: YYYY-MM-DD."""
    for attempt in attempts(inventory, order):
        if attempt.unserved_only and inventory.nvidia.get("driver", {}).get("origin") != attempt.deliverer.maker:
            continue
        found = present(inventory, attempt.deliverer, kernels_of(inventory, attempt.deliverer))
        if found is None or not order.wish.allows(found.version, revision_of(found.revision)):
            continue
        row = found.packages
        if row.flavour in flavours(cards_of(Node(inventory).nvidia), found.branch) and order.flavour in ("auto", row.flavour):
            return There(attempt.deliverer, found,
                         Chosen(found.version, found.branch, row.flavour, attempt.deliverer.id, row.build, found.revision))
    return None


def others_driver(inventory: Inventory, order: Order) -> str | None:
    """What to say of a driver whose packages are of a maker that our table does not know, where it serves the wish and every card:
    it stays as it is. None for any other."""
    driver = inventory.nvidia.get("driver") or {}
    origin, version = driver.get("origin"), driver.get("installed_version")
    if not origin or not version or not driver.get("packages") or order.origin != "auto" or order.state != "present":
        return None
    known = {one.maker for one in around(inventory)}
    flavour = driver.get("kernel_module")
    left = flavours(cards_of(Node(inventory).nvidia), int(version.partition(".")[0]))
    if origin in known or not order.wish.allows(version) or not left or (flavour and flavour not in left):
        return None
    return f"{version} of {origin} is installed and {order.wish} allows it: it stays as {origin} packs it"


def lacking(inventory: Inventory, order: Order, there: There) -> list[str]:
    """What the packages lack of the order, in words; the package manager is needed for it."""
    kernels = kernels_of(inventory, there.deliverer)
    return [*_by_option(inventory, order, there), *_versions(inventory, there, kernels), *_extras(inventory, order, there),
            *_for_kernels(inventory, there, kernels)]


def _by_option(inventory: Inventory, order: Order, there: There) -> Iterator[str]:
    row = there.present.packages
    if order.state == "latest":
        yield "state is latest"
    if order.components == "full" and row.components != "full":
        yield "components is full and the display part is not there"
    if order.precompiled == {"dkms": "always", "prebuilt": "never"}.get(row.build):
        yield f"precompiled is {order.precompiled} and the module is {row.build}"
    yield from _pinning(inventory, order, there)
    if not inventory.nvidia["driver"].get("held"):
        yield from (f"{name} is not installed" for name in tools_of(Node(inventory), order, there.chosen, there.deliverer))
    if order.replace_runfile and inventory.packages.get("runfile"):
        yield "a .run installer left files that are to be replaced"
    if "fabricmanager" in roles(inventory, order) and not row.server and any(one.server for one in sets_of(inventory, there.deliverer)):
        yield "Fabric Manager needs the -server packages"


def _pinning(inventory: Inventory, order: Order, there: There) -> Iterator[str]:
    """The package that pins the driver: it is not there, it pins another driver, or it is ours and no longer wanted."""
    if there.deliverer.hold != "pinning_package":
        return
    here = pinning_here(inventory, there.deliverer)
    words = {"branch": there.present.branch, "version": there.present.version}
    fits = {filled(template, **words) for template in there.deliverer.pinning}
    ours = (inventory.packages.get("record") or {}).get("packages") or {}
    held = inventory.nvidia["driver"].get("held") or order.own.preferences in (inventory.packages.get("own_files") or {})
    if order.hold and not here and not held:
        yield "no package pins the driver"
    for name in here:
        if name not in fits:
            yield f"{name} pins another driver"
        elif not order.hold and name in ours:
            yield f"hold is false and {name} is installed"


def _versions(inventory: Inventory, there: There, kernels: list[Kernel]) -> Iterator[str]:
    """Packages that a broken transaction left at another version."""
    known = installed(inventory)
    for name in names_of(there.present.packages.essential, there.present.branch, kernels):
        version = upstream_version(known[name]["version"])
        if version != there.present.version and version.partition(".")[0].isdecimal() and len(version.partition(".")[0]) == 3:
            yield f"{name} is {version}, the driver is {there.present.version}"


def _extras(inventory: Inventory, order: Order, there: There) -> Iterator[str]:
    known, wanted = installed(inventory), roles(inventory, order)
    for role, names in delivery.extras(there.deliverer.id, there.present.branch).items():
        for name in names if role in wanted else ():
            if role in EXACT and under_another_name(known, name, there.present.version):
                continue
            if name not in known:
                yield f"{name} is not installed"
            elif role in EXACT and upstream_version(known[name]["version"]) != there.present.version:
                yield f"{name} is {upstream_version(known[name]['version'])}, the driver is {there.present.version}"
    for name in order.extra_packages:
        if name not in known:
            yield f"whether {name} of extra_packages is installed is not known"


def _for_kernels(inventory: Inventory, there: There, kernels: list[Kernel]) -> Iterator[str]:
    entries = kernels_to_boot(Node(inventory))
    if there.present.packages.build == "prebuilt":
        without = [str(entry["release"]) for entry in entries if not at(entry, "modules.nvidia")]
        if without:
            yield f"kernel {join(without)} has no module"
        return
    without = [str(entry["release"]) for entry in entries if entry.get("headers") is False]
    if without:
        yield f"kernel {join(without)} has no headers"
    known, meta = installed(inventory), there.deliverer.headers.get("meta")
    record = inventory.packages.get("record")
    for name in sorted({filled(meta, kernel_flavour=kernel.flavour) for kernel in kernels}) if meta else ():
        # A plan of ours installs it where it is offered: where the record does not have it, nobody offers it.
        if name not in known and (record is None or name in (record.get("packages") or {})):
            yield f"{name} is not installed: the next kernel would have no headers"


def reasons_of(inventory: Inventory, order: Order, chosen: Chosen, today: str | None) -> list[str]:
    """Why this driver, in the words of the choice of its branch."""
    node = Node(inventory)
    version = node.get("nvidia.driver.installed_version")
    core = {package.get("version") for package in installed(inventory).values()}
    same = version == chosen.version and order.state == "present" and (chosen.revision is None or chosen.revision in core)
    there = Installed(version, revision_of(chosen.revision or ""), _flavour_there(inventory, version)) if same else None
    found = choose_branch(order.wish, node.nvidia, {chosen.branch}, there, today).reasons
    if order.flavour != "auto":
        found = [reason for reason in found if not reason.startswith("kernel module: ")]
        found.append(f"kernel module: {order.flavour}, as flavour says")
    return [*found, *chosen.notes, *_advice(inventory, chosen), *extras_told(inventory, order, chosen.origin, chosen.branch),
            *_built_here(inventory, order, chosen)]


def _flavour_there(inventory: Inventory, version: str) -> str | None:
    """The flavour of the installed driver by its packages; they tell it where no module is loaded too."""
    found = [present(inventory, one, kernels_of(inventory, one)) for one in around(inventory)]
    return next((one.packages.flavour for one in found if one and one.version == version), None)


def _built_here(inventory: Inventory, order: Order, chosen: Chosen) -> list[str]:
    """Where the maker has precompiled modules too, why they are not taken."""
    row = delivery.deliverer(chosen.origin) if chosen.origin else None
    if row is None or chosen.build != "dkms" or order.precompiled != "auto":
        return []
    if row.hold == "stream":
        return ["DKMS builds the kernel module here: precompiled ones of NVIDIA fit Red Hat's own kernels only"]
    kernels = kernels_of(inventory, row)
    there = present(inventory, row, kernels)
    if (there and there.packages.build == "dkms") or not any(one.build == "prebuilt" for one in sets_of(inventory, row)):
        return []
    releases = [kernel.release for kernel in kernels]
    every = "" if len(releases) == 1 else "each of "
    return [f"DKMS builds the kernel module here: {row.id} has no prebuilt one of {chosen.version} for {every}kernel {join(releases)}"]


def _advice(inventory: Inventory, chosen: Chosen) -> list[str]:
    """What the distribution's own tool recommends, where that is something else."""
    rows = inventory.packages.get("recommended") or ()
    if not rows or any((row["branch"], row["flavour"]) == (chosen.branch, chosen.flavour) for row in rows):
        return []
    return [f"ubuntu-drivers recommends {join(row['package'] for row in rows)}; the wish and the rules above count more"]
