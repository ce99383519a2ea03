# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what is known of a machine, in the form of docs/architecture.md, and how readers' views become one."""

from __future__ import annotations

from typing import Any

Section = dict[str, Any]
SECTIONS = ("nvidia", "amd", "software", "kernel", "system", "packages", "health")


class Inventory:
    """One machine. Sections and devices have the keys of docs/architecture.md; a key that is missing is not known (yet)."""

    def __init__(self) -> None:
        self.devices: list[Section] = []
        self.nvidia: Section = {}
        self.amd: Section = {}
        self.software: Section = {}
        self.kernel: Section = {}
        self.system: Section = {}
        self.packages: Section = {}
        self.health: Section = {}
        self.problems: list[dict[str, str]] = []

    def add(self, source: str, partial: Section) -> None:
        """Fill what is still unknown from a reader's partial view: the first reader to know a value is the one that counts."""
        for name in SECTIONS:
            if partial.get(name):
                fill(getattr(self, name), partial[name])
        for seen in partial.get("devices", ()):
            known = self._same(seen)
            if known is None:
                known = {"source": []}
                self.devices.append(known)
            fill(known, seen)
            if source not in known["source"]:
                known["source"].append(source)

    def make_presentable(self) -> None:
        """Replace what steers a terminal, and what is no Unicode (names of files may be any bytes): Ansible refuses the latter."""
        for name in (*SECTIONS, "devices", "problems"):
            setattr(self, name, presentable(getattr(self, name)))

    def _same(self, seen: Section) -> Section | None:
        """The device that this is another view of: by PCI address, else by UUID."""
        address, uuid = (seen.get("pci") or {}).get("address"), seen.get("uuid")
        for known in self.devices:
            known_address = (known.get("pci") or {}).get("address")
            if address and known_address:
                if address == known_address:
                    return known
            elif uuid and uuid == known.get("uuid"):
                return known
        return None


def fill(known: Section, seen: Section) -> None:
    """Take over what is not known yet. Sections are filled key by key; lists and values count as a whole."""
    for key, value in seen.items():
        if value is None:
            continue
        there = known.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            fill(there, value)
        elif there is None:
            if isinstance(value, dict):
                known[key] = {}
                fill(known[key], value)
            else:
                known[key] = value


def presentable(value: Any) -> Any:
    """The value with U+FFFD for each control character in its texts, but for newlines and tabs."""
    if isinstance(value, str):
        if value.isprintable():
            return value
        return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in value)
    if isinstance(value, dict):
        return {presentable(key): presentable(child) for key, child in value.items()}
    if isinstance(value, list):
        return [presentable(child) for child in value]
    return value
