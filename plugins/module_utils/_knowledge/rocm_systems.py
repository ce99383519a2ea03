# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which operating systems and kernels AMD lists for a release of ROCm and a card (data/rocm_support.yml, os_support and os_limits)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .rocm_products import Product
from .rocm_releases import Release, covers, newest_of_series, tables


class System(NamedTuple):
    """A machine's: ID, VERSION_ID and ID_LIKE of os-release, the kernel as `uname -r` says it, and its architecture."""

    distribution: str
    version: str
    like: tuple[str, ...] = ()
    kernel: str | None = None
    architecture: str = "x86_64"


class Standing(NamedTuple):
    """What AMD's list of a release says of a system.

    status: supported | unlisted | unknown (no list of this release was read, or the system was not told). why: a sentence. releases:
    the newest release of each series whose list has the system for this card, the oldest first. kernels: series that the list names
    with it ("6.8", "5.14.0-570"); kernel_listed: whether the running one is of them, None where that is not known. near: the listed
    system that this one is built from ("rhel 9.6"), where it is not listed itself.
    """

    status: str
    why: str
    releases: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    kernel_listed: bool | None = None
    near: str | None = None


Listed = Mapping[str, Mapping[str, tuple[str, ...]]]


@functools.lru_cache(maxsize=256)
def listed(version: str, family: str, product: str | None = None) -> Listed:
    """{distribution: {version: kernels}} of a release's list for a family (instinct, radeon, ryzen) or one product of it."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in tables()["os_support"]:
        if family in row["families"] and covers(row["first"], row.get("last"), version):
            for name, versions in row["systems"].items():
                mine = found.setdefault(name, {})
                for one, kernels in versions.items():
                    mine[one] = tuple(dict.fromkeys((*mine.get(one, ()), *kernels)))
    for row in tables()["os_limits"]:
        if covers(row["first"], row.get("last"), version) and _meant(row, product):
            found = {name: {one: kernels for one, kernels in versions.items() if _left(row, name, one)}
                     for name, versions in found.items()}
    return {name: versions for name, versions in found.items() if versions}


@functools.lru_cache(maxsize=1024)
def standing(release: Release, family: str, product: Product | None, system: System | None) -> Standing:
    """What the list of a release says of a system, for one product (None: a card that no list names) of a family."""
    if system is None:
        return Standing("unknown", "The operating system was not told.")
    name = f"{system.distribution} {system.version}"
    on_list = product.name if product else None
    has = tuple(one.version for one in newest_of_series() if (product is None or covers(product.first, product.last, one.version))
                and _of(listed(one.version, family, on_list), system) is not None)
    rows = listed(release.version, family, on_list)
    if not rows:
        return Standing("unknown", f"No list of systems for {family} cards was read for ROCm {release.version}.", has)
    kernels = _of(rows, system)
    if system.architecture != "x86_64":
        return Standing("unlisted", f"AMD's lists are for x86_64 alone, this is {system.architecture}.")
    if kernels is not None:
        return Standing("supported", f"AMD lists {name} for ROCm {release.version}.", has, kernels, _kernel_of(system.kernel, kernels))
    near = _near(rows, system)
    other = f"; it is built from {near}, which is listed" if near else f"; ROCm {_words(has)} has it" if has else ""
    return Standing("unlisted", f"AMD's list for ROCm {release.version} does not have {name}{other}.", has, near=near)


def _words(has: tuple[str, ...]) -> str:
    return has[0] if len(has) == 1 else f"{', '.join(has[:-1])} or {has[-1]}"


def _meant(row: Mapping[str, Any], product: str | None) -> bool:
    if "all_but" in row:
        return product not in row["all_but"]
    return product in row["products"]


def _left(row: Mapping[str, Any], name: str, version: str) -> bool:
    if "only" in row:
        return version in row["only"].get(name, ())
    return version not in row["without"].get(name, ())


def _of(rows: Listed, system: System) -> tuple[str, ...] | None:
    """The kernels that a list names with a system; None where the system is not on it."""
    return _version_of(rows.get(system.distribution, {}), system.version)


def _version_of(versions: Mapping[str, tuple[str, ...]], version: str) -> tuple[str, ...] | None:
    """A list that says 9 has every 9.x, one that says 9.6 has no other."""
    return next((kernels for one, kernels in versions.items() if version == one or version.startswith(f"{one}.")), None)


def _near(rows: Listed, system: System) -> str | None:
    """The Enterprise Linux of the same number. Derivatives of Debian and Ubuntu have numbers of their own."""
    if "rhel" not in system.like or _version_of(rows.get("rhel", {}), system.version) is None:
        return None
    return f"rhel {system.version}"


def _kernel_of(kernel: str | None, kernels: tuple[str, ...]) -> bool | None:
    if kernel is None or not kernels:
        return None
    return any(re.match(re.escape(one) + r"(?![0-9])", kernel) for one in kernels)
