# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator orders: the options of `nvidia_driver` as one value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .._inventory._own import NVIDIA, Own
from .wish import Wish

__all__ = ["ARGUMENTS", "Order", "OrderError"]

# Shared by the module and its action plugin; the documentation is compared with it by validate-modules.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "version": {"type": "raw", "default": ">=530"},
    "state": {"type": "str", "choices": ["present", "latest", "absent"], "default": "present"},
    "flavour": {"type": "str", "choices": ["auto", "open", "proprietary"], "default": "auto"},
    "origin": {"type": "str", "choices": ["auto", "distribution", "nvidia"], "default": "auto"},
    "components": {"type": "str", "choices": ["compute", "full"], "default": "compute"},
    "precompiled": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
    "hold": {"type": "bool", "default": True},
    "when_busy": {"type": "str", "choices": ["refuse", "wait", "proceed"], "default": "refuse"},
    "busy_timeout": {"type": "int", "default": 1800},
    "when_no_gpu": {"type": "str", "choices": ["skip", "fail"], "default": "skip"},
    "reload": {"type": "str", "choices": ["never", "if_idle"], "default": "never"},
    "allow_downgrade": {"type": "bool", "default": False},
    "replace_runfile": {"type": "bool", "default": False},
    "update_initramfs": {"type": "bool", "default": True},
    "restore_nouveau": {"type": "bool", "default": False},
    "persistence": {"type": "bool", "default": True},
    "module_parameters": {"type": "dict", "default": {}},
    "extra_packages": {"type": "list", "elements": "str", "default": []},
    "mirror": {"type": "str"},
    "proxy": {"type": "str"},
    "repository_key": {"type": "str", "no_log": False},  # a public key
    "repository_priority": {"type": "int"},
    "wait_for_lock": {"type": "int", "default": 300},
    "acknowledge": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 10.0},
}

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+._-]{0,120}", re.IGNORECASE | re.ASCII)
_PARAMETER = re.compile(r"NVreg_[A-Za-z0-9_]{1,80}|[a-z][a-z0-9_]{0,80}", re.ASCII)
_PARAMETER_VALUE = re.compile(r"[A-Za-z0-9_.:;=/-]{0,200}", re.ASCII)
_URL = re.compile(r"(?:https?|ftp)://[A-Za-z0-9.\[\]:@_~%/+-]{1,400}|file:///[A-Za-z0-9._~%/+-]{1,400}", re.ASCII)


_KEY_URL = re.compile(r"(?:https?|ftp|file)://[A-Za-z0-9.\[\]:@_~%/+?&=,-]{1,600}", re.ASCII)
_SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class OrderError(ValueError):
    """An option that nobody can serve; the text names it and what is allowed."""


@dataclass(frozen=True)
class Order:
    """The options under their own names; wish is `version` parsed, module_parameters has texts as values."""

    own: ClassVar[Own] = NVIDIA
    users: ClassVar[None] = None  # with whose eyes the inventory is taken besides
    wish: Wish
    state: str
    flavour: str
    origin: str
    components: str
    precompiled: str
    hold: bool
    when_busy: str
    busy_timeout: int
    when_no_gpu: str
    reload: str
    allow_downgrade: bool
    replace_runfile: bool
    update_initramfs: bool
    restore_nouveau: bool
    persistence: bool
    module_parameters: tuple[tuple[str, str], ...]
    extra_packages: tuple[str, ...]
    mirror: str | None
    proxy: str | None
    repository_key: str | None
    repository_priority: int | None
    wait_for_lock: int
    acknowledge: tuple[str, ...]

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Order:
        """From options that Ansible has checked against ARGUMENTS. WishError, OrderError."""
        if not 0 < options["timeout"] <= 3600:
            raise OrderError(f"timeout: {options['timeout']:g} is not a number of seconds between 0 and 3600")
        values = {name: options[name] for name in ARGUMENTS if name not in ("version", "timeout")}
        for name, low, high in (("busy_timeout", 1, 7 * 86400), ("wait_for_lock", 0, 86400), ("repository_priority", 1, 1001)):
            if values[name] is not None and not low <= values[name] <= high:
                raise OrderError(f"{name} is {values[name]} (allowed: {low} to {high})")
        for name in ("mirror", "proxy"):
            if values[name] is not None and not _URL.fullmatch(values[name]):
                raise OrderError(f"{name} is {_shown(values[name])} (allowed: a URL such as https://mirror.example.com/nvidia)")
        key = values["repository_key"]
        if key is not None and not _KEY_URL.fullmatch(key) and "-----BEGIN" not in key:
            raise OrderError(
                f"repository_key is {_shown(key)} (allowed: a URL such as https://mirror.example.com/key.asc, file:///root/key.asc for a"
                " file of the node, or the text of an OpenPGP public key)"
            )
        for package in values["extra_packages"]:
            if not _PACKAGE.fullmatch(package):
                raise OrderError(f"extra_packages has {package!r} (allowed: names of packages, without versions)")
        values["extra_packages"] = tuple(values["extra_packages"])
        values["acknowledge"] = tuple(values["acknowledge"])
        values["module_parameters"] = tuple(sorted(_parameter(*item) for item in values["module_parameters"].items()))
        if values["state"] == "latest" and values["allow_downgrade"]:
            raise OrderError("state is latest and allow_downgrade is true: the newest version is never a downgrade; leave one out")
        return cls(wish=Wish.parse(options["version"]), **values)

    def allows_acknowledged(self, code: str) -> bool:
        """Whether the operator knows of a refusal or warning with this code."""
        return code in self.acknowledge


def _shown(value: str) -> str:
    """A value as it may stand in a message: without the name and the password of a URL, and not without end."""
    text = repr(_SECRET.sub("********", value))
    return text if len(text) <= 80 else text[:77] + "..."


def _parameter(name: Any, value: Any) -> tuple[str, str]:
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if not _PARAMETER.fullmatch(str(name)) or not _PARAMETER_VALUE.fullmatch(text):
        raise OrderError(
            f"module_parameters has {name}={text!r} (allowed: names such as NVreg_EnableGpuFirmware, values without blanks and quotes)"
        )
    return str(name), text
