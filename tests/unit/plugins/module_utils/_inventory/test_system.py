# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._system import (
    cgroup_version,
    container_of_cgroups,
    container_of_mounts,
    hypervisor_of,
    parse_os_release,
    read_system,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import command, node

V1 = "30 23 0:26 / /sys/fs/cgroup/devices rw,nosuid - cgroup cgroup rw,devices\n"
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
PLAIN_ROOT = "27 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw\n"
DOCKER_ROOT = (
    "612 500 0:57 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/AAA,upperdir=/var/lib/docker/overlay2/b/diff\n"
)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.5"\n', "ID_LIKE", "rhel centos fedora"),
        ("ID=debian\n# a comment\nVERSION_ID='13'\n", "VERSION_ID", "13"),
        ('PRETTY_NAME="a \\"b\\" c"\n', "PRETTY_NAME", 'a "b" c'),
        ("ID=opensuse-leap", "ID", "opensuse-leap"),
    ],
)
def test_os_release(text: str, name: str, value: str) -> None:
    assert parse_os_release(text)[name] == value


@pytest.mark.parametrize("text", ["", "no assignment here", "lower=case"])
def test_os_release_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="no assignment"):
        parse_os_release(text)


@pytest.mark.parametrize(("mounts", "version"), [(V1, 1), (V2, 2), (V1 + V2, 1), (PLAIN_ROOT, None), ("", None)])
def test_cgroup_version(mounts: str, version: int | None) -> None:
    assert cgroup_version(mounts) == version


@pytest.mark.parametrize(
    ("mounts", "container"), [(DOCKER_ROOT, True), (PLAIN_ROOT, False), (PLAIN_ROOT + DOCKER_ROOT, False), ("x y z", False)]
)
def test_container_of_mounts(mounts: str, container: bool) -> None:
    assert container_of_mounts(mounts) is container


@pytest.mark.parametrize(
    ("groups", "container"),
    [
        ("0::/\n", False),
        ("0::/init.scope\n", False),
        ("0::/kubepods.slice/kubepods-burstable.slice/x.scope\n", True),
        ("5:devices:/docker/0123abcd\n", True),
    ],
)
def test_container_of_cgroups(groups: str, container: bool) -> None:
    assert container_of_cgroups(groups) is container


@pytest.mark.parametrize(
    ("names", "hypervisor"),
    [
        (["Amazon EC2", "p5.48xlarge"], "amazon"),
        (["Amazon EC2", "g4dn.metal"], None),
        (["QEMU", "Standard PC (Q35)"], "qemu"),
        (["Red Hat", "KVM"], "kvm"),
        (["Microsoft Corporation", "Virtual Machine"], "microsoft"),
        (["Microsoft Corporation", "Surface Laptop"], None),
        (["Google", "Google Compute Engine"], "google"),
        (["VMware, Inc.", "VMware7,1"], "vmware"),
        (["Supermicro", "SYS-821GE-TNHR"], None),
        ([None, None], None),
    ],
)
def test_hypervisor(names: list[str | None], hypervisor: str | None) -> None:
    assert hypervisor_of(names) == hypervisor


NOTHING: dict[str, object] = {
    "distribution": None,
    "distribution_version": None,
    "distribution_like": [],
    "architecture": None,
    "container": None,
    "wsl": None,
    "hypervisor": None,
}
UBUNTU = {"/etc/os-release": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n'}


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ({}, NOTHING),
        (
            {
                "files": {
                    **UBUNTU,
                    "/proc/sys/kernel/osrelease": "6.8.0-44-generic\n",
                    "/proc/sys/kernel/arch": "x86_64\n",
                    "/sys/class/dmi/id/sys_vendor": "Dell Inc.\n",
                }
            },
            {
                "distribution": "ubuntu",
                "distribution_version": "24.04",
                "distribution_like": ["debian"],
                "architecture": "x86_64",
                "container": False,
                "wsl": False,
                "hypervisor": None,
            },
        ),
        (
            {
                "files": {
                    **UBUNTU,
                    "/proc/sys/kernel/osrelease": "5.15.167.4-microsoft-standard-WSL2\n",
                    "/run/systemd/container": "wsl\n",
                },
                "commands": [command("uname -m", "aarch64\n")],
            },
            {
                "distribution": "ubuntu",
                "distribution_version": "24.04",
                "distribution_like": ["debian"],
                "architecture": "aarch64",
                "container": False,
                "wsl": True,
                "hypervisor": "microsoft",
            },
        ),
        ({"dirs": {"/lib64": ["ld-linux-x86-64.so.2"]}}, {**NOTHING, "architecture": "x86_64"}),
        ({"files": {"/.dockerenv": ""}}, {**NOTHING, "container": True}),
        ({"files": {"/run/.containerenv": ""}}, {**NOTHING, "container": True}),
        ({"files": {"/run/systemd/container": "systemd-nspawn\n"}}, {**NOTHING, "container": True}),
        ({"files": {"/proc/self/mountinfo": DOCKER_ROOT}}, {**NOTHING, "container": True}),
        ({"files": {"/sys/hypervisor/type": "xen\n"}}, {**NOTHING, "hypervisor": "xen"}),
    ],
)
def test_read_system(machine: dict[str, Any], expected: dict[str, Any]) -> None:
    source, problems = node(**machine)
    assert read_system(source) == expected
    assert problems == []


def test_damaged_os_release_is_a_problem() -> None:
    source, problems = node(files={"/etc/os-release": "???"})
    assert read_system(source)["distribution"] is None
    assert problems == [{"source": "test", "code": "unreadable", "message": "no assignment in os-release"}]


@given(st.text())
def test_only_value_errors_leave(text: str) -> None:
    cgroup_version(text)
    container_of_mounts(text)
    container_of_cgroups(text)
    hypervisor_of([text])
    with contextlib.suppress(ValueError):
        assert parse_os_release(text)
