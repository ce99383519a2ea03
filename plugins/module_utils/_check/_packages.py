# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about the packages that the NVIDIA driver and ROCm come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._finding import finding
from ._node import Node, join
from ._report import Finding

_GPU_PACKAGES = ("nvidia", "cuda", "amdgpu", "rocm", "hip", "libnvidia", "kmod-nvidia", "amdrocm")


def check(node: Node) -> Iterator[Finding]:
    broken = [str(name) for name in node.get("packages.broken") or () if any(word in str(name) for word in _GPU_PACKAGES)]
    if broken:
        yield finding(node, "PKG-BROKEN", "packages", {"broken": broken}, packages=join(broken))
    if node.get("nvidia"):
        yield from _runfile(node)
        yield from _origins(node, "NV-MIXED-ORIGIN", "NVIDIA driver", node.get("nvidia.driver.packages"))
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
        yield finding(
            node, code, subject, {"origins": {origin: sorted(names) for origin, names in origins.items()}}, origins=join(told)
        )
