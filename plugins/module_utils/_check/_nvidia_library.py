# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about NVML and nvidia-smi: do they answer, and do they show every GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ._finding import finding, of_device
from ._node import Node, address, at, join, name
from ._nvidia_driver import loaded
from ._nvidia_support import refused
from ._nvidia_versions import SOURCES, mismatch_seen, mismatched, shown
from ._presence import why_lost
from ._report import Finding

_TOOLS = {"nvml": "NVML", "nvidia_smi": "nvidia-smi"}
_NO_ANSWER = {"timeout": "NV-SMI-HANGS", "crashed": "NV-SMI-CRASHED"}
_HANDLE = re.compile(r"[Uu]nable to determine the device handle")
_ADDRESS = re.compile(r"([0-9A-Fa-f]{4,8}):([0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7])")


def check(node: Node) -> tuple[list[Finding], set[int]]:
    """The findings, and which problems they explain (ids of the dictionaries)."""
    explained: set[int] = set()
    found: dict[str, Finding] = {}
    for problem in node.problems(*SOURCES):
        one = _explain(node, problem)
        if one is not None:
            found.setdefault(one.code, one)
        if one is not None or _known(node, problem):
            explained.add(id(problem))
    error = node.get("nvidia.nvml.error")
    if error and node.get("nvidia.nvml.usable") is False and not mismatched(error) and not node.problems(*SOURCES):
        found["NV-NVML-FAILED"] = finding(node, "NV-NVML-FAILED", "NVML", {"error": error}, error=_one_line(error))
    return [*found.values(), *_not_shown(node, bool(found))], explained


def _known(node: Node, problem: dict[str, str]) -> bool:
    """Whether a finding of another area says the same: versions that differ, a lost GPU, cards that the driver refuses."""
    text = str(problem.get("message") or "")
    if mismatched(text):
        return mismatch_seen(node)
    if "No devices were found" in text and node.nvidia and all(refused(node, device) for device in node.nvidia):
        return True
    lost = any(why_lost(node, device) for device in node.nvidia)
    return problem.get("code") == "refused" and lost and ("is lost" in text or bool(_HANDLE.search(text)))


def _explain(node: Node, problem: dict[str, str]) -> Finding | None:
    """The finding that says more than the problem itself; None where there is none."""
    code, text, source = (str(problem.get(key) or "") for key in ("code", "message", "source"))
    facts: dict[str, Any] = {"source": source, "code": code, "message": text}
    tool = _TOOLS[source]
    if code in _NO_ANSWER:
        return finding(node, _NO_ANSWER[code], tool, facts, source=tool, error=_one_line(text))
    if code != "refused" or _known(node, problem):
        return None
    if "communicate with the NVIDIA driver" in text:
        return finding(node, "NV-NO-COMMUNICATION", tool, facts)
    if _HANDLE.search(text):
        return finding(node, "NV-HANDLE-FAILED", _address(text) or tool, facts, error=_one_line(text))
    if "No devices were found" in text:
        return finding(node, "NV-NO-DEVICES", tool, facts, devices=join(name(device) for device in node.nvidia) or "none")
    if source == "nvml" or "initialize NVML" in text:
        return finding(node, "NV-NVML-FAILED", "NVML", facts, error=_one_line(text))
    return None


def _address(text: str) -> str | None:
    """The PCI address in a text of nvidia-smi, as the kernel writes it."""
    found = _ADDRESS.search(text)
    return f"{int(found.group(1), 16):04x}:{found.group(2).lower()}" if found else None


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:200] or "no words"


def _not_shown(node: Node, failed: bool) -> Iterator[Finding]:
    """GPUs that the driver leaves out: it shows others, or it was not asked, or it broke off before it came to them."""
    if not loaded(node) or node.wsl or (node.container and not node.get("nvidia.device_nodes")):
        return
    hidden = [device for device in node.nvidia if not shown(device) and not why_lost(node, device) and not refused(node, device)]
    hidden = [device for device in hidden if at(device, "pci.kernel_driver") == "nvidia"]
    answers = any(shown(device) and not device.get("lost") for device in node.nvidia)
    if hidden and answers and not any(problem.get("code") in _NO_ANSWER for problem in node.problems(*SOURCES)):
        for device in hidden:
            facts = {"source": sorted(device.get("source") or ()), "address": address(device)}
            yield of_device(node, "NV-NOT-IN-NVML", device, facts)
    elif hidden and not failed and not mismatch_seen(node):
        if node.problems(*SOURCES):
            for device in hidden:
                yield of_device(node, "NV-STATE-UNKNOWN", device, {"problems": node.problems(*SOURCES)})
        else:
            facts = {"nvml": node.get("nvidia.nvml")}
            yield finding(node, "NV-NOT-ASKED", "NVML", facts, devices=join(name(device) for device in hidden))
