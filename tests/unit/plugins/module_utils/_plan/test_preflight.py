# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each refusal and warning on a machine that shows it; on a machine without it there is none."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Closure
from ansible_collections.gpufleet.node.plugins.module_utils._plan import _owners, _preflight
from ansible_collections.gpufleet.node.plugins.module_utils._plan._preflight_room import needed_mib
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Chosen
from planlab import order_of
from planned_node import NOTHING, change, chosen, holder, node

TODAY = "2026-11-23"
BARE = "trixie-rtx4090-bare"
GOOD = "rtx4090-healthy"
LOOSE = "persistence-off"  # nothing holds its driver
INSTALL = Closure((change("nvidia-kernel-dkms"), change("gcc-14", "14.2.0-19")))


def short(found: Any) -> list[tuple[str, str, str]]:
    return [(one.severity, one.code, one.subject) for one in found]


def before(profile: str, changes: dict[str, Any] | None = None, **options: Any) -> list[tuple[str, str, str]]:
    return short(_preflight.before(node(profile, changes), order_of(**options), TODAY))


def after(profile: str, changes: dict[str, Any] | None, which: Chosen, closure: Closure, **options: Any) -> Any:
    return _preflight.after(node(profile, changes), order_of(**options), which, closure, TODAY)


@pytest.mark.parametrize(
    ("profile", "option", "severity"),
    [("no-gpu", "skip", "warning"), ("no-gpu", "fail", "critical"), ("mi210", "skip", "warning"), ("intel-only", "fail", "critical")],
)
def test_no_gpu(profile: str, option: str, severity: str) -> None:
    found = _owners.no_gpu(node(profile), order_of(when_no_gpu=option))
    assert found is not None
    assert (found.severity, found.code) == (severity, "ND-NO-GPU")
    assert found.message == "PCI shows no NVIDIA GPU: there is nothing to install a driver for"


@pytest.mark.parametrize("profile", [GOOD, BARE, "vfio-host", "nvidia-amd-mixed"])
def test_a_gpu_is_there(profile: str) -> None:
    assert _owners.no_gpu(node(profile), order_of()) is None


def test_where_pci_cannot_be_read_nobody_says_that_there_is_no_gpu() -> None:
    inventory = node("no-gpu")
    inventory.problems.append({"source": "pci", "code": "unreadable", "message": "x"})
    assert _owners.no_gpu(inventory, order_of()) is None


JOB = {"health.gpu_holders": [holder()]}
DAEMON = {"health.gpu_holders": [holder("nvidia-persiste", 900, service=True)]}
KUBELET = {"name": "kubelet", "node": "node1", "drained": False}
SLURMD = {"name": "slurmd", "node": "node1", "drained": False}
PIN = {"kind": "apt_pin", "pattern": "nvidia-* libcuda1", "path": "/etc/apt/preferences.d/site", "pin": "version 535.*", "priority": 1001}
# dnf 5 lists the versions that packages had; the record has the patterns.
LOCKED_5: dict[str, Any] = {"system.programs": ["dnf5"], "packages.locks": [
    {"kind": "dnf_versionlock", "pattern": "nvidia-driver-cuda evr = 3:580.95.05-1.el9", "path": "/etc/dnf/versionlock.toml"}]}
PINNING = {**PIN, "path": "/etc/apt/preferences.d/nvidia-driver-pinning-580.pref", "pin": "version 580.*"}
HOLDER = {"pid": 812, "name": "unattended-upgr"}


