# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package databases: what dpkg and rpm know, by the very queries that the product makes (the arguments are compared exactly)."""

from __future__ import annotations

import ast
import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from .machine import Machine
from .node import is_rpm
from .profile import Profile

_READERS = Path(__file__).resolve().parents[2] / "plugins/module_utils/_inventory"
_MAKERS = {
    "Debian": "Debian NVIDIA Maintainers <pkg-nvidia-devel@lists.alioth.debian.org>",
    "Ubuntu": "Ubuntu Core Developers <ubuntu-devel-discuss@lists.ubuntu.com>",
    "NVIDIA": "cudatools <cudatools@nvidia.com>",
    "AMD": "Advanced Micro Devices Inc. <gpudriverdevsupport@amd.com>",
    "Docker": "Docker <support@docker.com>",
    "DebianAI": "Debian ROCm Team <debian-ai@lists.debian.org>",
    "Rocky": "Rocky Enterprise Software Foundation",
    "Red": "Red Hat, Inc.",
}
_VENDORS = {"NVIDIA": "NVIDIA Corporation", "AMD": "Advanced Micro Devices, Inc.", "Docker": "Docker"}
_LETTERS = {
    "install ok installed": "ii ",
    "hold ok installed": "hi ",
    "install ok half-configured": "iF ",
    "install ok unpacked": "iU ",
    "deinstall ok config-files": "rc ",
    "install reinstreq half-installed": "iHR",
}


@cache
def _constants() -> dict[str, Any]:
    """Literals of the product's package reader: patterns and formats."""
    found: dict[str, Any] = {}
    for name in ("packages.py", "_package_text.py"):
        for node in ast.parse((_READERS / name).read_text(encoding="utf-8")).body:
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id in ("PATTERNS", "DPKG_FORMAT", "RPM_FORMAT")
            ):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def render(machine: Machine, profile: Profile) -> None:
    """All packages of the profile, with a few of the base system."""
    vendor = profile.system["os_release"]["NAME"].split()[0]
    base: dict[str, dict[str, Any]] = {
        name: {"version": version} for name, version in (("bash", "5.2.37-2"), ("coreutils", "9.7-3"), ("make", "4.4.1-2"))
    }
    for release in profile.kernel["headers"]:
        base[f"kernel-devel-{release}" if is_rpm(profile) else f"linux-headers-{release}"] = {"version": release.replace("_", "-")}
    for name, about in {**base, **(profile.about.get("packages") or {})}.items():
        profile.packages.setdefault(name, {"vendor": vendor, "held": False, "source": name, **about})
    for about in profile.packages.values():
        about["maker"] = next((key for key in sorted(_MAKERS, reverse=True) if about["vendor"].startswith(key)), None)
        about["maker"] = "AMD" if about["vendor"].startswith("Advanced") else about["maker"]
    (_rpm if is_rpm(profile) else _dpkg)(machine, profile)


def _asked(profile: Profile) -> dict[str, dict[str, Any]]:
    patterns = _constants()["PATTERNS"]
    return {
        name: about for name, about in sorted(profile.packages.items()) if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    }


def _dpkg(machine: Machine, profile: Profile) -> None:
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[profile.about["architecture"]]
    text, rows = "", ""
    asked = _asked(profile)
    for name, about in sorted(profile.packages.items()):
        status = about.get("status") or ("hold ok installed" if about["held"] else "install ok installed")
        maker = _MAKERS.get(about["maker"], f"{about['vendor']} <packages@example.org>")
        text += (
            f"Package: {name}\nStatus: {status}\nPriority: optional\nSection: misc\nInstalled-Size: 100\nMaintainer: {maker}\n"
            f"Architecture: {about.get('architecture', arch)}\nSource: {about['source']}\nVersion: {about['version']}\n"
            f"Description: {name}\n\n"
        )
        if name in asked:
            rows += f"{name}\t{about['version']}\t{_LETTERS[status]}\t{about.get('architecture', arch)}\t{about['source']}\t{maker}\n"
    machine.write("/var/lib/dpkg/status", text)
    machine.outcome(
        ["dpkg-query", "-W", f"-f={_constants()['DPKG_FORMAT']}", *_constants()["PATTERNS"]],
        rc=1,
        stdout=rows,
        stderr="dpkg-query: no packages found matching libnvsdm*\n",
    )


def _rpm(machine: Machine, profile: Profile) -> None:
    rows = ""
    held = [f"{name}-0:{about['version']}.*" for name, about in sorted(profile.packages.items()) if about["held"]]
    if held:
        machine.write("/etc/dnf/plugins/versionlock.list", "# Added lock\n" + "".join(f"{line}\n" for line in held))
    for name, about in _asked(profile).items():
        epoch, _colon, version = about["version"].rpartition(":")
        vendor = _VENDORS.get(about["maker"], about["vendor"])
        rows += f"{name}\t{epoch or 0}:{version}\t{about.get('architecture', 'x86_64')}\t{about['source']}-{version}.src.rpm\t"
        rows += f"{vendor}\t{_MAKERS.get(about['maker'], '(none)')}\n"
    machine.outcome(["rpm", "-qa", "--qf", _constants()["RPM_FORMAT"], *_constants()["PATTERNS"]], rc=0, stdout=rows, stderr="")
