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

# Packages that say which ROCm a node has, of AMD and of distributions; some of AMD's carry the release in their names.
_PACKAGES = re.compile(
    r"(rocm(-core|-hip-runtime|-opencl-runtime|-runtime|-hip|-smi|-smi-lib|-dkms)?|rocminfo|amdrocm(-core|-runtime)?|hip-runtime-amd"
    r"|hsa-rocr|libamdhip64|libhsa-runtime64|amd-smi|amd-smi-lib|amdgpu-core|amdgpu-dkms)-?\d*(\.\d+)*", re.ASCII)
# Where there is no file that tells the release: the packages whose version is the release, the surest first.
_TELLING = ("rocm-core", "amdrocm-core", "amdrocm", "rocm-runtime", "libhsa-runtime64-1", "hsa-rocr", "rocminfo")
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


def packages_of(installed: dict[str, dict[str, Any]]) -> dict[str, str]:
    """{name: version} of the packages that make up the ROCm of this node."""
    return {name: package["version"] for name, package in sorted(installed.items())
            if _PACKAGES.fullmatch(name) and package.get("version")}


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """amd.rocm where one is installed, amd.device_access where there is something to access."""
    amd: dict[str, Any] = {}
    rocm = _rocm(source, known.packages.get("installed") or {})
    if rocm:
        amd["rocm"] = rocm
    if (known.amd.get("driver") or {}).get("kfd") or any(device.get("vendor") == "amd" for device in known.devices):
        amd["device_access"] = source.probe("device_access")
    return {"amd": {key: value for key, value in amd.items() if value}}


def _rocm(source: Source, installed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    packages = packages_of(installed)
    release, path = _on_disk(source)
    telling = next((name for name in _TELLING if name in packages), None)
    if release is None and telling:
        release = release_of(packages[telling])
    if release is None:
        return {}
    origins = [installed[name].get("origin") for name in ([telling] if telling else packages)]
    return {"version": release, "path": path, "packages": packages, "origin": next(filter(None, origins), None)}


def _on_disk(source: Source) -> tuple[str | None, str | None]:
    """Release and folder, from the file .info/version."""
    opt = source.names("/opt")
    if not any(name.startswith("rocm") for name in opt):
        return None, None
    for folder in folders_of(opt, source.names("/opt/rocm")):
        release = release_of(source.value(f"{folder}/.info/version") or "")
        if release:
            return release, _real(source, folder)
    return None, None


def _real(source: Source, folder: str) -> str:
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
