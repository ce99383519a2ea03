# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: packages of the GPU stack: what is installed, from whom, held or locked, and what a .run installer left behind."""

from __future__ import annotations

import fnmatch
import re
from typing import Any, Callable

from ._inventory import Inventory
from ._package_locks import Lock, holds, read_locks, read_streams
from ._package_text import (
    DPKG_FORMAT,
    RPM_FORMAT,
    Row,
    as_installed,
    parse_dpkg_query,
    parse_dpkg_status,
    parse_rpm_query,
    upstream_version,
)
from ._source import Source
from ._versions import version_key

# What the database is asked for: drivers, CUDA, ROCm, container runtimes, and what building and signing a module needs.
PATTERNS = (
    "*nvidia*", "libcuda*", "cuda*", "libnvsdm*", "nvlsm", "datacenter-gpu-manager*", "xserver-xorg-video-nouveau",
    "*amdgpu*", "amdrocm*", "roc*", "libroc*", "hip*", "libhip*", "hsa*", "libhsa*", "libamdhip*", "libamd-comgr*", "amd-smi*", "comgr*",
    "rccl*", "librccl*", "miopen*", "libmiopen*", "migraphx*", "mivisionx*", "composablekernel*", "openmp-extras*", "half", "rpp*",
    "clinfo", "ocl-icd*", "*-amd-graphics", "amd-gpu-firmware", "linux-firmware", "docker*", "moby-engine", "containerd*", "podman",
    "dkms", "akmods", "mokutil", "shim-signed", "linux-headers-*", "kernel-devel*", "kernel-headers", "gcc", "gcc-[0-9]*",
    "make", "python3-pynvml", "python3-torch*",
)
DPKG_QUERY = ("dpkg-query", "-W", f"-f={DPKG_FORMAT}", *PATTERNS)
RPM_QUERY = ("rpm", "-qa", "--qf", RPM_FORMAT, *PATTERNS)
_RUNFILE_TRACES = ("/var/lib/nvidia/log", "/usr/bin/nvidia-uninstall")
_STATUS = "/var/lib/dpkg/status"
_STATUS_LIMIT = 32 << 20  # bytes; a desktop with 4000 packages has 6 MiB
_RPM_FAMILIES = {"rhel", "fedora", "centos", "suse", "opensuse", "sles", "amzn", "azurelinux", "mariner"}

# The driver's own packages have its version, whoever made them: three digits, then one or two groups.
_DRIVER_VERSION = re.compile(r"\d{3}\.\d{1,3}(?:\.\d{1,3})?")
_DRIVER_NAME = re.compile(r"(?:lib|linux-modules-|kmod-|akmod-|xorg-x11-drv-)?nvidia|libcuda1$|cuda-drivers")
_NOT_DRIVER = re.compile(r"container|cuda-toolkit|pinning|firmware|modprobe|settings|support|(?i:libxnvctrl)|libnvidia-egl")
# Of these the version is the driver's for certain; a package like nvidia-driver-455 may be a transitional one.
_CORE = ("libnvidia-compute*", "libcuda1", "nvidia-driver-cuda-libs", "xorg-x11-drv-nvidia*-cuda-libs", "nvidia-compute-G0*",
         "nvidia-kernel-common*", "nvidia-driver-libs", "nvidia-kmod-common", "nvidia-driver", "xorg-x11-drv-nvidia*",
         "*nvidia*-dkms*", "nvidia-dkms*", "kmod-nvidia*", "akmod-nvidia*", "nvidia-open*")
# What the facts name: the libraries that come along would make them long, and say nothing more.
_NAMED = re.compile(r"(?!lib)(?!.*-libs?$)(?!.*-(?:alternative|legacy-check|kmodsrc|source))|lib(?:nvidia-compute|cuda1)")
_ROCM_NAME = re.compile(r"rocm|amdrocm|hip-runtime|hsa-rocr|amd-smi|rccl|miopen|comgr|amdgpu-(?:dkms|core|install)$")


