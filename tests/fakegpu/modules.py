# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules: files on disk with what modinfo tells of them, /sys/module, DKMS."""

from __future__ import annotations

import lzma
import struct
from typing import Any

from .machine import Machine
from .node import MODULES
from .profile import Profile


def module_file(machine: Machine, release: str, place: str, about: dict[str, Any]) -> None:
    """A module below /usr/lib/modules/RELEASE, and the answer of modinfo under both names of that folder.

    about: {name, version, license, signer (None: not signed), description}.
    """
    path = f"{MODULES}/{release}/{place}"
    fields = [
        ("license", about["license"]),
        ("version", about.get("version")),
        ("description", about.get("description")),
        ("srcversion", "9B5DC9F3E7A1C4A2B3D1E0F"),
        ("depends", ""),
        ("retpoline", "Y"),
        ("name", about["name"]),
        ("vermagic", f"{release} SMP preempt mod_unload modversions "),
    ]
    machine.write(path, _compressed(path, _elf([f"{key}={value}" for key, value in fields if value is not None])))
    signer = about.get("signer")
    if signer:
        fields += [
            ("sig_id", "PKCS#7"),
            ("signer", signer),
            ("sig_key", "3D:7A:19:4C:58:2B:10:0F"),
            ("sig_hashalgo", "sha256"),
            ("signature", "5C:1B:7F:09:2D:EE:61:84"),
        ]
    for seen in (path, path[4:]):
        rows = [("filename", seen), *fields]
        text = "".join(f"{key + ':':<16}{value}\n" for key, value in rows if value is not None)
        machine.command(f"modinfo {seen}", text)
        machine.command(f"modinfo -k {release} {about['name']}", text)


def loaded(machine: Machine, name: str, version: str | None = None, pci: bool = False, holders: list[str] | None = None) -> None:
    """A module in /sys/module, as the kernel shows one that is live."""
    folder = f"/sys/module/{name}"
    machine.values(
        folder,
        initstate="live",
        refcnt=0 if holders is None else len(holders),
        version=version,
        coresize=106528768,
        taint="OE" if version else "",
    )
    machine.folder(f"{folder}/holders")
    for holder in holders or []:
        machine.link(f"{folder}/holders/{holder}", f"/sys/module/{holder}")
    if pci:
        machine.link(f"{folder}/drivers/pci:{name}", f"/sys/bus/pci/drivers/{name}")
        machine.link(f"/sys/bus/pci/drivers/{name}/module", folder)


def proc_modules(machine: Machine) -> None:
    """/proc/modules of all that /sys/module has with an initstate."""
    names = sorted(path.split("/")[3] for path in machine.files if path.startswith("/sys/module/") and path.endswith("/initstate"))
    machine.write("/proc/modules", "".join(f"{name} 1048576 1 - Live 0x0000000000000000\n" for name in names))


def dkms(machine: Machine, profile: Profile, rows: list[dict[str, Any]]) -> None:
    """`dkms status` of DKMS 3: one line a module and kernel. rows: {module, version, kernel (None: added), status}."""
    lines = []
    for row in rows:
        if row.get("kernel"):
            lines.append(f"{row['module']}/{row['version']}, {row['kernel']}, {profile.about['architecture']}: {row['status']}")
        else:
            lines.append(f"{row['module']}/{row['version']}: added")
        machine.folder(f"/var/lib/dkms/{row['module']}/{row['version']}")
    machine.command("dkms status", "".join(f"{line}\n" for line in lines))


def _compressed(path: str, content: bytes) -> bytes:
    """As the name says; .zst has the plain file, since Python has no zstd: modinfo's answer stands in for it."""
    return lzma.compress(content) if path.endswith(".xz") else content


def _elf(info: list[str]) -> bytes:
    """A relocatable ELF object for x86-64 with nothing but .modinfo, which is what modinfo reads."""
    data = b"".join(line.encode() + b"\0" for line in info)
    names = b"\0.modinfo\0.shstrtab\0"
    at = 64 + len(data)
    table = at + len(names)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2)
    sections = bytes(64)
    sections += struct.pack("<IIQQQQIIQQ", 1, 1, 2, 0, 64, len(data), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 10, 3, 0, 0, at, len(names), 0, 0, 1, 0)
    return header + data + names + sections
