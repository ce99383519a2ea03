# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who delivers NVIDIA drivers to which distribution, under which package names (data/nvidia_packages.yml)."""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["Deliverer", "PackageSet", "codename", "deliverer", "deliverers", "extras", "fill", "hardware", "kernel_flavour",
           "kernel_version", "origin_of", "package_sets"]

_ROLLING = "*"  # in a table of versions: any
# 6.12.48+deb13-cloud-amd64 → cloud-amd64, 6.1.0-39-amd64 → amd64, 6.8.0-1015-aws → aws, 6.4.0-150600.23.25-default → default
_FLAVOUR = re.compile(r"\d+(?:\.\d+)+(?:[+~][0-9A-Za-z.+~]+)?(?:-\d[\d.]*)?-((?:[a-z]|\d+[a-z])[a-z0-9]*(?:-[a-z0-9]+)*)", re.ASCII)
# 5.14.0-503.el9.x86_64+rt → 5.14.0-503.el9
_ARCHITECTURE = re.compile(r"\.(?:x86_64|aarch64)(?:\+[a-z0-9-]+)?$", re.ASCII)
# The letters that a name is filled with come from a node: nothing that a package manager takes for an option or a version.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~^:-]{0,120}", re.ASCII)


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


class Deliverer(NamedTuple):
    """One maker's packages on one distribution.

    kind: distribution | vendor. rank: the order in which origins are tried. match: how its repositories are told in the manager's
    metadata (apt: fields of the release line, {"o": "Debian", "a": "*-backports"}; rpm: {"vendor": "NVIDIA*"}, {"repo": "cuda-*"}).
    patterns: names to ask the package manager for (fnmatch). hold: preferences | pinning_package | versionlock | stream |
    zypper_lock; hold_patterns: names that a hold covers (fnmatch; in a plan for apt the names themselves). headers: names of packages
    with kernel headers, {release} and {kernel_flavour} filled in: `meta` follows the flavour's kernels, `exact` is for one release;
    where that name says no release, `exact_version` is the pattern of its version, made of {kernel_version}. extras: names of
    persistenced, fabricmanager, nscq, imex, nvlink5 (templates, those of the newest branches; no key: not offered; `extras` knows
    older names). repository: how to add it, {"components": [...]} beside the distribution's own, {"suite":
    "{codename}-backports", "components": [...]}, or {"url", "base", "path", "folder", "key", "fingerprint", "id", "priority"}:
    url is base + path and ends with a slash, the file of the key lies there, fingerprint is None where nobody reliable told it.
    maker is the word that `driver.origin` of the facts has for these packages (debian, ubuntu, nvidia …). pinning: the pinning
    packages, templates with {branch} or {version}. tools: packages for hold, headers and build ("versionlock": the dnf plugin).
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
    maker: str = ""
    pinning: tuple[str, ...] = ()
    tools: Mapping[str, tuple[str, ...]] = {}


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
    known = _release(distribution, version, tuple(like), ubuntu_codename)
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
    found = [one for one in _sets().get(origin, []) if version is None or not one.versions or _listed(version, one.versions)]
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


def fill(template: str, **words: object) -> str:
    """A name made of a template: fill("nvidia-headless-{branch}", branch=580).

    KeyError where a word of the template is not given; ValueError where one cannot be a part of a package's name.
    """

    def word(match: re.Match[str]) -> str:
        value = str(words[match[1]])
        if not _WORD.fullmatch(value):
            raise ValueError(f"{match[1]} is {value[:60]!r}, which is no part of a package's name")
        return value

    return re.sub(r"\{(\w+)\}", word, template)


def origin_of(manager: str, fields: Mapping[str, str], among: Iterable[str] | None = None) -> str | None:
    """The id of who offers a candidate, by what the metadata says of its repository; None: nobody of the table.

    manager: apt | dnf | dnf5 | zypper. fields: those of `match`, for apt o, l, a, n, c, site; for rpm repo, vendor, url. among: ids
    to choose from, those of `deliverers(…)`: NVIDIA's repositories for two distributions say the same of themselves.
    """
    rows = _tables()["deliverers"]
    family = "dnf" if manager == "dnf5" else manager
    for origin in rows if among is None else among:
        row = rows.get(origin)
        if row and row["manager"] == family and any(_fits(rule, fields) for rule in row["match"]):
            return str(origin)
    return None


def codename(distribution: str, version: str) -> str | None:
    """The code name of a release of Debian or Ubuntu ("13" → trixie); None where our table has none."""
    name: str | None = _tables()["codenames"].get(distribution, {}).get(version)
    return name


def kernel_flavour(release: str) -> str | None:
    """The flavour in the name of a kernel ("6.12.48+deb13-cloud-amd64" → cloud-amd64); None where it has none."""
    match = _FLAVOUR.fullmatch(release)
    return match[1] if match else None


def kernel_version(release: str) -> str:
    """The version of a kernel's packages: its name without architecture and flavour (5.14.0-503.el9.x86_64 → 5.14.0-503.el9)."""
    bare = _ARCHITECTURE.sub("", release)
    flavour = kernel_flavour(bare)
    return bare[: -len(flavour) - 1] if flavour else bare


def _release(distribution: str, version: str, like: tuple[str, ...], name: str | None) -> tuple[str, str] | None:
    """The distribution and version that the tables have for one, itself or what it is built from."""
    tables = _tables()
    known = {key for row in tables["deliverers"].values() for key in row["distributions"]}
    same = tables["same_as"]
    if distribution in known:
        return distribution, version
    if distribution in same:
        return same[distribution], version
    if "ubuntu" in like:
        return next((("ubuntu", number) for number, word in tables["codenames"]["ubuntu"].items() if word == name), None)
    base = next((word for word in like if word in tables["by_major"]), None)
    return (tables["by_major"][base], version) if base else None


def _serves(row: Mapping[str, Any], distribution: str, version: str, architecture: str) -> bool:
    if architecture not in row["architectures"] or not _listed(version, row["distributions"].get(distribution, ())):
        return False
    return "folders" not in row["repository"] or _folder(row["repository"], distribution, version, architecture) is not None


def _listed(version: str, versions: Iterable[str]) -> bool:
    """Whether a version is one of these, or a minor release of one ("9.4" of "9")."""
    return any(one in (_ROLLING, version) or version.startswith(f"{one}.") for one in versions)


def _fits(rule: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    return all(fnmatch.fnmatchcase(str(fields.get(key) or "").lower(), pattern.lower()) for key, pattern in rule.items())


def _made(row: Mapping[str, Any], distribution: str | None, version: str | None, architecture: str | None) -> Deliverer:
    return Deliverer(
        id=row["id"],
        kind=row["kind"],
        rank=row["rank"],
        manager=row["manager"],
        match=tuple(row["match"]),
        patterns=tuple(row["patterns"]),
        hold=row["hold"],
        hold_patterns=tuple(row["hold_patterns"]),
        headers=row["headers"],
        extras={role: tuple(entries[0]["names"]) for role, entries in row.get("extras", {}).items()},
        repository=_repository(row["repository"], distribution, version, architecture),
        maker=row["maker"],
        pinning=tuple(row.get("pinning", ())),
        tools={use: tuple(names) for use, names in row.get("tools", {}).items()},
    )


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
        if fits and _listed(version, one["versions"]):
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
