# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole screens, as people read them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Change
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Chosen, Link, Plan, Refusal, Step, Verification
from ansible_collections.gpufleet.node.plugins.module_utils._plan.text import screen
from hypothesis import given
from hypothesis import strategies as st

OLD, NEW = "550.163.01-2", "550.163.01-4~bpo13+1"
CHOSEN = Chosen("580.95.05", 580, "open", "nvidia_debian", "dkms", "580.95.05-1")
INSTALLED = {"installed_version": "550.163.01", "loaded_version": "550.163.01", "kernel_module": "proprietary", "origin": "debian",
             "managed_by": "packages", "held": True, "dkms": [{"module": "nvidia"}]}
VERIFIED = Verification("verified", (Link("nvml", "ok", "it answers"),))


def step(kind: str, what: str, disruptive: bool = False, **values: Any) -> Step:
    return Step(kind, what, "why", values, disruptive)


CHANGES = (
    Change("install", "nvidia-kernel-open-dkms", None, "580.95.05-1"),
    Change("remove", "nvidia-kernel-dkms", OLD, None),
    *(Change("upgrade", f"libnvidia-{number:02d}", OLD, "580.95.05-1") for number in range(14)),
    Change("downgrade", "dkms", "3.2.2-1", "3.1.8-1"),
)
SWITCH = Plan(
    "change",
    (
        step("file", "remember what is done", path="/var/lib/gpufleet/nvidia_driver.json"),
        step("key", "write the key", path="/usr/share/keyrings/gpufleet-nvidia.asc"),
        step("file", "write the repository", path="/etc/apt/sources.list.d/gpufleet-nvidia.sources"),
        step("file_absent", "remove the old hold", path="/etc/apt/preferences.d/old.pref"),
        step("packages", "install nvidia-kernel-open-dkms 580.95.05-1 and 16 more", disruptive=True),
        step("command", "rebuild the initramfs", argv=["update-initramfs", "-u", "-k", "all"]),
    ),
    ("580 is the newest supported long-term branch for >=560 that serves every GPU, supported until 2028-08",),
    (Refusal("ND-CUDA-NEWER", "warning", "CUDA 13.1 is here and wants branch 590", "version: \"590\"\nCompatibility packages do too."),),
    CHOSEN,
    CHANGES,
    ("module 550.163.01 is loaded, 580.95.05 is wanted",),
    {"services": ["nvidia-persistenced"], "processes": ["python3 (4242)"], "kernels": ["6.12.57+deb13-amd64"]},
)
SWITCH_SCREEN = """\
NVIDIA driver to be changed
Driver        550.163.01, proprietary, from debian, dkms, held -> 580.95.05, open, from
              nvidia_debian, dkms
Packages      - nvidia-kernel-dkms 550.163.01-2
              ~ dkms 3.2.2-1 -> 3.1.8-1
              ~ libnvidia-00 550.163.01-2 -> 580.95.05-1
              ~ libnvidia-01 550.163.01-2 -> 580.95.05-1
              ~ libnvidia-02 550.163.01-2 -> 580.95.05-1
              ~ libnvidia-03 550.163.01-2 -> 580.95.05-1
              ~ libnvidia-04 550.163.01-2 -> 580.95.05-1
              ~ libnvidia-05 550.163.01-2 -> 580.95.05-1
              ~ libnvidia-06 550.163.01-2 -> 580.95.05-1
              … and 8 more: 1 installed, 7 upgraded
              312 MiB to download
Repositories  + /etc/apt/sources.list.d/gpufleet-nvidia.sources
Files         + /var/lib/gpufleet/nvidia_driver.json
              + /usr/share/keyrings/gpufleet-nvidia.asc
              - /etc/apt/preferences.d/old.pref
Services      nvidia-persistenced
Processes     python3 (4242)
Kernels       6.12.57+deb13-amd64
Steps         1. remember what is done
              2. write the key
              3. write the repository
              4. remove the old hold
              5. install nvidia-kernel-open-dkms 580.95.05-1 and 16 more (not while jobs run)
              6. rebuild the initramfs
Kernel module a reboot is needed afterwards (and never done by this task): module 550.163.01 is
              loaded, 580.95.05 is wanted
Why           580 is the newest supported long-term branch for >=560 that serves every GPU,
              supported until 2028-08
Warning       ND-CUDA-NEWER CUDA 13.1 is here and wants branch 590
              -> version: "590"
                 Compatibility packages do too."""

