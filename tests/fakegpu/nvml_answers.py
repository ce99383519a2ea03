# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nvml.conf for the fake library (README.md), and the answer of the probe "nvml"."""

from __future__ import annotations

from typing import Any

from .nvml import cuda_version, mig_instances, values
from .profile import Gpu, Profile

TEXTS = {
    4: "Insufficient Permissions",
    9: "Driver Not Loaded",
    15: "GPU is lost",
    18: "Driver/library version mismatch",
    999: "Unknown Error",
}


def conf(profile: Profile) -> str:
    """nvml.conf: what drives the fake library."""
    nvidia = profile.nvidia
    library = nvidia.get("library") or nvidia["version"]
    lines = ["format=1", f"driver_version={nvidia.get('loaded') or nvidia['version']}", f"nvml_version=13.{library}"]
    cuda = cuda_version(library)
    if cuda:
        lines.append(f"cuda_driver_version={int(cuda.split('.')[0]) * 1000 + int(cuda.split('.')[1]) * 10}")
    error = init_error(profile)
    lines += [f"init_error={error}"] if error else []
    lines += [f"{key}={nvidia['faults'][key]}" for key in ("hang_file", "hang_in", "crash_in") if key in nvidia.get("faults", {})]
    gpus = profile.driven() if nvidia.get("loaded") else []
    gpus = [gpu for gpu in gpus if not gpu.get("missing")]
    lines.append(f"count={len(gpus)}")
    for number, gpu in enumerate(gpus):
        found = values(profile, gpu, number)
        parts = mig_instances(gpu)
        if parts or gpu.get("mig"):
            found["mig.count"] = len(parts)
        for index, part in enumerate(parts):
            found.update({f"mig.{index}.{key}": value for key, value in part.items() if key != "profile"})
        found.update(_processes(gpu))
        if gpu.get("handle_error"):
            found["handle_error"] = gpu.get("handle_error")
        lines += [f"gpu.{number}.{key}={value}" for key, value in found.items()]
    return "\n".join(lines) + "\n"


def _processes(gpu: Gpu) -> dict[str, Any]:
    processes = gpu.get("processes") or []
    found: dict[str, Any] = {"process.count": len(processes)} if processes else {}
    for index, one in enumerate(processes):
        found.update({f"process.{index}.{key}": value for key, value in one.items()})
    return found


def init_error(profile: Profile) -> int | None:
    """The code that starting NVML answers; None where it starts."""
    nvidia = profile.nvidia
    if nvidia.get("init_error"):
        return int(nvidia["init_error"])
    if not nvidia.get("loaded"):
        return 9
    return 18 if nvidia["library"] != nvidia["loaded"] and not profile.about.get("wsl") else None


def probe(profile: Profile) -> Any:
    """The answer of the probe where Python has NVML's binding: see _nvml_probe.py of the product."""
    error = init_error(profile)
    if error:
        return {"error": TEXTS[error]}
    if profile.nvidia.get("faults", {}).get("hang_in"):
        return {"error": "timeout"}
    cuda = cuda_version(profile.nvidia["library"])
    answer: dict[str, Any] = {
        "driver_version": profile.nvidia["loaded"],
        "nvml_version": f"13.{profile.nvidia['library']}",
        "cuda_driver_version": int(float(cuda or 0) * 1000 + 0.5) // 1000 * 1000 + int((cuda or "0.0").split(".")[1]) * 10,
    }
    devices = []
    for number, gpu in enumerate(gpu for gpu in profile.driven() if not gpu.get("missing")):
        if gpu.get("handle_error"):
            devices.append({"index": number, "handle_error": gpu.get("handle_error"), "error": TEXTS[gpu.get("handle_error")]})
            continue
        found = {"index": number, **values(profile, gpu, number)}
        found["throttle_reasons"] = int(str(found["throttle_reasons"]), 16)
        parts = mig_instances(gpu)
        if found.get("mig_current"):
            found["mig"] = [{key: value for key, value in part.items() if key not in ("profile", "slices")} for part in parts]
        if not gpu.get("memory_mib"):
            found["memory_unsupported"] = 1
        found["processes"] = gpu.get("processes") or []
        if gpu.get("lost"):
            found = {
                key: value
                for key, value in found.items()
                if key in ("index", "name", "uuid", "minor", "pci_bus_id", "pci_device_id", "pci_subsystem_id", "lost")
            }
        devices.append(found)
    return {**answer, "devices": devices}