@pytest.mark.parametrize(
    ("profile", "changes", "options", "expected"),
    [
        (BARE, {}, {}, []),
        (GOOD, {}, {}, []),
        ("container-without-gpu", {}, {}, [("critical", "ND-CONTAINER", "node")]),
        ("vfio-host", {}, {}, [("critical", "ND-PASSED-THROUGH", "0000:17:00.0"), ("critical", "ND-PASSED-THROUGH", "0000:ca:00.0")]),
        ("vfio-host", {"devices.0.pci.kernel_driver": None}, {}, [("warning", "ND-PASSED-THROUGH", "0000:ca:00.0")]),
        ("packages-broken", {}, {}, [("warning", "ND-HALF-CONFIGURED", "packages")]),
        ("mixed-origin-packages", {}, {}, [("critical", "ND-MIXED-ORIGIN", "packages")]),
        ("mixed-origin-packages", {}, {"acknowledge": ["ND-MIXED-ORIGIN"]}, [("warning", "ND-MIXED-ORIGIN", "packages")]),
        (
            "mixed-origin-packages",
            {"packages.record": {"packages": {"libcuda1": "580.95.05-1"}}},
            {},
            [("warning", "ND-MIXED-ORIGIN", "packages")],
        ),
        ("runfile-only", {}, {}, []),
        ("runfile-only", {}, {"version": "595"}, [("critical", "ND-RUNFILE", "node")]),
        ("runfile-leftovers", {}, {}, [("critical", "ND-RUNFILE", "node")]),
        ("runfile-only", {}, {"replace_runfile": True}, []),
        (
            "runfile-only",
            {"packages.runfile.paths": ["/var/lib/nvidia/log"]},
            {"replace_runfile": True},
            [("critical", "ND-RUNFILE-NO-UNINSTALLER", "node")],
        ),
        ("driver-470-old", {}, {}, [("critical", "ND-HELD", "packages")]),
        ("driver-470-old", {}, {"version": "470"}, []),
        (LOOSE, {"packages.locks": [PIN]}, {"version": "595"}, [("critical", "ND-LOCKED-VERSION", "packages")]),
        (LOOSE, {"packages.locks": [{**PIN, "priority": 500}]}, {"version": "595"}, []),
        (
            "driver-branch-ended",
            {"packages.locks": [{**PIN, "path": "/etc/apt/preferences.d/gpufleet-nvidia-driver.pref"}]},
            {"version": "580"},
            [],
        ),
        (
            LOOSE,
            {"packages.locks": [PIN], "packages.record": {"locks": [{"patterns": [PIN["pattern"]]}]}},
            {"version": "595"},
            [],
        ),
        ("rocky9-t4", LOCKED_5, {"version": "595"}, [("critical", "ND-LOCKED-VERSION", "packages")]),
        ("rocky9-t4", {**LOCKED_5, "packages.record": {"locks": [{"patterns": ["nvidia-driver-cuda*-3:580.*"]}]}}, {"version": "595"}, []),
        (
            LOOSE,
            {"packages.locks": [PINNING], "packages.installed.nvidia-driver-pinning-580": {"version": "580-1"}},
            {"version": "595"},
            [],
        ),
        (LOOSE, {"packages.locks": [PINNING]}, {"version": "595"}, [("critical", "ND-LOCKED-VERSION", "packages")]),
        (LOOSE, {"nvidia.driver.origin": "ppa"}, {"version": "595"}, [("critical", "ND-THIRD-PARTY", "packages")]),
        (LOOSE, {"nvidia.driver.origin": "ppa"}, {"version": "580"}, []),
        (BARE, {"packages.lock_holder": HOLDER}, {}, [("warning", "ND-PACKAGE-MANAGER-BUSY", "packages")]),
        (BARE, {"packages.lock_holder": HOLDER}, {"wait_for_lock": 0}, [("critical", "ND-PACKAGE-MANAGER-BUSY", "packages")]),
        (GOOD, JOB, {}, [("critical", "ND-BUSY", "node")]),
        (GOOD, JOB, {"when_busy": "wait"}, [("warning", "ND-BUSY", "node")]),
        (GOOD, JOB, {"when_busy": "proceed"}, [("warning", "ND-BUSY", "node")]),
        (GOOD, DAEMON, {}, []),
        (GOOD, {"health.gpu_holders": None}, {}, []),
        ("h100-mig", {}, {}, []),
        ("h100-mig", {"health.gpu_holders": None}, {}, [("critical", "ND-BUSY-MIG", "0000:17:00.0")]),
        ("h100-mig", JOB, {}, [("critical", "ND-BUSY", "node"), ("critical", "ND-BUSY-MIG", "0000:17:00.0")]),
        (GOOD, {"health.workload_managers": [KUBELET]}, {}, [("critical", "ND-NOT-DRAINED-KUBELET", "kubelet")]),
        (GOOD, {"health.workload_managers": [SLURMD]}, {}, [("critical", "ND-NOT-DRAINED-SLURMD", "slurmd")]),
        (GOOD, {"health.workload_managers": [{**SLURMD, "drained": None}]}, {}, [("warning", "ND-DRAIN-UNKNOWN", "slurmd")]),
        (GOOD, {"health.workload_managers": [{**KUBELET, "drained": True}]}, {}, []),
    ],
)
def test_before(profile: str, changes: dict[str, Any], options: dict[str, Any], expected: list[Any]) -> None:
    assert before(profile, changes, **options) == expected


