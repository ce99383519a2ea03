# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import contextlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._firmware import (
    enrolled_keys,
    loader_variable,
    parse_key_names,
    parse_mokutil,
    parse_secure_boot,
    secure_boot,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import command, node

VARIABLES = "/sys/firmware/efi/efivars"
SECURE_BOOT = f"{VARIABLES}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
MOK_STATE = f"{VARIABLES}/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23"
MOK_LIST = f"{VARIABLES}/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"


def variable(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(b"\x06\0\0\0" + value).decode()}


def certificate(issuer: str, subject: str) -> bytes:
    def name(text: str) -> bytes:
        return b"\x06\x03\x55\x04\x03\x0c" + bytes([len(text)]) + text.encode()

    return b"\x30\x82" + name(issuer) + b"\x17\x0d" + name(subject) + b"\x30\x00"


def signature_list(*signatures: bytes) -> bytes:
    each = 16 + max(map(len, signatures))
    body = b"".join(b"o" * 16 + signature.ljust(each - 16, b"\0") for signature in signatures)
    lengths = b"".join(number.to_bytes(4, "little") for number in (28 + len(body), 0, each))
    return b"t" * 16 + lengths + body


KEYS = signature_list(certificate("Debian Secure Boot CA", "Debian Secure Boot CA")) + signature_list(
    certificate("Owner CA", "DKMS module signing key")
)


@pytest.mark.parametrize(("data", "enabled"), [(b"\x06\0\0\0\x01", True), (b"\x16\0\0\0\x00", False)])
def test_secure_boot_variable(data: bytes, enabled: bool) -> None:
    assert parse_secure_boot(data) is enabled


@pytest.mark.parametrize("data", [b"", b"\x06\0\0\0", b"\x06\0\0\0\x02", b"\x06\0\0\0\x01\x01"])
def test_secure_boot_variable_refuses(data: bytes) -> None:
    with pytest.raises(ValueError, match="SecureBoot variable"):
        parse_secure_boot(data)


@pytest.mark.parametrize(
    ("text", "enabled"),
    [
        ("SecureBoot enabled\n", True),
        ("SecureBoot disabled\n", False),
        ("SecureBoot disabled\nPlatform is in Setup Mode\n", False),
        ("SecureBoot enabled\nSecureBoot validation is disabled in shim\n", False),
    ],
)
def test_mokutil(text: str, enabled: bool) -> None:
    assert parse_mokutil(text) is enabled


@pytest.mark.parametrize("text", ["", "EFI variables are not supported on this system\n"])
def test_mokutil_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"EFI variables|no answer"):
        parse_mokutil(text)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", []),
        (KEYS, ["Debian Secure Boot CA", "DKMS module signing key"]),
        (KEYS + KEYS, ["Debian Secure Boot CA", "DKMS module signing key"]),
        (signature_list(b"h" * 32), []),
    ],
)
def test_key_names(data: bytes, names: list[str]) -> None:
    assert parse_key_names(data) == names


@pytest.mark.parametrize("data", [KEYS[:60], b"t" * 16 + b"\xff" * 12, b"t" * 16 + (28).to_bytes(4, "little") + b"\0" * 8])
def test_key_names_refuses(data: bytes) -> None:
    with pytest.raises(ValueError, match="wrong length"):
        parse_key_names(data)


EFI = {"/sys/firmware/efi/fw_platform_size": "64\n"}


@pytest.mark.parametrize(
    ("files", "commands", "enabled"),
    [
        ({}, [], None),
        ({"/sys/firmware/acpi/tables/DSDT": ""}, [command("mokutil --sb-state", "SecureBoot enabled\n")], False),
        ({SECURE_BOOT: variable(b"\1")}, [command("mokutil --sb-state", "SecureBoot disabled\n")], True),
        ({SECURE_BOOT: variable(b"\0")}, [], False),
        ({SECURE_BOOT: variable(b"\1"), MOK_STATE: variable(b"\1")}, [], False),
        ({SECURE_BOOT: variable(b"\1"), MOK_STATE: variable(b"\0")}, [], True),
        (EFI, [command("mokutil --sb-state", "SecureBoot enabled\n")], True),
        (EFI, [command("mokutil --sb-state", "", 1, "EFI variables are not supported on this system\n")], None),
        (EFI, [{"argv": ["mokutil", "--sb-state"], "signal": 11}], None),
        (EFI, [], None),
    ],
)
def test_secure_boot(files: dict[str, Any], commands: list[Any], enabled: bool | None) -> None:
    source, _unused = node(files=files, commands=commands)
    assert secure_boot(source) is enabled


def test_damaged_variable_is_a_problem() -> None:
    source, problems = node(files={SECURE_BOOT: variable(b"")})
    assert secure_boot(source) is None
    assert problems == [{"source": "test", "code": "unreadable", "message": "a SecureBoot variable of 4 bytes"}]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({}, None),
        ({MOK_LIST: variable(KEYS)}, ["Debian Secure Boot CA", "DKMS module signing key"]),
        ({MOK_LIST: variable(b"")}, []),
        ({MOK_LIST: {"error": "EACCES"}}, None),
        ({MOK_LIST: variable(KEYS[:60])}, None),
    ],
)
def test_enrolled_keys(files: dict[str, Any], names: list[str] | None) -> None:
    source, _unused = node(files=files)
    assert enrolled_keys(source) == names


def test_loader_variable() -> None:
    path = f"{VARIABLES}/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    source, _unused = node(files={path: variable("8f3a-6.8.4.conf\0".encode("utf-16-le"))})
    assert loader_variable(source, "LoaderEntryDefault") == "8f3a-6.8.4.conf"
    assert loader_variable(source, "LoaderEntryOneShot") is None


@given(st.binary())
def test_only_value_errors_leave(data: bytes) -> None:
    for parse in (parse_secure_boot, parse_key_names):
        with contextlib.suppress(ValueError):
            parse(data)
    with contextlib.suppress(ValueError):
        parse_mokutil(data.decode("latin-1"))


@given(st.integers(0, len(KEYS) - 1), st.integers(0, 255))
def test_a_changed_byte(place: int, value: int) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_key_names(KEYS[:place] + bytes([value]) + KEYS[place + 1 :]), list)


@pytest.mark.parametrize(("name", "enabled"), [("enabled.txt", True), ("efi-not-supported.txt", None)])
def test_captures(captures: Path, name: str, enabled: bool | None) -> None:
    text = (captures / "mokutil_sb_state" / name).read_text()
    if enabled is None:
        with pytest.raises(ValueError, match="not supported"):
            parse_mokutil(text)
    else:
        assert parse_mokutil(text) is enabled
