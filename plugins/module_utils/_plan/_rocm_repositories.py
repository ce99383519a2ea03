# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whom to ask for ROCm, and the repositories of AMD that have to be there for a release and a driver; apt's priority of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .._inventory._inventory import Inventory
from .._knowledge import rocm_delivery
from .._knowledge.rocm_delivery import Deliverer, Place
from .._packages.types import Repository
from .rocm_order import RocmOrder
from .steps import Step

__all__ = ["RocmAttempt", "places_of", "priority_file", "priority_steps", "repositories_of", "stale_repositories"]

_MARK = "# Written by gpufleet.node.rocm_stack.\n"
_PRIORITY = """\
# Written by gpufleet.node.rocm_stack: packages of AMD come before those of the distribution with the same names.
Package: *
Pin: release o={origin}
Pin-Priority: {priority}
"""
_FOLDERS = {"zypper": "/etc/zypp/repos.d", "dnf": "/etc/yum.repos.d"}


class RocmAttempt(NamedTuple):
    """A deliverer to ask, with the repositories to add to the node's own; release and driver: what is to be had from AMD's (None: what
    the deliverer has, no driver)."""

    deliverer: Deliverer
    repositories: tuple[Repository, ...]
    release: str | None = None
    driver: str | None = None


def places_of(inventory: Inventory, deliverer: Deliverer, release: str | None, driver: str | None) -> list[Place]:
    """The repositories of a deliverer on this distribution."""
    system = inventory.system
    if release is None or deliverer.kind != "vendor":
        return []
    return rocm_delivery.repositories(deliverer.id, str(system.get("distribution")), str(system.get("distribution_version")), release,
                                      driver, system.get("distribution_like") or (), system.get("ubuntu_codename"))


def repositories_of(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, release: str | None, driver: str | None
) -> tuple[Repository, ...]:
    """Those that the node has not yet. Our own file of another release is written anew: it has the same name."""
    own = [entry for entry in inventory.packages.get("repositories") or () if entry.get("enabled", True)]
    found = []
    for place in places_of(inventory, deliverer, release, driver):
        url = _mirrored(order, place.url)
        if not any(_same(entry, url, place) for entry in own):
            found.append(_repository(order, deliverer, place, url))
    return tuple(found)


def _mirrored(order: RocmOrder, url: str) -> str:
    """A mirror stands for the vendor's server: its paths are the same."""
    return f"{order.mirror.rstrip('/')}{urlsplit(url).path}" if order.mirror else url


def _same(entry: Mapping[str, Any], url: str, place: Place) -> bool:
    fits = place.suite is None or place.suite in entry.get("suites", ())
    return fits and any(uri.rstrip("/") == url.rstrip("/") for uri in entry["uris"])


def _name(deliverer: Deliverer, place: Place) -> str:
    """One file for each use: a release of another stream takes the place of the one before."""
    return f"gpufleet-{'rocm' if place.use == 'rocm' else place.use}"


def _repository(order: RocmOrder, deliverer: Deliverer, place: Place, url: str) -> Repository:
    name = _name(deliverer, place)
    # The operator's key is of the repository of ROCm, and of all that their mirror has; AMD signs the driver's by another one.
    own = order.repository_key is not None and (place.use == "rocm" or order.mirror is not None)
    key_url, fingerprint = _mirrored(order, place.key), None if own else place.fingerprint
    stem = place.key.rpartition("/")[2].partition(".")[0]
    if deliverer.manager == "apt":
        key_path = f"/usr/share/keyrings/gpufleet-amd-{'own' if own else stem}.asc"
        content = (f"{_MARK}Types: deb\nURIs: {url}\nSuites: {place.suite}\nComponents: {' '.join(place.components)}\n"
                   f"Signed-By: {key_path}\n")
        return Repository(name, f"/etc/apt/sources.list.d/{name}.sources", content, key_path, key_url=key_url, fingerprint=fingerprint)
    key_path = f"/etc/pki/rpm-gpg/RPM-GPG-KEY-gpufleet-amd-{'own' if own else stem}"
    lines = [f"[{name}]", f"name={name}", f"baseurl={url}", "enabled=1", "gpgcheck=1", f"gpgkey=file://{key_path}"]
    priority = order.repository_priority or place.priority
    lines += [f"priority={priority}"] if priority else []
    folder = _FOLDERS["zypper" if deliverer.manager == "zypper" else "dnf"]
    return Repository(name, f"{folder}/{name}.repo", _MARK + "\n".join(lines) + "\n", key_path, key_url=key_url, fingerprint=fingerprint)


def stale_repositories(inventory: Inventory, deliverer: Deliverer, release: str, driver: str | None) -> list[Step]:
    """Take away our files of repositories that the release does not have, such as Mesa's of the classic stream."""
    uses = {place.use for place in places_of(inventory, deliverer, release, driver)}
    kept = {f"gpufleet-{use}." for use in uses}
    record = inventory.packages.get("record") or {}
    ours = [str(one.get("path")) for one in record.get("repositories") or ()]
    files = inventory.packages.get("own_files") or {}
    return [Step("file_absent", f"remove {path}", f"ROCm {release} has no such repository", {"path": path})
            for path in ours if path in files and not any(f"/{start}" in path for start in kept)]


def priority_file(inventory: Inventory, order: RocmOrder, deliverer: Deliverer, release: str | None) -> list[tuple[str, str]]:
    """[(path, content)] of apt's pin of AMD's repositories by the origin that they call themselves: their rocminfo and hipcc look older
    than the distribution's."""
    if deliverer.manager != "apt" or deliverer.kind != "vendor":
        return []
    priority = order.repository_priority or next((place.priority for place in places_of(inventory, deliverer, release, None)), None)
    texts = [_PRIORITY.format(origin=rule["o"], priority=priority) for rule in deliverer.match if "o" in rule] if priority else []
    head, *rest = texts or [""]
    body = "\n".join([head, *(text.partition("\n")[2] for text in rest)])
    return [(f"{order.own.own_preferences}amd.pref", body)] if texts else []


def priority_steps(inventory: Inventory, order: RocmOrder, deliverer: Deliverer, release: str | None, changes: bool) -> list[Step]:
    """Set the priority where it is another one, and take it away from a node whose ROCm is the distribution's."""
    files = inventory.packages.get("own_files") or {}
    path = f"{order.own.own_preferences}amd.pref"
    wanted = dict(priority_file(inventory, order, deliverer, release))
    if not wanted:
        return [Step("file_absent", f"remove {path}", "no package of AMD is wanted", {"path": path})] if path in files else []
    asked = changes or path in files or order.repository_priority is not None
    if not asked or files.get(path) == wanted[path]:
        return []
    return [Step("file", f"write {path}", "AMD's rocminfo and hipcc look older than the distribution's of the same names",
                 {"path": path, "content": wanted[path], "mode": "0644"}, undo=f"rm {path}")]
