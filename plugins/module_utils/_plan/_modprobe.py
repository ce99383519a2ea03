# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: our file for modprobe: nouveau stays away, and the module's parameters."""

from __future__ import annotations

import re

from .order import Order

BLACKLIST = """\
# Written by gpufleet.node.nvidia_driver: changes here are undone by its next run.
blacklist nouveau
options nouveau modeset=0
"""
_OPTIONS = re.compile(r"^options nvidia (.*)$", re.MULTILINE)


def modprobe_text(order: Order) -> str:
    """The whole file for these options."""
    if not order.module_parameters:
        return BLACKLIST
    return BLACKLIST + "options nvidia " + " ".join(f"{key}={value}" for key, value in order.module_parameters) + "\n"


def options_text(text: str) -> list[str]:
    """The parameters (NAME=VALUE) that such a file sets."""
    return [word for line in _OPTIONS.findall(text) for word in line.split()]
