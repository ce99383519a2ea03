# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules with nothing in them but what modinfo tells: version, licence, kernel, and who signed."""

from __future__ import annotations

import struct
from collections.abc import Mapping

LICENCES = {"open": "Dual MIT/GPL", "proprietary": "NVIDIA", "inbox": "GPL and additional rights", "dkms": "GPL and additional rights"}
# A module in a DKMS tree is made for a kernel that nobody knows yet: the stand-in for dkms writes its release over this.
UNBUILT = "~KERNEL" + "~" * 57
NEEDS = {"nvidia-uvm": ("nvidia",), "nvidia-modeset": ("nvidia",), "nvidia-drm": ("nvidia-modeset",)}
# AMD's own amdgpu brings what the kernel's takes from the kernel.
NEEDS_OF_DKMS = {"amdgpu": ("amdttm", "amdkcl", "amd-sched", "amdxcp"), "amdttm": ("amdkcl",), "amd-sched": ("amdkcl",)}
# Vendor, and classes of PCI devices that a module is loaded for: display controllers, and accelerators of AMD's.
ALIASES = {"nvidia": ("10DE", ("03sc02", "03sc00")), "nouveau": ("10DE", ("03sc02", "03sc00")),
           "amdgpu": ("1002", ("03sc00", "03sc80", "12sc00"))}
SIGNED_DATA, DATA = "1.2.840.113549.1.7.2", "1.2.840.113549.1.7.1"
SHA256, RSA, COMMON_NAME = "2.16.840.1.101.3.4.2.1", "1.2.840.113549.1.1.1", "2.5.4.3"
SIGNATURE_MAGIC = b"~Module signature appended~\n"
PKCS7_KIND = 2


def content(about: Mapping[str, str]) -> bytes:
    """The file. about: {name, version, flavour, kernel (absent: to be built), signer (absent: not signed)}."""
    name = about["name"]
    needs = (NEEDS_OF_DKMS if about["flavour"] == "dkms" else NEEDS).get(name, ())
    vendor, classes = ALIASES.get(name, ("", ()))
    aliases = [f"alias=pci:v0000{vendor}d*sv*sd*bc{one}i00*" for one in classes]
    # The kernel's own say so, and have no version.
    origin = "intree=Y" if name == "nouveau" or about["flavour"] == "inbox" else f"version={about['version']}"
    fields = [f"license={LICENCES[about['flavour']]}", origin, *aliases, "srcversion=9B5DC9F3E7A1C4A2B3D1E0F",
              f"depends={','.join(needs)}", "retpoline=Y", f"name={name.replace('-', '_')}",
              f"vermagic={about.get('kernel', UNBUILT)} SMP preempt mod_unload modversions "]
    # depmod goes by symbols: each module offers one, and needs those of the modules below it.
    parts = [(".modinfo", 1, b"".join(field.encode() + b"\0" for field in fields)),
             ("__ksymtab_strings", 1, f"stand_in_{name.replace('-', '_')}\0".encode()),
             ("__versions", 1, b"".join(struct.pack("<Q56s", 0, f"stand_in_{one.replace('-', '_')}".encode()) for one in needs)),
             (".symtab", 2, bytes(24)), (".strtab", 3, b"\0")]
    plain = _elf([part for part in parts if part[2]])
    return plain + _signature(about["signer"]) if about.get("signer") else plain


def _elf(parts: list[tuple[str, int, bytes]]) -> bytes:
    """A relocatable ELF object for x86-64 of sections (name, kind, content); the string table of symbols is the last."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name, _kind, _content in parts) + b".shstrtab\0"
    body, rows = bytearray(), bytearray(64)
    for at, (name, kind, data) in enumerate([*parts, (".shstrtab", 3, names)], start=1):
        body += bytes(-len(body) % 8)
        link, first, entry = (len(parts), 1, 24) if kind == 2 else (0, 0, 0)
        called = names.index(b"\0" + name.encode() + b"\0") + 1
        rows += struct.pack("<IIQQQQIIQQ", called, kind, 2 if at == 1 else 0, 0, 64 + len(body), len(data), link, first, 1, entry)
        body += data
    body += bytes(-len(body) % 8)
    count = len(parts) + 2
    words = (1, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, count, count - 1)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", *words)
    return header + bytes(body) + bytes(rows)


def _signature(signer: str) -> bytes:
    """What the kernel's build appends: a PKCS#7 message without certificates. Nobody can verify it; modinfo shows who signed."""
    name = _der(0x30, _der(0x31, _der(0x30, _oid(COMMON_NAME) + _der(0x0C, signer.encode()))))
    issuer = _der(0x30, name + _der(0x02, bytes.fromhex("3d7a194c582b100f")))
    digest = _der(0x30, _oid(SHA256) + b"\x05\x00")
    info = _der(0x30, b"\x02\x01\x01" + issuer + digest + _der(0x30, _oid(RSA) + b"\x05\x00") + _der(0x04, bytes(range(1, 33))))
    signed = _der(0x30, b"\x02\x01\x01" + _der(0x31, digest) + _der(0x30, _oid(DATA)) + _der(0x31, info))
    message = _der(0x30, _oid(SIGNED_DATA) + _der(0xA0, signed))
    return message + struct.pack(">BBBBBxxxI", 0, 0, PKCS7_KIND, 0, 0, len(message)) + SIGNATURE_MAGIC


def _der(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 128:
        return bytes((tag, size)) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 128 + len(length))) + length + value


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray((40 * first + second,))
    for number in rest:
        groups = [number & 127]
        while number := number >> 7:
            groups.append(128 | number & 127)
        out += bytes(reversed(groups))
    return _der(0x06, bytes(out))
