# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator orders: the options of `nvidia_driver` as one value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .._inventory._own import NVIDIA, Own
from ._options import COMMON, OrderError, checked
from .wish import Wish

__all__ = ["ARGUMENTS", "Order", "OrderError"]

# Shared by the module and its action plugin; the documentation is compared with it by validate-modules.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "version": {"type": "raw", "default": ">=530"},
    "flavour": {"type": "str", "choices": ["auto", "open", "proprietary"], "default": "auto"},
    "origin": {"type": "str", "choices": ["auto", "distribution", "nvidia"], "default": "auto"},
    "components": {"type": "str", "choices": ["compute", "full"], "default": "compute"},
    "precompiled": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
    "reload": {"type": "str", "choices": ["never", "if_idle"], "default": "never"},
    "replace_runfile": {"type": "bool", "default": False},
    "restore_nouveau": {"type": "bool", "default": False},
    "persistence": {"type": "bool", "default": True},
    "module_parameters": {"type": "dict", "default": {}},
    **COMMON,
}

_PARAMETER = re.compile(r"NVreg_[A-Za-z0-9_]{1,80}|[a-z][a-z0-9_]{0,80}", re.ASCII)
_PARAMETER_VALUE = re.compile(r"[A-Za-z0-9_.:;=/-]{0,200}", re.ASCII)


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
        values = {name: options[name] for name in ARGUMENTS if name not in COMMON and name != "version"}
        values.update(checked(options, "nvidia"))
        values["module_parameters"] = tuple(sorted(_parameter(*item) for item in values["module_parameters"].items()))
        return cls(wish=Wish.parse(options["version"]), **values)

    def settled(self, _chosen: object) -> Order:
        """The order as a verification takes it."""
        return self

    def allows_acknowledged(self, code: str) -> bool:
        """Whether the operator knows of a refusal or warning with this code."""
        return code in self.acknowledge


def _parameter(name: Any, value: Any) -> tuple[str, str]:
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if not _PARAMETER.fullmatch(str(name)) or not _PARAMETER_VALUE.fullmatch(text):
        raise OrderError(
            f"module_parameters has {name}={text!r} (allowed: names such as NVreg_EnableGpuFirmware, values without blanks and quotes)"
        )
    return str(name), text
