# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what the drivers reported in the kernel log since boot. Only checks read it: a long log costs a second."""

from __future__ import annotations

import re
from typing import Any

from ._inventory import Inventory
from ._kernel_log import parse_kernel_log
from ._source import Source

_COMMANDS = (("journalctl", "-k", "-b", "-o", "short-iso", "--no-pager"), ("dmesg",))


def parse_boot_time(text: str) -> int | None:
    """Seconds since 1970 at boot, from /proc/stat; None where it does not say."""
    match = re.search(r"^btime (\d{1,12})$", text, re.MULTILINE)
    return int(match[1]) if match else None


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """health: events, log_read, boot_time."""
    if not source.wants("deep"):
        return {}
    boot_time = parse_boot_time(source.text("/proc/stat") or "")
    text, refused = read_text(source)
    if text is None and refused:
        denied = re.search(r"(?i)not permitted|permission", refused)
        advice = "; read as root to see the kernel log" if denied else ""
        source.problem("not_permitted" if denied else "refused", refused.splitlines()[-1] + advice)
    events = parse_kernel_log(text, boot_time) if text is not None else []
    return {"health": {"events": events, "log_read": text is not None, "boot_time": boot_time}}


def read_text(source: Source) -> tuple[str | None, str]:
    """The kernel log since boot, None where nobody shows it, and what was said instead."""
    refused = ""
    for argv in _COMMANDS:
        output = source.run(*argv)
        if output is not None and has_entries(output.stdout):
            return output.stdout, ""
        refused = (output.stderr.strip() if output else "") or refused
    return None, refused


def has_entries(text: str) -> bool:
    """Whether a log has a line other than journalctl's own remarks ("-- No entries --", "-- Journal begins at …")."""
    return any(line.strip() and not line.startswith("-- ") for line in text.splitlines())
