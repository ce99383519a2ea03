# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a profile and complete it: cards from models.yml, the system from systems.yml, addresses, UUIDs and serial numbers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .errors import ProfileError, unknown

HERE = Path(__file__).resolve().parent
PROFILES = HERE.parent / "profiles"

KEYS = {
    "description",
    "distribution",
    "architecture",
    "machine",
    "container",
    "wsl",
    "hypervisor",
    "memory_mib",
    "gpus",
    "devices",
    "kernel",
    "nvidia",
    "amd",
    "software",
    "services",
    "packages",
    "trouble",
    "expect",
    "user",
    "files",
    "infiniband",
    "kernel_build",
    "change",
    "accounts",
}
KERNEL_KEYS = {
    "running",
    "installed",
    "next_boot",
    "headers",
    "secure_boot",
    "iommu",
    "cgroup",
    "blacklist_nouveau",
    "nouveau_in_initramfs",
    "cmdline",
    "mok",
}
NVIDIA_KEYS = {
    "version",
    "module",
    "origin",
    "loaded",
    "library",
    "held",
    "dkms",
    "built",
    "nvml",
    "signer",
    "persistence",
    "toolkit_dkms",
    "devices",
    "packages",
    "managed_by",
    "fabric_manager",
    "init_error",
    "faults",
    "compiler",
}
AMD_KEYS = {
    "driver",
    "version",
    "rocm",
    "path",
    "origin",
    "loaded",
    "built",
    "signer",
    "dkms_version",
    "build",
    "kfd",
    "amd_smi",
    "opencl",
    "inbox_knows",
    "firmware",
    "packages",
}


@dataclass
class Gpu:
    """One card, or one PCI function that looks like one. `model` is its row of models.yml; `state` what a profile says of it."""

    vendor: str
    model: Mapping[str, Any]
    address: str
    driver: str | None
    number: int = 0
    uuid: str = ""
    serial: str | None = None
    state: dict[str, Any] = field(default_factory=dict)

    def get(self, key: str, default: Any = None) -> Any:
        """What the profile says of this card, else its model, else the default."""
        return self.state.get(key, self.model.get(key, default))

    @property
    def bus_id(self) -> str:
        """The address as NVML writes it: eight digits of domain, upper case."""
        return self.address.upper().rjust(16, "0")


@dataclass
class Profile:
    """One machine, complete: nothing is left to look up."""

    name: str
    description: str
    system: dict[str, Any]
    about: dict[str, Any]
    gpus: list[Gpu]
    devices: list[Gpu]
    kernel: dict[str, Any]
    nvidia: dict[str, Any]
    amd: dict[str, Any]
    expect: dict[str, Any]
    trouble: dict[str, dict[str, Any]]
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    dkms: list[dict[str, Any]] = field(default_factory=list)
    log: list[tuple[float, str]] = field(default_factory=list)

    def of(self, vendor: str) -> list[Gpu]:
        """The cards of one vendor."""
        return [gpu for gpu in self.gpus if gpu.vendor == vendor]

    def driven(self) -> list[Gpu]:
        """The cards that the NVIDIA driver has."""
        return [gpu for gpu in self.of("nvidia") if gpu.driver == "nvidia"]


@cache
def table(name: str) -> dict[str, Any]:
    """A table of this package: models or systems."""
    return dict(yaml.safe_load((HERE / f"{name}.yml").read_text(encoding="utf-8")))


def profile_names() -> list[str]:
    """The names of all profiles."""
    return sorted(path.stem for path in PROFILES.glob("*.yml"))


def load_profile(name: str) -> Profile:
    """A profile by its name, or by the path of a file of one's own."""
    path = Path(name) if name.endswith((".yml", ".yaml")) else PROFILES / f"{name}.yml"
    if not path.is_file():
        raise unknown("profile", name, profile_names())
    try:
        return complete(yaml.safe_load(path.read_text(encoding="utf-8")), path.stem)
    except yaml.YAMLError as error:
        raise ProfileError(f"{path.name}: not YAML: {error}") from None


