# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the options that the modules of both vendors have, and what their values may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["COMMON", "OrderError", "checked"]

COMMON: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "latest", "absent"], "default": "present"},
    "hold": {"type": "bool", "default": True},
    "when_busy": {"type": "str", "choices": ["refuse", "wait", "proceed"], "default": "refuse"},
    "busy_timeout": {"type": "int", "default": 1800},
    "when_no_gpu": {"type": "str", "choices": ["skip", "fail"], "default": "skip"},
    "allow_downgrade": {"type": "bool", "default": False},
    "update_initramfs": {"type": "bool", "default": True},
    "extra_packages": {"type": "list", "elements": "str", "default": []},
    "mirror": {"type": "str"},
    "proxy": {"type": "str"},
    "repository_key": {"type": "str", "no_log": False},  # a public key
    "repository_priority": {"type": "int"},
    "wait_for_lock": {"type": "int", "default": 300},
    "acknowledge": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 10.0},
}

_RANGES = (("busy_timeout", 1, 7 * 86400), ("wait_for_lock", 0, 86400), ("repository_priority", 1, 1001))
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+._-]{0,120}", re.IGNORECASE | re.ASCII)
_URL = re.compile(r"(?:https?|ftp)://[A-Za-z0-9.\[\]:@_~%/+-]{1,400}|file:///[A-Za-z0-9._~%/+-]{1,400}", re.ASCII)
_KEY_URL = re.compile(r"(?:https?|ftp|file)://[A-Za-z0-9.\[\]:@_~%/+?&=,-]{1,600}", re.ASCII)
_SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class OrderError(ValueError):
    """An option that nobody can serve; the text names it and what is allowed."""


def checked(options: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The common options without `timeout`, lists as tuples. what: the word for a vendor in an example of a mirror. OrderError."""
    if not 0 < options["timeout"] <= 3600:
        raise OrderError(f"timeout: {options['timeout']:g} is not a number of seconds between 0 and 3600")
    values = {name: options[name] for name in COMMON if name != "timeout"}
    for name, low, high in _RANGES:
        if values[name] is not None and not low <= values[name] <= high:
            raise OrderError(f"{name} is {values[name]} (allowed: {low} to {high})")
    for name in ("mirror", "proxy"):
        if values[name] is not None and not _URL.fullmatch(values[name]):
            raise OrderError(f"{name} is {_shown(values[name])} (allowed: a URL such as https://mirror.example.com/{what})")
    key = values["repository_key"]
    if key is not None and not _KEY_URL.fullmatch(key) and "-----BEGIN" not in key:
        raise OrderError(
            f"repository_key is {_shown(key)} (allowed: a URL such as https://mirror.example.com/key.asc, file:///root/key.asc for a"
            " file of the node, or the text of an OpenPGP public key)"
        )
    for package in values["extra_packages"]:
        if not _PACKAGE.fullmatch(package):
            raise OrderError(f"extra_packages has {package!r} (allowed: names of packages, without versions)")
    if values["state"] == "latest" and values["allow_downgrade"]:
        raise OrderError("state is latest and allow_downgrade is true: the newest version is never a downgrade; leave one out")
    return {**values, "extra_packages": tuple(values["extra_packages"]), "acknowledge": tuple(values["acknowledge"])}


def _shown(value: str) -> str:
    """A value as it may stand in a message: without the name and the password of a URL, and not without end."""
    text = repr(_SECRET.sub("********", value))
    return text if len(text) <= 80 else text[:77] + "..."