REFUSED = Plan("refused", reasons=(), refusals=(
    Refusal("ND-ORIGIN-NO-GPU", "critical", "Tesla V100 ends with branch 580, B200 needs the open module", "put them into two machines",
            "0000:3b:00.0"),
    Refusal("ND-BUSY", "critical", "python3 (4242) uses the GPUs", "kill 4242\nOr when_busy: wait."),
))
REFUSED_SCREEN = """\
NVIDIA driver refused, nothing is changed
Refused       ND-ORIGIN-NO-GPU 0000:3b:00.0: Tesla V100 ends with branch 580, B200 needs the open
              module
              -> put them into two machines
Refused       ND-BUSY python3 (4242) uses the GPUs
              -> kill 4242
                 Or when_busy: wait.
Driver        none"""

NOTHING = Plan("nothing_to_do", (), ("550.163.01 is installed, >=530 allows it and it serves every GPU: it stays",), (),
               Chosen("550.163.01", 550, "proprietary", "debian", "dkms"))
NOTHING_SCREEN = """\
NVIDIA driver nothing to do
Driver        550.163.01, proprietary, from debian, dkms, held
Why           550.163.01 is installed, >=530 allows it and it serves every GPU: it stays
Seen          the driver is installed, loaded and answers"""

REBOOT = NOTHING._replace(reboot_reasons=("module 535.261.03 is loaded, 550.163.01 is wanted",))
LATER = Verification("after_reboot", (Link("packages", "ok", ""), Link("versions", "after_reboot", "module 535.261.03 is loaded")))
REBOOT_SCREEN = """\
NVIDIA driver nothing to do
Driver        550.163.01, proprietary, from debian, dkms, held, loaded is 535.261.03
Reboot        needed: module 535.261.03 is loaded, 550.163.01 is wanted
Why           550.163.01 is installed, >=530 allows it and it serves every GPU: it stays
Seen          versions: after a reboot: module 535.261.03 is loaded"""

UNLOAD, LOAD = step("command", "unload nvidia", argv=["rmmod", "nvidia"]), step("command", "load nvidia", argv=["modprobe", "nvidia"])
RELOAD = Plan("change", (UNLOAD, LOAD), ("idle",), (), CHOSEN)
RELOAD_SCREEN = """\
NVIDIA driver to be changed
Driver        none -> 580.95.05, open, from nvidia_debian, dkms
Steps         1. unload nvidia
              2. load nvidia
Kernel module reloaded, no reboot
Why           idle"""

ABSENT = Plan("change", (step("packages_absent", "remove nvidia-driver", names=["nvidia-driver"]),), (), (), None, (), ("it is loaded",))
ABSENT_SCREEN = """\
NVIDIA driver to be changed
Driver        550.163.01, proprietary, from debian, dkms, held -> none
Steps         1. remove nvidia-driver
Kernel module a reboot is needed afterwards (and never done by this task): it is loaded"""

NO_GPU = "PCI shows no NVIDIA GPU: there is nothing to install a driver for"
SKIPPED = Plan("skipped", (), (NO_GPU,), (Refusal("ND-NO-GPU", "warning", NO_GPU, "lspci -d 10de:"),))
GONE = NOTHING._replace(chosen=None, reasons=("none is installed",))
GONE_SCREEN = """\
NVIDIA driver nothing to do
Driver        none
Why           none is installed"""

