# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of one machine as text for people: verdict, cards, chain, findings; aligned, wrapped, colours only when asked."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from ._clean import clean
from ._report import ORDER, Finding, Report

LINK_TITLES = {
    "pci": "PCI",
    "kernel_driver": "kernel driver bound",
    "module": "module loaded",
    "device_nodes": "device nodes",
    "nvml_kfd": "NVML / KFD",
    "cuda_hip": "CUDA / HIP",
    "container": "container",
    "pytorch": "PyTorch",
}
STATUS_TITLES = {"ready": "READY", "degraded": "DEGRADED", "not_ready": "NOT READY", "no_gpu": "NO GPU", "unknown": "UNKNOWN"}
_STATES = {"ok": "ok", "broken": "BROKEN", "unknown": "unknown", "not_applicable": "-"}
_COLOURS = {
    "bold": "1",
    "dim": "2",
    "ready": "1;32",
    "degraded": "1;33",
    "not_ready": "1;31",
    "no_gpu": "1;36",
    "ok": "32",
    "broken": "1;31",
    "not_applicable": "2",
    "critical": "1;31",
    "warning": "33",
    "unknown": "35",
    "info": "36",
    "command": "1",
}
_NARROWEST = 60
_LABEL = 10  # columns of the labels at the left margin


def render(report: Report, colour: bool = False, width: int = 100) -> str:
    """The text, without a newline at its end. width: columns; commands are never wrapped, so that they can be copied."""
    return "\n".join(_Page(colour, max(width, _NARROWEST)).lines(report))


class _Page:
    def __init__(self, colour: bool, width: int) -> None:
        self._colour, self._width = colour, width

    def lines(self, report: Report) -> Iterator[str]:
        verdict = report.verdict
        yield from self._verdict(verdict)
        if verdict["devices"]:
            yield ""
            yield self._paint("bold", "Cards")
            yield from self._cards(verdict["devices"])
        yield from self._fallback(verdict["fallback"])
        if verdict["status"] != "no_gpu":
            yield ""
            yield self._paint("bold", "Chain")
            yield from self._chain(verdict["chain"])
        yield ""
        yield self._paint("bold", "Findings") + self._paint("dim", f"  {_counts(report.findings)}")
        for group in _groups(report.findings):
            yield from self._finding(group)

    def _verdict(self, verdict: dict[str, Any]) -> Iterator[str]:
        status = str(verdict["status"])
        yield from self._labelled(STATUS_TITLES.get(status, status), status, verdict["summary"], _LABEL + 1)
        if verdict["broken_link"]:
            link = str(verdict["broken_link"])
            yield from self._labelled("Broken at", "bold", LINK_TITLES.get(link, link), _LABEL + 1)
        if verdict["next_command"]:
            yield self._paint("bold", "Next".ljust(_LABEL + 1)) + self._paint("command", clean(verdict["next_command"]))

    def _cards(self, devices: list[dict[str, Any]]) -> Iterator[str]:
        groups: dict[tuple[str, str, str], list[str]] = {}
        for device in devices:
            key = (str(device["name"]), str(device["fitness"]), str(device["reason"]))
            groups.setdefault(key, []).append(str(device["index"]))
        for (name, fitness, reason), numbers in groups.items():
            label = numbers[0] if len(numbers) == 1 else f"{len(numbers)} x"
            yield f"  {label:<6}{clean(name)}: {self._paint('bold', fitness)}"
            yield from self._wrapped(reason, " " * 8, "dim")

    def _fallback(self, ways: list[dict[str, str]]) -> Iterator[str]:
        if not ways:
            return
        yield ""
        yield self._paint("bold", "What runs on the CPU")
        for way in ways:
            yield f"  {clean(way['what'])}"
            yield "    " + self._paint("command", clean(way["command"]))

    def _chain(self, chain: list[dict[str, str]]) -> Iterator[str]:
        wide = max(len(title) for title in LINK_TITLES.values())
        for link in chain:
            title = LINK_TITLES.get(link["link"], link["link"]).ljust(wide)
            state = self._paint(link["state"], _STATES.get(link["state"], link["state"]).ljust(8))
            first, *rest = textwrap.wrap(clean(link["reason"]), max(20, self._width - wide - 13)) or [""]
            yield f"  {title}  {state} {first}".rstrip()
            for line in rest:
                yield " " * (wide + 13) + line

    def _finding(self, group: list[Finding]) -> Iterator[str]:
        one = group[0]
        level = "known" if one.acknowledged else one.severity
        yield f"  {self._paint(one.severity, level.ljust(_LABEL - 1))} {self._paint('bold', one.code)}  {clean(one.subject)}"
        yield from self._wrapped(one.message, " " * (_LABEL + 2))
        if len(group) > 1:
            others = ", ".join(clean(other.subject) for other in group[1:])
            yield from self._wrapped(f"the same for {others}", " " * (_LABEL + 2), "dim")
        command, *advice = one.remedy.split("\n")
        yield " " * (_LABEL + 2) + self._paint("command", f"-> {clean(command)}")
        if one.severity != "info":
            for line in advice:
                yield from self._wrapped(line, " " * (_LABEL + 5), "dim")

    def _labelled(self, label: str, style: str, text: Any, indent: int) -> Iterator[str]:
        first, *rest = textwrap.wrap(clean(text), self._width - indent, break_on_hyphens=False) or [""]
        yield self._paint(style, label.ljust(indent)) + first
        for line in rest:
            yield " " * indent + line

    def _wrapped(self, text: Any, indent: str, style: str = "") -> Iterator[str]:
        for line in textwrap.wrap(clean(text), self._width - len(indent), break_on_hyphens=False):
            yield indent + (self._paint(style, line) if style else line)

    def _paint(self, style: str, text: str) -> str:
        code = _COLOURS.get(style)
        return f"\033[{code}m{text}\033[0m" if self._colour and code else text


def _groups(findings: list[Finding]) -> list[list[Finding]]:
    """Findings by severity, those of one code together."""
    groups: dict[tuple[int, str, bool], list[Finding]] = {}
    for one in findings:
        alike = one.code if one.code.startswith(("NV-XID", "SRC-", "AMD-EVENT", "NV-LOG", "TORCH", "CTR-CDI")) else ""
        told = one.evidence.get("xid") or one.message if alike else ""
        key = (ORDER.index(one.severity), f"{one.code}{told}", one.acknowledged)
        groups.setdefault(key, []).append(one)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]


def _counts(findings: list[Finding]) -> str:
    counted = [(severity, sum(one.severity == severity for one in findings)) for severity in ORDER]
    return ", ".join(f"{count} {severity}" for severity, count in counted if count) or "none"
