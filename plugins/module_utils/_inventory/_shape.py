# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the form of `ansible_facts.gpu`, schema version 1, as data: completes facts, and renders docs/gpu_facts.schema.json.

A leaf is a JSON type, with "?" where the value may be unknown (null). Of an `Optional` object everything may be unknown at once:
then it is null as a whole, which also stands for what a card does not have. `Mapping` has keys of the machine's own. A `Listed`
object stands in a list. Keys of `OnRequest` are there only where their subset was asked for.
"""

from __future__ import annotations

from typing import Any

SCHEMA_VERSION = 1


class Optional(dict):  # type: ignore[type-arg]
    """An object that is null where nothing of it is known."""


class Mapping(str):
    """An object with free keys; the text is the type of its values."""


class Listed(dict):  # type: ignore[type-arg]
    """A list of objects of this form."""


class Words(str):
    """A list of leaves of this type."""


class OnRequest:
    """A key that is there only where this subset was asked for."""

    def __init__(self, subset: str, form: Any) -> None:
        self.subset, self.form = subset, form


_LINKS = Optional(links_total="integer?", links_active="integer?")
_DKMS = Listed(module="string", version="string?", kernel="string?", status="string")

DEVICE: dict[str, Any] = {
    "index": "integer",
    "vendor": "string",
    "name": "string?",
    "architecture": "string?",
    "compute_capability": "string?",
    "gfx_target": "string?",
    "uuid": "string?",
    "serial": "string?",
    "vbios_version": "string?",
    "pci": Optional(
        {"address": "string", "vendor_id": "string", "device_id": "string?", "subsystem_vendor_id": "string?",
         "subsystem_device_id": "string?", "revision": "string?", "class": "string?", "kernel_driver": "string?",
         "numa_node": "integer?", "readable": "boolean?",
         "link": {"generation": {"current": "integer?", "max": "integer?"}, "width": {"current": "integer?", "max": "integer?"}},
         "bridge": Optional(address="string?", generation_max="integer?", width_max="integer?")}),
    "memory": {
        "total_mib": "integer?",
        "used_mib": OnRequest("runtime", "integer?"),
        "kind": "string?",
        "ecc": Optional(enabled="boolean?", pending="boolean?", volatile_corrected="integer?", volatile_uncorrected="integer?",
                        aggregate_corrected="integer?", aggregate_uncorrected="integer?"),
        "remapped_rows": Optional(corrected="integer?", uncorrected="integer?", pending="boolean?", failure="boolean?"),
        "retired_pages": Optional(single_bit="integer?", double_bit="integer?", pending="boolean?"),
    },
    "power": Optional(limit_w="number?", default_limit_w="number?", max_limit_w="number?", draw_w=OnRequest("runtime", "number?")),
    "temperature_c": Optional(slowdown="number?", shutdown="number?", gpu=OnRequest("runtime", "number?"),
                              memory=OnRequest("runtime", "number?")),
    "clocks_mhz": Optional(max_sm="integer?", max_memory="integer?", sm=OnRequest("runtime", "integer?"),
                           memory=OnRequest("runtime", "integer?")),
    "utilization_percent": OnRequest("runtime", Optional(gpu="number?", memory="number?")),
    "throttle_reasons": OnRequest("runtime", Words("string")),
    "performance_state": OnRequest("runtime", "string?"),
    "persistence_mode": "boolean?",
    "compute_mode": "string?",
    "recovery_action": "string?",
    "lost": "boolean",
    "mig": Optional(enabled="boolean?", pending="boolean?", instances=Listed(
        uuid="string?", profile="string?", memory_mib="integer?", gpu_instance_id="integer?", compute_instance_id="integer?")),
    "partitioning": Optional(compute="string?", memory="string?", partitions="integer?"),
    "apu": "boolean?",
    "virtualization": "string?",
    "nvlink": _LINKS,
    "xgmi": _LINKS,
    "minor_number": "integer?",
    "processes": OnRequest("processes", Listed(pid="integer?", name="string?", kind="string?", used_memory_mib="integer?")),
    "driver_support": Optional(status="string", first_branch="integer?", last_branch="integer?", open_module="string?"),
    "rocm_support": Optional(status="string", first_release="string?", last_release="string?", override="string?"),
    "source": Words("string"),
}

NVIDIA: dict[str, Any] = {
    "driver": {"installed_version": "string?", "loaded_version": "string?", "library_version": "string?", "branch": "integer?",
               "kernel_module": "string?", "managed_by": "string?", "origin": "string?", "packages": Mapping("string"),
               "held": "boolean?", "dkms": _DKMS, "next_boot_ready": "boolean?"},
    "fabric": {"required": "boolean?", "manager_version": "string?", "state": "string?", "nvswitch_count": "integer"},
    "cuda_driver_version": "string?",
    "nvml": {"usable": "boolean?", "error": "string?", "version": "string?"},
    "services": {"persistenced": "string?", "fabricmanager": "string?", "imex": "string?", "dcgm": "string?"},
    "device_nodes": Words("string"),
}

AMD: dict[str, Any] = {
    "driver": {"loaded": "boolean?", "version": "string?", "method": "string?", "kfd": "boolean?", "dkms": _DKMS},
    "rocm": {"version": "string?", "path": "string?", "packages": Mapping("string"), "origin": "string?"},
    "device_access": {"kfd_mode": "string?", "kfd_group": "string?", "groups": Words("string"), "accessible": "boolean?"},
}

SOFTWARE: dict[str, Any] = {
    "cuda_toolkits": Listed(version="string?", path="string?"),
    "container_runtimes": {
        "docker": Optional(version="string?", nvidia_runtime="boolean?", cgroup_driver="string?"),
        "podman": Optional(version="string?"),
        "containerd": Optional(version="string?"),
    },
    "container_toolkit": Optional(version="string?", cdi_specs=Listed(
        path="string", kind="string?", devices="integer?", driver_version="string?", missing=Words("string"))),
    "pytorch": Listed(version="string?", backend="string?", path="string?"),
}

_MODULE = Optional(version="string?", flavour="string?", signer="string?", path="string?")

KERNEL: dict[str, Any] = {
    "release": "string?",
    "next_boot_release": "string?",
    "secure_boot": "boolean?",
    "iommu": "string?",
    "cgroup_version": "integer?",
    "nouveau_loaded": "boolean?",
    "nouveau_blacklisted": "boolean?",
    "nouveau_in_initramfs": "boolean?",
    "compiler": "string?",
    "installed": Listed(release="string", next_boot="boolean?", headers="boolean?", modules={"nvidia": _MODULE, "amdgpu": _MODULE}),
}

SYSTEM: dict[str, Any] = {
    "distribution": "string?",
    "distribution_version": "string?",
    "distribution_like": Words("string"),
    "architecture": "string?",
    "container": "boolean?",
    "wsl": "boolean?",
    "hypervisor": "string?",
}

FACTS: dict[str, Any] = {
    "schema_version": "integer",
    "count": "integer",
    "vendors": Words("string"),
    "devices": Listed(DEVICE),
    "nvidia": NVIDIA,
    "amd": AMD,
    "software": SOFTWARE,
    "kernel": KERNEL,
    "system": SYSTEM,
    "problems": Listed(source="string", code="string", message="string"),
}
ABSENT_WHERE_NOTHING_IS_FOUND = ("nvidia", "amd")
