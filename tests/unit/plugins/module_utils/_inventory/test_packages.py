# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.packages import (
    DPKG_QUERY,
    RPM_QUERY,
    nvidia_driver,
    read,
    rocm_packages,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import known, node


def installed(held: tuple[str, ...] = (), origin: str = "ubuntu", **versions: str) -> dict[str, Any]:
    """The section packages.installed; names with underscores for dashes."""
    return {
        name.replace("_", "-"): {
            "version": version,
            "origin": origin,
            "architecture": "amd64",
            "source": None,
            "held": name in held,
        }
        for name, version in versions.items()
    }


UBUNTU = "580.95.05-0ubuntu0.24.04.1"


@pytest.mark.parametrize(
    ("packages", "driver"),
    [
        ({}, {}),
        (
            installed(
                nvidia_container_toolkit="1.18.0-1",
                cuda_toolkit_13_0="13.0.1-1",
                libnvidia_container1="1.18.0-1",
                nvidia_prime="0.8.17",
            ),
            {},
        ),
        (
            installed(
                nvidia_driver_455="460.73.01-0ubuntu0.20.04.1",
                nvidia_driver_460="460.73.01-0ubuntu0.20.04.1",
                nvidia_driver_435="455.45.01-0ubuntu0.20.04.1",
                nvidia_kernel_common_460="460.73.01-0ubuntu0.20.04.1",
            ),
            {
                "installed_version": "460.73.01",
                "origin": "ubuntu",
                "held": False,
                "packages": {
                    "nvidia-driver-435": "455.45.01-0ubuntu0.20.04.1",
                    "nvidia-driver-455": "460.73.01-0ubuntu0.20.04.1",
                    "nvidia-driver-460": "460.73.01-0ubuntu0.20.04.1",
                    "nvidia-kernel-common-460": "460.73.01-0ubuntu0.20.04.1",
                },
            },
        ),
        (
            installed(
                libnvidia_compute_580=UBUNTU,
                nvidia_utils_580=UBUNTU,
                libnvidia_gl_580=UBUNTU,
                linux_modules_nvidia_580_generic="6.8.0-51.52",
                nvidia_settings="510.47.03-0ubuntu1",
                nvidia_firmware_580_580_95_05=UBUNTU,
            ),
            {
                "installed_version": "580.95.05",
                "origin": "ubuntu",
                "held": False,
                "packages": {
                    "libnvidia-compute-580": UBUNTU,
                    "linux-modules-nvidia-580-generic": "6.8.0-51.52",
                    "nvidia-utils-580": UBUNTU,
                },
            },
        ),
        (
            installed(
                libcuda1="550.163.01-2",
                nvidia_kernel_dkms="550.163.01-2",
                nvidia_smi="550.163.01-2",
                nvidia_persistenced="550.163.01-1",
                held=("nvidia_kernel_dkms",),
                origin="debian",
            ),
            {
                "installed_version": "550.163.01",
                "origin": "debian",
                "held": True,
                "packages": {
                    "libcuda1": "550.163.01-2",
                    "nvidia-kernel-dkms": "550.163.01-2",
                    "nvidia-persistenced": "550.163.01-1",
                    "nvidia-smi": "550.163.01-2",
                },
            },
        ),
        (
            installed(
                nvidia_driver="3:580.95.05-1.el9",
                nvidia_driver_libs="3:580.95.05-1.el9",
                kmod_nvidia_open_dkms="3:580.95.05-1.el9",
                origin="nvidia",
            ),
            {
                "installed_version": "580.95.05",
                "origin": "nvidia",
                "held": False,
                "packages": {"kmod-nvidia-open-dkms": "3:580.95.05-1.el9", "nvidia-driver": "3:580.95.05-1.el9"},
            },
        ),
        (
            installed(akmod_nvidia="3:580.95.05-1.fc42", xorg_x11_drv_nvidia="3:580.95.05-1.fc42", origin="rpmfusion"),
            {
                "installed_version": "580.95.05",
                "origin": "rpmfusion",
                "held": False,
                "packages": {"akmod-nvidia": "3:580.95.05-1.fc42", "xorg-x11-drv-nvidia": "3:580.95.05-1.fc42"},
            },
        ),
        (
            installed(
                nvidia_compute_G06="580.95.05-1",
                nvidia_open_driver_G06_signed_cuda_kmp_default="580.95.05_k6.4.0-1",
                origin="suse",
            ),
            {
                "installed_version": "580.95.05",
                "origin": "suse",
                "held": False,
                "packages": {
                    "nvidia-compute-G06": "580.95.05-1",
                    "nvidia-open-driver-G06-signed-cuda-kmp-default": "580.95.05_k6.4.0-1",
                },
            },
        ),
    ],
)
def test_nvidia_driver(packages: dict[str, Any], driver: dict[str, Any]) -> None:
    assert nvidia_driver(packages) == driver


