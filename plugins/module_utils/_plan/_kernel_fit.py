# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: kernels that a driver's module cannot be built for, and what would do. Prebuilt modules have their kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .._check._node import Node, Section, at, join, older, same_version
from .._inventory._versions import newest_first
from .._knowledge import delivery, nvidia, nvidia_kernels
from ._cards import cards_of, flavours
from ._node_state import coming_kernels, kernels_to_boot, newer_or_running
from ._refuse import refuse
from .steps import Chosen, Refusal

_LASTING = ("LTSB", "PB", "legacy")
_VENDOR = "nvidia_debian"  # any deliverer of NVIDIA's own packages


class Misfit(NamedTuple):
    """A kernel that a driver does not build for. limit: the oldest kernel of its branch (too_old), or the first series of Linux that
    breaks it; builds: the first version of the branch that builds, where one is known. stops: the next boot depends on this kernel,
    and that it fails is sure."""

    release: str
    too_old: bool
    limit: str
    builds: str | None
    stops: bool

    @property
    def code(self) -> str:
        return "ND-KERNEL-TOO-OLD" if self.too_old else "ND-KERNEL-TOO-NEW"


def matters(node: Node, entry: Section) -> bool:
    """Whether the next boot depends on a kernel."""
    release, next_boot = entry.get("release"), node.get("kernel.next_boot_release")
    return bool(entry.get("next_boot")) or (next_boot is None and release == node.get("kernel.release"))


def misfits(node: Node, driver: Chosen, changes: Sequence[Any] = ()) -> list[Misfit]:
    """The kernels that this node boots or comes to by itself and that the driver is known not to build for, what stops first. One that
    has a module of this very version was built for."""
    if driver.build != "dkms":
        return []
    found = []
    for entry in kernels_to_boot(node):
        built = at(entry, "modules.nvidia.version")
        if newer_or_running(node, entry) and not (built and same_version(built, driver.version)):
            found.append(_misfit(str(entry.get("release")), driver, matters(node, entry)))
    found += [_misfit(release, driver, True) for release in coming_kernels(node, changes)]
    return sorted((one for one in found if one), key=lambda one: not one.stops)


def _misfit(release: str, driver: Chosen, needed: bool) -> Misfit | None:
    row = nvidia.branch(driver.branch)
    if row is not None and row.min_kernel is not None and older(release, row.min_kernel):
        return Misfit(release, True, row.min_kernel, None, needed)
    maker = _maker(driver)
    version = driver.version if maker == "nvidia" else (driver.revision or "").rpartition(":")[2]
    found = nvidia_kernels.too_new(release, maker, version, driver.flavour)
    return Misfit(release, False, found.kernel, found.builds, needed and found.sure) if found else None


def _maker(driver: Chosen) -> str:
    """Whose packages they are, in the word of driver.origin."""
    found = delivery.deliverer(driver.origin) if driver.origin else None
    return found.maker if found else ""


def refusals(node: Node, driver: Chosen, found: Sequence[Misfit], offered: Sequence[str] | None = None) -> Iterator[Refusal]:
    """In the words of refusals; offered: versions that can be had and that fit, the nearest first (None: nobody was asked)."""
    for one in found:
        near = list(offered or ()) or ([one.builds] if one.builds and offered is None else [])
        other = None if near else _elsewhere(node, driver, one)
        kernel = None if one.too_old else _kernel_here(node, driver)
        advice = [f"use version {join(near).replace(' and ', ' or ')}"] if near else []
        mine = _maker(driver) == "nvidia"
        advice += [f"use version {other}{', which is not offered here' if mine else ' with origin: nvidia'}"] if other else []
        advice += [f"boot kernel {kernel}, which is installed"] if kernel else []
        use: list[dict[str, str]] = [{"version": version} for version in near or ([other] if other else [])]
        use += [{"origin": "nvidia"}] if other and not mine else []
        yield refuse(node, one.code, f"kernel {one.release}", severity=None if one.stops else "warning",
                     use=tuple(use), kernel=one.release, branch=driver.branch,
                     version=driver.revision or driver.version, origin=driver.origin, minimum=one.limit, series=one.limit,
                     advice=", or ".join(advice) or "no version is known that fits")


def _elsewhere(node: Node, driver: Chosen, one: Misfit) -> str | None:
    """Of our table the nearest branch that drives the cards and whose newest version is not known to fail, as NVIDIA packs it; of the
    driver's own branch this version."""
    cards = cards_of(node.nvidia)
    fits = [row for row in nvidia.branches() if row.type in _LASTING and row.latest and flavours(cards, row.number)
            and not _misfit(one.release, Chosen(row.latest, row.number, None, _VENDOR, "dkms"), True)]
    best = min(fits, key=lambda row: (not row.supported, abs(row.number - driver.branch))) if fits else None
    return best and (best.latest if best.number == driver.branch else str(best.number))


def _kernel_here(node: Node, driver: Chosen) -> str | None:
    """The newest installed kernel that the driver is not known to fail with, and that has headers or a module."""
    here = [entry for entry in kernels_to_boot(node) if entry.get("headers") or at(entry, "modules.nvidia")]
    fits = [str(entry.get("release")) for entry in here if not _misfit(str(entry.get("release")), driver, True)]
    return next(iter(newest_first(fits)), None)
