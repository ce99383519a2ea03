# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: names of cards where no driver tells them, and the software that works on them."""

from __future__ import annotations

from ._survey import Survey


def ask_names(survey: Survey) -> None:
    """Names out of the vendors' own lists on the node."""
    if not all(device.get("name") for device in survey.known.devices):
        from . import vendor_lists

        survey.ask("vendor_lists", vendor_lists.read)


def ask(survey: Survey) -> None:
    """Toolkits, container runtimes, PyTorch."""
    if "software" in survey.wanted:
        from . import containers

        survey.ask("containers", containers.read)