@pytest.mark.parametrize(
    ("profile", "changes", "code"),
    [
        ("gpu-operator", {}, "ND-OWNER-OPERATOR"),
        ("vgpu-guest", {}, "ND-OWNER-VGPU"),
        ("wsl", {}, "ND-OWNER-WSL"),
        ("gb10-unified-memory", {}, "ND-OWNER-DGX-OS"),
        (GOOD, {"nvidia.driver.managed_by": "jetpack"}, "ND-OWNER-JETPACK"),
        (GOOD, {"nvidia.driver.managed_by": "image"}, "ND-OWNER-IMAGE"),
        (GOOD, {"system.image_based": True}, "ND-OWNER-IMAGE"),
    ],
)
def test_a_driver_of_somebody_else_serves_or_is_refused(profile: str, changes: dict[str, Any], code: str) -> None:
    inventory = node(profile, changes)
    assert _owners.owner_serves(inventory, order_of())
    assert short(_preflight.before(inventory, order_of(), TODAY)) == []
    other = order_of(version="<500")
    assert not _owners.owner_serves(inventory, other)
    assert short(_preflight.before(inventory, other, TODAY))[0] == ("critical", code, "node")
    assert not _owners.owner_serves(inventory, order_of(state="absent"))


@pytest.mark.parametrize("profile", [GOOD, BARE, "runfile-leftovers"])
def test_packages_and_nothing_are_nobody_elses(profile: str) -> None:
    assert not _owners.owner_serves(node(profile), order_of())


@pytest.mark.parametrize(("options", "serves"), [({}, True), ({"version": "595"}, False), ({"replace_runfile": True}, False)])
def test_a_runfile_driver_that_satisfies_the_wish_is_fine(options: dict[str, Any], serves: bool) -> None:
    assert _owners.owner_serves(node("runfile-only"), order_of(**options)) is serves


def headers(release: str, state: bool | None = False) -> dict[str, Any]:
    return {"release": release, "next_boot": True, "headers": state, "modules": {}}


def toolkit(version: str) -> dict[str, Any]:
    return {"software.cuda_toolkits": [{"version": version, "path": f"/usr/local/cuda-{version}"}]}


def wheel(backend: str) -> dict[str, Any]:
    return {"software.pytorch": [{"version": "2.9.1", "backend": backend, "path": "/opt/torch"}]}


RUNNING = "6.12.57+deb13-amd64"
EL = "5.14.0-570.58.1.el9_6.x86_64"
ROCKY = "rocky9-t4-bare"
EL_VERSION = "5.14.0-570.58.1.el9_6"
TWO_EL = [headers(EL), {**headers("5.14.0-570.12.1.el9_6.x86_64", True), "next_boot": False}]
PREBUILT = Closure((*INSTALL.changes, change(f"linux-modules-nvidia-580-open-{RUNNING}", "6.12.57-1")))
IMAGE = change("linux-image-7.0.0-9-generic", "7.0.0-9.9")
NEXT_BOOT = ("critical", "ND-NEXT-BOOT", f"kernel {RUNNING}")
OLD_KERNEL = {
    "kernel.release": "3.10.0-1160.el7.x86_64",
    "kernel.next_boot_release": "3.10.0-1160.el7.x86_64",
    "kernel.installed": [headers("3.10.0-1160.el7.x86_64", True)],
}
NEW_KERNEL = {"kernel.installed": [headers("6.19.2-amd64", True)], "kernel.next_boot_release": "6.19.2-amd64"}
CUDA_NEWER = ("warning", "ND-CUDA-NEWER", "CUDA toolkit")
ENDED = ("warning", "ND-BRANCH-ENDED", "branch")
CONTAINERS = {"software.container_toolkit": {"version": "1.17.8", "cdi_specs": []}}
MOK = "DKMS module signing key"
TIGHT = {"/boot": 700, "/usr": 100, "/var": 30000}
SIZED = INSTALL._replace(disk_kib=900 * 1024, download_kib=300 * 1024)


