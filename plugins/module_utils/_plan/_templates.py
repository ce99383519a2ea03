# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: names of packages as templates, their versions, and the kernels that both may depend on."""

from __future__ import annotations

import re
from typing import NamedTuple

from .._inventory._versions import VersionKey, version_key

__all__ = ["Kernel", "bare", "filled", "package_key", "pattern_of"]


class Kernel(NamedTuple):
    """An installed kernel. flavour is what packages call its kind: generic, generic-hwe-24.04, cloud-amd64, default."""

    release: str
    flavour: str


def bare(version: str) -> str:
    """A package's version without its epoch."""
    return version.partition(":")[2] or version


def package_key(version: str) -> tuple[int, VersionKey]:
    """A sort key for versions as package managers write them."""
    epoch, colon, rest = version.partition(":")
    return (int(epoch) if colon and epoch.isdecimal() and epoch.isascii() else 0, version_key(rest if colon else version))


def filled(template: str, **words: object) -> str:
    """A name of a template; a word that it has and that is not given stays."""
    for key, value in words.items():
        template = template.replace(f"{{{key}}}", str(value))
    return template


def pattern_of(template: str) -> re.Pattern[str]:
    """What names made of a template look like."""
    text = re.escape(template).replace(r"\{branch\}", "([0-9]{3,4})").replace(r"\{kernel_flavour\}", "(.+)")
    return re.compile(text, re.ASCII)