def complete(text: Any, name: str) -> Profile:
    """A profile from what its file says. ProfileError names the key that is wrong."""
    if not isinstance(text, dict) or not text.get("description"):
        raise ProfileError(f"{name}: a profile is a mapping with a description")
    _check(text, KEYS, name)
    systems = table("systems")
    distribution = text.get("distribution", "debian-13")
    if distribution not in systems:
        raise unknown("distribution", distribution, systems, name)
    nvidia, amd = dict(text.get("nvidia") or {}), dict(text.get("amd") or {})
    _check(nvidia, NVIDIA_KEYS, f"{name}: nvidia")
    _check(amd, AMD_KEYS, f"{name}: amd")
    for section, words in (("nvidia", nvidia), ("amd", amd)):
        for key in ("version", "loaded", "library", "rocm"):
            if isinstance(words.get(key), float):
                raise ProfileError(f"{name}: {section}: {key}: quote the version, YAML took {words[key]} for a number")
    if nvidia:
        nvidia.setdefault("module", "open")
        for key in ("loaded", "library"):
            nvidia.setdefault(key, nvidia["version"])
    gpus = _gpus(text.get("gpus") or [], name, nvidia, amd)
    about = {"architecture": "x86_64", "memory_mib": 64168, **text}
    kernel = _kernel(dict(text.get("kernel") or {}), systems[distribution], name)
    return Profile(
        name,
        text["description"],
        systems[distribution],
        about,
        gpus,
        _others(text.get("devices") or [], name),
        kernel,
        nvidia,
        amd,
        dict(text.get("expect") or {}),
        _troubles(text.get("trouble") or [], name),
    )


def unknown_origin(origin: str, rows: Mapping[str, Any], name: str) -> ProfileError:
    """The error for an origin that packaging.yml does not have."""
    return unknown("origin of the NVIDIA driver", origin, rows, name)


def _check(mapping: Mapping[str, Any], valid: Any, where: str) -> None:
    for key in mapping:
        if key not in valid:
            raise unknown("key", key, valid, where)


def _troubles(listed: list[Any], name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for one in listed:
        for word, words in (one if isinstance(one, dict) else {one: {}}).items():
            if word in found:
                raise ProfileError(f"{name}: the trouble {word} is named twice")
            found[word] = dict(words or {})
    return found


def _kernel(kernel: dict[str, Any], system: Mapping[str, Any], name: str) -> dict[str, Any]:
    _check(kernel, KERNEL_KEYS, f"{name}: kernel")
    names: dict[Any, Any] = {"default": system["kernel"], "older": system["older_kernel"]}
    running = names.get(kernel.get("running", "default"), kernel.get("running"))
    installed = [names.get(release, release) for release in kernel.get("installed", [running])]
    headers = [names.get(release, release) for release in kernel.get("headers", installed)]
    last = kernel.get("next_boot", installed[-1] if installed else None)
    next_boot = names.get(last, last)
    return {
        "secure_boot": False,
        "iommu": True,
        "cgroup": 2,
        "blacklist_nouveau": None,
        "nouveau_in_initramfs": None,
        **kernel,
        "running": running,
        "installed": installed,
        "next_boot": next_boot,
        "headers": headers,
    }


def _gpus(rows: list[Mapping[str, Any]], name: str, nvidia: Mapping[str, Any], amd: Mapping[str, Any]) -> list[Gpu]:
    models = table("models")
    vendor_of = {model: vendor for vendor in ("nvidia", "amd", "intel") for model in models[vendor]}
    gpus: list[Gpu] = []
    for row in rows:
        if row.get("model") not in vendor_of:
            raise unknown("model", str(row.get("model")), vendor_of, name)
        vendor = vendor_of[row["model"]]
        inbox = {"nvidia": "nvidia" if nvidia.get("loaded") else None, "amd": "amdgpu" if amd.get("driver") else None, "intel": "i915"}
        addresses = row.get("addresses") or [row.get("address") or f"0000:{number:02x}:00.0" for number in _free(gpus, row.get("count", 1))]
        for address in addresses:
            state = {key: value for key, value in row.items() if key not in ("model", "address", "addresses", "count", "driver")}
            gpus.append(Gpu(vendor, models[vendor][row["model"]], address, row.get("driver", inbox[vendor]), state=state))
    gpus.sort(key=lambda gpu: (len(gpu.address), gpu.address))
    for number, gpu in enumerate(gpus):
        gpu.number = number
        identity = uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}/{gpu.address}")
        gpu.uuid = gpu.state.pop("uuid", f"GPU-{identity}")
        if gpu.get("serial") is True:
            gpu.serial = f"16{identity.int % 10**11:011d}"
    return gpus


def _free(gpus: list[Gpu], count: int) -> list[int]:
    """Bus numbers, four apart from 0x01 on for one card, as a server has them for eight."""
    if count == 1:
        return [len(gpus) * 0x20 + 1]
    return [0x18 + 0x14 * number for number in range(len(gpus), len(gpus) + count)]


def _others(rows: list[Mapping[str, Any]], name: str) -> list[Gpu]:
    models, found = table("models")["other"], []
    for row in rows:
        if row.get("model") not in models:
            raise unknown("device", str(row.get("model")), models, name)
        model = models[row["model"]]
        for address in row.get("addresses") or [row["address"]]:
            state = {key: value for key, value in row.items() if key not in ("model", "address", "addresses", "driver")}
            found.append(Gpu(model["vendor"], model, address, row.get("driver", model.get("driver")), state=state))
    return found
