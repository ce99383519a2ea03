# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the chain from PCI to PyTorch, each link with its state and the reason for it."""

from __future__ import annotations

from typing import Callable

from . import _containers
from ._amd import boards, bound
from ._node import Node, at, join
from ._nvidia_driver import loaded
from ._report import Finding

LINKS = ("pci", "kernel_driver", "module", "device_nodes", "nvml_kfd", "cuda_hip", "container", "pytorch")
State = tuple[str, str]  # (ok | broken | unknown | not_applicable, reason)
_NO_GPU: State = ("not_applicable", "no GPU that this system uses")


def chain(node: Node, findings: list[Finding]) -> list[dict[str, str]]:
    """[{link, state, reason}]. Findings break links; what none of them breaks is ok only where something proves it."""
    links: list[dict[str, str]] = []
    first_broken: str | None = None
    for link in LINKS:
        state, reason = _from_findings(link, findings) or _seen(node, link)
        if state == "unknown" and first_broken and link not in ("container", "pytorch"):
            reason = "not reached"
        if state == "broken" and not first_broken:
            first_broken = link
        links.append({"link": link, "state": state, "reason": reason})
    return links


def _from_findings(link: str, findings: list[Finding]) -> State | None:
    mine = [one for one in findings if one.link == link]
    worst = next((one for level in ("critical", "warning") for one in mine if one.severity == level), None)
    if worst is not None:
        return "broken", worst.message
    unread = next((one for one in mine if one.severity == "unknown"), None)
    return ("unknown", unread.message) if unread else None


def _seen(node: Node, link: str) -> State:
    if link == "pci":
        return _pci(node)
    if not (node.nvidia or node.amd):
        return _NO_GPU
    if link in ("container", "pytorch"):
        return _container(node) if link == "container" else _pytorch(node)
    if node.wsl and link in ("kernel_driver", "module", "device_nodes"):
        return "not_applicable", "WSL: the driver is the one of Windows"
    sides: list[State] = []
    if node.nvidia:
        sides.append(_NVIDIA[link](node))
    if node.amd:
        sides.append(_AMD[link](node))
    states = [state for state, _reason in sides]
    worst = next((state for state in ("unknown", "ok") if state in states), states[0])
    return worst, "; ".join(reason for _state, reason in sides)


def _pci(node: Node) -> State:
    if node.wsl and node.devices:
        return "not_applicable", "WSL shows no PCI device"
    if not node.devices:
        return "not_applicable", "no GPU on PCI"
    return "ok", f"{len(node.devices)} GPU{'s' if len(node.devices) > 1 else ''}"


def _nvidia_bound(node: Node) -> State:
    drivers = [at(device, "pci.kernel_driver") for device in node.nvidia]
    if all(driver == "nvidia" for driver in drivers):
        return "ok", "nvidia"
    answered = all({"nvml", "nvidia_smi"} & set(device.get("source") or ()) for device in node.nvidia)
    return ("ok", "nvidia answers") if answered else ("unknown", "the bound driver is not known")


def _nvidia_module(node: Node) -> State:
    version, flavour = node.get("nvidia.driver.loaded_version"), node.get("nvidia.driver.kernel_module")
    if version:
        return "ok", f"nvidia {version}" + (f" ({flavour})" if flavour else "")
    return ("ok", "nvidia, version not known") if loaded(node) else ("unknown", "whether nvidia is loaded is not known")


def _nvidia_nodes(node: Node) -> State:
    if node.get("nvidia.device_nodes"):
        return "ok", join(node.get("nvidia.device_nodes"), 3)
    return ("ok", "the driver answers") if _nvml_answers(node) else ("unknown", "no device file was seen")


def _nvml_answers(node: Node) -> int:
    return sum(not device.get("lost") and bool({"nvml", "nvidia_smi"} & set(device.get("source") or ())) for device in node.nvidia)


def _nvml(node: Node) -> State:
    count = _nvml_answers(node)
    return ("ok", f"the driver shows {count} of {len(node.nvidia)}") if count else ("unknown", "nobody could ask the driver")


def _cuda(node: Node) -> State:
    version = node.get("nvidia.cuda_driver_version")
    if version and _nvml_answers(node):
        return "ok", f"the driver serves CUDA {version}"
    return "unknown", "what CUDA the driver serves is not known"


def _amd_bound(node: Node) -> State:
    drivers = {at(device, "pci.kernel_driver") for device in boards(node)}
    return ("ok", join(sorted(map(str, drivers)))) if drivers and None not in drivers else ("unknown", "the bound driver is not known")


def _amd_module(node: Node) -> State:
    version = node.get("amd.driver.version")
    if node.get("amd.driver.loaded") or bound(node):
        return "ok", "amdgpu" + (f" {version}" if version else "")
    return "unknown", "whether amdgpu is loaded is not known"


def _amd_nodes(node: Node) -> State:
    return ("ok", "/dev/kfd") if node.get("amd.driver.kfd") else ("unknown", "/dev/kfd was not seen")


def _kfd(node: Node) -> State:
    shown = [device for device in node.amd if {"kfd", "rocminfo", "amd_smi"} & set(device.get("source") or ())]
    return ("ok", f"KFD shows {len(shown)} of {len(node.amd)}") if shown else ("unknown", "KFD shows no GPU")


def _hip(node: Node) -> State:
    version = node.get("amd.rocm.version")
    if version:
        return "ok", f"ROCm {version}"
    if all(device.get("apu") and at(device, "rocm_support.status") != "supported" for device in boards(node)):
        return "not_applicable", "AMD does not list this APU for ROCm"
    wheels = [item for item in node.items("software.pytorch") if str(item.get("backend") or "").startswith("rocm")]
    return ("ok", "ROCm comes with the PyTorch wheel") if wheels else ("unknown", "no ROCm was seen")


_NVIDIA: dict[str, Callable[[Node], State]] = {
    "kernel_driver": _nvidia_bound,
    "module": _nvidia_module,
    "device_nodes": _nvidia_nodes,
    "nvml_kfd": _nvml,
    "cuda_hip": _cuda,
}
_AMD: dict[str, Callable[[Node], State]] = {
    "kernel_driver": _amd_bound,
    "module": _amd_module,
    "device_nodes": _amd_nodes,
    "nvml_kfd": _kfd,
    "cuda_hip": _hip,
}


def _container(node: Node) -> State:
    if node.container:
        return "not_applicable", "this is a container itself"
    found = _containers.runtimes(node)
    if not found:
        return "not_applicable", "no container runtime is installed"
    if not node.nvidia:
        return "ok", f"{join(found)}; AMD GPUs are given with --device"
    how = _containers.ready(node)
    return ("ok", how) if how else ("unknown", f"how {join(found)} gets the GPUs is not known")


def _pytorch(node: Node) -> State:
    found = [f"{item.get('version')} ({item.get('backend')})" for item in node.items("software.pytorch") if item.get("backend")]
    if found:
        return "ok", join(found, 3)
    if node.items("software.pytorch"):
        return "unknown", "PyTorch is here, what it is built for is not known"
    return "not_applicable", "PyTorch is not installed"