def test_of_two_branches_the_newer_one_counts() -> None:
    both = installed(libnvidia_compute_535="535.309.01-0ubuntu1", libnvidia_compute_580="580.95.05-0ubuntu1", nvidia_alternative="535.1-1")
    assert nvidia_driver(both) == {
        "installed_version": "580.95.05",
        "origin": "ubuntu",
        "held": False,
        "packages": {"libnvidia-compute-535": "535.309.01-0ubuntu1", "libnvidia-compute-580": "580.95.05-0ubuntu1"},
    }


@pytest.mark.parametrize(
    ("packages", "rocm"),
    [
        ({}, {}),
        (
            installed(
                rocm_core="6.4.1.60401-83~22.04",
                rocminfo="1.0.0.60401-83~22.04",
                amdgpu_dkms="1:6.12.12.60401-2164967.22.04",
                origin="amd",
            ),
            {
                "version": "6.4.1",
                "origin": "amd",
                "packages": {
                    "amdgpu-dkms": "1:6.12.12.60401-2164967.22.04",
                    "rocm-core": "6.4.1.60401-83~22.04",
                    "rocminfo": "1.0.0.60401-83~22.04",
                },
            },
        ),
        (installed(rocminfo="5.7.1-3", origin="debian"), {"origin": "debian", "packages": {"rocminfo": "5.7.1-3"}}),
    ],
)
def test_rocm_packages(packages: dict[str, Any], rocm: dict[str, Any]) -> None:
    assert rocm_packages(packages) == rocm


MAKER = "Debian NVIDIA Maintainers <pkg-nvidia-devel@lists.alioth.debian.org>"


def dpkg(*names: str, state: str = "ii ", rc: int = 1) -> dict[str, Any]:
    rows = "".join(f"{name}\t550.163.01-2\t{state}\tamd64\tnvidia-graphics-drivers\t{MAKER}\n" for name in names)
    return {"argv": list(DPKG_QUERY), "rc": rc, "stdout": rows, "stderr": "dpkg-query: no packages found matching cuda*"}


def rpm(*names: str) -> dict[str, Any]:
    rows = "".join(
        f"{name}\t3:580.95.05-1.el9\tx86_64\tnvidia-driver-580.95.05-1.el9.src.rpm\tNVIDIA Corporation\t(none)\n" for name in names
    )
    return {"argv": list(RPM_QUERY), "rc": 0, "stdout": rows, "stderr": ""}


def entry(
    version: str, origin: str | None, source: str | None = "nvidia-graphics-drivers", held: bool = False, arch: str = "amd64"
) -> dict[str, Any]:
    return {"version": version, "origin": origin, "architecture": arch, "source": source, "held": held}


