# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the order of version strings as boot loaders and package managers see it."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PART = re.compile(r"\d+|[A-Za-z]+|~")
_CANDIDATE = re.compile(r"[-.]rc(?=\d)")

VersionKey = list[tuple[int, int, str]]


def version_key(text: str) -> VersionKey:
    """A sort key: numbers count as numbers and stand above letters, a tilde and a release candidate stand below the end of a
    version: 6.1.0-9 < 6.1.0-18, 6.12~rc1 < 6.12, 6.12-rc1 < 6.12."""
    key: VersionKey = []
    for part in _PART.findall(_CANDIDATE.sub("~rc", text)):
        if part.isdecimal() and part.isascii():
            key.append((3, int(part[:18]), ""))
        else:
            key.append((0 if part == "~" else 2, 0, part))
    key.append((1, 0, ""))
    return key


def newest_first(texts: Iterable[str]) -> list[str]:
    """Versions, the newest first."""
    return sorted(texts, key=version_key, reverse=True)
