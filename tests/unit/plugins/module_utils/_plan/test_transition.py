# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision table: unchanged, load, reload or reboot."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import MODPROBE
from ansible_collections.gpufleet.node.plugins.module_utils._plan._configuration import reboot_reasons
from ansible_collections.gpufleet.node.plugins.module_utils._plan._transition import load_steps, reload_steps, transition
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Chosen
from planlab import order_of
from planned_node import change, chosen, holder, node

LOADED = "rtx4090-healthy"
BARE = "trixie-rtx4090-bare"
RUNNING = "6.12.57+deb13-amd64"
NOW = chosen("580.95.05", flavour="open", origin="nvidia_debian")
NEXT = chosen("595.91.07", flavour="open", origin="nvidia_debian")
UPGRADE = (change("nvidia-kernel-open-dkms", "595.91.07-1", "580.95.05-1"),)
INSTALL = (change("nvidia-kernel-open-dkms", "580.95.05-1"),)
OTHER = "module 580.95.05 is loaded, 595.91.07 is wanted"
DAEMON = holder("nvidia-persiste", 900, service=True)
NOUVEAU_EVERYWHERE = {f"devices.{number}.pci.kernel_driver": "nouveau" for number in range(8)}
NO_HEADERS = {"kernel.installed.0.headers": False}
AWAY = {"kernel.nouveau_loaded": False, "kernel.nouveau_blacklisted": True}
GONE = f"kernel {RUNNING}, which runs, gets no module of this driver"


@pytest.mark.parametrize(
    ("profile", "changes", "options", "which", "packages", "kind", "reasons"),
    [
        (LOADED, {}, {}, NOW, (), "unchanged", []),
        (LOADED, {}, {"reload": "if_idle"}, NOW, (), "unchanged", []),
        (LOADED, {"health.gpu_holders": [holder()]}, {}, NOW, (), "unchanged", []),
        (LOADED, {}, {}, NEXT, UPGRADE, "reboot", [OTHER]),
        (LOADED, {}, {"reload": "if_idle"}, NEXT, UPGRADE, "reload", [OTHER]),
        (LOADED, {"health.gpu_holders": [DAEMON]}, {"reload": "if_idle"}, NEXT, UPGRADE, "reload", [OTHER]),
        (
            LOADED,
            {"health.gpu_holders": [holder(), holder("Xorg", 7)]},
            {"reload": "if_idle"},
            NEXT,
            UPGRADE,
            "reboot",
            [OTHER, "Xorg (7) and python3 (4242) use the GPUs"],
        ),
        (LOADED, {"health.gpu_holders": None}, {"reload": "if_idle"}, NEXT, UPGRADE, "reboot",
         [OTHER, "who uses the GPUs is not known, so the module is not replaced"]),
        (LOADED, {"health.console_on_gpu": True}, {"reload": "if_idle"}, NEXT, UPGRADE, "reboot", [OTHER, "the console is on the GPU"]),
        (LOADED, {"health.gpu_holders": [holder("dcgm-exporter", 11, service=True)]}, {"reload": "if_idle"}, NEXT, UPGRADE, "reboot",
         [OTHER, "dcgm-exporter (11) holds the GPUs and is no unit that could be stopped and started again"]),
        (LOADED, {}, {}, NOW._replace(flavour="proprietary"), (), "reboot", ["the open module is loaded, the proprietary one is wanted"]),
        (LOADED, {}, {"module_parameters": {"NVreg_EnableGpuFirmware": 0}}, NOW, (), "reboot",
         ["the module's parameters change, and they count when it is loaded"]),
        (LOADED, {"packages.own_files": {MODPROBE: "options nvidia NVreg_EnableGpuFirmware=0\n"}},
         {"module_parameters": {"NVreg_EnableGpuFirmware": 0}}, NOW, (), "unchanged", []),
        (BARE, AWAY, {}, NOW, INSTALL, "load", ["no NVIDIA module is loaded, 580.95.05 is wanted"]),
        (BARE, {"kernel.nouveau_loaded": True}, {}, NOW, INSTALL, "reboot", ["nouveau is loaded until the next boot"]),
        ("rtx2060-nouveau", {}, {}, NOW, INSTALL, "reboot",
         ["nouveau drives NVIDIA GeForce RTX 2060 at 0000:01:00.0 until the next boot"]),
        ("h100x8-healthy", {**NOUVEAU_EVERYWHERE, "nvidia.driver.loaded_version": None}, {}, NOW, INSTALL, "reboot",
         ["nouveau drives 8 GPUs until the next boot"]),
        (BARE, {**AWAY, **NO_HEADERS}, {}, NOW, INSTALL, "reboot", [GONE]),
        (BARE, {**AWAY, **NO_HEADERS}, {}, NOW, (*INSTALL, change(f"linux-headers-{RUNNING}", "6.12.57-1")), "load",
         ["no NVIDIA module is loaded, 580.95.05 is wanted"]),
        (BARE, {**AWAY, "kernel.release": "6.12.48+deb13-amd64"}, {}, NOW, INSTALL, "reboot",
         [f"kernel 6.12.48+deb13-amd64, which runs, is no longer installed: kernel {RUNNING} has to start"]),
        (BARE, AWAY, {}, NOW._replace(build="prebuilt"), INSTALL, "reboot", [GONE]),
        (BARE, AWAY, {}, NOW._replace(build="prebuilt"), (change(f"linux-modules-nvidia-580-{RUNNING}", "6.12.57-1"),), "load",
         ["no NVIDIA module is loaded, 580.95.05 is wanted"]),
        (BARE, {**AWAY, "kernel.secure_boot": True}, {}, NOW, INSTALL, "reboot",
         ["the key that signs the module has to be enrolled at the next boot"]),
        ("module-not-loaded", {}, {}, NOW, (), "load", ["no NVIDIA module is loaded, 580.95.05 is wanted"]),
        ("library-mismatch", {}, {}, chosen("580.105.08", flavour="open"), (), "reboot",
         ["module 580.95.05 is loaded, 580.105.08 is wanted"]),
    ],
)  # fmt: skip
def test_decision_table(
    profile: str, changes: dict[str, Any], options: dict[str, Any], which: Chosen, packages: Any, kind: str, reasons: list[str]
) -> None:
    inventory, order = node(profile, changes), order_of(**options)
    assert transition(inventory, order, which, packages) == (kind, tuple(reasons))
    assert reboot_reasons(inventory, order, which, packages) == (reasons if kind == "reboot" else [])