@pytest.mark.parametrize(
    ("profile", "changes", "which", "closure", "options", "expected"),
    [
        (BARE, {}, chosen("580.95.05"), INSTALL, {}, []),
        (BARE, {}, chosen("580.95.05"), NOTHING, {}, []),
        (BARE, {}, chosen("550.163.01"), INSTALL, {}, [("warning", "ND-BRANCH-ENDED", "branch")]),
        (BARE, OLD_KERNEL, chosen("580.95.05"), INSTALL, {}, [("critical", "ND-KERNEL-TOO-OLD", "kernel 3.10.0-1160.el7.x86_64")]),
        (
            BARE,
            {"kernel.installed": [headers(RUNNING)]},
            chosen("580.95.05"),
            INSTALL,
            {},
            [("critical", "ND-NO-HEADERS", f"kernel {RUNNING}")],
        ),
        (BARE, {"kernel.installed": [headers(RUNNING)]}, chosen("580.95.05", build="prebuilt"), PREBUILT, {}, []),
        (BARE, {"kernel.installed": [headers(RUNNING)]}, chosen("580.95.05", build="prebuilt"), INSTALL, {}, [NEXT_BOOT]),
        (BARE, {"kernel.installed": [{**headers(RUNNING), "modules": {"nvidia": {"version": "580.95.05"}}}]},
         chosen("580.95.05", build="prebuilt"), INSTALL, {}, []),
        (BARE, {"kernel.installed": [{**headers(RUNNING), "modules": {"nvidia": {"version": "570.1.1"}}}]},
         chosen("580.95.05", build="prebuilt"), INSTALL, {}, [NEXT_BOOT]),
        (BARE, {}, chosen("580.95.05"), Closure((*INSTALL.changes, IMAGE)), {}, [("critical", "ND-NEXT-BOOT", "kernel 7.0.0-9-generic")]),
        (BARE, {}, chosen("580.95.05"), Closure((*INSTALL.changes, IMAGE, change("linux-headers-7.0.0-9-generic", "7.0.0-9.9"))), {}, []),
        (BARE, {}, chosen("580.95.05", build="prebuilt"),
         Closure((*PREBUILT.changes, IMAGE, change("linux-modules-nvidia-580-open-7.0.0-9-generic", "7.0.0-9.9"))), {}, []),
        (BARE, {}, chosen("580.95.05", build="prebuilt"), Closure((*PREBUILT.changes, IMAGE)), {},
         [("critical", "ND-NEXT-BOOT", "kernel 7.0.0-9-generic")]),
        (
            BARE,
            {"kernel.installed": [headers(RUNNING)]},
            chosen("580.95.05"),
            Closure((*INSTALL.changes, change(f"linux-headers-{RUNNING}", "6.12.57-1"))),
            {},
            [],
        ),
        (
            BARE,
            {
                "kernel.installed": [headers("6.12.99+deb13-amd64", True), {**headers(RUNNING), "next_boot": False}],
                "kernel.next_boot_release": "6.12.99+deb13-amd64",
            },
            chosen("580.95.05"),
            INSTALL,
            {},
            [("warning", "ND-NO-HEADERS", f"kernel {RUNNING}")],
        ),
        # Of Enterprise Linux the version of kernel-devel tells the kernel, and several of them may be there or come.
        (ROCKY, {"kernel.installed": TWO_EL}, chosen("580.95.05"), Closure((change("kernel-devel", EL_VERSION),)), {}, []),
        (ROCKY, {"kernel.installed": TWO_EL}, chosen("580.95.05"),
         Closure((change("kernel-devel", "5.14.0-570.12.1.el9_6"), change("kernel-devel", EL_VERSION))), {}, []),
        (ROCKY, {"kernel.installed": TWO_EL}, chosen("580.95.05"), Closure((change("kernel-devel", "5.14.0-570.12.1.el9_6"),)), {},
         [("critical", "ND-NO-HEADERS", f"kernel {EL}")]),
        (ROCKY, {"kernel.installed": TWO_EL}, chosen("580.95.05"), Closure((change("kernel-headers", EL_VERSION),)), {},
         [("critical", "ND-NO-HEADERS", f"kernel {EL}")]),
        (
            BARE,
            {},
            chosen("580.95.05"),
            Closure((change("nvidia-kernel-dkms"), change("gcc-13", "13.3.0-1"))),
            {},
            [("critical", "ND-COMPILER", "compiler")],
        ),
        (
            BARE,
            {"packages.installed.gcc": {"version": "4:12.2.0-3"}},
            chosen("580.95.05"),
            NOTHING,
            {},
            [("critical", "ND-COMPILER", "compiler")],
        ),
        (BARE, {"packages.installed.gcc": {"version": "4:14.2.0-1"}}, chosen("580.95.05"), NOTHING, {}, []),
        (BARE, {"kernel.compiler": "clang 18.1.8"}, chosen("580.95.05"), Closure((change("gcc-13", "13.3.0-1"),)), {}, []),
        (BARE, {"kernel.secure_boot": True}, chosen("580.95.05"), INSTALL, {}, [("critical", "ND-SECURE-BOOT", "Secure Boot")]),
        (BARE, {"kernel.secure_boot": True, "kernel.mok_enrolled": [MOK], "kernel.signing_key": MOK}, chosen("580.95.05"), INSTALL, {}, []),
        (
            BARE,
            {"kernel.secure_boot": True, "kernel.mok_enrolled": ["Debian Secure Boot CA"], "kernel.signing_key": MOK},
            chosen("580.95.05"),
            INSTALL,
            {},
            [("critical", "ND-SECURE-BOOT", "Secure Boot")],
        ),
        (BARE, {"kernel.secure_boot": True}, chosen("580.95.05", build="prebuilt"), PREBUILT, {}, []),
        (BARE, {"system.free_mib": TIGHT}, chosen("580.95.05"), INSTALL, {}, [("critical", "ND-NO-SPACE", "/usr")]),
        (BARE, {"system.free_mib": TIGHT}, chosen("580.95.05"), NOTHING, {}, []),
        (BARE, {"system.free_mib": {}}, chosen("580.95.05"), SIZED, {}, []),
        (BARE, {"system.free_mib": {"/usr": 1500, "/var": 1500}}, chosen("580.95.05"), SIZED, {}, [("critical", "ND-NO-SPACE", "/usr")]),
        (BARE, {"system.free_mib": {"/usr": 1500, "/var": 1501}}, chosen("580.95.05"), SIZED, {}, []),
        (
            "cuda-newer-than-driver",
            {},
            chosen("550.163.01"),
            NOTHING,
            {},
            [("warning", "ND-BRANCH-ENDED", "branch"), ("warning", "ND-CUDA-NEWER", "CUDA toolkit")],
        ),
        (
            BARE,
            {"software.pytorch": [{"version": "2.9.1", "backend": "cu130", "path": "/opt/torch"}]},
            chosen("570.195.03"),
            INSTALL,
            {"acknowledge": ["ND-BRANCH-ENDED"]},
            [("warning", "ND-BRANCH-ENDED", "branch"), ("warning", "ND-CUDA-NEWER", "PyTorch")],
        ),
        (BARE, NEW_KERNEL, chosen("580.95.05", origin="nvidia_debian"), INSTALL, {},
         [("critical", "ND-KERNEL-TOO-NEW", "kernel 6.19.2-amd64")]),
        (BARE, NEW_KERNEL, chosen("580.95.05", origin="nvidia_debian"), INSTALL, {"acknowledge": ["ND-KERNEL-TOO-NEW"]},
         [("warning", "ND-KERNEL-TOO-NEW", "kernel 6.19.2-amd64")]),
        (BARE, NEW_KERNEL, chosen("580.126.09", origin="nvidia_debian"), INSTALL, {},
         [("warning", "ND-KERNEL-TOO-NEW", "kernel 6.19.2-amd64")]),
        (BARE, NEW_KERNEL, chosen("580.126.18", origin="nvidia_debian"), INSTALL, {}, []),
        (BARE, toolkit("13.2"), chosen("580.65.06"), INSTALL, {}, []),
        (BARE, toolkit("13.2"), chosen("580.65.01"), INSTALL, {}, [CUDA_NEWER]),
        (BARE, toolkit("12.9"), chosen("580.95.05"), INSTALL, {}, []),
        (BARE, toolkit("10.2"), chosen("418.226.00"), INSTALL, {}, [ENDED, CUDA_NEWER]),
        (BARE, toolkit("14.0"), chosen("580.95.05"), INSTALL, {}, [CUDA_NEWER]),
        (BARE, toolkit("15.1"), chosen("999.10.01"), INSTALL, {}, [("warning", "ND-BRANCH-UNKNOWN", "branch")]),
        (BARE, wheel("cu126"), chosen("580.95.05"), INSTALL, {}, []),
        (BARE, wheel("rocm6.4"), chosen("580.95.05"), INSTALL, {}, []),
        (BARE, CONTAINERS, chosen("390.157"), INSTALL, {}, [ENDED, ("warning", "ND-CONTAINER-NEWER", "container toolkit")]),
        (BARE, CONTAINERS, chosen("580.95.05"), INSTALL, {}, []),
        (
            "driver-470-old",
            {},
            chosen("580.95.05"),
            Closure((change("nvidia-dkms-470-server", "470.256.02-0ubuntu1", "470.256.02-0ubuntu0.24.04.2"),)),
            {},
            [("critical", "ND-HELD", "packages")],
        ),
    ],
)
def test_after(
    profile: str, changes: dict[str, Any], which: Chosen, closure: Closure, options: dict[str, Any], expected: list[Any]
) -> None:
    assert short(after(profile, changes, which, closure, **options)) == expected


