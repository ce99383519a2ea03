# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what a change of ROCm has to find on the node: installations side by side, blacklists, what the kernel said of the compute
driver."""

from __future__ import annotations

import re
from typing import Any

from .._knowledge import amd, amd_firmware
from ._inventory import Inventory
from ._source import Source
from .kernel import CODE_LIST, MODPROBE_FOLDERS
from .logs import has_entries, read_text
from .rocm import folders_of, real_path, release_of

_DEVICES = "/sys/bus/pci/devices"
_BLACKLISTED = re.compile(r"^[ \t]*(?:blacklist[ \t]+amdgpu[ \t]*(?:#.*)?|install[ \t]+amdgpu[ \t]+/\S*(?:false|true)\b.*)$", re.MULTILINE)
_HINTS = (
    ("no_pcie_atomics", re.compile(r"\bkfd: .*device (?P<id>1002:[0-9a-f]{4}), PCI rejects atomics.*")),
    ("iommu_failed", re.compile(r"\bkfd: .*(?:error getting iommu info|Error initializing iommu|Failed to resume IOMMU).*")),
    ("not_added", re.compile(r"\bkfd: .*device \(?(?P<id>1002:[0-9a-f]{4})\)? NOT added due to errors.*")),
    ("probe_failed", re.compile(r"\bamdgpu (?P<pci>[0-9a-f:.]{12}): .*probe with driver amdgpu failed with error -\d+.*"
                                r"|\bamdgpu: probe of (?P<pci2>[0-9a-f:.]{12}) failed with error -\d+.*")),
    ("firmware_missing", re.compile(r"\bamdgpu (?P<pci>[0-9a-f:.]{12}): Direct firmware load for (?P<file>amdgpu/\S+) failed.*")),
)


def parse_hints(text: str) -> list[dict[str, str | None]]:
    """[{kind, device_id, pci, message}] of what the kernel log says of GPUs that the compute driver does not take, each line once: kind is
    no_pcie_atomics, iommu_failed, not_added, probe_failed or firmware_missing."""
    found: list[dict[str, str | None]] = []
    for line in text.splitlines():
        for kind, pattern in _HINTS if "kfd" in line or "amdgpu" in line else ():
            match = pattern.search(line[:2000])
            if match:
                words = match.groupdict()
                hint = {"kind": kind, "device_id": (words.get("id") or "")[5:] or None, "pci": words.get("pci") or words.get("pci2"),
                        "message": match[0][:200]}
                if hint not in found:
                    found.append(hint)
    return found


def blacklisted(text: str) -> str | None:
    """The line of a modprobe.d file that keeps amdgpu from being loaded; None where there is none."""
    match = _BLACKLISTED.search(text)
    return match[0].strip() if match else None


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """amd.installs, blacklists, firmware, hints (docs/architecture.md, "Enforcing ROCm")."""
    firmware = _firmware(source, known)
    return {"amd": {
        "installs": _installs(source),
        "blacklists": _blacklists(source),
        "firmware": firmware,
        "hints": [*_small_windows(source, known), *_without_firmware(known, firmware), *_hints_of_log(source, known)],
    }}


def _installs(source: Source) -> list[dict[str, Any]]:
    """[{path, version, stream: classic | core, default}]: /opt/rocm-X.Y.Z and /opt/rocm/core-X.Y; default: what /opt/rocm or its core
    leads to."""
    opt = source.names("/opt")
    if not any(name.startswith("rocm") for name in opt):
        return []
    inside = source.names("/opt/rocm")
    defaults = {real_path(source, "/opt/rocm"), real_path(source, "/opt/rocm/core")}
    found: list[dict[str, Any]] = []
    for folder in folders_of(opt, inside):
        version = release_of(source.value(f"{folder}/.info/version") or "")
        path = real_path(source, folder)
        if version and all(path != one["path"] for one in found):
            stream = "core" if "/core" in path else "classic"
            found.append({"path": path, "version": version, "stream": stream, "default": path in defaults})
    return found


def _blacklists(source: Source) -> list[dict[str, str]]:
    """[{path, line}] of what keeps amdgpu from being loaded, the kernel's command line included."""
    seen: set[str] = set()  # a file in /etc replaces one of the same name below it (modprobe.d(5))
    found: list[dict[str, str]] = []
    for folder in MODPROBE_FOLDERS:
        for name in source.names(folder):
            if name.endswith(".conf") and name not in seen:
                seen.add(name)
                line = blacklisted(source.text(f"{folder}/{name}", 1 << 16) or "")
                if line:
                    found.append({"path": f"{folder}/{name}", "line": line})
    words = CODE_LIST.finditer(source.text("/proc/cmdline") or "")
    return found + [{"path": "/proc/cmdline", "line": match[0]} for match in words if "amdgpu" in match[1].split(",")]


