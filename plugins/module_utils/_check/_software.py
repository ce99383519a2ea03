# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about CUDA toolkits and PyTorch installations against cards and driver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._knowledge import torch
from ._commands import python_of
from ._finding import finding
from ._node import Node, Section, join, name, older, version_key
from ._report import Finding


def check(node: Node) -> Iterator[Finding]:
    served = node.get("nvidia.cuda_driver_version")
    for toolkit in node.items("software.cuda_toolkits"):
        mine, driver = version_key(toolkit.get("version")), version_key(served)
        if node.nvidia and mine and driver and mine[0] > driver[0]:
            yield finding(
                node,
                "NV-CUDA-NEWER",
                "CUDA toolkit",
                {**toolkit, "cuda_driver_version": served},
                toolkit=toolkit.get("version"),
                path=toolkit.get("path"),
                driver=served,
            )
    if node.nvidia or node.amd:
        for installation in node.items("software.pytorch"):
            yield from _pytorch(node, installation)


def wheel(node: Node) -> torch.Wheel:
    """The wheel that fits the GPUs of this machine: NVIDIA's oldest card decides, else the first AMD card."""
    if node.nvidia:
        known = [str(device["compute_capability"]) for device in node.nvidia if device.get("compute_capability")]
        return torch.wheel_for(min(known, key=version_key) if known else None, node.driver_version)
    return torch.wheel_for_gfx(next((device["gfx_target"] for device in node.amd if device.get("gfx_target")), None))


def _pytorch(node: Node, installation: Section) -> Iterator[Finding]:
    version, backend, path = installation.get("version"), installation.get("backend"), installation.get("path")
    best = wheel(node)
    if best.variant == torch.CPU or not backend:
        return
    words: dict[str, Any] = {"version": version, "path": path, "backend": backend, "index": best.index_url}
    words["python"] = python_of(installation)
    facts = {**installation, "fitting": best.variant}
    kind = "rocm" if str(backend).startswith("rocm") else "cuda"
    if backend == torch.CPU:
        yield finding(node, "TORCH-CPU-WHEEL", f"PyTorch in {path}", facts, **words)
    elif not (node.amd if kind == "rocm" else node.nvidia):
        yield finding(node, "TORCH-OTHER-VENDOR", f"PyTorch in {path}", facts, **words)
    else:
        yield from _built(node, kind, facts, words)


def _built(node: Node, kind: str, facts: Section, words: dict[str, Any]) -> Iterator[Finding]:
    """What the build of a wheel asks of cards and driver."""
    backend, subject = str(words["backend"]), f"PyTorch in {words['path']}"
    built = torch.variant(backend, _release(words["version"])) or torch.variant(backend)
    if built is None:
        return
    for device in node.nvidia if kind == "cuda" else node.amd:
        target = device.get("compute_capability" if kind == "cuda" else "gfx_target")
        if target and not _has_code(built, kind, str(target)):
            more = {"name": name(device), "target": target, "list": join(built.architectures, 20)}
            facts = {**facts, "architectures": list(built.architectures)}
            yield finding(node, "TORCH-ARCH-MISSING", subject, facts, **more, **words)
            break
    driver = node.driver_version
    if kind == "cuda" and built.min_driver and driver and older(driver, built.min_driver):
        facts = {**facts, "min_driver": built.min_driver}
        yield finding(node, "TORCH-DRIVER-TOO-OLD", subject, facts, minimum=built.min_driver, driver=driver, **words)


def _has_code(built: torch.Variant, kind: str, target: str) -> bool:
    if kind == "cuda":
        return torch.runs_on(built.architectures, built.ptx, target)
    return target in built.architectures


def _release(version: Any) -> str | None:
    """The release of a wheel's version: 2.9 of 2.9.1+cu130."""
    parts: list[int] = version_key(version)
    return ".".join(map(str, parts[:2])) if len(parts) >= 2 else None
