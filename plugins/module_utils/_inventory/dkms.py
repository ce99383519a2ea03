# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: for which kernels DKMS has built the drivers, and whether the next boot finds one."""

from __future__ import annotations

import re
from typing import Any

from ._inventory import Inventory
from ._source import Source

_TREE = "/var/lib/dkms"
# "name/version" since dkms 3, "name, version" before; kernel and architecture are missing while a module is only added.
_LINE = re.compile(r"(?P<module>[^\s,/:]+)(?:/|, )(?P<version>[^\s,:]+)(?:, (?P<kernel>[^\s,:]+))?(?:, (?P<arch>[^\s,:]+))?"
                   r": (?P<status>[a-z][a-z-]*)(?P<rest>.*)")
_KINDS = {"nvidia": "nvidia", "amd": "amdgpu"}


def parse_dkms_status(text: str) -> list[dict[str, str | None]]:
    """[{module, version, kernel, arch, status, warning}] from `dkms status` of dkms 2 and 3; kernel and arch are None for a
    module that is only added. Notes and repeated lines are left out. ValueError for a text without such a line."""
    builds: list[dict[str, str | None]] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if not match:
            continue
        warning = re.search(r"WARNING! ([^)]*)", match["rest"])
        build = {**match.groupdict(), "warning": warning[1].strip() if warning else None}
        del build["rest"]
        if build not in builds:
            builds.append(build)
    if text.strip() and not builds:
        raise ValueError(f"no line of `dkms status` in: {text.strip()[:120]}")
    return builds


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """nvidia.driver and amd.driver: `dkms`, and nvidia.driver.next_boot_ready."""
    builds = _ask(source)
    found: dict[str, Any] = {}
    for vendor, start in _KINDS.items():
        mine = [build for build in builds or () if (build["module"] or "").startswith(start)]
        if mine or (builds is not None and _has(known, vendor)):
            found[vendor] = {"driver": {"dkms": mine}}
    ready = _next_boot_ready(known, builds or []) if _has(known, "nvidia") else None
    if ready is not None:
        found.setdefault("nvidia", {}).setdefault("driver", {})["next_boot_ready"] = ready
    return found


def _has(known: Inventory, vendor: str) -> bool:
    return any(device.get("vendor") == vendor for device in known.devices)


def _ask(source: Source) -> list[dict[str, str | None]] | None:
    """What DKMS says; where it cannot be asked, what its tree shows. None where there is no DKMS.

    A plan takes the tree's word where all is well there: `dkms status` is a shell script that compares files for a tenth of a second,
    on every run that has nothing to do.
    """
    shown = _tree(source) if source.wants("change") else None
    if shown and all(build["status"] == "installed" for build in shown):
        return shown
    output = source.run("dkms", "status")
    if output is not None and output.error is None:
        if output.rc and not output.stdout.strip():
            source.problem("refused", f"dkms status: {output.stderr.strip() or f'exit status {output.rc}'}")
            return None
        try:
            return parse_dkms_status(output.stdout)
        except ValueError as error:
            source.problem("unreadable", str(error))
            return None
    return _tree(source)


def _tree(source: Source) -> list[dict[str, str | None]] | None:
    """The same from DKMS's folders: MODULE/VERSION/KERNEL/ARCH/module is a build, MODULE/kernel-KERNEL-ARCH links to the one
    that is installed (dkms(8))."""
    modules = [name for name in source.names(_TREE) if name.startswith(tuple(_KINDS.values()))]
    if not modules:
        return [] if source.names(_TREE) else None
    builds: list[dict[str, str | None]] = []
    for module in modules:
        folder = f"{_TREE}/{module}"
        names = source.names(folder)
        links = {name: source.link(f"{folder}/{name}") for name in names if name.startswith("kernel-")}
        for version in [name for name in names if name not in links and name != "original_module"]:
            before = len(builds)
            for kernel in source.names(f"{folder}/{version}"):
                for arch in [] if kernel in ("source", "build") else source.names(f"{folder}/{version}/{kernel}"):
                    if "module" in source.names(f"{folder}/{version}/{kernel}/{arch}"):
                        installed = links.get(f"kernel-{kernel}-{arch}") == f"{version}/{kernel}/{arch}"
                        builds.append(_build(module, version, kernel, arch, "installed" if installed else "built"))
            if len(builds) == before:
                builds.append(_build(module, version, None, None, "added"))
    return builds


def _build(module: str, version: str, kernel: str | None, arch: str | None, status: str) -> dict[str, str | None]:
    return {"module": module, "version": version, "kernel": kernel, "arch": arch, "status": status, "warning": None}


def _next_boot_ready(known: Inventory, builds: list[dict[str, str | None]]) -> bool | None:
    """Whether the kernel to boot next has an NVIDIA module: a file, or a build that DKMS calls installed. None where that
    kernel or its modules are not known, or where no driver is installed at all: then there is nothing to be ready for."""
    release = known.kernel.get("next_boot_release")
    kernels = known.kernel.get("installed") or []
    entry: dict[str, Any] = next((kernel for kernel in kernels if kernel.get("release") == release), {})
    mine = [build for build in builds if (build["module"] or "").startswith("nvidia")]
    if release is None or not (entry or mine):
        return None
    if "nvidia" in entry.get("modules", {}):
        return True
    if any(build["kernel"] == release and (build["status"] or "").startswith("installed") for build in mine):
        return True
    driver = known.nvidia.get("driver", {})
    elsewhere = any("nvidia" in kernel.get("modules", {}) for kernel in kernels)
    return False if mine or elsewhere or driver.get("installed_version") or driver.get("loaded_version") else None