@pytest.mark.parametrize(
    ("profile", "changes", "which", "message", "remedy"),
    [
        (
            BARE,
            {},
            chosen("550.163.01"),
            "the support of branch 550 has ended: no more security updates; its successor is 580",
            'version: "580"',
        ),
        (
            BARE,
            {"kernel.installed": [headers(RUNNING)]},
            chosen("580.95.05"),
            f"kernel {RUNNING} has no headers, and no repository offers linux-headers-{RUNNING}: its module cannot be built",
            f"sudo apt-get install linux-headers-{RUNNING}",
        ),
        (
            "rocky9-t4",
            {"kernel.installed.0.headers": False},
            chosen("580.95.05"),
            f"kernel {EL} has no headers, and no repository offers kernel-devel-{EL}: its module cannot be built",
            f"sudo dnf install kernel-devel-{EL}",
        ),
        (
            BARE,
            {"packages.installed.gcc-13": {"version": "13.3.0-1"}},
            chosen("580.95.05"),
            f"kernel {RUNNING} was built with gcc 14, and this node has gcc 13: modules would not build or not load",
            "extra_packages: [gcc-14]",
        ),
        (
            BARE,
            {"kernel.secure_boot": True},
            chosen("580.95.05"),
            "Secure Boot is on and no key of this node is enrolled: the module of driver 580.95.05 would be built and then refused by the"
            " kernel",
            "sudo mokutil --import /var/lib/dkms/mok.pub",
        ),
        (BARE, NEW_KERNEL, chosen("580.95.05", origin="nvidia_debian"),
         "kernel 6.19.2-amd64 is too new for driver 580.95.05-2 of nvidia_debian: its module does not build for Linux 6.19 and later; use"
         " version 580.126.18", 'version: "580.126.18"'),
        (BARE, toolkit("13.2"), chosen("580.65.01"),
         "CUDA toolkit 13.2 in /usr/local/cuda-13.2 needs driver 580.65.06 or newer; 580.65.01 serves programs up to CUDA 13.0",
         'version: ">=580"'),
        (BARE, toolkit("14.0"), chosen("580.95.05"),
         "CUDA toolkit 14.0 in /usr/local/cuda-14.0 needs a driver for CUDA 14.0; 580.95.05 serves programs up to CUDA 13.0",
         'version: ">=620"'),
    ],
)
def test_words(profile: str, changes: dict[str, Any], which: Chosen, message: str, remedy: str) -> None:
    found = after(profile, changes, which, NOTHING)
    assert (found[0].message, found[0].remedy.splitlines()[0]) == (message, remedy)


