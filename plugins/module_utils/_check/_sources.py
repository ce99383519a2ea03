# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what could not be read is unknown, not a pass: one finding a problem that no other finding explains."""

from __future__ import annotations

from collections.abc import Iterator

from ._finding import finding
from ._node import Node
from ._presence import why_lost
from ._report import Finding

_CODES = {
    "timeout": "SRC-TIMEOUT",
    "crashed": "SRC-CRASHED",
    "not_permitted": "SRC-NOT-PERMITTED",
    "unreadable": "SRC-UNREADABLE",
    "refused": "SRC-REFUSED",
}
_COMMANDS = {
    "nvidia_smi": "nvidia-smi -q",
    "nvml": "nvidia-smi -q",
    "amd_smi": "amd-smi static",
    "rocminfo": "rocminfo",
    "dkms": "dkms status",
    "logs": "journalctl -k -b",
    "kernel": "mokutil --sb-state",
    "containers": "nvidia-ctk cdi list",
}
_OF_A_GPU = ("logs", "containers", "packages", "dkms")
_LINKS = {
    "pci": "pci",
    "nvidia_driver": "module",
    "nvidia_proc": "module",
    "nvml": "nvml_kfd",
    "nvidia_smi": "nvml_kfd",
    "kfd": "nvml_kfd",
}


def check(node: Node, explained: set[int]) -> Iterator[Finding]:
    for problem in node.inventory.problems:
        source, code, message = (str(problem.get(key) or "") for key in ("source", "code", "message"))
        if id(problem) in explained or _covered(node, source, code, message):
            continue
        yield finding(
            node,
            _CODES.get(code, "SRC-UNREADABLE"),
            source,
            {"source": source, "code": code, "message": message},
            link=_link(node, source),
            source=source,
            message=message or "no words",
            command=_COMMANDS.get(source, "python3 check_gpu.pyz record evidence.json"),
        )


def _covered(node: Node, source: str, code: str, message: str) -> bool:
    """Whether another finding says the same: a lost GPU, or the kernel log that was not read; and what nobody misses: where PCI was
    read and shows no GPU, logs and containers have nothing to tell."""
    if not node.devices and source in _OF_A_GPU and not any(one.get("source") == "pci" for one in node.inventory.problems):
        return True
    if source == "pci" and any(
        why_lost(node, device) and str((device.get("pci") or {}).get("address")) in message for device in node.devices
    ):
        return True
    return source == "logs" and code == "not_permitted" and node.get("health.log_read") is False and bool(node.devices)


def _link(node: Node, source: str) -> str | None:
    """The link that stays unknown; none where another source answered instead."""
    if source in ("nvml", "nvidia_smi"):
        other = {"nvml": "nvidia_smi", "nvidia_smi": "nvml"}[source]
        if any(other in (device.get("source") or ()) for device in node.nvidia):
            return None
    return _LINKS.get(source)
