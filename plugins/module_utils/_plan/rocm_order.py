# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module ``rocm_stack`` as one value; what no node could serve is refused here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from .._inventory._own import ROCM, Own
from ._options import COMMON, OrderError, checked
from .rocm_steps import RocmChosen
from .rocm_wish import RocmWish

__all__ = ["ARGUMENTS", "OrderError", "RocmOrder"]

COMPONENTS = ("runtime", "hip", "opencl", "ml", "developer", "smi", "all")

# Shared by the module and its action plugin; the documentation is compared with it by validate-modules.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "version": {"type": "raw", "default": ">=6.0"},
    "driver": {"type": "str", "choices": ["auto", "inbox", "dkms", "none"], "default": "auto"},
    "driver_version": {"type": "raw"},
    "origin": {"type": "str", "choices": ["auto", "distribution", "amd"], "default": "auto"},
    "components": {"type": "list", "elements": "str", "choices": list(COMPONENTS), "default": ["runtime"]},
    "users": {"type": "list", "elements": "str", "default": []},
    "allow_unsupported_gpu": {"type": "bool", "default": False},
    "side_by_side": {"type": "bool", "default": False},
    **COMMON,
}

_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}[a-z0-9_$-]?", re.ASCII)


@dataclass(frozen=True)
class RocmOrder:
    """The options under their own names; wish is `version` parsed, driver_wish `driver_version`, None for that of the release."""

    own: ClassVar[Own] = ROCM

    wish: RocmWish
    driver_wish: RocmWish | None
    driver: str
    origin: str
    components: tuple[str, ...]
    users: tuple[str, ...]
    allow_unsupported_gpu: bool
    side_by_side: bool
    state: str
    hold: bool
    when_busy: str
    busy_timeout: int
    when_no_gpu: str
    allow_downgrade: bool
    update_initramfs: bool
    extra_packages: tuple[str, ...]
    mirror: str | None
    proxy: str | None
    repository_key: str | None
    repository_priority: int | None
    wait_for_lock: int
    acknowledge: tuple[str, ...]

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> RocmOrder:
        """From options that Ansible has checked against ARGUMENTS. WishError, OrderError."""
        values = {name: options[name] for name in ARGUMENTS if name not in (*COMMON, "version", "driver_version")}
        values.update(checked(options, "rocm"))
        values["components"] = tuple(name for name in COMPONENTS if name in values["components"])
        if not values["components"]:
            raise OrderError(f"components is empty (allowed: some of {', '.join(COMPONENTS)})")
        for user in values["users"]:
            if not _USER.fullmatch(user):
                raise OrderError(f"users has {user!r} (allowed: names of accounts)")
        values["users"] = tuple(dict.fromkeys(values["users"]))
        driver = None if options["driver_version"] in (None, "auto") else RocmWish.parse(options["driver_version"], "driver_version")
        if driver is not None and values["driver"] in ("inbox", "none"):
            raise OrderError(f"driver is {values['driver']}, which has no driver_version: leave one out, or set driver: dkms")
        if values["side_by_side"] and values["origin"] == "distribution":
            raise OrderError("side_by_side is true and origin is distribution: a distribution has one release only; set origin: amd")
        return cls(wish=RocmWish.parse(options["version"]), driver_wish=driver, **values)

    def settled(self, chosen: RocmChosen | None) -> RocmOrder:
        """The order with the driver that a plan chose, for the verification."""
        return replace(self, driver=chosen.driver) if chosen else self

    def allows_acknowledged(self, code: str) -> bool:
        """Whether the operator knows of a refusal or warning with this code."""
        return code in self.acknowledge
