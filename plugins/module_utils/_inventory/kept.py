# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what earlier runs left on a node, and what a plan works with there: record, files of ours, repositories, programs."""

from __future__ import annotations

import json
from typing import Any

from ._firmware import common_name
from ._inventory import Inventory
from ._nvidia_services import at_boot
from ._package_locks import VERSIONLOCK
from ._repositories import read_repositories
from ._source import Source
from .ubuntu import codename

_PROGRAMS = ("update-initramfs", "dracut", "mkinitrd", "dnf5", "nvidia-modprobe", "nvidia-uninstall", "ubuntu-drivers", "kubectl",
             "scontrol", VERSIONLOCK)
_PROGRAM_FOLDERS = ("/usr/sbin", "/usr/bin", "/usr/local/bin")
_MODULES = ("nvidia", "nvidia_modeset", "nvidia_drm", "nvidia_uvm", "nvidia_peermem")
# Where the certificate of the key lies that modules are signed with when they are built here: Ubuntu, dkms, akmods.
_CERTIFICATES = ("/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub", "/etc/pki/akmods/certs/public_key.der")
_RECORD_LIMIT = 1 << 20
SCHEMA_VERSION = 1


def parse_record(text: str) -> dict[str, Any]:
    """The record of what this collection did: {schema_version, packages: {name: version}, files: [path], repositories: [{path,
    key_path}], locks: [{kind, patterns}], way_back: [{undo, …}]}. ValueError for anything else."""
    record = json.loads(text)
    if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"no record of schema version {SCHEMA_VERSION}")
    forms = {"packages": dict, "files": list, "repositories": list, "locks": list, "way_back": list}
    for key, form in forms.items():
        if not isinstance(record.setdefault(key, form()), form):
            raise ValueError(f"{key} is no {form.__name__}")
    if not all(isinstance(one, str) and one.startswith("/") for one in record["files"]):
        raise ValueError("files has something else than absolute paths")
    if not all(isinstance(one, dict) for key in ("repositories", "locks", "way_back") for one in record[key]):
        raise ValueError("repositories, locks or way_back has something else than objects")
    if not all(isinstance(version, str) for version in record["packages"].values()) or not _names(record.get("asked", [])):
        raise ValueError("packages or asked has something else than names and versions")
    if not all(_names(one.get("patterns", [])) for one in record["locks"]):
        raise ValueError("locks has something else than patterns")
    if not all(isinstance(one.get("undo"), str) and isinstance(one.get("packages", {}), dict) for one in record["way_back"]):
        raise ValueError("way_back has something else than commands")
    return record


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """Parts of system, packages, kernel and health (docs/architecture.md, "Enforcing a driver")."""
    record = _record(source)
    packages: dict[str, Any] = {
        "record": record,
        "own_files": _own_files(source, record),
        "repositories": read_repositories(source, known.packages.get("manager")),
    }
    programs = {name for folder in _PROGRAM_FOLDERS for name in source.names(folder)}
    programs |= {VERSIONLOCK} if "versionlock.conf" in source.names("/etc/dnf/plugins") else set()
    if "dnf5" in programs and source.link_name("/usr/bin/dnf") != "dnf5":
        programs.remove("dnf5")  # it is there beside dnf 4, which is the one that this node uses
    loaded = source.names("/sys/module")
    return {
        "packages": packages,
        "system": {"programs": [name for name in _PROGRAMS if name in programs],
                   "image_based": "ostree-booted" in source.names("/run") or None, "ubuntu_codename": codename(source, known)},
        "kernel": {"signing_key": _signing_key(source) if known.kernel.get("secure_boot") else None},
        "health": {"nvidia_modules": [name for name in _MODULES if name in loaded], "services_at_boot": at_boot(source),
                   "console_on_gpu": "nvidia" in (source.text("/proc/fb", 4096) or "")},
    }


def _record(source: Source) -> dict[str, Any] | None:
    """What the module did here, by its record; None where there is none, or a broken one."""
    path = source.own.record
    text = source.text(path, _RECORD_LIMIT)
    try:
        return parse_record(text) if text is not None else None
    except (ValueError, RecursionError) as error:
        source.problem("unreadable", f"{path}: {error}")
        return None


def _own_files(source: Source, record: dict[str, Any] | None) -> dict[str, str]:
    """{path: content} of the files of the module that are there; those of repositories and keys too."""
    paths = [source.own.preferences, *source.own.files, *(record or {}).get("files", ())]
    for repository in (record or {}).get("repositories", ()):
        paths += [str(repository[key]) for key in ("path", "key_path") if str(repository.get(key) or "").startswith("/")]
    found = {}
    for path in dict.fromkeys(paths):
        folder, _slash, name = path.rpartition("/")
        text = source.text(path) if name in source.names(folder) else None
        if text is not None:
            found[path] = text
    return found


def _signing_key(source: Source) -> str | None:
    """The common name of the certificate that modules built here are signed by."""
    for path in _CERTIFICATES:
        data = source.data(path, 1 << 16)
        name = common_name(data) if data else None
        if name:
            return name
    return None
