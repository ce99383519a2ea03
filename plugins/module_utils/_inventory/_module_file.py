# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the kernel modules of a driver on disk, for each installed kernel, without loading one."""

from __future__ import annotations

import re
from typing import Any

from ._source import Source

# Debian names its modules nvidia-current, nvidia-tesla-535, nvidia-legacy-390xx, with -open for the open ones.
_FILES = {
    "nvidia": re.compile(r"nvidia(?:-current|-tesla(?:-\d+)?|-legacy-\d+xx)?(?:-open)?\.ko(?:\.gz|\.xz|\.zst)?"),
    "amdgpu": re.compile(r"amdgpu\.ko(?:\.gz|\.xz|\.zst)?"),
}
# In the order in which depmod prefers them (depmod.d(5): updates before extra and the built-in tree). The runfile installer
# uses kernel/drivers/video, Ubuntu's prebuilt modules kernel/nvidia-BRANCH, Enterprise Linux extra and weak-updates.
_FOLDERS = {
    "nvidia": ("updates/dkms", "updates", "extra", "extra/nvidia*", "weak-updates", "weak-updates/nvidia*", "kernel/nvidia-*",
               "kernel/drivers/video"),
    "amdgpu": ("updates/dkms", "updates", "extra", "extra/amdgpu*", "weak-updates", "weak-updates/amdgpu*",
               "kernel/drivers/gpu/drm/amd/amdgpu"),
}
INBOX = "/kernel/drivers/gpu/"
_FIELD = re.compile(r"^([a-z_]+):[ \t]+(.*)$", re.MULTILINE)


def parse_modinfo(text: str) -> dict[str, str | None]:
    """{version, flavour, signer} from modinfo's output; flavour is open, proprietary or None. ValueError for another text."""
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(text):
        fields.setdefault(name, value.strip())
    if "filename" not in fields and "vermagic" not in fields and "license" not in fields:
        raise ValueError("not the output of modinfo")
    licence = fields.get("license", "")
    flavour = "proprietary" if licence == "NVIDIA" else "open" if "GPL" in licence or "MIT" in licence else None
    return {"version": fields.get("version") or None, "flavour": flavour, "signer": fields.get("signer") or None}


class ModuleTree:
    """The folder of one kernel release below /lib/modules. Each folder is listed once."""

    def __init__(self, source: Source, folder: str) -> None:
        self._source, self.folder = source, folder
        self.names = source.names(folder)
        self._listed: dict[str, list[str]] = {"": self.names}

    def _list(self, relative: str) -> list[str]:
        """The names in a folder; one that its parent does not show is not asked for."""
        if relative not in self._listed:
            parent, _slash, name = relative.rpartition("/")
            known = parent not in self._listed or name in self._listed[parent]
            self._listed[relative] = self._source.names(f"{self.folder}/{relative}") if known else []
        return self._listed[relative]

    def _folders(self, pattern: str) -> list[str]:
        if not pattern.endswith("*"):
            return [pattern]
        parent, _slash, start = pattern[:-1].rpartition("/")
        return [f"{parent}/{name}" for name in self._list(parent) if name.startswith(start)]

    def find(self, module: str) -> str | None:
        """The path of the module's file that modprobe would take; None where there is none."""
        for pattern in _FOLDERS[module]:
            for folder in self._folders(pattern):
                for name in self._list(folder):
                    if _FILES[module].fullmatch(name):
                        return f"{self.folder}/{folder}/{name}"
        return None

    def facts(self, module: str) -> dict[str, Any] | None:
        """{version, flavour, signer, path} of the module's file; None where there is none. Only what its path tells: the rest is
        modinfo's to say."""
        path = self.find(module)
        if path is None:
            return None
        return {"version": None, "flavour": "open" if "-open.ko" in path else None, "signer": None, "path": path}


def start_asking(source: Source, path: str) -> None:
    """Let modinfo begin: it unpacks the whole file, a second for a large one, while others are asked. The kernel's own amdgpu has
    no version and needs no question."""
    if INBOX not in path:
        source.host.prefetch(("modinfo", path))


def ask(source: Source, path: str) -> dict[str, str | None]:
    """What modinfo says of a module file, as parse_modinfo has it; empty where it says nothing."""
    output = source.run("modinfo", path) if INBOX not in path else None
    if output is None or output.error:
        return {}
    try:
        if output.ok:
            return parse_modinfo(output.stdout)
        source.problem("unreadable", output.stderr or f"modinfo {path}: exit status {output.rc}")
    except ValueError as error:
        source.problem("unreadable", f"modinfo {path}: {error}")
    return {}
