# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The links of a verification of ROCm: on simulated machines with the eyes of their users, and one by one."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import ROCM_UDEV
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Verification
from ansible_collections.gpufleet.node.plugins.module_utils._plan.verify_rocm import ROCM_LINKS, verify
from fakegpu import evidence_of, load_profile
from planned_node import changed

EIGHT, CPX, OWN = "noble-mi300x8-rocm72", "mi300x8-cpx", "noble-rx6800xt-rocm72"
KERNEL = "6.8.0-88-generic"
NOT_LOADED = "amdgpu is not loaded"
UNMENDED = ", and the next boot would not mend it"
BOB = "bob may not open /dev/kfd (0660, group render), being in bob"
DENIED = "rocminfo as bob: Unable to open /dev/kfd read-write: Permission denied"
NO_OPENCL = "clinfo as bob lists no gfx942 for AMD Instinct MI300X at 0000:18:00.0"


@dataclass(frozen=True)
class Wish:
    allowed: tuple[str, ...] = ()

    def allows(self, version: str) -> bool:
        return not self.allowed or version.startswith(self.allowed)

    def __str__(self) -> str:
        return " or ".join(self.allowed) or "any"


@dataclass(frozen=True)
class Order:
    wish: Wish = field(default_factory=Wish)
    state: str = "present"
    driver: str = "inbox"
    components: tuple[str, ...] = ("runtime", "opencl")
    users: tuple[str, ...] = ("alice",)
    hold: bool = False


@cache
def _seen(profile: str, users: tuple[str, ...]) -> Inventory:
    return gather(load(json.dumps(evidence_of(load_profile(profile)))), ("all",), change=True, users=users)


def look(profile: str, changes: dict[str, Any] | None = None, **options: Any) -> Verification:
    order = replace(Order(driver=load_profile(profile).amd.get("driver", "inbox")), **options)
    return verify(changed(copy.deepcopy(_seen(profile, order.users)), changes), order)


def not_ok(found: Verification) -> dict[str, str]:
    return {link.link: f"{link.state}: {link.reason}" for link in found.links if link.state not in ("ok", "not_applicable")}


@pytest.mark.parametrize(
    ("profile", "options", "status", "broken", "reason"),
    [
        (EIGHT, {}, "verified", None, None),
        (EIGHT, {"users": ()}, "verified", None, None),
        (EIGHT, {"users": ("alice", "bob")}, "failed", "access", BOB),
        (EIGHT, {"users": ("mallory",)}, "failed", "access", "there is no user mallory"),
        (EIGHT, {"hold": True}, "failed", "lock", "nothing keeps amdgpu-dkms, hsa-rocr, rocm-core and rocminfo at their release"),
        (EIGHT, {"wish": Wish(("7.1", "6."))}, "failed", "packages", "ROCm 7.2.4 is installed, which 7.1 or 6. does not allow"),
        (EIGHT, {"driver": "inbox"}, "failed", "driver",
         f"kernel {KERNEL} has /lib/modules/{KERNEL}/updates/dkms/amdgpu.ko.xz before its own amdgpu, driver is inbox"),
        (OWN, {"driver": "dkms"}, "failed", "driver", f"kernel {KERNEL} has only its own amdgpu, amdgpu-dkms is not built for it"),
        (OWN, {"driver": "none"}, "verified", None, None),
        ("noble-mi300x8-rocm101", {}, "verified", None, None),
        ("jammy-mi210-rocm72", {}, "verified", None, None),
        ("rocky9-mi210-rocm72", {}, "verified", None, None),
        ("rocky9-mi300x8-rocm101", {}, "verified", None, None),
        ("sles15-mi210-rocm72", {}, "verified", None, None),
        ("trixie-mi210-rocm101", {}, "verified", None, None),
        ("noble-rx6700xt-rocm72", {}, "verified", None, None),
        ("noble-strix-halo-rocm101", {}, "verified", None, None),
        ("rocm-of-debian", {}, "verified", None, None),
        ("nvidia-amd-mixed", {}, "verified", None, None),
        (CPX, {}, "verified", None, None),
        ("h100x8-healthy", {}, "verified", None, None),
        ("noble-mi300x8-bare", {}, "failed", "packages", "no ROCm is installed"),
        ("trixie-mi210-unloaded-bare", {}, "failed", "packages", "no ROCm is installed"),
        ("amdgpu-dkms-next-kernel", {}, "failed", "driver",
         f"kernel {KERNEL} has only its own amdgpu, amdgpu-dkms is not built for it"),
        ("amdgpu-not-bound", {}, "failed", "next_boot", "/proc/cmdline keeps amdgpu from being loaded: modprobe.blacklist=amdgpu"),
        ("kfd-missing", {}, "failed", "kfd", "the compute driver (/dev/kfd) is not there"),
    ],
)  # fmt: skip
def test_machines(profile: str, options: dict[str, Any], status: str, broken: str | None, reason: str | None) -> None:
    found = look(profile, **options)
    assert (found.status, found.broken_link) == (status, broken)
    assert tuple(link.link for link in found.links) == ROCM_LINKS
    assert reason is None or next(link.reason for link in found.links if link.link == broken) == reason


