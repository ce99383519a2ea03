# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The links of a verification: on simulated machines, and one by one."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import LINKS, Verification
from ansible_collections.gpufleet.node.plugins.module_utils._plan.verify import verify
from planlab import order_of
from planned_node import node

GOOD = "rtx4090-healthy"
FABRIC = "h100x8-healthy"
RUNNING = "6.12.57+deb13-amd64"
NO_MODULE = "no NVIDIA module is loaded"
UNMENDED = f"{NO_MODULE}, and the next boot would not mend it"
OPEN_ON_PASCAL = "kernel 6.8.0-88-generic has the open module, the proprietary one is needed"
FM = "4 NVSwitch chips on PCI, but nvidia-fabricmanager is failed: CUDA programs end with error 802 (system not yet initialized)"
LOST = "Unable to determine the device handle for GPU0000:CA:00.0: GPU is lost"


def look(profile: str, changes: dict[str, Any] | None = None, **options: Any) -> Verification:
    return verify(node(profile, changes), order_of(**options))


def not_ok(found: Verification) -> dict[str, str]:
    return {link.link: f"{link.state}: {link.reason}" for link in found.links if link.state not in ("ok", "not_applicable")}


@pytest.mark.parametrize(
    ("profile", "status", "broken", "reason"),
    [
        (GOOD, "verified", None, None),
        (FABRIC, "verified", None, None),
        ("rocky9-t4", "verified", None, None),
        ("secure-boot-signed", "verified", None, None),
        ("b200x8-healthy", "verified", None, None),
        ("nvidia-amd-mixed", "verified", None, None),
        ("gpu-operator", "verified", None, None),
        ("vgpu-guest", "verified", None, None),
        ("wsl", "verified", None, None),
        ("no-gpu", "verified", None, None),
        ("h200x8-fabric-starting", "verified", None, None),
        ("module-not-loaded", "after_reboot", None, None),
        ("trixie-rtx4090-bare", "failed", "packages", "no driver is installed"),
        ("packages-broken", "failed", "packages", "nvidia-kernel-dkms is not configured"),
        ("driver-470-old", "failed", "packages", "470.256.02 is installed, which >=530 does not allow"),
        ("v100-driver-dropped", "failed", "packages", "595.91.07 is installed, and Tesla V100-PCIE-32GB (volta) ends with branch 580"),
        ("driver-older-than-card", "failed", "packages",
         "550.163.01 is installed, and NVIDIA GeForce RTX 5090 (blackwell) is served from branch 570 on"),
        ("persistence-off", "failed", "lock", "nothing keeps the driver's packages at their branch"),
        ("dkms-build-failed", "failed", "module_built", f"kernel {RUNNING} has no NVIDIA module"),
        ("dkms-old-kernel-only", "failed", "module_built", f"kernel {RUNNING} has no NVIDIA module"),
        ("next-kernel-without-module", "failed", "module_built", "kernel 6.8.0-88-generic has no NVIDIA module"),
        ("secure-boot-unsigned", "failed", "module_built", f"kernel {RUNNING} has a module without signature, and Secure Boot is on"),
        ("secure-boot-not-enrolled", "failed", "module_built",
         "kernel 6.8.0-88-generic has a module signed by DKMS module signing key, whose key is not enrolled"),
        ("device-nodes-missing", "failed", "device_nodes", "the nvidia module is loaded, but /dev/nvidia0 is missing"),
        ("gpu-missing-in-nvml", "failed", "nvml",
         "the driver does not answer for NVIDIA RTX PRO 6000 Blackwell Server Edition at 0000:ca:00.0"),
        ("gpu-off-the-bus", "failed", "nvml", f"the driver does not answer for NVIDIA L40S at 0000:ca:00.0: {LOST}"),
        ("xid119-smi-hangs", "failed", "nvml", "the driver does not answer for NVIDIA H100 PCIe at 0000:9b:00.0: timeout"),
        ("smi-crashes", "failed", "nvml", "nvidia-smi crashed: nvidia-smi -q -x: ended by signal 11"),
        ("h100x8-fabric-manager-stopped", "failed", "fabric", FM),
        ("h100x8-fabric-manager-version", "failed", "versions", "Fabric Manager 580.82.07 beside driver 580.95.05"),
    ],
)  # fmt: skip
def test_machines(profile: str, status: str, broken: str | None, reason: str | None) -> None:
    found = look(profile)
    assert (found.status, found.broken_link) == (status, broken)
    assert tuple(link.link for link in found.links) == LINKS
    assert reason is None or next(link.reason for link in found.links if link.link == broken) == reason


def test_an_upgrade_that_waits_for_a_reboot() -> None:
    waiting = "after_reboot: module 580.95.05 is loaded, 580.105.08 is installed"
    found = look("library-mismatch", hold=False)
    assert (found.status, found.broken_link) == ("after_reboot", None)
    assert not_ok(found) == {"versions": waiting, "nvml": waiting, "persistence": waiting}


def test_a_fresh_installation_under_nouveau_waits_for_a_reboot_only_if_that_mends_it() -> None:
    nouveau = {"kernel.nouveau_loaded": True}
    found = look("module-not-loaded", nouveau)
    assert found.status == "after_reboot"
    assert not_ok(found)["nouveau"] == "after_reboot: nouveau is loaded"
    found = look("module-not-loaded", {**nouveau, "kernel.nouveau_in_initramfs": True})
    assert (found.status, found.broken_link) == ("failed", "nouveau")
    assert not_ok(found)["nouveau"] == "broken: the initramfs of the next boot would load nouveau"
    assert not_ok(found)["module_loaded"] == f"broken: {UNMENDED}"