def looked_for(name: str) -> bool:
    """Whether the section `packages` has the package of this name where it is installed."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in PATTERNS)


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """The section `packages`, and what packages say of nvidia.driver and amd.rocm."""
    manager, rows = _database(source, known)
    found: dict[str, Any] = {}
    locks: list[Lock] = []
    if manager:
        locks = read_locks(source, manager)
        installed = as_installed(rows)
        for name, entry in installed.items():
            entry["held"] = entry["held"] or any(holds(lock, name) for lock in locks)
        broken = sorted({row.name for row in rows if row.state == "broken"})
        found["packages"] = {"manager": manager, "installed": installed, "broken": broken, "locks": locks,
                             "streams": read_streams(source) if manager == "rpm" else {}}
    runfile = _runfile(source)
    if runfile:
        found.setdefault("packages", {})["runfile"] = runfile
    installed = found.get("packages", {}).get("installed", {})
    driver = nvidia_driver(installed)
    if driver and re.match(r"\d{3}", found["packages"]["streams"].get("nvidia-driver", "")):
        driver["held"] = True  # the stream of one branch (580-open); open-dkms and latest-dkms move on
    managed_by = _managed_by(source, known, bool(driver), bool(runfile))
    if not driver and runfile and runfile["version"]:
        driver = {"installed_version": runfile["version"], "origin": "nvidia", "held": None}
    if driver or managed_by:
        found["nvidia"] = {"driver": {**driver, "managed_by": managed_by}}
    rocm = rocm_packages(installed)
    if rocm:
        found["amd"] = {"rocm": rocm}
    return found


def nvidia_driver(installed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """{installed_version, origin, packages, held} of the driver among these packages; empty where there is none."""
    candidates = {name: upstream_version(entry["version"]) for name, entry in installed.items()
                  if _DRIVER_NAME.match(name) and not _NOT_DRIVER.search(name)}
    drivers = {name: version for name, version in candidates.items() if _DRIVER_VERSION.fullmatch(version)}
    fits = next((names for names in (fnmatch.filter(drivers, pattern) for pattern in _CORE) if names), [])
    if not fits:
        return {}
    core = max(sorted(fits), key=lambda name: version_key(drivers[name]))  # an older one is a transitional package
    set_of_it = [name for name in drivers if _NAMED.match(name)]
    set_of_it += [name for name in candidates if name.startswith("linux-modules-nvidia") and name not in drivers]
    kernel_or_core = [name for name in set_of_it if name == core or re.search(r"dkms|kmod|kernel|driver", name)] or [core]
    return {
        "installed_version": drivers[core],
        "origin": installed[core]["origin"],
        "packages": {name: installed[name]["version"] for name in sorted(set_of_it)},
        "held": any(installed[name]["held"] for name in kernel_or_core),
    }


def rocm_packages(installed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """{packages, origin, version} of ROCm among these packages; empty where there is none."""
    names = sorted(name for name in installed if _ROCM_NAME.match(name))
    core = next((name for name in ("rocm-core", "amdrocm-core", "amdrocm", "rocm-runtime", "rocminfo") if name in names), None)
    if not names:
        return {}
    found: dict[str, Any] = {"packages": {name: installed[name]["version"] for name in names},
                             "origin": installed[core or names[0]]["origin"]}
    release = re.match(r"\d+\.\d+(?:\.\d+)?", upstream_version(installed[core]["version"])) if core else None
    if release and core in ("rocm-core", "amdrocm-core", "amdrocm"):
        found["version"] = release[0]
    return found


def _database(source: Source, known: Inventory) -> tuple[str | None, list[Row]]:
    """The manager (dpkg or rpm) and its rows; the distribution's own is asked first, since the other may be installed too."""
    asks: list[Callable[[Source], tuple[str | None, list[Row]]]] = [_ask_dpkg, _ask_rpm]
    family = {known.system.get("distribution"), *known.system.get("distribution_like", ())}
    for ask in reversed(asks) if any(str(name).partition("-")[0] in _RPM_FAMILIES for name in family) else asks:
        manager, rows = ask(source)
        if manager:
            return manager, rows
    if any(source.names(folder) for folder in ("/usr/lib/sysimage/rpm", "/var/lib/rpm")):
        source.problem("unreadable", "the rpm database cannot be read without the rpm command: packages are not known")
    return None, []


def _ask_dpkg(source: Source) -> tuple[str | None, list[Row]]:
    output = source.run(*DPKG_QUERY)
    try:
        if output is not None and output.error is None:  # exit status 1: a pattern that fits nothing
            return "dpkg", parse_dpkg_query(output.stdout)
        text = source.text(_STATUS, _STATUS_LIMIT)
        if text is None:
            return None, []
        wanted = re.compile("|".join(map(fnmatch.translate, PATTERNS)))
        return "dpkg", [row for row in parse_dpkg_status(text) if wanted.match(row.name)]
    except ValueError as error:
        source.problem("unreadable", str(error))
        return None, []


def _ask_rpm(source: Source) -> tuple[str | None, list[Row]]:
    output = source.run(*RPM_QUERY)
    if output is None or output.error:
        return None, []
    if output.rc and not output.stdout.strip():
        source.problem("refused", f"rpm: {output.stderr.strip() or f'exit status {output.rc}'}")
        return None, []
    try:
        return "rpm", parse_rpm_query(output.stdout)
    except ValueError as error:
        source.problem("unreadable", str(error))
        return None, []


def _runfile(source: Source) -> dict[str, Any] | None:
    """{version, paths} of what NVIDIA's .run installer left: its record of files, whose first line is the version, and its own
    uninstaller. The installer's log alone is no trace: it stays when the files go."""
    paths = [path for path in _RUNFILE_TRACES if source.data(path, 1) is not None]
    if not paths:
        return None
    record = source.text(_RUNFILE_TRACES[0], 4096) or ""
    match = re.search(r"^(\d{3}\.\d{1,3}(?:\.\d{1,3})?)$|Linux-\w+ \((\d{3}\.[\d.]+\d)\)", record, re.MULTILINE)
    return {"version": (match[1] or match[2]) if match else None, "paths": paths}


def _managed_by(source: Source, known: Inventory, packaged: bool, runfile: bool) -> str | None:
    """Who put the driver here: the system's maker comes before packages, packages before leftovers of a .run installer. None
    where nobody is to be seen."""
    etc = source.names("/etc")
    if known.system.get("wsl"):
        return "wsl"
    for name, manager in (("dgx-release", "dgx_os"), ("nv_tegra_release", "jetpack")):
        if name in etc:
            return manager
    if "nvidia" in etc and any(name.startswith("gridd.conf") for name in source.names("/etc/nvidia")):
        return "vgpu"  # the host of the virtual machine dictates the version, whichever way it came here
    if packaged:
        return "packages"
    if runfile:
        return "runfile"
    if "driver" in source.names("/run/nvidia") and source.names("/run/nvidia/driver"):
        return "operator"
    return None