def test_a_good_machine_says_what_was_seen() -> None:
    assert {link.link: link.reason for link in look(CPX).links if link.state == "ok"} == {
        "packages": "ROCm 7.1.0 is installed",
        "driver": "5.15.0-164-generic has the amdgpu of amdgpu-dkms",
        "next_boot": "kernel 5.15.0-164-generic boots next and has amdgpu",
        "module_loaded": "amdgpu 6.16.6 is loaded",
        "kfd": "8 of 8 GPUs, 64 compute nodes",
        "access": "alice may use /dev/kfd",
        "rocminfo": "alice sees 64 of gfx942",
        "clinfo": "alice sees 64 of gfx942 in OpenCL",
        "amd_smi": "amd-smi lists 64 devices",
    }


def test_a_user_who_is_in_no_group() -> None:
    assert not_ok(look(EIGHT, users=("bob",))) == {
        "access": f"broken: {BOB}", "rocminfo": f"broken: {DENIED}", "clinfo": f"broken: {NO_OPENCL}"}


AGENTS = "amd.seen_by.alice.rocminfo.agents"
GFX942 = {"target": "gfx942", "address": "0000:18:00.0"}


@pytest.mark.parametrize(
    ("profile", "changes", "options", "expected"),
    [
        (EIGHT, {"packages.broken": ["amdgpu-dkms"]}, {}, {"packages": "broken: amdgpu-dkms is not configured"}),
        (EIGHT, {"packages.installed": {}}, {"hold": True}, {"lock": "unknown: whether the packages are held cannot be seen"}),
        (EIGHT, {"kernel.installed": []}, {"driver": "dkms"},
         {"driver": "unknown: no installed kernel can be seen", "next_boot": f"broken: kernel {KERNEL} boots next without amdgpu"}),
        (EIGHT, {"kernel.installed.0.modules.amdgpu.version": "6.12.12"}, {},
         {"driver": f"broken: kernel {KERNEL} has amdgpu 6.12.12, amdgpu-dkms is 6.16.13-2238411.24.04",
          "module_loaded": f"broken: amdgpu 6.16.13 is loaded, 6.12.12 is installed{UNMENDED}"}),
        (EIGHT, {"kernel.secure_boot": True}, {},
         {"driver": f"broken: kernel {KERNEL} has a module without signature, and Secure Boot is on"}),
        (EIGHT, {"kernel.next_boot_release": None}, {}, {"next_boot": "unknown: which kernel boots next is not known"}),
        (EIGHT, {"amd.driver.method": "inbox"}, {},
         {"module_loaded": "after_reboot: the kernel's own amdgpu is loaded, not the one of amdgpu-dkms"}),
        (OWN, {"amd.driver.method": "dkms", "amd.driver.version": "6.10.5"}, {},
         {"module_loaded": "after_reboot: amdgpu 6.10.5 of amdgpu-dkms is loaded, not the kernel's own"}),
        (OWN, {"amd.driver.loaded": False}, {},
         dict.fromkeys(("module_loaded", "kfd", "access", "rocminfo", "clinfo", "amd_smi"), f"after_reboot: {NOT_LOADED}")),
        (OWN, {"amd.driver.loaded": None}, {}, {"module_loaded": "unknown: whether amdgpu is loaded cannot be seen"}),
        (OWN, {"devices.0.pci.kernel_driver": "radeon"}, {},
         {"kfd": "broken: AMD Radeon RX 6800 XT at 0000:03:00.0 is driven by radeon, not by amdgpu"}),
        ("noble-strix-halo-rocm101", {"devices.0.pci.kernel_driver": None, "amd.driver.kfd": False, "amd.hints": [
            {"kind": "probe_failed", "pci": "0000:c3:00.0", "device_id": None, "message": "amdgpu: probe failed with error -22"}]},
         {}, {"kfd": "broken: amdgpu does not take AMD Radeon 8060S Graphics at 0000:c3:00.0: amdgpu: probe failed with error -22"}),
        (OWN, {"devices.0.source": ["pci"],
               "amd.hints": [{"kind": "no_pcie_atomics", "pci": None, "device_id": "73bf", "message": "PCI rejects atomics 730<0"}]}, {},
         {"kfd": "broken: the compute driver does not serve AMD Radeon RX 6800 XT at 0000:03:00.0: PCI rejects atomics 730<0"}),
        (OWN, {"devices.0.source": ["pci"], "amd.hints": [{"kind": "not_added", "pci": None, "device_id": "15d8", "message": "other"}]}, {},
         {"kfd": "broken: the compute driver does not serve AMD Radeon RX 6800 XT at 0000:03:00.0"}),
        (EIGHT, {"devices.2.partitioning": {"compute": "DPX", "partitions": 1}}, {},
         {"kfd": "broken: AMD Instinct MI300X at 0000:40:00.0 is in mode DPX and has 1 compute nodes"}),
        (EIGHT, {"amd.seen_by.alice.opens": ["/dev/kfd"]}, {},
         {"access": "broken: alice may not open /dev/dri/renderD128 (0660, group render), being in alice, render and video"}),
        (EIGHT, {"amd.seen_by": {}}, {},
         {"access": "unknown: what alice may open cannot be seen: only root can look as somebody else",
          "rocminfo": "unknown: what alice sees cannot be told: only root can look as somebody else",
          "clinfo": "unknown: what alice sees cannot be told: only root can look as somebody else"}),
        (EIGHT, {"amd.seen_by.alice.rocminfo": None}, {}, {"rocminfo": "broken: alice finds no rocminfo"}),
        (EIGHT, {"amd.seen_by.alice.clinfo": None}, {}, {"clinfo": "unknown: alice finds no clinfo, so what OpenCL lists cannot be seen"}),
        (EIGHT, {"amd.seen_by.alice.clinfo": None}, {"components": ("runtime",)}, {}),
        (EIGHT, {AGENTS: [GFX942] * 8}, {},
         {"rocminfo": "broken: rocminfo as alice lists no gfx942 for AMD Instinct MI300X at 0000:2c:00.0"}),
        (CPX, {AGENTS: [GFX942] * 7}, {},
         {"rocminfo": "broken: rocminfo as alice lists 7 of the 8 parts of gfx942 for AMD Instinct MI300X at 0000:18:00.0"}),
        (EIGHT, {AGENTS: [{"target": "gfx942", "address": None}] * 8}, {}, {}),
        (EIGHT, {AGENTS: [{"target": "gfx942", "address": None}] * 7}, {},
         {"rocminfo": "broken: rocminfo as alice lists no gfx942 for AMD Instinct MI300X at 0000:a4:00.0"}),
        (EIGHT, {"amd.seen_by.alice.clinfo": {"platforms": [], "trouble": {"message": "ERROR: clGetPlatformIDs(-1001)"}}}, {},
         {"clinfo": "broken: clinfo as alice: ERROR: clGetPlatformIDs(-1001)"}),
        (EIGHT, {"amd.seen_by.alice.clinfo": {"platforms": [{"name": "rusticl", "devices": [{**GFX942, "kind": "gpu"}]}]}}, {},
         {"clinfo": "broken: clinfo as alice: no platform is called AMD Accelerated Parallel Processing"}),
        (EIGHT, {"amd.smi": {"devices": 7}}, {}, {"amd_smi": "broken: amd-smi lists 7 of 8 GPUs"}),
        (EIGHT, {"amd.smi": {"devices": 0, "message": "Driver not initialized"}}, {},
         {"amd_smi": "broken: amd-smi lists 0 of 8 GPUs: Driver not initialized"}),
        ("noble-rx6700xt-rocm72", {f"{AGENTS}.0.target": "gfx1030"}, {}, {}),
        ("noble-rx6700xt-rocm72", {f"{AGENTS}.0.target": "gfx1032"}, {},
         {"rocminfo": "broken: rocminfo as alice lists no gfx1031 for AMD Radeon RX 6700 XT at 0000:03:00.0"}),
        ("nvidia-amd-mixed", {"amd.seen_by.alice.clinfo.platforms": []}, {},
         {"clinfo": "broken: clinfo as alice: no platform is called AMD Accelerated Parallel Processing"}),
    ],
)  # fmt: skip
def test_links(profile: str, changes: dict[str, Any], options: dict[str, Any], expected: dict[str, str]) -> None:
    assert not_ok(look(profile, changes, **options)) == expected


