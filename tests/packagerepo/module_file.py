# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules with nothing in them but what modinfo tells: version, licence, kernel, and who signed."""

from __future__ import annotations

import struct
from collections.abc import Mapping

LICENCES = {"open": "Dual MIT/GPL", "proprietary": "NVIDIA"}
# A module in a DKMS tree is made for a kernel that nobody knows yet: the stand-in for dkms writes its release over this.
UNBUILT = "~KERNEL" + "~" * 57
SIGNED_DATA, DATA = "1.2.840.113549.1.7.2", "1.2.840.113549.1.7.1"
SHA256, RSA, COMMON_NAME = "2.16.840.1.101.3.4.2.1", "1.2.840.113549.1.1.1", "2.5.4.3"
SIGNATURE_MAGIC = b"~Module signature appended~\n"
PKCS7_KIND = 2


def content(about: Mapping[str, str]) -> bytes:
    """The file. about: {name, version, flavour, kernel (absent: to be built), signer (absent: not signed)}."""
    fields = [f"license={LICENCES[about['flavour']]}", f"version={about['version']}", "srcversion=9B5DC9F3E7A1C4A2B3D1E0F", "depends=",
              "retpoline=Y", f"name={about['name']}", f"vermagic={about.get('kernel', UNBUILT)} SMP preempt mod_unload modversions "]
    plain = _elf(fields)
    return plain + _signature(about["signer"]) if about.get("signer") else plain


def _elf(info: list[str]) -> bytes:
    """A relocatable ELF object for x86-64 with .modinfo and an empty symbol table, which depmod wants to see."""
    data = b"".join(line.encode() + b"\0" for line in info)
    names = b"\0.modinfo\0.symtab\0.strtab\0.shstrtab\0"
    symbols, strings = bytes(24), b"\0"
    starts, at = [], 64
    for part in (data, symbols, strings, names):
        at += -at % 8
        starts.append(at)
        at += len(part)
    table = at + -at % 8
    body = bytearray(table - 64)
    for start, part in zip(starts, (data, symbols, strings, names)):
        body[start - 64 : start - 64 + len(part)] = part
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 5, 4)
    rows = [(1, 1, 2, starts[0], len(data), 0, 0, 0), (10, 2, 0, starts[1], len(symbols), 3, 1, 24),
            (18, 3, 0, starts[2], len(strings), 0, 0, 0), (26, 3, 0, starts[3], len(names), 0, 0, 0)]
    sections = bytes(64) + b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, flags, 0, start, size, link, first, 1, entry)
        for name, kind, flags, start, size, link, first, entry in rows)
    return header + bytes(body) + sections


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
