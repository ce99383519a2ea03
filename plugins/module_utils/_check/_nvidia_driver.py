# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about the NVIDIA kernel driver, its module files, Secure Boot and the next boot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._finding import finding, of_device
from ._node import Node, Section, at, join, name
from ._nvidia_support import refused
from ._report import Finding

_HARMLESS = ("snd_hda_intel",)
_BUILT = ("installed", "installed-weak")


def check(node: Node) -> Iterator[Finding]:
    if not node.nvidia or node.wsl:
        return
    for device in node.nvidia:
        yield from _binding(node, device)
    yield from _no_driver(node)
    if not node.container:
        yield from _module(node)
        yield from _nouveau(node)
        yield from _next_boot(node)
        yield from _dkms_failed(node)
    yield from _device_nodes(node)


def loaded(node: Node) -> bool:
    """Whether the nvidia module is loaded: its version is known, or a GPU is bound to it."""
    return bool(node.get("nvidia.driver.loaded_version")) or any(at(device, "pci.kernel_driver") == "nvidia" for device in node.nvidia)


def installed(node: Node) -> bool:
    """Whether any part of an NVIDIA driver is on disk."""
    driver = node.get("nvidia.driver") or {}
    return bool(driver.get("installed_version") or driver.get("library_version") or driver.get("dkms") or _module_kernels(node))


def _binding(node: Node, device: Section) -> Iterator[Finding]:
    driver = at(device, "pci.kernel_driver")
    if driver == "nouveau":
        yield of_device(node, "NV-NOUVEAU-BOUND", device, {"kernel_driver": driver})
    elif driver not in (None, "nvidia", *_HARMLESS):
        yield of_device(node, "NV-OTHER-DRIVER", device, {"kernel_driver": driver}, driver=driver)
    elif refused(node, device):
        return
    elif driver is None and device.get("pci") and loaded(node) and not {"nvml", "nvidia_smi"} & set(device.get("source") or ()):
        yield of_device(node, "NV-NOT-BOUND", device, {"kernel_driver": None})


def _no_driver(node: Node) -> Iterator[Finding]:
    if loaded(node) or installed(node) or node.get("nvidia.driver.managed_by") in ("operator", "vgpu", "jetpack", "image"):
        return
    yield finding(
        node,
        "NV-NO-DRIVER",
        "NVIDIA driver",
        {"installed_version": None, "loaded_version": None},
        devices=join(name(device) for device in node.nvidia) + (" is" if len(node.nvidia) == 1 else " are"),
    )


def _module_kernels(node: Node) -> list[str]:
    return [str(kernel.get("release")) for kernel in node.items("kernel.installed") if at(kernel, "modules.nvidia")]


def _built(node: Node) -> list[str]:
    return [
        str(build["kernel"]) for build in node.items("nvidia.driver.dkms") if build.get("kernel") and str(build.get("status")) in _BUILT
    ]


def _module(node: Node) -> Iterator[Finding]:
    rejected = [event for event in node.items("health.events") if event.get("kind") == "key_rejected"]
    if loaded(node) or not installed(node):
        return
    module = at(node.installed_kernel(node.get("kernel.release")), "modules.nvidia")
    version = node.driver_version or at(module, "version") or "of unknown version"
    facts: dict[str, Any] = {"kernel": node.get("kernel.release"), "version": version, "module": module}
    secured = _signature(node, module, rejected)
    if secured is not None:
        yield secured
    elif module and all(refused(node, device) for device in node.nvidia):
        return  # it went away again because it found no GPU of its own
    elif module:
        yield finding(node, "NV-MODULE-NOT-LOADED", "NVIDIA driver", facts, version=version)
    elif _built(node) and node.get("kernel.release") not in _built(node):
        yield finding(
            node,
            "NV-DKMS-OTHER-KERNEL",
            "NVIDIA driver",
            {**facts, "dkms": node.get("nvidia.driver.dkms")},
            built=join(_built(node)),
        )
    elif node.installed_kernel(node.get("kernel.release")) and not module:
        yield finding(node, "NV-MODULE-MISSING", "NVIDIA driver", facts, version=version)
    else:
        yield finding(node, "NV-MODULE-NOT-LOADED", "NVIDIA driver", facts, version=version)


def _signature(node: Node, module: Section | None, rejected: list[Section]) -> Finding | None:
    signer = at(module, "signer")
    facts = {"secure_boot": node.get("kernel.secure_boot"), "signer": signer, "mok_enrolled": node.get("kernel.mok_enrolled")}
    if rejected and signer:
        return finding(node, "NV-KEY-REJECTED", "NVIDIA driver", {**facts, "log": rejected[-1].get("message")}, signer=signer)
    if not node.get("kernel.secure_boot"):
        return None
    if module and not signer:
        return finding(node, "NV-UNSIGNED", "NVIDIA driver", facts)
    if rejected:
        return finding(node, "NV-KEY-REJECTED", "NVIDIA driver", {**facts, "log": rejected[-1].get("message")}, signer="not known")
    if signer and not _enrolled(node, str(signer), module):
        return finding(node, "NV-NOT-ENROLLED", "NVIDIA driver", facts, signer=signer)
    return None


