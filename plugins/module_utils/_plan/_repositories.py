# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which deliverers to try for an order, and the repositories that each wants on a node besides its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .._inventory._inventory import Inventory
from .._knowledge import delivery
from .._knowledge.delivery import Deliverer
from .._packages.types import Repository
from ._present import around
from .order import Order

__all__ = ["Attempt", "attempts"]

_SOUND = re.compile(r"[\x21-\x7e]{1,400}")
_MARK = "# Written by gpufleet.node.nvidia_driver.\n"


class Attempt(NamedTuple):
    """A deliverer to try, with the repositories to add to the node's own.

    unserved_only: only where those before cannot serve the hardware at all, whatever the wish is.
    """

    deliverer: Deliverer
    repositories: tuple[Repository, ...]
    unserved_only: bool = False


def attempts(inventory: Inventory, order: Order) -> list[Attempt]:
    """Those who can be asked for a driver, in the order in which to try them; empty where none delivers to this distribution.

    With origin auto the maker of the driver that is there comes alone, else the distribution, and NVIDIA's own repository only
    where the distribution cannot serve the cards (or has nothing).
    """
    every = around(inventory)
    kind = {"distribution": "distribution", "nvidia": "vendor"}.get(order.origin) or _kind_in_use(inventory, every)
    if kind:
        found = [(one, False) for one in every if one.kind == kind]
        if order.origin == "auto" and kind == "distribution":
            found += [(one, True) for one in every if one.kind == "vendor"]
    else:
        own = [one for one in every if one.kind == "distribution"]
        found = [(one, False) for one in own] + [(one, bool(own)) for one in every if one.kind == "vendor"]
    return [Attempt(one, tuple(_missing(inventory, order, one)), late) for one, late in found]


def _kind_in_use(inventory: Inventory, every: list[Deliverer]) -> str | None:
    driver = inventory.nvidia.get("driver") or {}
    origin = driver.get("origin") if driver.get("packages") else None  # a .run file is no repository
    return next((one.kind for one in every if origin and one.maker == origin), None)


def _missing(inventory: Inventory, order: Order, deliverer: Deliverer) -> list[Repository]:
    row = deliverer.repository
    own = [entry for entry in inventory.packages.get("repositories") or () if entry.get("enabled", True)]
    codename = _codename(inventory)
    base = [entry for entry in own if "main" in entry["components"] and _of_release(entry, codename)]
    components = row.get("components") or row.get("needs_components") or []
    if row.get("url"):
        return [*_components(deliverer, components, base, codename, own), *_vendor(order, deliverer, own)]
    if row.get("suite"):
        return _suite(deliverer, str(row["suite"]), components, base, codename, own)
    return _components(deliverer, components, base, codename, own)


def _codename(inventory: Inventory) -> str:
    """The release's code name; empty where there is none, so that nothing is a source of it."""
    system = inventory.system
    own = delivery.codename(system.get("distribution") or "", system.get("distribution_version") or "")
    return own or system.get("ubuntu_codename") or ""


def _of_release(entry: Mapping[str, Any], codename: str) -> bool:
    """Whether an entry is of the release itself, its updates or its security; not of its backports."""
    return bool(codename) and any(re.fullmatch(rf"{re.escape(codename)}(?:[-/](?:updates|security|proposed-updates))?", suite)
                                  for suite in entry["suites"])


def _suites(entry: Mapping[str, Any], codename: str) -> list[str]:
    return [suite for suite in entry["suites"] if _of_release({"suites": [suite]}, codename)]


def _components(
    deliverer: Deliverer, components: list[str], base: list[Mapping[str, Any]], codename: str, own: list[Mapping[str, Any]]
) -> list[Repository]:
    """The components that are not there yet, beside each of the release's own sources, signed by the same key."""
    stanzas = []
    for entry in base:
        for suite in _suites(entry, codename):
            lacking = [one for one in components if not _has(own, entry, suite, one)]
            if lacking:
                stanzas.append(_stanza(entry, [suite], lacking))
    return [_file(deliverer, stanzas, "-components" if deliverer.kind == "vendor" else "")] if stanzas else []