def test_a_session_that_is_older_than_the_membership() -> None:
    found = look(EIGHT, {"amd.access.users.alice.session_groups": ["alice", "video"]})
    assert found.status == "verified"
    assert next(link.reason for link in found.links if link.link == "access") == (
        "alice may use /dev/kfd; alice must log in again, running sessions do not have the groups yet")


def test_a_hold_is_of_what_decides_the_release() -> None:
    held = {f"packages.installed.{name}.held": True for name in ("amdgpu-dkms", "rocm-core", "rocminfo", "hsa-rocr")}
    assert not_ok(look(EIGHT, held, hold=True)) == {}
    del held["packages.installed.amdgpu-dkms.held"]
    assert not_ok(look(EIGHT, held, hold=True)) == {"lock": "broken: nothing keeps amdgpu-dkms at its release"}
    assert not_ok(look(EIGHT, {f"packages.installed.{name}.held": True for name in ("rocm-core", "rocminfo", "hsa-rocr")}, hold=True,
                       driver="none")) == {}


def test_absent() -> None:
    assert look(EIGHT, state="absent").status == "verified"
    left = look(EIGHT, {"packages.record": {"packages": {"rocminfo": "1"}}, "packages.own_files": {ROCM_UDEV: ""}}, state="absent")
    assert (left.status, left.broken_link) == ("failed", "packages")
    assert left.links[0].reason == f"rocminfo and {ROCM_UDEV} are still there"