def _enrolled(node: Node, signer: str, module: Section | None) -> bool:
    """Whether the owner enrolled the key of a module that was built here. Makers' keys are in the kernel; unknown counts as yes."""
    names = node.get("kernel.mok_enrolled")
    built_here = "/updates/dkms/" in str(at(module, "path")) or bool(_built(node))
    return not (isinstance(names, list) and built_here and signer not in names)


def _nouveau(node: Node) -> Iterator[Finding]:
    bound = any(at(device, "pci.kernel_driver") == "nouveau" for device in node.nvidia)
    if not installed(node):
        return
    kernel = node.get("kernel") or {}
    facts = {key: kernel.get(key) for key in ("nouveau_loaded", "nouveau_blacklisted", "nouveau_in_initramfs")}
    if kernel.get("nouveau_loaded") and not bound:
        yield finding(node, "NV-NOUVEAU-LOADED", "nouveau", facts)
    if kernel.get("nouveau_blacklisted") is False and not bound:
        yield finding(node, "NV-NOUVEAU-NOT-BLACKLISTED", "nouveau", facts)
    elif kernel.get("nouveau_in_initramfs"):
        yield finding(node, "NV-NOUVEAU-IN-INITRAMFS", "nouveau", facts)


def _next_boot(node: Node) -> Iterator[Finding]:
    release = node.get("kernel.next_boot_release")
    kernel = node.installed_kernel(release)
    if not release or not kernel or not installed(node):
        return
    facts = {"next_boot_release": release, "headers": kernel.get("headers"), "modules": kernel.get("modules")}
    known = isinstance(kernel.get("modules"), dict)
    other = release != node.get("kernel.release")
    if other and known and not at(kernel, "modules.nvidia") and release not in _built(node):
        yield finding(node, "NV-NEXT-BOOT", f"kernel {release}", facts, kernel=release)
    elif node.get("nvidia.driver.dkms") and kernel.get("headers") is False:
        yield finding(node, "NV-NEXT-BOOT-HEADERS", f"kernel {release}", facts, kernel=release)
    elif other and node.get("kernel.secure_boot") and at(kernel, "modules.nvidia") and not at(kernel, "modules.nvidia.signer"):
        yield finding(node, "NV-NEXT-BOOT", f"kernel {release}", {**facts, "secure_boot": True}, kernel=release)


def _dkms_failed(node: Node) -> Iterator[Finding]:
    """Modules that DKMS knows for the running or the next kernel, but did not install."""
    wanted = {node.get("kernel.release"), node.get("kernel.next_boot_release")} - {None}
    done = set(_built(node))
    for build in node.items("nvidia.driver.dkms"):
        kernel, status = build.get("kernel"), str(build.get("status"))
        if kernel in wanted - done and status not in _BUILT:
            module = f"{build.get('module') or 'nvidia'}/{build.get('version')}"
            yield finding(
                node,
                "NV-DKMS-FAILED",
                f"kernel {kernel}",
                dict(build),
                module=module,
                status=status,
                kernel=kernel,
                compiler=node.get("kernel.compiler") or "of unknown version",
            )


_NODE = "/dev/nvidia"


def _device_nodes(node: Node) -> Iterator[Finding]:
    nodes = node.get("nvidia.device_nodes")
    if not isinstance(nodes, list) or not loaded(node):
        return
    wanted = [
        f"{_NODE}ctl",
        *(f"{_NODE}{device['minor_number']}" for device in node.nvidia if isinstance(device.get("minor_number"), int)),
    ]
    missing = [path for path in wanted if path not in nodes]
    if node.container and not nodes:
        names = join(name(device) for device in node.nvidia)
        yield finding(node, "CTR-NO-DEVICES", "device files", {"present": nodes}, devices=names)
        return
    answers = node.get("nvidia.nvml.usable") is not False and any("nvml" in (one.get("source") or ()) for one in node.nvidia)
    if missing and (nodes or (node.get("nvidia.driver.loaded_version") and not answers)):
        minors = [f"-c {path[len(_NODE):]}" for path in missing if path[len(_NODE):].isdigit()] or ["-c 0"]
        facts = {"missing": missing, "present": nodes}
        yield finding(node, "NV-NO-DEVICE-NODES", "device files", facts, missing=join(missing), minors=" ".join(minors))
