# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who delivers NVIDIA drivers to which distribution, under which package names (data/nvidia_packages.yml)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Deliverer", "PackageSet", "deliverer", "deliverers", "package_sets"]


class PackageSet(NamedTuple):
    """Packages that together are a driver. Names are templates with {branch}, {kernel_flavour} (generic, aws …).

    first and last: branches that the set is for (None: open end). server: Ubuntu's -server builds, which Fabric Manager needs.
    install is what to name to the package manager, essential what is on a node where the set is complete, core the package whose
    version is the driver's. stream is the dnf module stream to enable, "{branch}-open". conflicts: sets of the same names by
    other makers need no row here.
    """

    origin: str
    first: int | None
    last: int | None
    components: str  # compute | full
    flavour: str  # open | proprietary
    build: str  # dkms | prebuilt
    server: bool
    install: tuple[str, ...]
    essential: tuple[str, ...]
    core: str
    stream: str | None


class Deliverer(NamedTuple):
    """One maker's packages on one distribution.

    kind: distribution | vendor. rank: the order in which origins are tried. match: how its repositories are told in the manager's
    metadata (apt: fields of the release line, {"o": "Debian", "a": "*-backports"}; rpm: {"vendor": "NVIDIA*"}, {"repo": "cuda-*"}).
    patterns: names to ask the package manager for (fnmatch). hold: preferences | pinning_package | versionlock | stream |
    zypper_lock; hold_patterns: names that a hold covers. headers: names of packages with kernel headers, {release} and
    {kernel_flavour} filled in: `meta` follows the flavour's kernels, `exact` is for one release. extras: names of
    persistenced, fabricmanager, nscq, imex, nvlink5 (templates; None: not offered). repository: how to add it, {"components":
    [...]} beside the distribution's own, {"suite": "{codename}-backports", "components": [...]}, or {"url", "folder", "key",
    "fingerprint", "id", "priority"}.
    """

    id: str
    kind: str
    rank: int
    manager: str
    match: tuple[Mapping[str, str], ...]
    patterns: tuple[str, ...]
    hold: str
    hold_patterns: tuple[str, ...]
    headers: Mapping[str, str]
    extras: Mapping[str, tuple[str, ...]]
    repository: Mapping[str, Any]


def deliverers(distribution: str, version: str, like: tuple[str, ...] = (), architecture: str = "x86_64") -> list[Deliverer]:
    """Those of a distribution (ID, VERSION_ID and ID_LIKE of os-release), in the order of rank; empty for an unknown one."""
    raise NotImplementedError


def deliverer(origin: str) -> Deliverer | None:
    """The row of an id."""
    raise NotImplementedError


def package_sets(origin: str) -> list[PackageSet]:
    """Sets of an origin in the order of the table: the first that fits is the one to take."""
    raise NotImplementedError
