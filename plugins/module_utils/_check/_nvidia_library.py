# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about NVML and nvidia-smi: do they answer, and are they of the driver that is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ._finding import finding, of_device
from ._node import Node, Section, address, at, join, name, same_version
from ._nvidia_driver import loaded
from ._presence import why_lost
from ._report import Finding

_SOURCES = ("nvml", "nvidia_smi")
_LIBRARY = re.compile(r"NVML library version: *([0-9.]+)")
_HANDLE = re.compile(r"[Uu]nable to determine the device handle")
_CHIP_CODES = {"timeout": "NV-SMI-HANGS", "crashed": "NV-SMI-CRASHED"}


def check(node: Node) -> tuple[list[Finding], set[int]]:
    """The findings, and which problems they explain (ids of the dictionaries)."""
    explained: set[int] = set()
    found = list(_check(node, explained))
    return found, explained


def _check(node: Node, explained: set[int]) -> Iterator[Finding]:
    texts = _texts(node)
    mismatch = _mismatch(node, texts)
    if mismatch is not None:
        yield mismatch
    else:
        yield from _reload_pending(node)
    seen: set[str] = set()
    for problem in node.problems(*_SOURCES):
        one = _explain(node, problem, mismatch is not None)
        if one is not None or (mismatch is not None and _mismatched(str(problem.get("message")))):
            explained.add(id(problem))
        if one is not None and one.code not in seen:
            seen.add(one.code)
            yield one
    error = node.get("nvidia.nvml.error")
    if error and node.get("nvidia.nvml.usable") is False and not seen and mismatch is None and not node.problems("nvml"):
        yield finding(node, "NV-NVML-FAILED", "NVML", {"error": error}, error=_one_line(error))
    yield from _not_shown(node)
    if loaded(node) and not (texts or node.problems(*_SOURCES)) and not any(_shown(device) for device in node.nvidia):
        yield finding(
            node,
            "NV-NOT-ASKED",
            "NVML",
            {"nvml": node.get("nvidia.nvml")},
            devices=join(name(device) for device in node.nvidia),
        )


def _shown(device: Section) -> bool:
    return bool(set(_SOURCES) & set(device.get("source") or ()))


def _texts(node: Node) -> list[str]:
    """All words of NVML and nvidia-smi about failures."""
    told = [str(problem.get("message") or "") for problem in node.problems(*_SOURCES)]
    error = node.get("nvidia.nvml.error")
    events = [str(event.get("message") or "") for event in node.items("health.events") if event.get("kind") == "nvrm"]
    return [*told, *([str(error)] if error else []), *(text for text in events if "API mismatch" in text)]


def _mismatched(text: str) -> bool:
    return "version mismatch" in text.lower() or "api mismatch" in text.lower()


def _mismatch(node: Node, texts: list[str]) -> Finding | None:
    driver = node.get("nvidia.driver") or {}
    module, library = driver.get("loaded_version"), driver.get("library_version")
    differ = bool(module and library and loaded(node) and not node.container and not same_version(module, library))
    words = next((text for text in texts if _mismatched(text)), None)
    if not differ and (words is None or not _current(node)):
        return None
    if not library and words:
        told = _LIBRARY.search(words)
        library = told.group(1) if told else None
    return finding(
        node,
        "NV-LIB-MISMATCH",
        "NVIDIA driver",
        {
            "loaded_version": module,
            "library_version": library,
            "installed_version": driver.get("installed_version"),
            "error": words,
        },
        loaded=module or "of unknown version",
        library=library or "of another version",
    )


def _current(node: Node) -> bool:
    """Whether the words are of now: sources that answer prove that a mismatch in the log is over."""
    return node.get("nvidia.nvml.usable") is not True and not any(
        "nvidia_smi" in (device.get("source") or ()) for device in node.nvidia
    )


def _reload_pending(node: Node) -> Iterator[Finding]:
    driver = node.get("nvidia.driver") or {}
    module = at(node.installed_kernel(node.get("kernel.release")), "modules.nvidia.version")
    on_disk = module or driver.get("installed_version")
    running = driver.get("loaded_version")
    if on_disk and running and not node.container and not same_version(on_disk, running):
        yield finding(
            node,
            "NV-RELOAD-PENDING",
            "NVIDIA driver",
            {"installed_version": on_disk, "loaded_version": running},
            installed=on_disk,
            loaded=running,
        )


def _explain(node: Node, problem: dict, mismatch: bool) -> Finding | None:  # type: ignore[type-arg]
    """The finding that says more than the problem itself; None where there is none."""
    code, text, source = str(problem.get("code")), str(problem.get("message") or ""), str(problem.get("source"))
    facts = {"source": source, "code": code, "message": text}
    tool = {"nvml": "NVML", "nvidia_smi": "nvidia-smi"}[source]
    if code in _CHIP_CODES:
        return finding(node, _CHIP_CODES[code], tool, facts, source=tool, error=_one_line(text))
    if code != "refused" or (mismatch and _mismatched(text)):
        return None
    if "communicate with the NVIDIA driver" in text:
        return finding(node, "NV-NO-COMMUNICATION", tool, facts)
    if _HANDLE.search(text):
        return finding(node, "NV-HANDLE-FAILED", tool, facts, error=_one_line(text))
    if "No devices were found" in text:
        return finding(node, "NV-NO-DEVICES", tool, facts, devices=join(name(device) for device in node.nvidia) or "none")
    if source == "nvml":
        return finding(node, "NV-NVML-FAILED", "NVML", facts, error=_one_line(text))
    return None


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:200] or "no words"


def _not_shown(node: Node) -> Iterator[Finding]:
    """GPUs on PCI that the driver leaves out while it shows others, or answers at all."""
    sources = [set(device.get("source") or ()) for device in node.nvidia]
    answers = node.get("nvidia.nvml.usable") is True or any(source & set(_SOURCES) for source in sources)
    broken = any(problem.get("code") in ("timeout", "crashed") for problem in node.problems(*_SOURCES))
    if not answers or broken:
        return
    for device, source in zip(node.nvidia, sources):
        if (
            "pci" in source
            and not source & set(_SOURCES)
            and at(device, "pci.kernel_driver") == "nvidia"
            and not why_lost(node, device)
        ):
            yield of_device(node, "NV-NOT-IN-NVML", device, {"source": sorted(source), "address": address(device)})
