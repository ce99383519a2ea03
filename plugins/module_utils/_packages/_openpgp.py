# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the fingerprint of an OpenPGP public key (RFC 9580, RFC 4880), so that a repository's key is the one that we mean.

Nothing is verified with the key here: that is the package manager's work.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

__all__ = ["KEY_LIMIT", "KeyFormatError", "armour", "fingerprint"]

KEY_LIMIT = 1 << 20  # bytes; keys of repositories have a few KiB
_HEAD, _TAIL = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"
_PUBLIC_KEY, _SECRET = 6, (5, 7)
_PACKETS_OF_KEYS = (2, 6, 12, 13, 14, 17, 21)  # signatures, keys, trust, user ids, subkeys, attributes, padding


class KeyFormatError(ValueError):
    """This is not one public key; the text says what it is instead."""


def fingerprint(data: bytes) -> str:
    """The fingerprint of the only primary key in a file, binary or ASCII armour, in upper-case hex: 40 digits for version 4,
    64 for version 6. KeyFormatError for several keys too: a repository would be trusted with each of them."""
    keys: list[str] = []
    for tag, body in _packets(_binary(data)):
        if tag in _SECRET:
            raise KeyFormatError("it holds a secret key; export the public one: gpg --armor --export")
        if tag not in _PACKETS_OF_KEYS or (tag != _PUBLIC_KEY and not keys):
            raise KeyFormatError(f"it does not begin with a public key or holds something else (packet type {tag})")
        if tag == _PUBLIC_KEY:
            keys.append(_fingerprint(body))
    if len(keys) != 1:
        raise KeyFormatError(f"it holds {len(keys)} public keys, wanted is one")
    return keys[0]


def armour(data: bytes) -> str:
    """The same key as ASCII armour with its checksum; KeyFormatError as above."""
    fingerprint(data)
    binary = _binary(data)
    lines = re.findall(".{1,64}", base64.b64encode(binary).decode("ascii"))
    check = base64.b64encode(_crc24(binary).to_bytes(3, "big")).decode("ascii")
    return "\n".join([_HEAD, "", *lines, f"={check}", _TAIL, ""])


def _fingerprint(body: bytes) -> str:
    version = body[0] if body else 0
    if version == 4:
        # The standard's, also where FIPS is enforced.
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False).hexdigest().upper()
    if version == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise KeyFormatError(f"it holds a key of version {version} (known: 4 and 6)")


def _binary(data: bytes) -> bytes:
    if len(data) > KEY_LIMIT:
        raise KeyFormatError(f"it is larger than {KEY_LIMIT >> 10} KiB, no key is")
    if data[:1] >= b"\x80":  # every packet begins with this bit, no text does
        return data
    lines = [line.strip() for line in data.decode("ascii", "replace").strip().splitlines()]
    if not lines or lines[0] != _HEAD or lines[-1] != _TAIL:
        raise KeyFormatError(f"it is no OpenPGP public key (wanted: one block that begins with {_HEAD})")
    inner = lines[1:-1]
    inner = inner[inner.index("") + 1 :] if "" in inner else inner
    check = inner.pop()[1:] if inner and re.fullmatch("=[A-Za-z0-9+/]{4}", inner[-1]) else None
    try:
        binary = base64.b64decode("".join(inner), validate=True)
    except (binascii.Error, ValueError):
        raise KeyFormatError("its ASCII armour is damaged") from None
    if check is not None and int.from_bytes(base64.b64decode(check), "big") != _crc24(binary):
        raise KeyFormatError("its ASCII armour is damaged: the checksum differs")
    return binary


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _bit in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each packet; bodies of unknown length do not occur in keys."""
    at = 0
    while at < len(data):
        tag, length, start = _header(data, at)
        if length is None or start + length > len(data):
            raise KeyFormatError("it is damaged: a packet has no sound length")
        yield tag, data[start : start + length]
        at = start + length


def _header(data: bytes, at: int) -> tuple[int, int | None, int]:
    """(type, length, offset of the body) of the packet at an offset."""
    first = data[at]
    if first < 0x80:
        raise KeyFormatError("it is damaged: no packet where one should be")
    if not first & 0x40:  # the older form
        size = (1, 2, 4, 0)[first & 3]
        return first >> 2 & 15, int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else None, at + 1 + size
    second = data[at + 1] if at + 1 < len(data) else 255
    if second < 192:
        return first & 63, second, at + 2
    if second < 224:
        return first & 63, (second - 192 << 8) + int.from_bytes(data[at + 2 : at + 3], "big") + 192, at + 3
    return first & 63, int.from_bytes(data[at + 2 : at + 6], "big") if second == 255 else None, at + 6