@pytest.mark.parametrize(
    ("profile", "changes", "options", "message", "remedy"),
    [
        (GOOD, JOB, {}, "in use by python3 (4242)", "when_busy: wait"),
        (
            GOOD,
            {"health.workload_managers": [SLURMD]},
            {},
            "slurmd runs, and node node1 takes new jobs",
            "sudo scontrol update nodename=node1 state=drain reason=nvidia_driver",
        ),
        (
            BARE,
            {"packages.lock_holder": HOLDER},
            {"wait_for_lock": 30},
            "unattended-upgr (process 812) holds the lock of the package manager; wait_for_lock is 30 s",
            "ps -fp 812",
        ),
        (
            "gpu-operator",
            {},
            {"version": "590"},
            "the driver container of NVIDIA's GPU Operator manages the driver here (580.95.05), which does not satisfy 590",
            "kubectl edit clusterpolicies.nvidia.com cluster-policy",
        ),
        (
            LOOSE,
            {"packages.locks": [PIN]},
            {"version": "595"},
            None,
            "sudoedit /etc/apt/preferences.d/site",
        ),
    ],
)
def test_words_before(profile: str, changes: dict[str, Any], options: dict[str, Any], message: str | None, remedy: str) -> None:
    found = _preflight.before(node(profile, changes), order_of(**options), TODAY)[0]
    assert found.remedy.splitlines()[0] == remedy
    assert message is None or found.message == message


