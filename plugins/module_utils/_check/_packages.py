# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about the packages that the NVIDIA driver and ROCm come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._inventory._package_text import upstream_version
from ._finding import finding
from ._node import Node, at, join, version_key
from ._report import Finding

_GPU_PACKAGES = ("nvidia", "cuda", "amdgpu", "rocm", "hip", "libnvidia", "kmod-nvidia", "amdrocm")
_FIRST_BRANCH = 100  # what is lower is the version of a tool, not of a driver
_DRIVER_PACKAGES = ("libnvidia-", "libcuda1", "libcuda-", "nvidia-", "kmod-nvidia", "akmod-nvidia", "xorg-x11-drv-nvidia")
# Of the same names, but not of the driver's version or not of its origin by design.
_OTHER_PACKAGES = (
    "container",
    "toolkit",
    "cudnn",
    "modprobe",
    "settings",
    "persistenced",
    "pinning",
    "installer",
    "support",
    "fabric",
    "imex",
    "nscq",
    "nvsdm",
    "prime",
    "xconfig",
    "repo",
    "egl",
    "texture",
    "profiler",
    "visual",
)


def check(node: Node) -> Iterator[Finding]:
    broken = [str(name) for name in node.get("packages.broken") or () if any(word in str(name) for word in _GPU_PACKAGES)]
    if broken:
        yield finding(node, "PKG-BROKEN", "packages", {"broken": broken}, packages=join(broken))
    if node.get("nvidia"):
        yield from _runfile(node)
        yield from _origins(node, "NV-MIXED-ORIGIN", "NVIDIA driver", _driver_packages(node))
        yield from _versions(node)
        driver = node.get("nvidia.driver") or {}
        if driver.get("held") is False and driver.get("managed_by") == "packages":
            yield finding(
                node,
                "NV-NOT-HELD",
                "NVIDIA driver",
                {"held": False, "packages": driver.get("packages")},
                version=driver.get("installed_version") or "of unknown version",
            )
    if node.get("amd"):
        yield from _origins(node, "AMD-MIXED-ORIGIN", "ROCm", node.get("amd.rocm.packages"))


def _runfile(node: Node) -> Iterator[Finding]:
    runfile = node.get("packages.runfile")
    packages: dict[str, Any] = node.get("nvidia.driver.packages") or {}
    if runfile and packages and runfile.get("paths"):
        version = f" of {runfile['version']}" if runfile.get("version") else ""
        yield finding(
            node,
            "NV-RUNFILE-LEFTOVERS",
            "NVIDIA driver",
            {"runfile": runfile, "packages": packages},
            version=version,
            packaged=node.get("nvidia.driver.installed_version") or "of unknown version",
            paths=join(runfile["paths"], 4),
        )
    elif node.get("nvidia.driver.managed_by") == "runfile":
        yield finding(node, "NV-RUNFILE", "NVIDIA driver", {"runfile": runfile, "managed_by": "runfile"})


def _driver_packages(node: Node) -> list[str]:
    """The installed packages that hold the driver itself: those in the facts, and libraries beside them."""
    known = [str(name) for name in node.get("packages.installed") or {}]
    mine = [name for name in known if name.startswith(_DRIVER_PACKAGES) and not any(word in name for word in _OTHER_PACKAGES)]
    return mine if node.get("nvidia.driver.packages") else []


def _versions(node: Node) -> Iterator[Finding]:
    """Driver packages of several versions; epoch, package revision, kernel and packages without a driver's version do not count."""
    seen: dict[str, list[str]] = {}
    for package in _driver_packages(node):
        version = upstream_version(str(at(node.get("packages.installed").get(package), "version") or ""))
        if len(version_key(version)) > 1 and version_key(version)[0] >= _FIRST_BRANCH:
            seen.setdefault(version, []).append(package)
    if len(seen) > 1:
        told = [f"{version} ({join(sorted(names), 3)})" for version, names in sorted(seen.items())]
        yield finding(node, "NV-MIXED-VERSIONS", "NVIDIA driver", {"versions": seen}, versions=join(told))


def _origins(node: Node, code: str, subject: str, packages: Any) -> Iterator[Finding]:
    """Packages of one set that come from several origins; packages of unknown origin do not count."""
    known = node.get("packages.installed") or {}
    origins: dict[str, set[str]] = {}
    for name in packages or {}:
        row = known.get(name)
        if isinstance(row, dict) and row.get("origin") and row["origin"] not in ("local", "now"):
            origins.setdefault(str(row["origin"]), set()).add(str(name))
    if len(origins) > 1:
        told = [f"{origin} ({join(sorted(names), 3)})" for origin, names in sorted(origins.items())]
        yield finding(node, code, subject, {"origins": {origin: sorted(names) for origin, names in origins.items()}}, origins=join(told))
