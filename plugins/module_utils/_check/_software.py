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
    words: dict[str, Any] = {
        "version": version,
        "path": path,
        "backend": backend,
        "python": python_of(installation),
        "index": best.index_url,
    }
    facts = {**installation, "fitting": best.variant}
    if best.variant == torch.CPU or not backend:
        return
    if backend == torch.CPU:
        yield finding(node, "TORCH-CPU-WHEEL", f"PyTorch in {path}", facts, **words)
        return
    kind = "rocm" if str(backend).startswith("rocm") else "cuda"
    if (kind == "cuda" and not node.nvidia) or (kind == "rocm" and not node.amd):
        yield finding(node, "TORCH-OTHER-VENDOR", f"PyTorch in {path}", facts, **words)
        return
    built = torch.variant(str(backend), _release(version)) or torch.variant(str(backend))
    if built is None:
        return
    for device in node.nvidia if kind == "cuda" else node.amd:
        target = device.get("compute_capability") if kind == "cuda" else device.get("gfx_target")
        if target and not _has_code(built, kind, str(target)):
            yield finding(
                node,
                "TORCH-ARCH-MISSING",
                f"PyTorch in {path}",
                {**facts, "architectures": list(built.architectures)},
                name=name(device),
                target=target,
                list=join(built.architectures, 20),
                **words,
            )
            break
    if kind == "cuda" and built.min_driver and node.driver_version and older(node.driver_version, built.min_driver):
        yield finding(
            node,
            "TORCH-DRIVER-TOO-OLD",
            f"PyTorch in {path}",
            {**facts, "min_driver": built.min_driver},
            minimum=built.min_driver,
            driver=node.driver_version,
            **words,
        )


def _has_code(built: torch.Variant, kind: str, target: str) -> bool:
    if kind == "cuda":
        return torch.runs_on(built.architectures, built.ptx, target)
    return target in built.architectures


def _release(version: Any) -> str | None:
    """The release of a wheel's version: 2.9 of 2.9.1+cu130."""
    parts: list[int] = version_key(version)
    return ".".join(map(str, parts[:2])) if len(parts) >= 2 else None
