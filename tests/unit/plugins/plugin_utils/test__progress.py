# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytest.importorskip("ansible", reason="ansible-core is not there: this Python plays a node")

from ansible_collections.gpufleet.node.plugins.plugin_utils._progress import COMMAND, elapsed, progress

MAKE_LOG = "DKMS (dkms-3.2.2) make.log for nvidia-current/550.163.01 for kernel 6.12.57+deb13-amd64 (x86_64)"
DPKG_LOG = "2026-11-23 16:21:50 configure nvidia-kernel-dkms:amd64 550.163.01-2 <none>"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("", None),
        ("dpkg.log \n", None),
        (f"dkms {MAKE_LOG}\n", "building module nvidia-current 550.163.01 for kernel 6.12.57+deb13-amd64"),
        ("dkms DKMS make.log for nvidia-580.95.05 for kernel 6.8.0-31-generic (x86_64)",
         "building module nvidia 580.95.05 for kernel 6.8.0-31-generic"),
        (f"dkms {MAKE_LOG}\ndpkg.log {DPKG_LOG}\n", "building module nvidia-current 550.163.01 for kernel 6.12.57+deb13-amd64"),
        (f"dpkg.log {DPKG_LOG}\n", "setting up nvidia-kernel-dkms"),
        ("dpkg.log 2026-11-23 16:21:50 upgrade libcuda1:amd64 535.261.03-1 550.163.01-2", "unpacking libcuda1"),
        ("dpkg.log 2026-11-23 16:21:50 trigproc libc-bin:amd64 2.41-12 <none>", "running triggers of libc-bin"),
        ("dpkg.log 2026-11-23 16:21:50 status half-installed libcuda1:amd64 1", None),
        (f"dpkg.log {DPKG_LOG}\ndpkg.log 2026-11-23 16:21:51 status half-configured nvidia-kernel-dkms:amd64 550.163.01-2",
         "setting up nvidia-kernel-dkms"),
        ("lists mirror.example.com_debian_dists_trixie_main_binary-amd64_Packages.xz", "fetching the lists of packages"),
        (f"fetch libcuda1_550.163.01-2_amd64.deb\ndpkg.log {DPKG_LOG}", "setting up nvidia-kernel-dkms"),
        ("fetch libcuda1_550.163.01-2_amd64.deb", "fetching libcuda1"),
        ("fetch nvidia-driver-580.95.05-1.el9.x86_64.rpm", "fetching nvidia-driver-580.95.05-1.el9.x86_64"),
        ("dnf.rpm.log 2026-11-23T16:21:50+0000 SUBDEBUG Installed: kmod-nvidia-open-dkms-3:580.95.05-1.el9.noarch",
         "installed kmod-nvidia-open-dkms-3:580.95.05-1.el9.noarch"),
        ("history 2026-11-23 16:21:50|install|nvidia-open|580.95.05-1|x86_64||repo|", "installed nvidia-open 580.95.05-1"),
        ("dkms make.log for a\x1b[31m-1 for kernel " + "k" * 200, "building module a [31m 1 for kernel " + "k" * 54),
    ],
)
def test_progress(output: str, expected: str | None) -> None:
    assert progress(output) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(0, "0:00"), (75.9, "1:15"), (3600, "60:00")])
def test_elapsed(seconds: float, expected: str) -> None:
    assert elapsed(seconds) == expected


def test_the_command_reads_what_package_managers_write(tmp_path: Path) -> None:
    """The real shell and the real `find`, with the logs in another folder."""
    build = tmp_path / "lib/dkms/nvidia-current/550.163.01/build"
    build.mkdir(parents=True)
    (build / "make.log").write_text(f"{MAKE_LOG}\nmake: entering\n")
    (tmp_path / "log/zypp").mkdir(parents=True)
    (tmp_path / "log/dpkg.log").write_text(f"first\n{DPKG_LOG}\n")
    (tmp_path / "cache/apt/archives/partial").mkdir(parents=True)
    (tmp_path / "cache/apt/archives/partial/libcuda1_550.163.01-2_amd64.deb").write_text("")
    done = subprocess.run(["sh", "-c", COMMAND.replace("/var/", f"{tmp_path}/")], capture_output=True, text=True, check=True)
    fetched = "fetch libcuda1_550.163.01-2_amd64.deb"
    assert done.stdout.splitlines() == [f"dkms {MAKE_LOG}", fetched, fetched, "dpkg.log first", f"dpkg.log {DPKG_LOG}"]
    assert done.stderr == ""


def test_the_command_is_silent_where_nothing_is_there(tmp_path: Path) -> None:
    done = subprocess.run(["sh", "-c", COMMAND.replace("/var/", f"{tmp_path}/")], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
