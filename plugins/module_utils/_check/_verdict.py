# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: from findings to a verdict: the chain, its first broken link, the next command, a word for each card."""

from __future__ import annotations

from collections import Counter
from typing import Any

from . import _chain, _fitness
from ._node import Node, address, name
from ._report import ORDER, Finding

_WORDS = {
    "ready": "ready for AI work",
    "degraded": "usable, but not as it should be",
    "not_ready": "not ready for AI work",
    "unknown": "its state could not be read",
}
_HARDWARE_LINKS = _chain.LINKS[:6]


def verdict(node: Node, findings: list[Finding]) -> dict[str, Any]:
    """{status, summary, chain, broken_link, next_command, devices, fallback} (docs/architecture.md, "Findings")."""
    chain = _chain.chain(node, findings)
    broken = next((link["link"] for link in chain if link["state"] == "broken"), None)
    status = _status(node, findings, chain)
    cause = _cause(findings, broken)
    devices = []
    for device in node.devices:
        fitness, reason = _fitness.grade(node, device)
        devices.append({"index": device.get("index"), "name": name(device), "fitness": fitness, "reason": reason})
    return {
        "status": status,
        "summary": _summary(node, status, cause, findings),
        "chain": chain,
        "broken_link": broken,
        "next_command": cause.remedy.split("\n")[0] if cause else None,
        "devices": devices,
        "fallback": _fitness.cpu_fallback() if status == "no_gpu" else [],
    }


def _usable(node: Node) -> list[dict[str, Any]]:
    return [*node.nvidia, *node.amd]


def _status(node: Node, findings: list[Finding], chain: list[dict[str, str]]) -> str:
    states = {link["link"]: link["state"] for link in chain}
    if not _usable(node):
        return "unknown" if states["pci"] == "unknown" else "no_gpu"
    critical = [finding for finding in findings if finding.severity == "critical"]
    hit = {address(device) for finding in critical if finding.link for device in _affected(node, finding)}
    if hit and all(address(device) in hit for device in _usable(node)):
        return "not_ready"
    if any(states[link] == "unknown" for link in _HARDWARE_LINKS) and not critical:
        return "unknown"
    useless = all(_fitness.grade(node, device)[0] == _fitness.NOT_SUPPORTED for device in _usable(node))
    if useless or any(finding.severity in ("critical", "warning") for finding in findings):
        return "degraded"
    return "ready"


def _affected(node: Node, finding: Finding) -> list[dict[str, Any]]:
    """The GPUs that a finding is about: the one at its address, else all of its vendor, else all."""
    one = [device for device in _usable(node) if address(device) == finding.subject]
    if one:
        return one
    return {"NV": node.nvidia, "AMD": node.amd}.get(finding.code.partition("-")[0], _usable(node))


def _cause(findings: list[Finding], broken: str | None) -> Finding | None:
    """The finding to act on first: what breaks the first broken link, else the worst."""
    worst = sorted((one for one in findings if one.severity != "info"), key=lambda one: ORDER.index(one.severity))
    return next((one for one in worst if broken and one.link == broken), worst[0] if worst else None)


def _summary(node: Node, status: str, cause: Finding | None, findings: list[Finding]) -> str:
    if status == "no_gpu":
        if not node.devices:
            return "no GPU: use the CPU"
        return f"{_cards(node)}: none that this system itself can compute on; use the CPU"
    words = _WORDS[status] if _usable(node) else "GPUs could not be read"
    text = f"{_cards(node)}: {words}" if node.devices else words
    if cause is not None and status != "ready":
        text += f"; {cause.message}"
    unknown = sum(finding.severity == "unknown" for finding in findings)
    if status == "ready" and unknown:
        text += f", as far as could be read ({unknown} unknown)"
    return text


def _cards(node: Node) -> str:
    """ "8 x NVIDIA H100 80GB HBM3": the cards by name, in the order of PCI."""
    counted = Counter(name(device) for device in node.devices)
    return ", ".join(f"{count} x {model}" if count > 1 else model for model, count in counted.items())
