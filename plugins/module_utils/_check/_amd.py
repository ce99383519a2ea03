# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about amdgpu, KFD and ROCm."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from .._knowledge import torch
from ._finding import finding, of_device
from ._node import Node, Section, at, join, older, same_version
from ._report import Finding


def check(node: Node) -> Iterator[Finding]:
    if not node.amd:
        return
    for device in node.amd:
        yield from _binding(node, device)
    yield from _kfd(node)
    for device in node.amd:
        yield from _support(node, device)
    yield from _rocm(node)
    yield from _next_boot(node)


def boards(node: Node) -> list[Section]:
    """AMD GPUs with memory of their own; all of them where there are only APUs."""
    cards = [device for device in node.amd if not device.get("apu")]
    return cards or node.amd


# Of the chips that both drivers know amdgpu takes over; a blacklist would leave the older ones, and their screens, without any.
_RADEON_LETS_GO = "printf 'options radeon si_support=0 cik_support=0\\noptions amdgpu si_support=1 cik_support=1\\n'"


def _binding(node: Node, device: Section) -> Iterator[Finding]:
    driver = at(device, "pci.kernel_driver")
    if driver == "amdgpu" or node.wsl or not device.get("pci"):
        return
    if driver:
        settings = _RADEON_LETS_GO if driver == "radeon" else f"echo blacklist {shlex.quote(str(driver))}"
        yield of_device(node, "AMD-OTHER-DRIVER", device, {"kernel_driver": driver}, driver=driver, settings=settings)
    elif device in boards(node):
        yield of_device(node, "AMD-NOT-BOUND", device, {"kernel_driver": None})


def bound(node: Node) -> bool:
    """Whether amdgpu drives any of the GPUs."""
    return any(at(device, "pci.kernel_driver") == "amdgpu" for device in node.amd)


def _kfd(node: Node) -> Iterator[Finding]:
    access = node.get("amd.device_access") or {}
    if bound(node) and node.get("amd.driver.kfd") is False:
        yield finding(node, "AMD-KFD-MISSING", "/dev/kfd", {"kfd": False})
    elif access.get("accessible") is False:
        group = access.get("kfd_group")
        yield finding(
            node,
            "AMD-KFD-ACCESS",
            "/dev/kfd",
            dict(access),
            mode=access.get("kfd_mode") or "unknown",
            group=group or "unknown",
            groups=join(access.get("groups") or ()) or "none of these",
            wanted="render,video" if group == "render" else group or "render",
        )


def _support(node: Node, device: Section) -> Iterator[Finding]:
    support = device.get("rocm_support") or {}
    status, version = support.get("status"), node.get("amd.rocm.version")
    gfx = device.get("gfx_target") or "of unknown target"
    facts: dict[str, Any] = {"rocm_support": support, "rocm": version, "gfx_target": device.get("gfx_target")}
    if device not in boards(node) or (device.get("apu") and status in ("unsupported", "unknown")):
        return
    first, last = support.get("first_release"), support.get("last_release")
    if status == "unofficial":
        yield of_device(node, "AMD-GFX-UNOFFICIAL", device, facts, gfx=gfx, override=workaround(device))
    elif status == "unsupported":
        yield of_device(node, "AMD-GFX-UNSUPPORTED", device, facts, gfx=gfx)
    elif status == "unknown":
        yield of_device(node, "AMD-GFX-UNKNOWN", device, facts, gfx=gfx)
    elif status == "ended" and version and older(last, version) and not same_version(last, version):
        yield of_device(node, "AMD-ROCM-ENDED", device, facts, gfx=gfx, last=last, version=version)
    elif status == "ended":
        yield of_device(node, "AMD-ROCM-LAST", device, facts, gfx=gfx, last=last)
    if first and version and older(version, first) and not same_version(version, first):
        yield of_device(node, "AMD-ROCM-TOO-OLD", device, facts, gfx=gfx, first=first, version=version)


def workaround(device: Section) -> str:
    """What makes an unofficial card work: the override where its target needs one, else the wheel that is built for it."""
    override = at(device, "rocm_support.override")
    if override:
        return f"export HSA_OVERRIDE_GFX_VERSION={override}"
    return f"pip install torch --index-url {torch.wheel_for_gfx(device.get('gfx_target')).index_url}"


def _rocm(node: Node) -> Iterator[Finding]:
    wheels = any(str(item.get("backend") or "").startswith("rocm") for item in node.items("software.pytorch"))
    served = [device for device in boards(node) if _served(device)]
    if not bound(node) or not served or node.get("amd.rocm.version") or wheels or node.container:
        return
    wheel = torch.wheel_for_gfx(served[0].get("gfx_target"))
    yield finding(
        node,
        "AMD-ROCM-ABSENT",
        "ROCm",
        {"rocm": None, "method": node.get("amd.driver.method")},
        method=node.get("amd.driver.method") or "the kernel's own",
        torch_index=wheel.index_url,
    )


def _served(device: Section) -> bool:
    """Whether ROCm is of use: for an APU only where AMD's own list has it."""
    status = at(device, "rocm_support.status")
    return status in ("supported", "ended") or (status == "unofficial" and not device.get("apu"))


def _next_boot(node: Node) -> Iterator[Finding]:
    release = node.get("kernel.next_boot_release")
    builds = [build for build in node.items("amd.driver.dkms") if str(build.get("status")).startswith("installed")]
    if builds and release and release != node.get("kernel.release") and all(build.get("kernel") != release for build in builds):
        yield finding(node, "AMD-NEXT-BOOT", f"kernel {release}", {"dkms": builds, "next_boot_release": release}, kernel=release)
