# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nvidia-smi: the XML of -q -x in the form of the driver's branch, -L, --version, and its refusals."""

from __future__ import annotations

from typing import Any

from . import nvml, nvml_answers, smi_xml
from .machine import Machine
from .profile import Gpu, Profile

FAILED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n\n"
)


def render(machine: Machine, profile: Profile) -> None:
    """The commands, where nvidia-smi is installed."""
    nvidia = profile.nvidia
    if not nvidia or nvidia.get("library") is None:
        return
    error = nvml_answers.init_error(profile)
    gpus = [gpu for gpu in profile.driven() if not gpu.get("missing")]
    if error == 9:
        outcome: dict[str, Any] = {"rc": 9, "stdout": FAILED, "stderr": ""}
    elif error == 18:
        short = ".".join(nvidia["library"].split(".")[:2])
        outcome = {
            "rc": 18,
            "stdout": f"Failed to initialize NVML: Driver/library version mismatch\nNVML library version: {short}\n",
            "stderr": "",
        }
    elif error:
        outcome = {"rc": 255, "stdout": f"Failed to initialize NVML: {nvml_answers.TEXTS[error]}\n", "stderr": ""}
    elif not gpus:
        outcome = {"rc": 6, "stdout": "No devices were found\n", "stderr": ""}
    else:
        broken = [gpu for gpu in gpus if gpu.get("handle_error")]
        head = "".join(
            f"Unable to determine the device handle for GPU{gpu.address.upper()}: {nvml_answers.TEXTS[gpu.get('handle_error')]}\n"
            for gpu in broken
        )
        machine.outcome(["nvidia-smi", "-q", "-x"], rc=255 if head else 0, stdout=head or smi_xml.xml(profile, gpus), stderr="")
        machine.outcome(["nvidia-smi", "-L"], rc=255 if head else 0, stdout=listing(gpus, nvidia["loaded"]), stderr="")
        outcome = {}
    if outcome:
        machine.outcome(["nvidia-smi", "-q", "-x"], **outcome)
        machine.outcome(["nvidia-smi", "-L"], **outcome)
    cuda = nvml.cuda_version(nvidia["library"]) or "N/A"
    told = outcome or {
        "rc": 0,
        "stderr": "",
        "stdout": f"NVIDIA-SMI version  : {nvidia['library']}\nNVML version        : {nvidia['library'].rpartition('.')[0]}\n"
        f"DRIVER version      : {nvidia['loaded']}\nCUDA Version        : {cuda}\n",
    }
    machine.outcome(["nvidia-smi", "--version"], **told)


def listing(gpus: list[Gpu], driver: str) -> str:
    """nvidia-smi -L, with MIG devices."""
    lines = []
    for number, gpu in enumerate(gpus):
        if gpu.get("handle_error"):
            reason = nvml_answers.TEXTS[gpu.get("handle_error")]
            lines.append(f"Unable to determine the device handle for gpu {gpu.address}: {reason}.  Reboot the system to recover this GPU")
            continue
        lines.append(f"GPU {number}: {nvml.product_name(gpu, driver)} (UUID: {gpu.uuid})")
        for index, part in enumerate(nvml.mig_instances(gpu)):
            lines.append(f"  MIG {part['profile']:<11} Device {index:>2}: (UUID: {part['uuid']})")
    return "".join(f"{line}\n" for line in lines)
