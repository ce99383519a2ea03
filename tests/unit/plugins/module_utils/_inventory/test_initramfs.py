# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._initramfs import holds_nouveau, loads_nouveau, names_in
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import cpio_archive

EARLY = cpio_archive("kernel/x86/microcode/GenuineIntel.bin")
MODULES = cpio_archive("usr/lib/modules/6.1/kernel/drivers/gpu/drm/nouveau/nouveau.ko", "init")
NAMES = ["usr/lib/modules/6.1/kernel/drivers/gpu/drm/nouveau/nouveau.ko", "init"]


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (MODULES, NAMES),
        (EARLY + MODULES, ["kernel/x86/microcode/GenuineIntel.bin", *NAMES]),
        (EARLY + gzip.compress(MODULES), ["kernel/x86/microcode/GenuineIntel.bin", *NAMES]),
        (EARLY + lzma.compress(MODULES), ["kernel/x86/microcode/GenuineIntel.bin", *NAMES]),
        (bz2.compress(MODULES), NAMES),
    ],
)
def test_names(data: bytes, names: list[str]) -> None:
    assert names_in(data) == names
    assert holds_nouveau("\n".join(names)) is True


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\0" * 512, "empty"),
        (MODULES[:300], "breaks off|without end"),
        (b"\x02!L\x18....", "compression"),
        (gzip.compress(MODULES)[:40], "breaks off"),
        (gzip.compress(b"hello"), "no cpio"),
        (b"070701" + b"z" * 120, "damaged"),
    ],
)
def test_refuses(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        names_in(data)


@pytest.mark.parametrize(
    ("listing", "held"),
    [
        ("usr/lib/modules/6.1/kernel/drivers/gpu/drm/nouveau/nouveau.ko.xz\n", True),
        ("-rw-r--r--  1 root root 1234 Jan  1 00:00 usr/lib/modules/6.1/nouveau.ko\n", True),
        ("drwxr-xr-x usr/lib/modules/6.1/kernel/drivers/gpu/drm/nouveau\netc/modprobe.d/blacklist-nouveau.conf\n", False),
        ("", False),
    ],
)
def test_holds_nouveau(listing: str, held: bool) -> None:
    assert holds_nouveau(listing) is held


LISTED = """\
-rw-r--r--   1 root     root        48532 Nov  1  2025 usr/lib/modules/6.12/nouveau.ko.xz
-rw-r--r--   1 root     root           36 Nov  1  2025 usr/lib/modprobe.d/nvidia.conf
"""


@pytest.mark.parametrize(
    ("listing", "quiet", "loads"),
    [
        (LISTED, [], True),
        (LISTED, ["/usr/lib/modprobe.d/nvidia.conf"], False),
        (LISTED, ["/lib/modprobe.d/nvidia.conf"], False),
        (LISTED, ["/etc/modprobe.d/nvidia.conf"], True),
        ("./nouveau.ko\n./etc/modprobe.d/n.conf\n", ["/etc/modprobe.d/n.conf"], False),
        ("usr/lib/modprobe.d/nvidia.conf\n", [], False),
    ],
)
def test_loads_nouveau(listing: str, quiet: list[str], loads: bool) -> None:
    assert loads_nouveau(listing, quiet) is loads


@given(st.binary(), st.sampled_from([b"", b"070701", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"]))
def test_only_value_errors_leave(data: bytes, start: bytes) -> None:
    with contextlib.suppress(ValueError):
        names_in(start + data)


@given(st.integers(0, len(MODULES) - 1), st.integers(0, 255))
def test_a_changed_byte(place: int, value: int) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(names_in(MODULES[:place] + bytes([value]) + MODULES[place + 1 :]), list)