def look(system: dict[str, Any] | None = None, **machine: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    source, problems = node("packages", **machine)
    return read(source, known("nvidia", system=system or {})), problems


def test_debian() -> None:
    found, problems = look(
        commands=[dpkg("libcuda1", "nvidia-kernel-dkms")],
        files={"/etc/apt/preferences.d/nvidia": "Package: *nvidia*\nPin: version 550.*\nPin-Priority: 1001\n"},
    )
    assert problems == []
    assert found == {
        "packages": {
            "manager": "dpkg",
            "broken": [],
            "streams": {},
            "installed": {
                "libcuda1": entry("550.163.01-2", "debian"),
                "nvidia-kernel-dkms": entry("550.163.01-2", "debian", held=True),
            },
            "locks": [
                {
                    "kind": "apt_pin",
                    "pattern": "*nvidia*",
                    "path": "/etc/apt/preferences.d/nvidia",
                    "pin": "version 550.*",
                    "priority": 1001,
                }
            ],
        },
        "nvidia": {
            "driver": {
                "installed_version": "550.163.01",
                "origin": "debian",
                "held": True,
                "managed_by": "packages",
                "packages": {"libcuda1": "550.163.01-2", "nvidia-kernel-dkms": "550.163.01-2"},
            }
        },
    }


def test_broken_packages_are_named_and_still_there() -> None:
    found, _unused = look(commands=[dpkg("nvidia-kernel-dkms", state="iF ")])
    assert found["packages"]["broken"] == ["nvidia-kernel-dkms"]
    assert found["nvidia"]["driver"]["installed_version"] == "550.163.01"


def test_removed_packages_are_not_there() -> None:
    found, _unused = look(commands=[dpkg("nvidia-kernel-dkms", state="rc ")])
    assert found == {"packages": {"manager": "dpkg", "installed": {}, "broken": [], "locks": [], "streams": {}}}


def test_enterprise_linux() -> None:
    found, problems = look(
        {"distribution": "rocky", "distribution_like": ["rhel", "centos", "fedora"]},
        commands=[rpm("nvidia-driver"), dpkg()],
        files={"/etc/dnf/modules.d/nvidia-driver.module": "name=nvidia-driver\nstream=580-open\nstate=enabled\n"},
    )
    assert problems == []
    assert found["packages"] == {
        "manager": "rpm",
        "broken": [],
        "locks": [],
        "streams": {"nvidia-driver": "580-open"},
        "installed": {"nvidia-driver": entry("3:580.95.05-1.el9", "nvidia", "nvidia-driver", arch="x86_64")},
    }


@pytest.mark.parametrize(("stream", "held"), [("580-open", True), ("580-dkms", True), ("open-dkms", False), ("latest-dkms", False)])
def test_the_stream_of_a_branch_holds_the_driver(stream: str, held: bool) -> None:
    found, _unused = look(
        {"distribution": "rocky", "distribution_like": ["rhel"]},
        commands=[rpm("nvidia-driver"), dpkg()],
        files={"/etc/dnf/modules.d/nvidia-driver.module": f"name=nvidia-driver\nstream={stream}\nstate=enabled\n"},
    )
    assert found["nvidia"]["driver"]["held"] is held


def test_dpkg_on_enterprise_linux_counts_only_without_rpm() -> None:
    found, _unused = look({"distribution": "fedora"}, commands=[dpkg("libcuda1")])
    assert found["packages"]["manager"] == "dpkg"


def test_status_file_of_another_root() -> None:
    status = (
        "Package: libcuda1\nStatus: install ok installed\nVersion: 550.163.01-2\nArchitecture: amd64\n\n"
        "Package: vim\nStatus: install ok installed\nVersion: 9\nArchitecture: amd64\n"
    )
    found, _unused = look(files={"/var/lib/dpkg/status": status})
    assert found["packages"]["installed"] == {"libcuda1": entry("550.163.01-2", None, "libcuda1")}


def test_rpm_database_without_rpm_is_a_problem() -> None:
    found, problems = look({"distribution": "rhel"}, files={"/var/lib/rpm/rpmdb.sqlite": ""})
    assert found == {}
    assert problems == [
        {
            "source": "packages",
            "code": "unreadable",
            "message": "the rpm database cannot be read without the rpm command: packages are not known",
        }
    ]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"argv": list(DPKG_QUERY), "rc": 0, "stdout": "???"}, "unreadable"),
        ({"argv": list(RPM_QUERY), "rc": 0, "stdout": "???"}, "unreadable"),
        ({"argv": list(RPM_QUERY), "rc": 1, "stdout": "", "stderr": "error: cannot open Packages database"}, "refused"),
        ({"argv": list(DPKG_QUERY), "error": "timeout"}, "timeout"),
        ({"argv": list(RPM_QUERY), "signal": 11}, "crashed"),
    ],
)
def test_failure_is_a_problem(command: dict[str, Any], code: str) -> None:
    found, problems = look(commands=[command])
    assert found == {}
    assert [problem["code"] for problem in problems] == [code]


