# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: take serial numbers, UUIDs and host names out of evidence, so that a recording can be shown to strangers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

_UUID = re.compile(r"\b(GPU|MIG)-(?:GPU-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\bGPU-[0-9a-f]{16}\b", re.IGNORECASE)
_SERIALS = (
    re.compile(r"<(?:serial|board_serial|chassis_serial_number)>\s*([\w-]{6,})\s*<"),
    re.compile(r"^[ \t]*(?:Serial Number|Chassis Serial Number)[ \t]*:[ \t]*([\w-]{6,})[ \t]*$", re.MULTILINE),
    re.compile(r'"(?:asic_serial|product_serial|serial|unique_id)":\s*"([\w-]{6,})"'),
    re.compile(r"^unique_id ([1-9]\d{5,})$", re.MULTILINE),
)
_HOST_NAMES = (re.compile(r"^\d{4}-\d\d-\d\dT\S+ ([A-Za-z0-9][\w.-]*) kernel:", re.MULTILINE),)
_SERIAL_FILES = re.compile(r"/(?:unique_id|serial_number|product_serial|board_serial)$")
_NO_SERIAL = re.compile(r"(?i)unknown|not|n/?a|none|deprecated|0+|[\[\]]")


class Redaction:
    """Serial numbers, UUIDs and host names → tokens of the same shape, numbered in the order in which they were met."""

    def __init__(self, seen: dict[str, Any]) -> None:
        self._tokens: dict[str, str] = {}
        self._vocabulary = set(_vocabulary(seen))
        for text in _texts(seen):
            for match in _UUID.finditer(text):
                self._add(match[0], "uuid")
            for pattern in _SERIALS:
                for found in pattern.findall(text):
                    self._add(found, "serial")
            for pattern in _HOST_NAMES:
                for found in pattern.findall(text):
                    self._add(found, "host")
        for path, content in seen["files"].items():
            if isinstance(content, str) and _SERIAL_FILES.search(path):
                self._add(content.strip(), "serial")
        self._add(os.uname().nodename, "host")
        longest_first = sorted(self._tokens, key=len, reverse=True)
        self._pattern = re.compile(r"(?<![\w-])(?:{})(?![\w-])".format("|".join(map(re.escape, longest_first)))) if longest_first else None

    def _add(self, secret: str, kind: str) -> None:
        if len(secret) < 2 or secret in self._tokens or secret == "localhost" or (kind == "serial" and _NO_SERIAL.fullmatch(secret)):
            return
        if kind == "host" and secret in self._vocabulary:
            return
        number = len(self._tokens) + 1
        if kind == "uuid" and len(secret) > 24:
            token = f"{secret[:3]}-00000000-0000-0000-0000-{number:012d}"
        elif kind == "uuid":
            token = f"GPU-{number:016x}"
        elif secret.isdigit() or re.fullmatch(r"(0x)?[0-9a-fA-F]+", secret):
            prefix = "0x" if secret.startswith("0x") else ""
            token = f"{prefix}{number:0{len(secret) - len(prefix)}d}"
        else:
            token = f"redacted-{kind}-{number}"
        self._tokens[secret] = token

    def apply(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._pattern.sub(lambda match: self._tokens[match[0]], value) if self._pattern else value
        if isinstance(value, list):
            return [self.apply(item) for item in value]
        if isinstance(value, dict):
            return {self.apply(key): self.apply(item) for key, item in value.items()}
        return value


def _vocabulary(seen: dict[str, Any]) -> Iterable[str]:
    """Words that recordings are made of. A host called "ubuntu" or "gpu" must not take them away, and its name is no secret."""
    for text in (*_keys(seen), *_texts([entry.get("argv") for entry in seen.get("commands", ())])):
        yield from re.findall("[A-Za-z]+", text)
    for text in _texts(seen):
        yield from re.findall(r"<([A-Za-z]+)[ >]", text)
        yield from re.findall(r"^(?:ID|ID_LIKE|NAME|VERSION_CODENAME)=\"?([A-Za-z]+)", text, re.MULTILINE)


def _keys(value: Any) -> Iterable[str]:
    for key, child in value.items() if isinstance(value, dict) else (("", child) for child in value):
        yield key
        if isinstance(child, (dict, list)):
            yield from _keys(child)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, child in value.items():
            if isinstance(child, str) and key in ("serial", "unique_id", "uuid"):
                yield f'"{key}": "{child}"'
            yield from _texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child)
