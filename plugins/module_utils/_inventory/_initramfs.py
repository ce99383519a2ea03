# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: names in an initramfs. An archive is a chain of cpio archives (newc), of which all but the last are usually not
compressed (kernel documentation: driver-api/early-userspace/buffer-format)."""

from __future__ import annotations

import bz2
import importlib
import lzma
import re
import zlib
from collections.abc import Iterable
from typing import Any

_MAGIC = (b"070701", b"070702")
_HEADER = 110  # bytes; cpio newc
UNPACKED_LIMIT = 256 << 20  # bytes; an initramfs with all modules has about 150 MiB
_MODULE = re.compile(r"(?:^|/)nouveau\.ko(?:\.gz|\.xz|\.zst)?$", re.MULTILINE)


def holds_nouveau(listing: str) -> bool:
    """Whether a list of names, one a line (as lsinitramfs or lsinitrd print them), has the module nouveau."""
    return bool(_MODULE.search(listing))


def loads_nouveau(listing: str, quiet: Iterable[str]) -> bool:
    """Whether the module is in there, and none of the files (paths on the node) that keep it from being loaded is there too."""
    if not holds_nouveau(listing):
        return False
    names = {line.rpartition(" ")[2].lstrip("./") for line in listing.splitlines()}
    same = {path.lstrip("/") for path in quiet}
    same |= {f"usr/{path}" for path in same if path.startswith("lib/")} | {path[4:] for path in same if path.startswith("usr/lib/")}
    return not names & same


def names_in(archive: bytes) -> list[str]:
    """The names in all parts of an initramfs. ValueError for a damaged one, and for a compression that cannot be read here."""
    names: list[str] = []
    rest = archive
    while rest.strip(b"\0"):
        rest = rest.lstrip(b"\0")
        if rest[:6] in _MAGIC:
            rest = rest[_cpio(rest, names):]
        else:
            unpacked = _unpack(rest)
            if unpacked[:6] not in _MAGIC:
                raise ValueError("no cpio archive inside the compressed part")
            return names + names_in(unpacked)
    if not names:
        raise ValueError("an empty initramfs")
    return names


def _cpio(data: bytes, names: list[str]) -> int:
    """Add the names of one archive; how many bytes it has."""
    at = 0
    while data[at: at + 6] in _MAGIC:
        try:
            fields = [int(data[at + 6 + 8 * number: at + 14 + 8 * number], 16) for number in range(13)]
        except ValueError:
            raise ValueError("a damaged cpio header") from None
        size, length = fields[6], fields[11]
        name = data[at + _HEADER: at + _HEADER + length]
        after = at + _padded(_HEADER + length) + _padded(size)
        if length < 1 or len(name) != length or after > len(data) + 3:
            raise ValueError("a cpio archive that breaks off")
        at = after
        if name == b"TRAILER!!!\0":
            return at
        names.append(name[:-1].decode("utf-8", "replace"))
    raise ValueError("a cpio archive without end")


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _unpack(data: bytes) -> bytes:
    unpacker: Any
    if data[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    elif data[:6] == b"\xfd7zXZ\0":
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    elif data[:3] == b"BZh":
        unpacker = bz2.BZ2Decompressor()
    elif data[:4] == b"\x28\xb5\x2f\xfd":
        unpacker = _zstd().ZstdDecompressor()
    else:
        raise ValueError("a compression that cannot be read here")
    try:
        unpacked: bytes = unpacker.decompress(data, UNPACKED_LIMIT)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"a damaged compression: {error}") from None
    except Exception as error:  # ZstdError has no base class that older interpreters know
        raise ValueError(f"a damaged compression: {error}") from None
    return unpacked


def _zstd() -> Any:
    """The module for zstd, which the standard library has from Python 3.14 on."""
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        raise ValueError("compressed with zstd, which this Python cannot read") from None