RECORD = "580.95.05\nNVIDIA Accelerated Graphics Driver for Linux-x86_64 (580.95.05)\n0: /usr/bin/nvidia-smi\n"


def test_runfile() -> None:
    found, problems = look(files={"/var/lib/nvidia/log": RECORD, "/usr/bin/nvidia-uninstall": "ELF"})
    assert problems == []
    assert found == {
        "packages": {"runfile": {"version": "580.95.05", "paths": ["/var/lib/nvidia/log", "/usr/bin/nvidia-uninstall"]}},
        "nvidia": {"driver": {"installed_version": "580.95.05", "origin": "nvidia", "held": None, "managed_by": "runfile"}},
    }


def test_runfile_leftovers_under_packages() -> None:
    found, _unused = look(commands=[dpkg("libcuda1")], files={"/var/lib/nvidia/log": "damaged"})
    assert found["packages"]["runfile"] == {"version": None, "paths": ["/var/lib/nvidia/log"]}
    assert found["nvidia"]["driver"]["managed_by"] == "packages"


def test_an_installers_log_alone_is_no_trace() -> None:
    assert look(files={"/var/log/nvidia-installer.log": "x"})[0] == {}


@pytest.mark.parametrize(
    ("system", "files", "manager"),
    [
        ({"wsl": True}, {}, "wsl"),
        ({}, {"/etc/dgx-release": "x"}, "dgx_os"),
        ({}, {"/etc/nvidia/gridd.conf": "FeatureType=4", "/var/lib/nvidia/log": RECORD}, "vgpu"),
        ({}, {"/etc/nv_tegra_release": "x"}, "jetpack"),
        ({}, {"/run/nvidia/driver/usr/bin/nvidia-smi": ""}, "operator"),
    ],
)
def test_managed_by(system: dict[str, Any], files: dict[str, str], manager: str) -> None:
    assert look(system, files=files)[0]["nvidia"]["driver"]["managed_by"] == manager


@given(
    st.dictionaries(
        st.sampled_from(["nvidia-driver", "libcuda1", "rocm-core", "linux-modules-nvidia-580-generic", "amdgpu-dkms"]),
        st.text(),
    )
)
def test_any_version(versions: dict[str, str]) -> None:
    packages = {name: {"version": version, "origin": None, "held": False} for name, version in versions.items()}
    nvidia_driver(packages)
    rocm_packages(packages)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "/var/lib/dpkg/status",
                "/etc/apt/preferences.d/nvidia",
                "/etc/dnf/versionlock.toml",
                "/etc/zypp/locks",
                "/var/lib/nvidia/log",
                "/usr/bin/nvidia-uninstall",
            ]
        ),
        st.one_of(st.text(), st.just({"error": "EACCES"}), st.just({"error": "EIO"})),
    ),
    st.one_of(st.none(), st.text()),
    st.sampled_from([DPKG_QUERY, RPM_QUERY]),
)
def test_reading_never_fails(files: dict[str, Any], stdout: str | None, query: tuple[str, ...]) -> None:
    commands = [] if stdout is None else [{"argv": list(query), "rc": 0, "stdout": stdout, "stderr": ""}]
    found, _unused = look(files=files, commands=commands)
    assert set(found) <= {"packages", "nvidia", "amd"}
