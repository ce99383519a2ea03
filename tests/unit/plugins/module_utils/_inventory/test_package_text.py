# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_text import (
    Row,
    as_installed,
    origin_of,
    parse_dpkg_query,
    parse_dpkg_status,
    parse_rpm_query,
    upstream_version,
)
from hypothesis import given
from hypothesis import strategies as st

UBUNTU = "Ubuntu Core Developers <ubuntu-devel-discuss@lists.ubuntu.com>"


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (
            f"nvidia-dkms-580-open\t580.95.05-0ubuntu0.24.04.1\tii \tamd64\tnvidia-graphics-drivers-580\t{UBUNTU}",
            Row(
                "nvidia-dkms-580-open",
                "580.95.05-0ubuntu0.24.04.1",
                "amd64",
                "nvidia-graphics-drivers-580",
                "ubuntu",
                "installed",
                False,
            ),
        ),
        (
            f"nvidia-driver-570\t570.86.16-0ubuntu0~gpu24.04.1\tii \tamd64\tx\t{UBUNTU}",
            Row("nvidia-driver-570", "570.86.16-0ubuntu0~gpu24.04.1", "amd64", "x", "ppa", "installed", False),
        ),
        (
            "nvidia-driver\t580.95.05-1\thi \tamd64\tnvidia-graphics-drivers\tNVIDIA <cudatools@nvidia.com>",
            Row("nvidia-driver", "580.95.05-1", "amd64", "nvidia-graphics-drivers", "nvidia", "installed", True),
        ),
        (
            "nvidia-kernel-dkms\t535.216.01-1~deb12u1\tiF \tamd64\tx\t<pkg-nvidia-devel@lists.alioth.debian.org>",
            Row("nvidia-kernel-dkms", "535.216.01-1~deb12u1", "amd64", "x", "debian", "broken", False),
        ),
        ("nvidia-smi\t535.216.01-1\tiiR\tamd64\tx\t", Row("nvidia-smi", "535.216.01-1", "amd64", "x", None, "broken", False)),
        ("nvidia-smi\t535.216.01-1\tiU \tamd64\tx\t", Row("nvidia-smi", "535.216.01-1", "amd64", "x", None, "broken", False)),
        (
            "nvidia-smi\t535.216.01-1\tit \tamd64\tx\t",
            Row("nvidia-smi", "535.216.01-1", "amd64", "x", None, "installed", False),
        ),
        ("nvidia-smi\t535.216.01-1\trc \tamd64\tx\t", Row("nvidia-smi", "535.216.01-1", "amd64", "x", None, "removed", False)),
        (
            "libgldispatch0-nvidia\t\tun \t\tlibgldispatch0-nvidia\t",
            Row("libgldispatch0-nvidia", "", "", "libgldispatch0-nvidia", None, "removed", False),
        ),
        (
            "amdgpu-dkms\t1:6.14.14.30100000-2193512.24.04\tii \tall\tamdgpu-dkms\t<gpudriverdevsupport@amd.com>",
            Row("amdgpu-dkms", "1:6.14.14.30100000-2193512.24.04", "all", "amdgpu-dkms", "amd", "installed", False),
        ),
    ],
)
def test_dpkg_query(line: str, row: Row) -> None:
    assert parse_dpkg_query(line + "\n") == [row]


def test_dpkg_query_of_nothing() -> None:
    assert parse_dpkg_query("") == []


STATUS = """Package: nvidia-driver
Status: hold ok installed
Architecture: amd64
Source: nvidia-graphics-drivers (550.163.01-2)
Version: 550.163.01-2
Maintainer: Debian NVIDIA Maintainers <pkg-nvidia-devel@lists.alioth.debian.org>
Description: NVIDIA metapackage
 Version: not a field

Package: nvidia-smi
Status: install reinstreq half-installed
Version: 550.163.01-2
Architecture: amd64

Package: libcuda1
Status: deinstall ok config-files
Version: 535.1-1
Architecture: amd64
"""


def test_dpkg_status() -> None:
    assert parse_dpkg_status(STATUS) == [
        Row("nvidia-driver", "550.163.01-2", "amd64", "nvidia-graphics-drivers", "debian", "installed", True),
        Row("nvidia-smi", "550.163.01-2", "amd64", "nvidia-smi", None, "broken", False),
        Row("libcuda1", "535.1-1", "amd64", "libcuda1", None, "removed", False),
    ]


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (
            "nvidia-driver\t3:580.95.05-1.el9\tx86_64\tnvidia-driver-580-1.src.rpm\t(none)\tNVIDIA <cuda-tools@nvidia.com>",
            Row("nvidia-driver", "3:580.95.05-1.el9", "x86_64", "nvidia-driver", "nvidia", "installed", False),
        ),
        (
            "akmod-nvidia\t3:580.95.05-1.fc42\tx86_64\tnvidia-kmod-580.95.05-1.fc42.src.rpm\tRPM Fusion\tRPM Fusion",
            Row("akmod-nvidia", "3:580.95.05-1.fc42", "x86_64", "nvidia-kmod", "rpmfusion", "installed", False),
        ),
        (
            "podman\t0:5.4.0-1.el9\tx86_64\tpodman-5.4.0-1.el9.src.rpm\tRed Hat, Inc.\t(none)",
            Row("podman", "5.4.0-1.el9", "x86_64", "podman", "redhat", "installed", False),
        ),
        (
            "kernel-devel-5.14.0-687.42.1+2.1.el9_8_ciq.x86_64",
            Row("kernel-devel", "5.14.0-687.42.1+2.1.el9_8_ciq", "x86_64", None, None, "installed", False),
        ),
        (
            "kmod-nvidia-open-dkms-615.71.09-1.el9.noarch",
            Row("kmod-nvidia-open-dkms", "615.71.09-1.el9", "noarch", None, None, "installed", False),
        ),
    ],
)
def test_rpm_query(line: str, row: Row) -> None:
    assert parse_rpm_query(line + "\n") == [row]


