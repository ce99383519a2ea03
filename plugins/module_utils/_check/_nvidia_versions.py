# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about the versions of loaded module, libraries and packages of the NVIDIA driver."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ._finding import finding
from ._node import Node, at, same_version
from ._nvidia_driver import loaded
from ._report import Finding

SOURCES = ("nvml", "nvidia_smi")  # who asks the driver itself
_LIBRARY = re.compile(r"NVML library version: *([0-9.]+)")


def check(node: Node) -> Iterator[Finding]:
    mismatch = _mismatch(node)
    if mismatch is not None:
        yield mismatch
    else:
        yield from _reload_pending(node)


def mismatched(text: Any) -> bool:
    """Whether a text of NVML, nvidia-smi or the kernel says that driver and library are of different versions."""
    return "version mismatch" in str(text).lower() or "api mismatch" in str(text).lower()


def mismatch_seen(node: Node) -> bool:
    """Whether driver and library are of different versions now."""
    return _mismatch(node) is not None


def shown(device: dict[str, Any]) -> bool:
    """Whether the driver itself told of this GPU."""
    return bool(set(SOURCES) & set(device.get("source") or ()))


def _words(node: Node) -> str | None:
    """The text that tells of a mismatch; one in the log is over where the driver answers."""
    told = [problem.get("message") for problem in node.problems(*SOURCES)] + [node.get("nvidia.nvml.error")]
    if node.get("nvidia.nvml.usable") is not True and not any(shown(device) for device in node.nvidia):
        told += [event.get("message") for event in node.items("health.events") if event.get("kind") == "nvrm"]
    return next((str(text) for text in told if mismatched(text)), None)


def _mismatch(node: Node) -> Finding | None:
    driver = node.get("nvidia.driver") or {}
    module, library = driver.get("loaded_version"), driver.get("library_version")
    differ = bool(module and library and loaded(node) and not node.container and not same_version(module, library))
    words = _words(node)
    if not differ and words is None:
        return None
    if not library and words:
        told = _LIBRARY.search(words)
        library = told.group(1) if told else None
    facts = {
        "loaded_version": module,
        "library_version": library,
        "installed_version": driver.get("installed_version"),
        "error": words,
    }
    known = {"loaded": module or "of unknown version", "library": library or "of another version"}
    return finding(node, "NV-LIB-MISMATCH", "NVIDIA driver", facts, **known)


def _reload_pending(node: Node) -> Iterator[Finding]:
    driver = node.get("nvidia.driver") or {}
    module = at(node.installed_kernel(node.get("kernel.release")), "modules.nvidia.version")
    on_disk, running = module or driver.get("installed_version"), driver.get("loaded_version")
    if on_disk and running and not node.container and not same_version(on_disk, running):
        facts = {"installed_version": on_disk, "loaded_version": running}
        yield finding(node, "NV-RELOAD-PENDING", "NVIDIA driver", facts, installed=on_disk, loaded=running)