def test_what_would_do_is_named_as_options() -> None:
    assert after(BARE, {}, chosen("550.163.01"), NOTHING)[0].use == ({"version": "580"},)
    assert _preflight.before(node("runfile-leftovers"), order_of(), TODAY)[0].use == ({"replace_runfile": "true"},)


def test_a_date_ends_the_support_of_a_branch_that_the_table_still_calls_supported() -> None:
    order, which = order_of(), chosen("580.95.05")
    assert _preflight.after(node(BARE), order, which, NOTHING, "2028-01-01") == []
    found = _preflight.after(node(BARE), order, which, NOTHING, "2039-01-01")
    assert [(one.code, one.use) for one in found] == [("ND-BRANCH-ENDED", ())]


@pytest.mark.parametrize(
    ("offered", "use", "words"),
    [
        ((535, 550), {"version": "580", "origin": "nvidia"}, "its successor is 580, which debian does not have"),
        ((550, 580, 590), {"version": "580"}, "its successor is 580"),
        ((550, 595), {"version": "595"}, "its successor is 595"),
        ((), {"version": "580"}, "its successor is 580"),  # nobody was asked
    ],
)
def test_the_successor_of_a_branch_is_one_that_can_be_had(offered: tuple[int, ...], use: dict[str, str], words: str) -> None:
    found = after(BARE, {}, chosen("550.163.01")._replace(offered=offered), NOTHING)[0]
    assert (found.code, found.use) == ("ND-BRANCH-ENDED", (use,))
    assert found.message.endswith(words)
    assert found.remedy.startswith(", ".join(f'{key}: "{value}"' if key == "version" else f"{key}: {value}" for key, value in use.items()))


@pytest.mark.parametrize(
    ("closure", "build", "needed"),
    [
        (NOTHING, "dkms", {}),
        (Closure((change("nvidia-driver", None),)), "dkms", {}),
        (INSTALL, "prebuilt", {"/usr": 1500, "/var": 600, "/boot": 128}),
        (INSTALL, "dkms", {"/usr": 1500, "/var": 1300, "/boot": 128}),
        (SIZED, "dkms", {"/usr": 900, "/var": 1000, "/boot": 128}),
        (INSTALL._replace(disk_kib=-5000, download_kib=1), "prebuilt", {"/usr": 0, "/var": 1, "/boot": 128}),
    ],
)
def test_space_that_is_needed(closure: Closure, build: str, needed: dict[str, int]) -> None:
    assert needed_mib(closure, build == "dkms") == needed