@pytest.mark.parametrize("parse", [parse_dpkg_query, parse_dpkg_status, parse_rpm_query])
def test_refuses(parse: object) -> None:
    with pytest.raises(ValueError, match="no "):
        parse("error: something else\n")  # type: ignore[operator]


@pytest.mark.parametrize(
    ("words", "origin"),
    [
        ("SUSE LLC <https://www.suse.com/>", "suse"),
        ("openSUSE", "opensuse"),
        ("obs://build.opensuse.org/X11:Drivers", "opensuse"),
        ("negativo17.org", "negativo17"),
        ("Advanced Micro Devices, Inc.", "amd"),
        ("Somebody Else <x@example.org>", None),
        ("", None),
        ("NVIDIA ", "nvidia"),
        ("NVIDIA Fans <x@example.org>", None),
        ("Canonical Kernel Team <kernel-team@lists.ubuntu.com>", "ubuntu"),
        ("Rocky Enterprise Software Foundation", "rocky"),
    ],
)
def test_origin(words: str, origin: str | None) -> None:
    assert origin_of(words) == origin


@pytest.mark.parametrize(
    ("version", "upstream"),
    [
        ("580.95.05-0ubuntu0.24.04.1", "580.95.05"),
        ("3:580.95.05-1.el9", "580.95.05"),
        ("6.4.1.60401-83~22.04", "6.4.1.60401"),
        ("550.163.01", "550.163.01"),
        ("12.4.131~12.4.1-2", "12.4.131"),
        ("", ""),
    ],
)
def test_upstream_version(version: str, upstream: str) -> None:
    assert upstream_version(version) == upstream


def test_as_installed() -> None:
    rows = [
        Row("libcuda1", "550.1-1", "amd64", None, "debian", "installed", False),
        Row("libcuda1", "550.1-1", "i386", None, "debian", "installed", False),
        Row("nvidia-smi", "1", "amd64", None, None, "removed", False),
        Row("nvidia-dkms-580", "580.1-1", "amd64", None, None, "broken", False),
        Row("libfoo", "1", "i386", None, None, "installed", False),
        Row("libfoo", "2", "amd64", None, None, "installed", True),
    ]

    def entry(version: str, architecture: str, origin: str | None = None, held: bool = False) -> dict[str, object]:
        return {"version": version, "origin": origin, "architecture": architecture, "source": None, "held": held}

    assert as_installed(rows) == {
        "libcuda1": entry("550.1-1", "amd64", "debian"),
        "nvidia-dkms-580": entry("580.1-1", "amd64"),
        "libfoo": entry("2", "amd64", held=True),
    }


@given(
    st.text(alphabet="nvidia-driver\t 580.95:ii hFURc\n~+()PackageStatus"),
    st.sampled_from([parse_dpkg_query, parse_dpkg_status, parse_rpm_query]),
)
def test_only_value_errors_leave(text: str, parse: object) -> None:
    with contextlib.suppress(ValueError):
        as_installed(parse(text))  # type: ignore[operator]


def test_captures_of_rpm(captures: Path) -> None:
    import yaml

    entries = [entry for entry in yaml.safe_load((captures / "SOURCES.yml").read_text())["files"] if entry["kind"] == "rpm_qa"]
    assert len(entries) >= 2
    for entry in entries:
        rows = parse_rpm_query((captures / entry["file"]).read_text())
        assert len(rows) == entry["expect"]["packages"]
        assert sum("nvidia" in row.name for row in rows) == entry["expect"]["nvidia_packages"]
        assert f"{rows[0].name}-{rows[0].version}.{rows[0].architecture}" == entry["expect"]["first"]


def test_captures_of_dpkg(captures: Path) -> None:
    """The listings of `dpkg -l`, brought into the form that dpkg-query is asked for."""
    import yaml

    entries = [entry for entry in yaml.safe_load((captures / "SOURCES.yml").read_text())["files"] if entry["kind"] == "dpkg_list"]
    assert len(entries) >= 3
    for entry in entries:
        lines = re.findall(r"^([a-z][a-zA-Z]) +(\S+) +(\S+) +(\S+)", (captures / entry["file"]).read_text(), re.MULTILINE)
        rows = parse_dpkg_query(
            "".join(f"{name.partition(':')[0]}\t{version}\t{state} \t{arch}\tx\tx\n" for state, name, version, arch in lines)
        )
        assert sum(row.state == "installed" for row in rows) == entry["expect"]["ii"]
        assert sum(row.state == "removed" for row in rows) == entry["expect"]["un"] + entry["expect"]["rc"]
        assert list(next((row.name, row.version) for row in rows if row.state == "installed")) == entry["expect"]["first_ii"]
