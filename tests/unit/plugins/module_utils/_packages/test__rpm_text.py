# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages._rpm_text import (
    FIELD,
    RECORD,
    Installed,
    code_of,
    evr_of,
    kib,
    parse_installed,
    relations,
    shortened,
    valid_architecture,
    valid_name,
    valid_pattern,
    valid_repository,
)


@pytest.mark.parametrize(
    ("text", "evr"),
    [
        ("3:580.95.05-1.el9", "3:580.95.05-1.el9"),
        ("0:580.95.05-1", "580.95.05-1"),
        ("00:1-1", "1-1"),
        ("1.0~rc1^git-1.fc44", "1.0~rc1^git-1.fc44"),
        ("580.95.05", None),
        ("580-1-1", None),
        ("a:1-1", None),
        ("٣:1-1", None),
        ("1-1\n", None),
        ("1-1 --nogpgcheck", None),
        ("1" * 200 + "-1", None),
    ],
)
def test_evr(text: str, evr: str | None) -> None:
    assert evr_of(text) == evr


def test_expressions_of_names() -> None:
    assert all(map(valid_name, ("kmod-nvidia-open-dkms", "libstdc++")))
    assert not any(map(valid_name, ("", "-rf", "../a", "a b", "a;b", "a\n", "nvïdia", "@group", "x" * 200)))
    assert all(map(valid_pattern, ("*nvidia*", "kmod-nvidia-[a-z]*")))
    assert not any(map(valid_pattern, ("", "-x", "a b", "/etc/passwd", "*;")))
    assert [valid_architecture(text) for text in ("x86_64", "x86 64")] == [True, False]
    assert [valid_repository(text) for text in ("@System", "cuda-rhel9-x86_64", "a\x1b")] == [True, True, False]


def test_relations() -> None:
    lines = [
        "dkms",
        "nvidia-kmod  = 3:580.95.05",
        "(a or b)",
        "libcuda.so.1()(64bit)",
        "/bin/sh",
        "rpmlib(X) <= 1",
        "config(a) = 1",
        "dkms",
        "a`b",
    ]
    assert relations(lines) == ("dkms", "nvidia-kmod = 3:580.95.05", "(a or b)")


def record(*fields: str) -> str:
    return FIELD.join(fields) + RECORD


def test_installed() -> None:
    text = (
        record("nvidia", "3:580-1", "x86_64")
        + "package x is not installed\n"
        + record("gcc", "0:12-1", "x86_64")
        + record("a b", "0:1-1", "x")
    )
    assert parse_installed(text) == [Installed("nvidia", "3:580-1", "x86_64"), Installed("gcc", "12-1", "x86_64")]


@pytest.mark.parametrize(
    ("number", "unit", "size"),
    [("5.7", "k", 6), ("28", "k", 28), ("1.5", "M", 1536), ("0", "", 0), ("1", "B", 1), ("1", "GiB", 1 << 20), ("-2048", "B", -2)],
)
def test_kib(number: str, unit: str, size: int) -> None:
    assert kib(number, unit) == size


def test_long_words_are_shortened() -> None:
    assert shortened("a\n\n b \na\n") == "a\n b"
    assert len(shortened("x" * 9999)) < 1600


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Error: … Disk Requirements: At least 20MB more space needed on the / filesystem. No space left on device", "no_space"),
        ("System management is locked by the application with pid 12 (zypper).", "locked"),
        ("[GNUPG:] NO_PUBKEY B8DB4E4A5B5F28EF", "bad_key"),
        ("repomd.xml GPG signature verification error: Bad GPG signature", "bad_signature"),
        ("GPG verification is enabled, but GPG signature is not available.", "bad_signature"),
        ("Downloading successful, but checksum doesn't match. Calculated: aa(sha256)  Expected: bb(sha256)", "hash_mismatch"),
        ("c3ad-primary.xml.zst has wrong checksum", "hash_mismatch"),
        ("Curl error (6): Could not resolve hostname for http://nohost.invalid/x/repodata/repomd.xml", "no_network"),
        ("Error message: Failed to connect to 127.0.0.1 port 9 after 0 ms", "no_network"),
        ("Status code: 404 for https://example.com/repodata/repomd.xml", "unreadable"),
        ("Status code: 503 for https://example.com/repodata/repomd.xml", "no_network"),
        ("error: rpmdb: damaged header #12 retrieved -- skipping.", "broken"),
        ("something else", "refused"),
    ],
)
def test_code(words: str, code: str) -> None:
    assert code_of(words) == code
