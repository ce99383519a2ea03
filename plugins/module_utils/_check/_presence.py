# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about which GPUs are there, whose they are and where we look from."""

from __future__ import annotations

from collections.abc import Iterator

from ._finding import finding, of_device
from ._node import Node, Section, address, at, join, name, passed_through
from ._report import Finding

_DRIVER_SOURCES = ("nvml", "nvidia_smi", "amd_smi")


def check(node: Node) -> Iterator[Finding]:
    yield from _place(node)
    if not node.devices and not node.problems("pci"):
        yield finding(node, "GPU-NONE", "node", {"devices": 0})
    intel = [device for device in node.devices if device.get("vendor") == "intel"]
    if intel and len(intel) == len(node.devices):
        yield of_device(node, "GPU-INTEL-ONLY", intel[0], {"devices": [address(device) for device in intel]})
    for device in node.devices:
        yield from _device(node, device)
    if node.amd and len(node.amd) == len(node.devices) and all(device.get("apu") for device in node.amd):
        yield of_device(node, "AMD-APU-ONLY", node.amd[0], {"apu": [address(device) for device in node.amd]})
    yield from _duplicates(node)


def _place(node: Node) -> Iterator[Finding]:
    if node.wsl:
        yield finding(node, "SYS-WSL", "node", {"wsl": True})
    elif node.container:
        yield finding(node, "SYS-CONTAINER", "node", {"container": True})


def _device(node: Node, device: Section) -> Iterator[Finding]:
    driver = at(device, "pci.kernel_driver")
    if passed_through(device):
        yield of_device(node, "GPU-PASSED-THROUGH", device, {"kernel_driver": driver}, driver=driver)
    kind = {"vgpu": "vGPU of a hypervisor", "sriov_vf": "virtual function"}.get(str(device.get("virtualization")))
    if kind:
        yield of_device(node, "GPU-VIRTUAL-FUNCTION", device, {"virtualization": device["virtualization"]}, kind=kind)
    how = why_lost(node, device)
    if how:
        yield of_device(
            node,
            "GPU-LOST",
            device,
            {"lost": device.get("lost"), "readable": at(device, "pci.readable"), "told_by": how},
            how=how,
        )
    partitions = at(device, "partitioning.partitions")
    if isinstance(partitions, int) and partitions > 1:
        mode = device["partitioning"]
        yield of_device(
            node,
            "AMD-PARTITIONED",
            device,
            dict(mode),
            compute=mode.get("compute"),
            memory=mode.get("memory"),
            partitions=partitions,
        )


def why_lost(node: Node, device: Section) -> str:
    """How we know that a GPU is lost; empty where it is not."""
    if at(device, "pci.readable") is False:
        return "its configuration space answers ffff"
    if device.get("lost"):
        return "the driver says so"
    answers = any(source in _DRIVER_SOURCES for source in device.get("source") or ())
    if not answers and any(event.get("pci") == address(device) and fell_off(event) for event in node.items("health.events")):
        return "the kernel log says that it has fallen off the bus"
    return ""


def fell_off(event: Section) -> bool:
    """Whether a log event says that a GPU left the bus: Xid 79, or the open module's text without any Xid."""
    if event.get("kind") == "xid":
        return event.get("code") == 79
    return event.get("kind") == "nvrm" and "fallen off the bus" in " ".join(str(event.get("message") or "").split())


def _duplicates(node: Node) -> Iterator[Finding]:
    by_uuid: dict[str, list[Section]] = {}
    for device in node.devices:
        if device.get("uuid"):
            by_uuid.setdefault(str(device["uuid"]), []).append(device)
    for uuid, devices in by_uuid.items():
        if len(devices) > 1:
            names = [address(device) for device in devices]
            yield finding(node, "GPU-DUPLICATE", name(devices[0]), {"uuid": uuid, "devices": names}, uuid=uuid, devices=join(names))
