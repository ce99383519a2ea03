# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the NVIDIA driver as files show it: loaded module, library on disk, device nodes, services, who manages it.

Nothing is started, and nothing is read that makes the driver touch the hardware.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from . import _nvidia_words as words
from ._inventory import Inventory
from ._nvidia_services import services
from ._source import Source

_MODULE = "/sys/module/nvidia"

# In the order of what a program finds first; the later ones hold drivers that no package manager installed there.
_LIBRARY_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib64/nvidia",
    "/usr/local/nvidia/lib64",
    "/usr/local/lib",
    "/opt/nvidia/lib64",
    "/run/opengl-driver/lib",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
    "/run/nvidia/driver/usr/lib64",
    "/home/kubernetes/bin/nvidia/lib64",
)
_LIBRARY = re.compile(r"lib(?:nvidia-ml|cuda)\.so\.(\d{3,4}\.\d+(?:\.\d+)?)")
_NODE = re.compile(r"nvidia(?:\d+|ctl|-uvm|-uvm-tools|-modeset|-nvswitch(?:\d+|ctl))")
# Distributions whose driver comes with the image of the whole system: ID of their os-release(5).
_IMAGE_SYSTEMS = frozenset(("cos", "bottlerocket", "flatcar", "talos", "fedora-coreos", "rhcos", "nixos", "ubuntu-core"))
_SWITCH_MARK = "SW_MNG"  # in the vital product data of the NVLink switches' management port (NVIDIA Fabric Manager user guide)


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """``nvidia.driver`` (loaded, flavour, library, manager), ``device_nodes``, ``services``, and if a fabric is required."""
    in_wsl = _in_wsl(source, known)
    nodes = [f"/dev/{name}" for name in source.names("/dev") if _NODE.fullmatch(name) or (in_wsl and name == "dxg")]
    loaded = words.version(source.value(f"{_MODULE}/version"))
    devices = [device for device in known.devices if device.get("vendor") == "nvidia"]
    library = library_version(source, bool(devices or loaded or nodes))
    driver = {
        "loaded_version": loaded,
        "kernel_module": _flavour(source.value(f"{_MODULE}/taint")) if loaded else None,
        "library_version": library,
        "managed_by": "wsl" if in_wsl else _managed_by(source),
    }
    if not devices and not nodes and not any(driver.values()):
        return {}
    return {"nvidia": {
        "driver": driver,
        "device_nodes": nodes,
        "services": services(source),
        "fabric": {"required": _fabric_required(source, known, bool(devices))},
    }}


def _in_wsl(source: Source, known: Inventory) -> bool:
    told = known.system.get("wsl")
    return bool(told) if told is not None else "dxg" in source.names("/dev") and bool(source.names("/usr/lib/wsl/lib"))


def _flavour(taint: str | None) -> str | None:
    """Of the letters in ``/sys/module/nvidia/taint`` P stands for a proprietary licence, O for "not of the kernel's tree"."""
    if not taint:
        return None
    return "proprietary" if "P" in taint else "open" if "O" in taint else None


def library_version(source: Source, search: bool) -> str | None:
    """The version in the name of libnvidia-ml or libcuda. ``search`` lists folders; else only the links are followed."""
    for folder in _LIBRARY_FOLDERS:
        for link in ("libnvidia-ml.so.1", "libcuda.so.1"):
            found = _LIBRARY.fullmatch(source.link_name(f"{folder}/{link}") or "")
            if found:
                return found[1]
    for folder in _LIBRARY_FOLDERS if search else ():
        version = newest(source.names(folder))
        if version:
            return version
    return None


def newest(names: Iterable[str]) -> str | None:
    """The highest version among file names like libnvidia-ml.so.580.95.05; other names do not count."""
    versions = [found[1] for name in names if (found := _LIBRARY.fullmatch(name))]
    return max(versions, key=lambda version: [int(part) for part in version.split(".")], default=None)


def _managed_by(source: Source) -> str | None:
    """Managers that replace packages. Packages and runfile are told by the package databases."""
    etc = set(source.names("/etc"))
    if "nv_tegra_release" in etc or "tegra" in (source.value("/proc/device-tree/compatible") or ""):
        return "jetpack"
    if "dgx-release" in etc:
        return "dgx_os"
    # The operator's driver container shows its root there; where the host has the driver it is a link to the host's root.
    if source.names("/run/nvidia/driver") and source.link("/run/nvidia/driver") is None:
        return "operator"
    if any(name.startswith("gridd.conf") for name in (source.names("/etc/nvidia") if "nvidia" in etc else ())):
        return "vgpu"
    release = source.text("/etc/os-release") or source.text("/usr/lib/os-release") or ""
    identity = re.search(r"^ID=[\"']?([\w.-]+)", release, re.MULTILINE)
    return "image" if identity and identity[1] in _IMAGE_SYSTEMS else None


def _fabric_required(source: Source, known: Inventory, has_devices: bool) -> bool | None:
    """NVSwitches on the PCI bus, or (Blackwell) behind the InfiniBand port that manages them."""
    if (known.nvidia.get("fabric") or {}).get("nvswitch_count"):
        return True
    if not has_devices:
        return None
    for name in source.names("/sys/class/infiniband"):
        # Read from the adapter's flash: slow, for root only, and without end on one that is broken.
        data = source.text(f"/sys/class/infiniband/{name}/device/vpd", limit=4096, guarded=True)
        if data is None:
            return None
        if _SWITCH_MARK in data:
            return True
    return False
