# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A profile as a machine, and a machine as evidence."""

from __future__ import annotations

from typing import Any

from . import accounts, amd, amd_tools, change, modules, node, nvidia, nvml_answers, packages, smi, software, sysfs, sysfs_rest, trouble
from .machine import Machine
from .profile import Profile


def machine_of(profile: Profile) -> Machine:
    """Everything that can be seen of the machine. The profile is used up: troubles and the bus complete it."""
    machine = Machine(euid=(profile.about.get("user") or {}).get("euid", 0))
    trouble.before(profile)
    sysfs.render(machine, profile)
    sysfs_rest.render(machine, profile)
    node.render(machine, profile)
    nvidia.render(machine, profile)
    nvidia.services(machine, profile)
    smi.render(machine, profile)
    if profile.nvidia.get("nvml") and profile.nvidia.get("library"):
        machine.probes["nvml"] = nvml_answers.probe(profile)
    for name in sorted({gpu.driver for gpu in [*profile.gpus, *profile.devices] if gpu.driver in ("nouveau", "i915", "ast", "vfio-pci")}):
        modules.loaded(machine, str(name).replace("-", "_"), pci=False)
    amd.render(machine, profile)
    amd_tools.render(machine, profile)
    software.render(machine, profile)
    if profile.dkms or profile.nvidia.get("dkms") is not None:
        modules.dkms(machine, profile, profile.dkms)
    packages.render(machine, profile)
    change.render(machine, profile)
    for path, text in (profile.about.get("files") or {}).items():
        machine.write(path, text)
    trouble.after(machine, profile)
    accounts.render(machine, profile)
    modules.proc_modules(machine)
    return machine


def evidence_of(profile: Profile) -> dict[str, Any]:
    """The evidence (a JSON value) of a profile."""
    return machine_of(profile).evidence()