def test_a_new_build_of_the_loaded_version_changes_nothing_in_the_kernel() -> None:
    rebuilt = (change("nvidia-kernel-open-dkms", "580.95.05-4~bpo13+1", "580.95.05-1"),)
    assert reboot_reasons(node(LOADED), order_of(), NOW._replace(revision="580.95.05-4~bpo13+1"), rebuilt) == []


def words(steps: Any) -> list[str]:
    return [" ".join(step.values.get("argv") or [step.values["state"], step.values["name"]]) for step in steps]


def test_load() -> None:
    assert words(load_steps(node(LOADED), "x")) == ["modprobe nvidia", "nvidia-modprobe -u -c0"]
    assert words(load_steps(node(LOADED, {"system.programs": []}), "x")) == ["modprobe nvidia", "modprobe nvidia_uvm"]


def test_reload_puts_back_what_was_there() -> None:
    services = {"persistenced": "active", "fabricmanager": "active", "imex": "absent", "dcgm": "inactive"}
    modules = ["nvidia", "nvidia_modeset", "nvidia_uvm"]
    inventory = node(LOADED, {"nvidia.services": services, "health.nvidia_modules": modules})
    assert words(reload_steps(inventory, OTHER)) == [
        "stopped nvidia-fabricmanager",
        "stopped nvidia-persistenced",
        "rmmod nvidia_modeset nvidia_uvm nvidia",
        "modprobe nvidia",
        "nvidia-modprobe -u -c0",
        "modprobe nvidia_modeset",
        "started nvidia-persistenced",
        "started nvidia-fabricmanager",
    ]
    assert [step.disruptive for step in reload_steps(inventory, OTHER)] == [True, True, True, False, False, False, False, False]
