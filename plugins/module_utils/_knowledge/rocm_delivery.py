# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who delivers ROCm and AMD's driver to which distribution, under which names (data/rocm_packages.yml).

Deliverers have the form of NVIDIA's (delivery.py). What they lack there is told here: repositories, which depend on the release and the
driver, and the names of components, which depend on the release and the target.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from . import _deliverers as shared
from ._deliverers import Deliverer, codename, fill, kernel_flavour, kernel_version
from .rocm_releases import covers, folder

__all__ = ["Component", "Deliverer", "Delivery", "Place", "codename", "component", "components", "deliverer", "deliverers", "delivery_of",
           "fill", "kernel_flavour", "kernel_version", "origin_of", "release_of_package", "repositories"]

COMPONENTS = ("runtime", "hip", "opencl", "ml", "developer", "smi", "all", "dkms", "firmware")
_LEADING = re.compile(r"(?:[0-9]+:)?(?:[0-9]+-[0-9]+\.rocm)?([0-9]{1,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?)(?![0-9])", re.ASCII)
_STAMP = re.compile(r"\.([0-9]{5,6})(?=[-.~_]|$)", re.ASCII)


class Delivery(NamedTuple):
    """What ROCm's deliverers have besides. stream: legacy | therock, None: what the distribution has. side_by_side: "{name}{release}",
    "series" (names carry it anyway) or None. gone_first: ids whose packages are to be removed before. hold_rocm, hold_driver: names that
    the two holds cover, since the driver has versions of its own. targets: what a distribution's libraries are built for (empty: unknown,
    or as the release)."""

    stream: str | None
    side_by_side: str | None
    gone_first: tuple[str, ...]
    hold_rocm: tuple[str, ...]
    hold_driver: tuple[str, ...]
    targets: tuple[str, ...]


class Place(NamedTuple):
    """A repository of AMD. use: rocm | amdgpu | graphics. url: base + path, without a slash at the end. suite and components are for apt
    (None, empty: rpm). key: address of the armoured key; fingerprint None where nobody reliable told it; keyring: where AMD's guide puts
    it. priority: the manager's own number, for apt of a pin (None: none)."""

    use: str
    id: str
    base: str
    path: str
    suite: str | None
    components: tuple[str, ...]
    key: str
    fingerprint: str | None
    keyring: str
    priority: int | None

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.base}{self.path}"


class Component(NamedTuple):
    """Packages of a component, names filled in where they were given: install, and core, whose version tells the component's."""

    name: str
    install: tuple[str, ...]
    core: str


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    from .rocm_delivery_table import TABLE

    tables: dict[str, Any] = json.loads(TABLE)
    return tables


def deliverers(
    distribution: str,
    version: str,
    like: Iterable[str] = (),
    architecture: str = "x86_64",
    ubuntu_codename: str | None = None,
) -> list[Deliverer]:
    """Those of a distribution (ID, VERSION_ID, ID_LIKE and UBUNTU_CODENAME of os-release) by rank; empty for an unknown one."""
    known = shared.release_of(_rows(), distribution, version, tuple(like), ubuntu_codename)
    if known is None:
        return []
    found = [_made(row) for row in _rows().values() if shared.serves(row, *known, architecture)]
    return sorted(found, key=lambda one: one.rank)


def deliverer(origin: str) -> Deliverer | None:
    """The row of an id."""
    row = _rows().get(origin)
    return _made(row) if row else None


def delivery_of(origin: str) -> Delivery:
    """What ROCm's deliverers have besides, by id; KeyError for an id that is none."""
    row = _rows()[origin]
    return Delivery(row.get("stream"), row.get("side_by_side"), tuple(row["gone_first"]), tuple(row["hold_rocm"]),
                    tuple(row["hold_driver"]), tuple(row.get("targets", ())))


def origin_of(manager: str, fields: Mapping[str, str], among: Iterable[str] | None = None) -> str | None:
    """The id of who offers a candidate, by what the metadata says of its repository (as in delivery.py); None: nobody of the table."""
    return shared.origin_of(_rows(), manager, fields, among)