OLD = {"release": "6.12.41+deb13-amd64", "next_boot": False, "headers": True, "modules": {}}


@pytest.mark.parametrize(
    ("profile", "changes", "options", "expected"),
    [
        (GOOD, {}, {"version": "595"}, {"packages": "broken: 580.95.05 is installed, which 595 does not allow",
                                        "versions": "broken: module 580.95.05 is loaded, which 595 does not allow"}),
        (GOOD, {}, {"version": "580.95.05-9"}, {"packages": "broken: 580.95.05-1 is installed, which 580.95.05-9 does not allow"}),
        (GOOD, {}, {"version": "580.95.05-1"}, {}),
        (GOOD, {"nvidia.driver.held": None}, {}, {"lock": "unknown: whether the packages are held cannot be seen"}),
        (GOOD, {"nvidia.driver.held": False}, {"hold": False}, {}),
        (GOOD, {"kernel.nouveau_blacklisted": False}, {}, {"nouveau": "broken: nothing keeps nouveau from being loaded"}),
        (GOOD, {"kernel.nouveau_loaded": None}, {}, {"nouveau": "unknown: whether nouveau is loaded cannot be seen"}),
        (GOOD, {"kernel.installed": []}, {}, {"module_built": "unknown: no installed kernel can be seen"}),
        (GOOD, {"kernel.installed.0.modules.nvidia.version": "535.1"}, {},
         {"module_built": f"broken: kernel {RUNNING} has module 535.1, 580.95.05 is installed"}),
        (GOOD, {}, {"flavour": "proprietary"},
         {"module_built": f"broken: kernel {RUNNING} has the open module, the proprietary one is needed",
          "module_loaded": "broken: the open module is loaded, flavour is proprietary, and the next boot would not mend it"}),
        (GOOD, {"nvidia.driver.next_boot_ready": None}, {},
         {"next_boot": "unknown: which kernel boots next, or whether it has a module, is not known"}),
        (GOOD, {"nvidia.driver.library_version": "570.1"}, {},
         {"versions": "broken: library 570.1 beside driver 580.95.05",
          "nvml": "after_reboot: module 580.95.05 is loaded, 570.1 is installed"}),
        (GOOD, {"packages.installed.firmware-nvidia-gsp": {"version": "570.1-1"}}, {},
         {"versions": "broken: firmware 570.1 beside driver 580.95.05"}),
        (GOOD, {"packages.installed.nvidia-firmware-570-570.1": {"version": "570.1-0ubuntu1"},
                "packages.installed.nvidia-firmware-580-580.95.05": {"version": "580.95.05-0ubuntu1"}}, {}, {}),
        (GOOD, {"nvidia.device_nodes": None}, {}, {"device_nodes": "unknown: the device files cannot be seen"}),
        (GOOD, {"nvidia.services.persistenced": "failed", "devices.0.persistence_mode": False}, {},
         {"persistence": "broken: nvidia-persistenced is failed"}),
        (GOOD, {"nvidia.services.persistenced": "failed", "devices.0.persistence_mode": False}, {"persistence": False}, {}),
        (GOOD, {"nvidia.services.persistenced": "inactive", "devices.0.persistence_mode": True}, {}, {}),
        (FABRIC, {"nvidia.services.fabricmanager": "inactive", "nvidia.driver.loaded_version": "570.1"}, {},
         {"versions": "after_reboot: module 570.1 is loaded, 580.95.05 is installed",
          "nvml": "after_reboot: module 570.1 is loaded, 580.95.05 is installed",
          "fabric": "after_reboot: module 570.1 is loaded, 580.95.05 is installed"}),
    ],
)  # fmt: skip
def test_links(profile: str, changes: dict[str, Any], options: dict[str, Any], expected: dict[str, str]) -> None:
    assert not_ok(look(profile, changes, **options)) == expected


def test_an_old_kernel_counts_where_modules_are_built_on_the_node() -> None:
    inventory = node(GOOD)
    inventory.kernel["installed"].append(OLD)
    found = verify(inventory, order_of())
    assert not_ok(found) == {"module_built": "broken: kernel 6.12.41+deb13-amd64 has no NVIDIA module"}
    inventory.nvidia["driver"]["dkms"] = []
    assert not_ok(verify(inventory, order_of())) == {}


def test_an_old_kernel_that_nothing_can_be_built_for_keeps_its_module() -> None:
    inventory = node(GOOD)
    inventory.kernel["installed"].append({**OLD, "headers": False, "modules": {"nvidia": {"version": "570.1"}}})
    assert not_ok(verify(inventory, order_of())) == {}


@pytest.mark.parametrize(
    ("pin", "expected"),
    [
        ("580.*", {}),
        ("580.95.05-1", {}),
        ("550.*", {"lock": f"broken: {OWN.preferences} pins 550.*, 580.95.05-1 is installed"}),
    ],
)
def test_a_hold_of_ours_that_names_another_version(pin: str, expected: dict[str, str]) -> None:
    text = f"Package: nvidia-*\nPin: version {pin}\nPin-Priority: 995\n"
    assert not_ok(look(GOOD, {"packages.own_files": {OWN.preferences: text}})) == expected
