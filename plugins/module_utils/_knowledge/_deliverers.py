# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what those who deliver drivers to distributions have in common, NVIDIA's and AMD's (delivery.py, rocm_delivery.py).

Rows are those of the deliverers of data/nvidia_packages.yml and data/rocm_packages.yml; data/distributions.yml has what is the
distribution's own.
"""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_ROLLING = "*"  # in a table of versions: any
# 6.12.48+deb13-cloud-amd64 → cloud-amd64, 6.1.0-39-amd64 → amd64, 6.8.0-1015-aws → aws, 6.4.0-150600.23.25-default → default
_FLAVOUR = re.compile(r"\d+(?:\.\d+)+(?:[+~][0-9A-Za-z.+~]+)?(?:-\d[\d.]*)?-((?:[a-z]|\d+[a-z])[a-z0-9]*(?:-[a-z0-9]+)*)", re.ASCII)
# 5.14.0-503.el9.x86_64+rt → 5.14.0-503.el9
_ARCHITECTURE = re.compile(r"\.(?:x86_64|aarch64)(?:\+[a-z0-9-]+)?$", re.ASCII)
# The letters that a name is filled with come from a node: nothing that a package manager takes for an option or a version.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~^:-]{0,120}", re.ASCII)

Row = Mapping[str, Any]


class Deliverer(NamedTuple):
    """One maker's packages on one distribution.

    kind: distribution | vendor. rank: the order in which origins are tried. match: how its repositories are told in the manager's
    metadata (apt: fields of the release line, {"o": "Debian", "a": "*-backports"}; rpm: {"vendor": "NVIDIA*"}, {"repo": "cuda-*"}).
    patterns: names to ask the package manager for (fnmatch). hold: preferences | pinning_package | versionlock | stream |
    zypper_lock; hold_patterns: names that a hold covers (fnmatch; in a plan for apt the names themselves). headers: names of packages
    with kernel headers, {release} and {kernel_flavour} filled in: `meta` follows the flavour's kernels, `exact` is for one release;
    where that name says no release, `exact_version` is the pattern of its version, made of {kernel_version}. extras: names of
    persistenced, fabricmanager, nscq, imex, nvlink5 (templates, those of the newest branches; no key: not offered; `delivery.extras`
    knows older names). repository: how to add it, {"components": [...]} beside the distribution's own, {"suite":
    "{codename}-backports", "components": [...]}, or {"url", "base", "path", "folder", "key", "fingerprint", "id", "priority"}:
    url is base + path and ends with a slash, the file of the key lies there, fingerprint is None where nobody reliable told it; AMD's
    depend on the release and are told by `rocm_delivery.repositories`. maker is the word that the facts' origin has for these packages
    (debian, ubuntu, nvidia, amd …). pinning: the pinning packages, templates with {branch} or {version}. tools: packages for hold,
    headers and build ("versionlock": the dnf plugin).
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
def distributions() -> dict[str, Any]:
    """Tables of data/distributions.yml: same_as, by_major, codenames, headers."""
    from .distributions_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    return tables


def made(row: Row, repository: Mapping[str, Any], hold_patterns: Iterable[str], extras: Mapping[str, tuple[str, ...]]) -> Deliverer:
    """A row as a value."""
    return Deliverer(
        id=row["id"],
        kind=row["kind"],
        rank=row["rank"],
        manager=row["manager"],
        match=tuple(row["match"]),
        patterns=tuple(row["patterns"]),
        hold=row["hold"],
        hold_patterns=tuple(hold_patterns),
        headers=distributions()["headers"][row["manager"]],
        extras=extras,
        repository=repository,
        maker=row["maker"],
        pinning=tuple(row.get("pinning", ())),
        tools={use: tuple(names) for use, names in row.get("tools", {}).items()},
    )


def release_of(
    rows: Mapping[str, Row], distribution: str, version: str, like: tuple[str, ...], ubuntu_codename: str | None
) -> tuple[str, str] | None:
    """The distribution and version that rows of deliverers have for one, itself or what it is built from."""
    tables = distributions()
    known = {key for row in rows.values() for key in row["distributions"]}
    same = tables["same_as"]
    if distribution in known:
        return distribution, version
    if distribution in same:
        return same[distribution], version
    if "ubuntu" in like:
        return next((("ubuntu", number) for number, word in tables["codenames"]["ubuntu"].items() if word == ubuntu_codename), None)
    base = next((word for word in like if word in tables["by_major"]), None)
    return (tables["by_major"][base], version) if base else None


def serves(row: Row, distribution: str, version: str, architecture: str) -> bool:
    """Whether a deliverer has packages for a release of a distribution and an architecture."""
    return architecture in row["architectures"] and listed(version, row["distributions"].get(distribution, ()))


def listed(version: str, versions: Iterable[str]) -> bool:
    """Whether a version is one of these, or a minor release of one ("9.4" of "9")."""
    return any(one in (_ROLLING, version) or version.startswith(f"{one}.") for one in versions)


def origin_of(rows: Mapping[str, Row], manager: str, fields: Mapping[str, str], among: Iterable[str] | None) -> str | None:
    """The id of the row whose repositories' metadata looks like this; None: nobody's."""
    family = "dnf" if manager == "dnf5" else manager
    for origin in rows if among is None else among:
        row = rows.get(origin)
        if row and row["manager"] == family and any(_fits(rule, fields) for rule in row["match"]):
            return str(origin)
    return None


def _fits(rule: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    return all(fnmatch.fnmatchcase(str(fields.get(key) or "").lower(), pattern.lower()) for key, pattern in rule.items())


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


def codename(distribution: str, version: str) -> str | None:
    """The code name of a release of Debian or Ubuntu ("13" → trixie); None where our table has none."""
    name: str | None = distributions()["codenames"].get(distribution, {}).get(version)
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