def _suite(
    deliverer: Deliverer, suite: str, components: list[str], base: list[Mapping[str, Any]], codename: str, own: list[Mapping[str, Any]]
) -> list[Repository]:
    """Another suite of the mirror that the release itself comes from."""
    for entry in base:
        if codename in entry["suites"]:
            lacking = [one for one in components if not any(suite in other["suites"] and one in other["components"] for other in own)]
            lacking_base = [one for one in components if not _has(own, entry, codename, one)]
            stanzas = [_stanza(entry, [suite], lacking)] if lacking else []
            stanzas += [_stanza(entry, [codename], lacking_base)] if lacking_base else []
            return [_file(deliverer, stanzas)] if stanzas else []
    return []


def _has(own: list[Mapping[str, Any]], entry: Mapping[str, Any], suite: str, component: str) -> bool:
    """Whether some source has a component of a suite, from wherever the entry's packages come."""
    same = {uri.rstrip("/") for uri in entry["uris"]}
    return any(suite in other["suites"] and component in other["components"] and same & {uri.rstrip("/") for uri in other["uris"]}
               for other in own)


def _stanza(entry: Mapping[str, Any], suites: list[str], components: list[str]) -> str:
    lines = ["Types: deb", f"URIs: {_words(entry['uris'])}", f"Suites: {_words(suites)}", f"Components: {_words(components)}"]
    signed_by = entry.get("signed_by")
    if signed_by and _SOUND.fullmatch(signed_by):
        lines.append(f"Signed-By: {signed_by}")
    return "\n".join(lines) + "\n"


def _words(values: list[str]) -> str:
    return " ".join(value for value in values if _SOUND.fullmatch(value))


def _file(deliverer: Deliverer, stanzas: list[str], ending: str = "") -> Repository:
    name = f"gpufleet-{deliverer.id.replace('_', '-')}{ending}"
    return Repository(name, f"/etc/apt/sources.list.d/{name}.sources", _MARK + "\n".join(stanzas))


def _base_url(order: Order, deliverer: Deliverer) -> str:
    """Where the vendor's repository lies; ends with a slash. A mirror stands for the vendor's server: its paths are the same."""
    url = str(deliverer.repository["url"])
    if order.mirror:
        from urllib.parse import urlsplit

        url = f"{order.mirror.rstrip('/')}{urlsplit(url).path}"
    return url.rstrip("/") + "/"


def _is_vendors(entry: Mapping[str, Any], url: str, order: Order, deliverer: Deliverer) -> bool:
    """Whether a source of the node is the vendor's repository. The node's own mirror of it will do, if the order names no other: its
    paths end as the vendor's do, or it has the vendor's id in dnf and zypper."""
    if any(uri.rstrip("/") + "/" == url for uri in entry["uris"]):
        return True
    row = deliverer.repository
    named = row.get("id") and deliverer.manager != "apt" and entry["id"] == row["id"]
    path = f"/{str(row['path']).strip('/')}/" if row.get("path") else None
    return not order.mirror and bool(named or (path and any(f"{uri.rstrip('/')}/".endswith(path) for uri in entry["uris"])))


def _vendor(order: Order, deliverer: Deliverer, own: list[Mapping[str, Any]]) -> list[Repository]:
    url = _base_url(order, deliverer)
    if any(_is_vendors(entry, url, order, deliverer) for entry in own):
        return []
    name = f"gpufleet-{deliverer.id.replace('_', '-')}"
    priority = order.repository_priority or deliverer.repository.get("priority")
    key = (f"{url}{deliverer.repository.get('key')}", None if order.repository_key else deliverer.repository.get("fingerprint"))
    if deliverer.manager == "apt":
        key_path = f"/usr/share/keyrings/{name}.asc"
        content = f"{_MARK}Types: deb\nURIs: {url}\nSuites: /\nSigned-By: {key_path}\n"
        return [Repository(name, f"/etc/apt/sources.list.d/{name}.sources", content, key_path, "", *key)]
    folder, keys = ("/etc/zypp/repos.d", "/etc/pki/rpm-gpg") if deliverer.manager == "zypper" else ("/etc/yum.repos.d", "/etc/pki/rpm-gpg")
    key_path = f"{keys}/RPM-GPG-KEY-{name}"
    lines = [f"[{name}]", f"name={name}", f"baseurl={url}", "enabled=1", "gpgcheck=1", f"gpgkey=file://{key_path}"]
    # dnf and zypper: a lower number is preferred, 99 is the usual one.
    lines += [f"priority={priority}"] if priority else []
    return [Repository(name, f"{folder}/{name}.repo", _MARK + "\n".join(lines) + "\n", key_path, "", *key)]
