# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._packages._openpgp import KEY_LIMIT, KeyFormatError, armour, fingerprint
from hypothesis import given
from hypothesis import strategies as st

KEYS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "openpgp_keys.yml").read_text(encoding="utf-8"))
NAMES = [key["name"] for key in KEYS]
RSA, ED25519, _VERSION_6 = (key["armour"].encode() for key in KEYS)


def binary(text: bytes) -> bytes:
    """The packets inside an armour, told by another program's rules: all lines but the checksum."""
    lines = text.decode().strip().split("\n")[2:-1]
    return base64.b64decode("".join(line for line in lines if not line.startswith("=")))


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_fingerprint(key: dict[str, Any]) -> None:
    assert fingerprint(key["armour"].encode()) == key["fingerprint"]
    assert fingerprint(binary(key["armour"].encode())) == key["fingerprint"]


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_armour_of_a_binary_key(key: dict[str, Any]) -> None:
    written = armour(binary(key["armour"].encode()))
    assert fingerprint(written.encode()) == key["fingerprint"]
    assert [line for line in written.split("\n") if not line.startswith("=")] == [
        line for line in key["armour"].split("\n") if not line.startswith("=")
    ]


def test_the_checksum_is_the_one_that_gpg_writes() -> None:
    assert armour(binary(RSA)) == RSA.decode()


def test_headers_and_line_ends_of_others() -> None:
    text = RSA.decode().replace("-----\n\n", "-----\nVersion: GnuPG v2\nComment: x\n\n").replace("\n", "\r\n")
    assert fingerprint(text.encode()) == KEYS[0]["fingerprint"]


DAMAGED = RSA.replace(b"mQENB", b"mQEOB") if b"mQENB" in RSA else RSA[:100] + (b"A" if RSA[100:101] != b"A" else b"B") + RSA[101:]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is no OpenPGP public key (wanted: one block that begins with -----BEGIN PGP PUBLIC KEY BLOCK-----)"),
        (b"<html>404</html>", "it is no OpenPGP public key (wanted: one block that begins with -----BEGIN PGP PUBLIC KEY BLOCK-----)"),
        (RSA + ED25519, "its ASCII armour is damaged"),
        (binary(RSA) + binary(ED25519), "it holds 2 public keys, wanted is one"),
        (DAMAGED, "its ASCII armour is damaged: the checksum differs"),
        (RSA.replace(b"\n\n", b"\n\n!"), "its ASCII armour is damaged"),
        (binary(RSA)[:-1], "it is damaged: a packet has no sound length"),
        (binary(RSA) + b"junk", "it is damaged: no packet where one should be"),
        (b"\xd1\x01x", "it does not begin with a public key or holds something else (packet type 17)"),
        (b"\xcb\x01x" + binary(RSA), "it does not begin with a public key or holds something else (packet type 11)"),
        (b"\xc5\x01\x04", "it holds a secret key; export the public one: gpg --armor --export"),
        (b"\xc6\x01\x03", "it holds a key of version 3 (known: 4 and 6)"),
        (b"\xc6\x00", "it holds a key of version 0 (known: 4 and 6)"),
        (b"\xc6", "it is damaged: a packet has no sound length"),
        (b"\xc6\xe1\x04", "it is damaged: a packet has no sound length"),
        (b"\x9b\x04", "it is damaged: a packet has no sound length"),
        (b"\x80" * (KEY_LIMIT + 1), "it is larger than 1024 KiB, no key is"),
    ],
)
def test_what_is_not_one_public_key(data: bytes, message: str) -> None:
    with pytest.raises(KeyFormatError) as error:
        fingerprint(data)
    assert str(error.value) == message


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: binary(ED25519)[:40] + tail))
def test_whatever_comes_is_a_fingerprint_or_an_error(data: bytes) -> None:
    try:
        answer = fingerprint(data)
    except KeyFormatError as error:
        answer = str(error)
    assert len(answer) in (40, 64) or answer.startswith("it")
