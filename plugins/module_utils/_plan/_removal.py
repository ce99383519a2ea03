# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which recorded packages can go without taking anything else along, asked of the package manager. Pure but for that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .._check._node import Node, join
from .._inventory._inventory import Inventory
from .._inventory._own import NVIDIA, Own
from .._inventory._package_text import upstream_version
from .._packages.types import Change, Closure, Installed, Remover, Request
from ._refuse import refuse
from .steps import Refusal

__all__ = ["Removal", "removal"]

_BUILDERS = ("dkms", "akmods")
_HEADERS = re.compile(r"linux-headers-|linux-kbuild-|kernel-(?:\w+-)*devel|kernel-headers", re.ASCII)
_FOREIGN = ("i386", "i686", "armhf")
# Kernels and their parts: linux-image-6.8.0-90-generic, linux-modules-extra-…, kernel-core, kernel-default; no modules of drivers.
_KERNEL = re.compile(
    r"linux-image-\S+|linux-modules-(?:extra-)?[0-9]\S*"
    r"|kernel(?:-(?:default|rt|64k|16k|debug|azure))?(?:-(?:core|modules(?:-core|-extra)?))?",
    re.ASCII,
)


class Removal(NamedTuple):
    """names are those to tell the package manager, changes the transaction, kept (name, why) what of the record stays."""

    names: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    refusals: tuple[Refusal, ...] = ()


def removal(
    inventory: Inventory, record: Mapping[str, Any], asked: Remover, own: Own = NVIDIA, core: Callable[[Installed], bool] | None = None
) -> Removal:
    """All recorded packages that are there, but those that somebody marked as their own or that packages of others need.

    Each round asks for the transaction and keeps what packages outside it need, until nothing but ours goes. core: whether a package is
    part of what own enforces, which goes whoever marked it (None: of the driver of the inventory). PackageError.
    """
    node = Node(inventory)
    core = core or _driver_of(node)
    there, kept = _there(record, asked)
    kept.update(_marked(record, there, core))
    kept.update((name, "it is a kernel, which may be the one that boots") for name, one in there.items() if _KERNEL.fullmatch(one.name))
    owners: dict[str, str] = dict.fromkeys(kept, "")  # of what is kept: the package of somebody else that needs it
    if owners:
        _spread(owners, there, asked.needs(there))
    while True:
        _with_headers(there, kept, owners)
        names = tuple(sorted(name for name in there if name not in kept and name not in owners))
        closure = asked.resolve(Request((), names)) if names else Closure(())
        if closure.error is not None:
            return Removal(refusals=_unresolved(own, node, names, closure.error))
        beyond = {_label(change, there): change for change in closure.changes if _label(change, there) not in names}
        if not beyond:
            break
        before = len(owners)
        _spread(owners, there, asked.needs([*there, *beyond]), beyond)
        if len(owners) == before:
            words = ", ".join(f"{change.action} {label}" for label, change in sorted(beyond.items()))
            return Removal(refusals=_unresolved(own, node, names, f"it would also {words}"))
    kept.update({name: f"{owner} needs it" for name, owner in owners.items() if owner})
    driver = sorted(name for name in owners if owners[name] and name in there and core(there[name]))
    if driver:
        return Removal(refusals=(_needed(own, node, driver, owners),))
    return Removal(names, closure.changes, tuple(sorted(kept.items())))


def _there(record: Mapping[str, Any], asked: Remover) -> tuple[dict[str, Installed], dict[str, str]]:
    """Recorded packages that are there, by the name that means them alone; and why those stay that cannot be named so."""
    versions: dict[str, list[Installed]] = {}
    for one in asked.installed(record.get("packages") or {}):
        versions.setdefault(one.name, []).append(one)
    there: dict[str, Installed] = {}
    kept: dict[str, str] = {}
    for name, found in versions.items():
        ours = str(record["packages"][name]).split()
        if len(found) == 1 or {one.version for one in found} <= set(ours):
            there[name] = found[-1]
        elif asked.name == "zypper" or any(":" in one.version for one in found):
            kept[name] = f"other versions of it are there: {join([one.version for one in found if one.version not in ours])}"
        else:
            there.update({f"{name}-{one.version}": one for one in found if one.version in ours})
    return there, kept


def _marked(
    record: Mapping[str, Any], there: Mapping[str, Installed], core: Callable[[Installed], bool]
) -> Iterator[tuple[str, str]]:
    """What a person has asked the package manager for since: the mark is set, and not by a task of ours. What is core goes all the
    same, that is what was asked for now."""
    asked = record.get("asked") or ()
    for name, one in there.items():
        if one.name not in asked and not core(one) and one.manual is not False:
            yield name, "somebody has marked it as wanted" if one.manual else "nobody can tell whether somebody else wants it by now"


def _driver_of(node: Node) -> Callable[[Installed], bool]:
    """Whether a package is part of the driver itself, which has its version."""
    version = node.get("nvidia.driver.installed_version")
    return lambda one: bool(version) and upstream_version(one.version) == version


def _spread(
    owners: dict[str, str], there: Mapping[str, Installed], needs: Mapping[str, Iterable[str]], beyond: Iterable[str] = ()
) -> None:
    """Add to owners what the packages in it, or those beyond the record, need of ours, and what that needs."""
    todo = [(name, owners[name] or name) for name in sorted(owners)] + [(name, owners.get(name) or name) for name in sorted(beyond)]
    while todo:
        name, owner = todo.pop(0)
        for other in sorted(needs.get(name, ())):
            if other in there and other not in owners:
                owners[other] = owner
                todo.append((other, owner))


def _with_headers(there: Mapping[str, Installed], kept: dict[str, str], owners: dict[str, str]) -> None:
    """Where the builder of modules stays for others, what it builds with stays too: no package depends on that."""
    builder = next((name for name in there if there[name].name in _BUILDERS and (name in kept or name in owners)), None)
    for name in there if builder else ():
        if _HEADERS.match(there[name].name) and name not in kept:
            owners.setdefault(name, str(builder))


def _label(change: Change, there: Mapping[str, Installed]) -> str:
    """How a change is called in there; a package of a foreign architecture is never one of ours."""
    if change.architecture in _FOREIGN:
        return f"{change.name}:{change.architecture}"
    exact = f"{change.name}-{change.before}"
    return change.name if change.name in there or change.action != "remove" else exact if exact in there else change.name


def _unresolved(own: Own, node: Node, names: Iterable[str], words: str) -> tuple[Refusal, ...]:
    """Why the package manager cannot remove just these; its own words where it was not for holds."""
    from ._preflight_shared import held

    found = tuple(one for one in held(own, node, list(names)) if one.code == f"{own.codes}HELD")
    return found or (refuse(node, f"{own.codes}REMOVAL", "packages", words=words, packages=" ".join(names)),)


def _needed(own: Own, node: Node, driver: list[str], owners: Mapping[str, str]) -> Refusal:
    others = sorted({owners[name] for name in driver})
    return refuse(node, f"{own.codes}NEEDED-BY-OTHERS", "packages", others=join(others), packages=join(driver), names=" ".join(others))