def _small_windows(source: Source, known: Inventory) -> list[dict[str, str | None]]:
    """A hint for each card of whose memory the processor sees a part only (no large BAR, no Resizable BAR)."""
    found: list[dict[str, str | None]] = []
    for device in known.devices:
        address = (device.get("pci") or {}).get("address")
        if device.get("vendor") != "amd" or device.get("apu") or (device.get("pci") or {}).get("kernel_driver") != "amdgpu":
            continue
        total, visible = (source.number(f"{_DEVICES}/{address}/mem_info_{kind}_total") for kind in ("vram", "vis_vram"))
        if total and visible and visible < total:
            message = f"{visible >> 20} MiB of {total >> 20} MiB are visible to the processor"
            found.append({"kind": "small_bar", "device_id": None, "pci": address, "message": message})
    return found


def _firmware(source: Source, known: Inventory) -> dict[str, bool]:
    """{gfx target: whether files of its firmware are there}, of the cards whose files our table knows."""
    release = known.kernel.get("release")
    folders = [f"{base}/amdgpu" for base in (f"/lib/firmware/updates/{release}", "/lib/firmware/updates", f"/lib/firmware/{release}",
                                             "/lib/firmware")]
    names = {name for folder in folders for name in source.names(folder)}
    found = {}
    for target in sorted({_target(device) for device in known.devices if device.get("vendor") == "amd"} - {""}):
        beginnings = tuple(f"{prefix}_" for prefix in amd_firmware.prefixes(target))
        if beginnings:
            found[target] = any(name.startswith(beginnings) for name in names)
    return found


def _target(device: dict[str, Any]) -> str:
    """The target that the kernel told, or the one of the chip."""
    pci = device.get("pci") or {}
    chip = amd.chip(pci["device_id"], pci.get("revision")) if pci.get("device_id") else None
    return str(device.get("gfx_target") or (chip.gfx_target if chip else ""))


def _without_firmware(known: Inventory, firmware: dict[str, bool]) -> list[dict[str, str | None]]:
    """A hint for each card that is not served and whose firmware is not there. One that is served has got it, from wherever."""
    return [{"kind": "firmware_missing", "device_id": None, "pci": device["pci"]["address"],
             "message": f"no firmware amdgpu/{amd_firmware.prefixes(_target(device))[0]}_* is there for {_target(device)}"}
            for device in _unserved(known) if firmware.get(_target(device)) is False]


def _unserved(known: Inventory) -> list[dict[str, Any]]:
    """Cards that amdgpu drives or could drive, and that the compute driver does not serve."""
    return [device for device in known.devices if device.get("vendor") == "amd" and not device.get("apu") and device.get("pci")
            and device["pci"].get("kernel_driver") in ("amdgpu", None) and "kfd" not in device.get("source", ())]


def _hints_of_log(source: Source, known: Inventory) -> list[dict[str, str | None]]:
    """What the kernel log tells, read only where a card is not served: a long log costs a second."""
    loaded = (known.amd.get("driver") or {}).get("loaded")
    text = read_text(source)[0] if loaded and _unserved(known) else None
    return parse_hints(text) if text and has_entries(text) else []
