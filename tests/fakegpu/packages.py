# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package databases: what dpkg and rpm know."""

from __future__ import annotations

from .machine import Machine
from .node import is_rpm
from .profile import Profile


def render(machine: Machine, profile: Profile) -> None:
    """All packages of the profile, with a few of the base system."""
    base = {"bash": "5.2.37-2", "coreutils": "9.7-3", "linux-base": "4.12"}
    for name, version in base.items():
        profile.packages.setdefault(name, {"version": version, "vendor": profile.system["os_release"]["NAME"].split()[0], "held": False, "source": name})
    if not is_rpm(profile):
        _dpkg(machine, profile)


def _dpkg(machine: Machine, profile: Profile) -> None:
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[profile.about["architecture"]]
    text = ""
    for name, about in sorted(profile.packages.items()):
        status = about.get("status") or ("hold ok installed" if about["held"] else "install ok installed")
        text += (f"Package: {name}\nStatus: {status}\nPriority: optional\nSection: misc\nInstalled-Size: 100\nMaintainer: {about['vendor']} <packages@example.org>\n"
                 f"Architecture: {about.get('architecture', arch)}\nSource: {about['source']}\nVersion: {about['version']}\nDescription: {name}\n\n")
    machine.write("/var/lib/dpkg/status", text)
