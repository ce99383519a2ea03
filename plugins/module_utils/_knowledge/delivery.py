# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who delivers NVIDIA drivers to which distribution, under which package names (data/nvidia_packages.yml)."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from . import _deliverers as shared
from ._deliverers import Deliverer, codename, fill, kernel_flavour, kernel_version

__all__ = ["Deliverer", "PackageSet", "codename", "deliverer", "deliverers", "extras", "fill", "hardware", "kernel_flavour",
           "kernel_version", "origin_of", "package_sets"]


class PackageSet(NamedTuple):
    """Packages that together are a driver. Names are templates with {branch}, {kernel_flavour} (generic, aws …).

    first and last: branches that the set is for (None: open end). server: Ubuntu's -server builds, which Fabric Manager needs.
    install is what to name to the package manager, essential what is on a node where the set is complete, core the package whose
    version is the driver's. stream is the dnf module stream to enable, "{branch}-open". conflicts: sets of the same names by
    other makers need no row here. versions: releases of the distribution that have it, as VERSION_ID says (empty: all). not_on:
    "13 aarch64", where the archive has the names and they cannot be installed.
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
    versions: tuple[str, ...] = ()
    not_on: tuple[str, ...] = ()


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    from .delivery_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    return tables


def deliverers(
    distribution: str,
    version: str,
    like: Iterable[str] = (),
    architecture: str = "x86_64",
    ubuntu_codename: str | None = None,
) -> list[Deliverer]:
    """Those of a distribution (ID, VERSION_ID and ID_LIKE of os-release), in the order of rank; empty for an unknown one.

    ubuntu_codename is UBUNTU_CODENAME, without which a derivative of Ubuntu is unknown: its own version number says nothing of Ubuntu's.
    """
    known = shared.release_of(_tables()["deliverers"], distribution, version, tuple(like), ubuntu_codename)
    if known is None:
        return []
    found = [_made(row, *known, architecture) for row in _tables()["deliverers"].values() if _serves(row, *known, architecture)]
    return sorted(found, key=lambda one: one.rank)


def deliverer(origin: str) -> Deliverer | None:
    """The row of an id, with a repository of templates: {folder}, {arch} and what depends on the release are not filled in."""
    row = _tables()["deliverers"].get(origin)
    return _made(row, None, None, None) if row else None


def package_sets(origin: str, version: str | None = None, architecture: str | None = None) -> list[PackageSet]:
    """Sets of an origin in the order of the table: the first that fits is the one to take. version, architecture: those of one
    release, and those that can be installed there."""
    found = [one for one in _sets().get(origin, []) if version is None or not one.versions or shared.listed(version, one.versions)]
    return [one for one in found if f"{version} {architecture}" not in one.not_on]


def extras(origin: str, branch: int) -> dict[str, tuple[str, ...]]:
    """Names of persistenced, fabricmanager, nscq, imex, nvlink5 for a branch, filled in; no key: this origin has none."""
    row = _tables()["deliverers"].get(origin) or {}
    found: dict[str, tuple[str, ...]] = {}
    for role, entries in row.get("extras", {}).items():
        fits = [one for one in entries if one.get("first", branch) <= branch <= one.get("last", branch)]
        if fits:
            found[role] = tuple(fill(name, branch=branch) for name in fits[0]["names"])
    return found


def hardware() -> list[dict[str, Any]]:
    """Which cards ask for which extras: [{role, pci: [device ids], architectures}]; architectures count only beside NVSwitches."""
    found: list[dict[str, Any]] = _tables()["hardware"]
    return found


def origin_of(manager: str, fields: Mapping[str, str], among: Iterable[str] | None = None) -> str | None:
    """The id of who offers a candidate, by what the metadata says of its repository; None: nobody of the table.

    manager: apt | dnf | dnf5 | zypper. fields: those of `match`, for apt o, l, a, n, c, site; for rpm repo, vendor, url. among: ids
    to choose from, those of `deliverers(…)`: NVIDIA's repositories for two distributions say the same of themselves.
    """
    return shared.origin_of(_tables()["deliverers"], manager, fields, among)


def _serves(row: Mapping[str, Any], distribution: str, version: str, architecture: str) -> bool:
    if not shared.serves(row, distribution, version, architecture):
        return False
    return "folders" not in row["repository"] or _folder(row["repository"], distribution, version, architecture) is not None


def _made(row: Mapping[str, Any], distribution: str | None, version: str | None, architecture: str | None) -> Deliverer:
    extras = {role: tuple(entries[0]["names"]) for role, entries in row.get("extras", {}).items()}
    return shared.made(row, _repository(row["repository"], distribution, version, architecture), row["hold_patterns"], extras)


def _repository(row: Mapping[str, Any], distribution: str | None, version: str | None, architecture: str | None) -> dict[str, Any]:
    """A repository's row, with what depends on the release and the architecture filled in where they are known."""
    found = {key: value for key, value in row.items() if key not in ("folders", "arches")}
    if distribution is None or version is None:
        return found
    if "suite" in found:
        found["suite"] = found["suite"].replace("{codename}", codename(distribution, version) or "{codename}")
    folder = _folder(row, distribution, version, architecture)
    if folder is not None:
        key = _tables()["keys_of_nvidia"].get(folder["key"], {}) if folder.get("key") else {}
        arch = row["arches"].get(architecture, architecture)
        path = fill(row["path"], folder=folder["folder"], arch=arch)
        found.update(folder=folder["folder"], path=path, url=f"{row['base']}{path}", id=fill(row["id"], folder=folder["folder"], arch=arch),
                     key=key.get("file"), fingerprint=key.get("fingerprint"))
    return found


def _folder(row: Mapping[str, Any], distribution: str, version: str, architecture: str | None) -> Mapping[str, Any] | None:
    """The folder of NVIDIA's server for a release; None where there is none."""
    for one in row.get("folders", ()):
        fits = architecture in one.get("architectures", (architecture,)) and distribution in one["distributions"]
        if fits and shared.listed(version, one["versions"]):
            found: Mapping[str, Any] = one
            return found
    return None


@functools.lru_cache(maxsize=1)
def _sets() -> dict[str, list[PackageSet]]:
    found: dict[str, list[PackageSet]] = {}
    for row in _tables()["package_sets"]:
        one = PackageSet(
            origin=row["origin"],
            first=row.get("first"),
            last=row.get("last"),
            components=row["components"],
            flavour=row["flavour"],
            build=row["build"],
            server=row["server"],
            install=tuple(row["install"]),
            essential=tuple(row.get("essential", row["install"])),
            core=row["core"],
            stream=row.get("stream"),
            versions=tuple(row.get("versions", ())),
            not_on=tuple(row.get("not_on", ())),
        )
        found.setdefault(one.origin, []).append(one)
    return found
