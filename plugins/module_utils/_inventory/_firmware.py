# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what EFI variables say: Secure Boot, keys enrolled by the machine's owner, the boot loader's choice."""

from __future__ import annotations

import re

from ._source import Source

_VARIABLES = "/sys/firmware/efi/efivars"
_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"  # UEFI specification, EFI_GLOBAL_VARIABLE
_SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"  # shim, SHIM_LOCK_GUID
_LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"  # systemd, Boot Loader Interface
_ATTRIBUTES = 4  # bytes before the value of a variable in efivarfs
_COMMON_NAME = b"\x06\x03\x55\x04\x03"  # object identifier 2.5.4.3 in DER
_LIST_HEADER = 28  # bytes: signature type, list size, header size, signature size (UEFI, EFI_SIGNATURE_LIST)
_OWNER = 16  # bytes before each signature


def parse_secure_boot(data: bytes) -> bool:
    """The variable SecureBoot as efivarfs shows it: four bytes of attributes, one of value. ValueError for anything else."""
    if len(data) != _ATTRIBUTES + 1 or data[_ATTRIBUTES] not in (0, 1):
        raise ValueError(f"a SecureBoot variable of {len(data)} bytes")
    return data[_ATTRIBUTES] == 1


def parse_mokutil(text: str) -> bool:
    """What `mokutil --sb-state` says. ValueError where it says nothing of it."""
    match = re.search(r"SecureBoot (enabled|disabled)", text)
    if not match:
        raise ValueError(text.strip()[:200] or "no answer")
    # "SecureBoot validation is disabled in shim" follows where modules are not checked although the firmware checks the loader
    return match[1] == "enabled" and "validation is disabled in shim" not in text


def parse_key_names(data: bytes) -> list[str]:
    """Common names of the certificates in EFI signature lists (MokListRT without attributes). ValueError for broken lengths."""
    names: list[str] = []
    at = 0
    while at + _LIST_HEADER <= len(data):
        size, header, each = (int.from_bytes(data[at + place: at + place + 4], "little") for place in (16, 20, 24))
        if size < _LIST_HEADER + header or each <= _OWNER or at + size > len(data):
            raise ValueError("a signature list with a wrong length")
        first = at + _LIST_HEADER + header
        for start in range(first, at + size - each + 1, each):
            name = common_name(data[start + _OWNER: start + each])
            if name and name not in names:
                names.append(name)
        at += size
    return names


def common_name(certificate: bytes) -> str | None:
    """The subject's common name, the last one in a certificate (the issuer's comes first); None for a bare hash."""
    at = certificate.rfind(_COMMON_NAME)
    if at < 0 or at + 7 > len(certificate):
        return None
    length = certificate[at + 6]
    text = certificate[at + 7: at + 7 + length]
    encoding = "utf-16-be" if certificate[at + 5] == 0x1E else "utf-8"  # BMPString
    return text.decode(encoding, "replace") if length < 128 and len(text) == length else None


def secure_boot(source: Source) -> bool | None:
    """The variable first, then mokutil. False where the firmware is no EFI; None where nothing can be seen."""
    data = source.data(f"{_VARIABLES}/SecureBoot-{_GLOBAL}", 64)
    if data is not None:
        try:
            # shim's own switch: with it the kernel does not check modules, whatever the firmware does
            relaxed = (source.data(f"{_VARIABLES}/MokSBStateRT-{_SHIM}", 64) or b"")[_ATTRIBUTES:] == b"\1"
            return parse_secure_boot(data) and not relaxed
        except ValueError as error:
            source.problem("unreadable", str(error))
    firmware = source.names("/sys/firmware")
    if firmware and "efi" not in firmware:
        return False
    output = source.run("mokutil", "--sb-state")
    try:
        return parse_mokutil(output.stdout + output.stderr) if output and output.error is None else None
    except ValueError:  # "EFI variables are not supported on this system": nothing known, nothing wrong
        return None


def enrolled_keys(source: Source) -> list[str] | None:
    """Names of the keys that the owner enrolled (MOK); None where they cannot be read."""
    names = [f"MokListRT-{_SHIM}", f"MokListRT1-{_SHIM}"]  # shim splits a long list into numbered ones
    there = [name for name in source.names(_VARIABLES) if name in names]
    found: list[str] = []
    for name in there:
        data = source.data(f"{_VARIABLES}/{name}")
        if data is None:
            return None
        try:
            found += [key for key in parse_key_names(data[_ATTRIBUTES:]) if key not in found]
        except ValueError as error:
            source.problem("unreadable", f"{name}: {error}")
            return None
    return found if there else None


def loader_variable(source: Source, name: str) -> str | None:
    """A text that the boot loader or `bootctl` left in a variable; None where there is none."""
    if f"{name}-{_LOADER}" not in source.names(_VARIABLES):
        return None
    data = source.data(f"{_VARIABLES}/{name}-{_LOADER}", 4096) or b""
    return data[_ATTRIBUTES:].decode("utf-16-le", "replace").strip("\0 ") or None