def repositories(
    origin: str, distribution: str, version: str, release: str, driver: str | None = None, like: Iterable[str] = (),
    ubuntu_codename: str | None = None,
) -> list[Place]:
    """The repositories of an origin for a release of ROCm ("7.2.4") and a driver ("30.30.4"; None: no driver), on a distribution.

    Empty where the origin is no vendor, or has nothing for the release or the distribution.
    """
    known = shared.release_of(_rows(), distribution, version, tuple(like), ubuntu_codename)
    if known is None or not shared.listed(known[1], _rows()[origin]["distributions"].get(known[0], ())):
        return []
    found = []
    for row in _tables()["repositories"]:
        fits = origin in row["of"] and covers(row.get("first"), row.get("last"), release)
        if fits and shared.listed(known[1], row.get("versions", ("*",))) and (driver is not None or row["use"] != "amdgpu"):
            found.append(_place(row, *known, release, driver or ""))
    return [place for place in found if place is not None]


def components(origin: str, release: str | None = None, version: str | None = None) -> list[str]:
    """Which components an origin delivers, for a release of ROCm and a VERSION_ID where they matter, in the order of COMPONENTS."""
    has = {row["component"] for row in _tables()["components"] if _meant(row, origin, release, version)}
    return [name for name in COMPONENTS if name in has]


def component(
    origin: str, name: str, release: str | None = None, version: str | None = None, gfx_target: str | None = None, beside: bool = False
) -> Component | None:
    """The packages of a component; None where the origin does not deliver it.

    Templates keep what was not given ({xy} without a release, {gfx} without a target). beside: the set that may stand beside another
    release, where there is one of other names; the driver and the firmware have none.
    """
    row = next((row for row in _tables()["components"] if row["component"] == name and _meant(row, origin, release, version)), None)
    if row is None:
        return None
    words = {key: value for key, value in (("xy", release and ".".join(release.split(".")[:2])), ("gfx", gfx_target)) if value}
    form = _rows()[origin].get("side_by_side") or ""
    many = beside and "{release}" in form and name not in ("dkms", "firmware") and release is not None

    def named(template: str) -> str:
        plain = re.sub(r"\{(\w+)\}", lambda match: fill(match[0], **words) if match[1] in words else match[0], template)
        return fill(form, name=plain, release=release) if many else plain

    return Component(name, tuple(named(one) for one in row["install"]), named(row["core"]))


def release_of_package(origin: str, package_version: str) -> str | None:
    """The release of ROCm that a package of an origin belongs to: "7.2.4.70204-93~24.04" → 7.2.4, "5.7.1-6+deb13u1" → 5.7.1,
    "10.0.0-4" → 10.0.0. None for another text; a driver's version says nothing of a release (rocm_drivers.driver_release)."""
    if _rows()[origin]["version"] == "stamp":
        found = _STAMP.findall(package_version)  # the last of them: 7.2.53211.70204-93 has a number of its own before it
        number = int(found[-1]) if found else 0
        return f"{number // 10000}.{number // 100 % 100}.{number % 100}" if number else None
    match = _LEADING.match(package_version)
    return match[1] if match else None


def _rows() -> Mapping[str, shared.Row]:
    rows: Mapping[str, shared.Row] = _tables()["deliverers"]
    return rows


def _made(row: shared.Row) -> Deliverer:
    return shared.made(row, {}, (*row["hold_rocm"], *row["hold_driver"]), {})


def _meant(row: shared.Row, origin: str, release: str | None, version: str | None) -> bool:
    on_time = release is None or covers(row.get("first"), row.get("last"), release)
    return origin in row["of"] and on_time and (version is None or shared.listed(version, row.get("versions", ("*",))))


def _place(row: shared.Row, distribution: str, version: str, release: str, driver: str) -> Place | None:
    words = {"rocm": folder(release), "amdgpu": folder(driver), "version": version, "major": version.partition(".")[0]}
    for key in ("folders", "suites"):
        if key in row:
            own = row[key].get(distribution, {}).get(version)
            if own is None:
                return None
            words[key[:-1]] = own
    key = _tables()["keys_of_amd"][row["key"]]
    return Place(row["use"], row["id"], row["base"], _path(row["path"], words), words.get("suite") or row.get("suite"),
                 tuple(row.get("components", ())), key["url"], key.get("fingerprint"), key["keyring"], row.get("priority"))


def _path(template: str, words: Mapping[str, str]) -> str:
    """A path with its words filled in, each a part of a path: ValueError for one that could lead elsewhere."""
    for key, value in words.items():
        if f"{{{key}}}" in template and not re.fullmatch(r"[0-9a-z][0-9a-z.]{0,40}", value, re.ASCII):
            raise ValueError(f"{key} is {value[:60]!r}, which is no part of a repository's address")
    return fill(template, **words)