HANGS = Verification("failed", (Link("nvml", "broken", "the driver does not answer for H100: timeout"),), "nvml")
HANGS_SCREEN = """\
NVIDIA driver nothing to do
Driver        550.163.01, proprietary, from debian, dkms, held
Why           550.163.01 is installed, >=530 allows it and it serves every GPU: it stays
Seen          nvml: the driver does not answer for H100: timeout
Next          -> sudo systemctl reboot"""
FINDINGS = [{"code": "ROCM-OLD", "severity": "critical", "remedy": "no"},
            {"code": "NV-BRANCH-ENDED", "severity": "warning", "remedy": "no"},
            {"code": "NV-SMI-HANGS", "severity": "critical", "remedy": "sudo systemctl reboot\nIt hangs."}]

SKIPPED_SCREEN = """\
NVIDIA driver skipped
Warning       ND-NO-GPU PCI shows no NVIDIA GPU: there is nothing to install a driver for
              -> lspci -d 10de:"""


@pytest.mark.parametrize(
    ("plan", "before", "verification", "expected"),
    [
        (SWITCH, INSTALLED, VERIFIED, SWITCH_SCREEN),
        (REFUSED, None, None, REFUSED_SCREEN),
        (NOTHING, INSTALLED, VERIFIED, NOTHING_SCREEN),
        (REBOOT, {**INSTALLED, "loaded_version": "535.261.03"}, LATER, REBOOT_SCREEN),
        (RELOAD, {}, None, RELOAD_SCREEN),
        (ABSENT, INSTALLED, None, ABSENT_SCREEN),
        (SKIPPED, None, VERIFIED, SKIPPED_SCREEN),
        (GONE, None, VERIFIED, GONE_SCREEN),
        (NOTHING, INSTALLED, HANGS, HANGS_SCREEN),
        (REFUSED, None, HANGS, REFUSED_SCREEN),  # that a bare host has no driver is no news
    ],
    ids=["switch", "refused", "nothing", "reboot", "reload", "absent", "skipped", "gone", "hangs", "bare"],
)
def test_screen(plan: Plan, before: Any, verification: Verification | None, expected: str) -> None:
    assert "\n".join(screen(plan, before, verification, 320000 if plan is SWITCH else None, FINDINGS)) == expected


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        ({}, "none"),
        ({"installed_version": "580.95.05", "loaded_version": None}, "580.95.05, not loaded"),
        ({"installed_version": None, "loaded_version": "581.57", "managed_by": "wsl"}, "not installed, managed by wsl, loaded is 581.57"),
        ({"installed_version": "580.95.05", "loaded_version": "580.95.05", "managed_by": "runfile"}, "580.95.05, managed by runfile"),
    ],
)
def test_what_is_there(driver: dict[str, Any], expected: str) -> None:
    assert screen(Plan("nothing_to_do"), driver)[1] == f"Driver        {expected}"


def test_a_long_plan_stays_on_one_screen() -> None:
    steps = tuple(step("command", f"do {number}", argv=["true"]) for number in range(40))
    changes = tuple(Change("install", f"p{number}", None, "1") for number in range(300))
    assert len(screen(SWITCH._replace(steps=steps, packages=changes), INSTALLED)) < 45


@given(st.text(), st.text(max_size=300))
def test_no_line_is_long_or_steers_a_terminal(name: str, message: str) -> None:
    plan = SWITCH._replace(packages=(Change("install", name, None, message),), refusals=(Refusal("ND-X", "warning", message, "true"),))
    for line in screen(plan, {**INSTALLED, "origin": name}):
        assert len(line) <= 100
        assert line.isprintable()


@pytest.mark.parametrize(("subject", "message", "expected"), [
    ("0000:17:00.0", "NVIDIA L4 is bound to vfio-pci", "ND-X 0000:17:00.0: NVIDIA L4 is bound to vfio-pci"),
    ("kernel 6.8.0-88-generic", "kernel 6.8.0-88-generic has no headers", "ND-X kernel 6.8.0-88-generic has no headers"),
    ("Secure Boot", "Secure Boot is on", "ND-X Secure Boot is on"),
    ("node", "this is a container", "ND-X this is a container"),
])
def test_a_subject_is_told_once(subject: str, message: str, expected: str) -> None:
    plan = Plan("refused", refusals=(Refusal("ND-X", "critical", message, "true", subject),))
    assert screen(plan)[1] == f"Refused       {expected}"
