# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the ROCm that is installed, and whether the calling user may use the compute device."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ._inventory import Inventory
from ._source import Source

KFD = "/dev/kfd"
RENDER_FOLDER = "/dev/dri"

# Packages of distributions whose version is the release of their ROCm, the surest first. AMD's packages of such names have
# numbers of their own, from 1.0 on; they come with rocm-core, which the reader of packages knows.
_TELLING = ("rocm-runtime", "libhsa-runtime64-1", "rocminfo")
_OLDEST = 3  # major release that distributions began with
_HOPS = 4  # /opt/rocm → /etc/alternatives/rocm → /opt/rocm-6.2.4


class Access(NamedTuple):
    """A device file: mode like "0660", name (or number) of its group, whether the caller may read and write it."""

    mode: str
    group: str
    accessible: bool


def release_of(text: str) -> str | None:
    """The release in "6.2.4-139", "7.2.0" or the package version "1:6.2.4.60204-139~24.04": 6.2.4. None for other texts."""
    match = re.match(r"(?:\d+:)?(\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)(?![\d])", text.strip(), re.ASCII)
    return match[1] if match else None


def folders_of(opt: Iterable[str], inside: Iterable[str]) -> list[str]:
    """Where a ROCm may be, from the names in /opt and in /opt/rocm: the one in use first, then the newest."""
    def newest(names: Iterable[str], prefix: str) -> list[str]:
        numbered = [(tuple(map(int, name[len(prefix):].split("."))), name) for name in names
                    if re.fullmatch(re.escape(prefix) + r"\d{1,4}(\.\d{1,4}){0,3}", name, re.ASCII)]
        return [name for _number, name in sorted(numbered, reverse=True)]

    inner = [f"/opt/rocm/{name}" for name in ("core", *newest(inside, "core-"))]
    return ["/opt/rocm", *inner, *(f"/opt/{name}" for name in newest(opt, "rocm-"))]


def release_of_packages(installed: dict[str, dict[str, Any]]) -> str | None:
    """The release of a distribution's ROCm, from {name: {version}}."""
    told = (release_of(str((installed.get(name) or {}).get("version"))) for name in _TELLING)
    return next((release for release in told if release and int(release.partition(".")[0]) >= _OLDEST), None)


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """amd.rocm.version and path where one is installed, amd.device_access where there is something to access."""
    amd: dict[str, Any] = {}
    release, path = _on_disk(source)
    release = release or release_of_packages(known.packages.get("installed") or {})
    if release:
        amd["rocm"] = {"version": release, "path": path}
    if (known.amd.get("driver") or {}).get("kfd") or any(device.get("vendor") == "amd" for device in known.devices):
        answer = source.probe("device_access")
        if answer is not None and not is_access(answer):
            source.problem("unreadable", "device_access: an answer that is not understood")
        elif answer is not None:
            amd["device_access"] = answer
    return {"amd": {key: value for key, value in amd.items() if value}}


def is_access(answer: Any) -> bool:
    """Whether this is an answer of ``probe_device_access``, and not what somebody else put into a recording."""
    if not isinstance(answer, dict) or not isinstance(answer.get("groups"), list):
        return False
    words = [*answer["groups"], *(answer[key] for key in ("kfd_mode", "kfd_group") if answer.get(key) is not None)]
    return all(isinstance(word, str) for word in words) and isinstance(answer.get("accessible"), bool)


def _on_disk(source: Source) -> tuple[str | None, str | None]:
    """Release and folder, from the file .info/version."""
    opt = source.names("/opt")
    if not any(name.startswith("rocm") for name in opt):
        return None, None
    for folder in folders_of(opt, source.names("/opt/rocm")):
        release = release_of(source.value(f"{folder}/.info/version") or "")
        if release:
            return release, real_path(source, folder)
    return None, None


def real_path(source: Source, folder: str) -> str:
    """Where a chain of links leads to."""
    for _hop in range(_HOPS):
        target = source.link(folder)
        if not target:
            break
        folder = target if target.startswith("/") else f"{folder.rpartition('/')[0]}/{target}"
    return folder


def probe_device_access(_argument: Any) -> dict[str, Any]:
    """amd.device_access as the calling user sees it; groups: those of the caller's that such devices belong to."""
    import grp
    import os

    kfd = _access(KFD)
    names = sorted(name for name in _listed(RENDER_FOLDER) if name.startswith("renderD"))
    render = [access for access in (_access(f"{RENDER_FOLDER}/{name}") for name in names) if access]
    owners = {access.group for access in (*render, *([kfd] if kfd else []))} | {"render", "video"}
    mine = {_group_name(grp, number) for number in {os.getegid(), *os.getgroups()}}
    usable = bool(kfd and kfd.accessible) and (not render or any(access.accessible for access in render))
    return {"kfd_mode": kfd.mode if kfd else None, "kfd_group": kfd.group if kfd else None, "groups": sorted(mine & owners),
            "accessible": usable}


def _listed(folder: str) -> list[str]:
    import os

    try:
        return os.listdir(folder)
    except OSError:
        return []


def _access(path: str) -> Access | None:
    import grp
    import os
    import stat

    try:
        status = os.stat(path)
    except OSError:
        return None
    effective = os.access in os.supports_effective_ids
    allowed = os.access(path, os.R_OK | os.W_OK, effective_ids=effective)
    return Access(f"{stat.S_IMODE(status.st_mode):04o}", _group_name(grp, status.st_gid), allowed)


def _group_name(grp: Any, number: int) -> str:
    try:
        return str(grp.getgrgid(number).gr_name)
    except KeyError:
        return str(number)
