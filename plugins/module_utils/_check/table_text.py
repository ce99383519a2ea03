# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line a host: the verdicts of many machines as a table, those without a verdict among them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ._clean import clean
from .report_text import LINK_TITLES, STATUS_TITLES

_HOST_WIDTH = 32  # columns; longer names are cut


def table(results: dict[str, Any], width: int = 100) -> list[str]:
    """The lines, in the order of the hosts. results: {host: what gpu_check returned, or the failure of its task}."""
    rows = [(_cut(clean(host), _HOST_WIDTH), *_row(result if isinstance(result, dict) else {})) for host, result in results.items()]
    if not rows:
        return ["no host was asked"]
    host_width = max(len(row[0]) for row in rows)
    status_width = max(len(row[1]) for row in rows)
    lines = [_cut(f"{host:<{host_width}}  {status:<{status_width}}  {text}".rstrip(), width) for host, status, text in rows]
    return [*lines, _total(rows)]


def _row(result: dict[str, Any]) -> tuple[str, str]:
    verdict = result.get("verdict")
    if isinstance(verdict, dict):
        return STATUS_TITLES.get(str(verdict.get("status")), str(verdict.get("status"))), _words(verdict, result.get("findings") or [])
    if not result:
        return "NOT ASKED", "the play ended before this host was asked"
    return ("UNREACHABLE" if result.get("unreachable") else "FAILED"), clean(result.get("msg") or "no words")


def _words(verdict: dict[str, Any], findings: list[dict[str, Any]]) -> str:
    """The cards, and what to look at first where something is wrong."""
    counted = Counter(clean(device.get("name")) for device in verdict.get("devices") or ())
    cards = ", ".join(f"{count} x {name}" if count > 1 else name for name, count in counted.items()) or "no GPU"
    alarms = list(dict.fromkeys(str(one.get("code")) for one in findings if one.get("severity") in ("critical", "unknown", "warning")))
    words = [cards]
    if verdict.get("broken_link"):
        words.append(f"broken at {LINK_TITLES.get(verdict['broken_link'], verdict['broken_link'])}")
    if alarms:
        words.append(alarms[0] + (f" and {len(alarms) - 1} more" if len(alarms) > 1 else ""))
    return "; ".join(words)


def _total(rows: list[tuple[str, str, str]]) -> str:
    counted = Counter(row[1].lower() for row in rows)
    return f"{len(rows)} host{'s' if len(rows) > 1 else ''}: " + ", ".join(f"{count} {status}" for status, count in counted.items())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
