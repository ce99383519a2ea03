# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.dkms import parse_dkms_status, read
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import command, known, node

OLD, NEW = "6.8.0-44-generic", "6.8.0-51-generic"
DIFF = "Diff between built and installed module!"


def build(
    module: str, version: str, kernel: str | None, status: str, warning: str | None = None, arch: str | None = "x86_64"
) -> dict[str, Any]:
    return {
        "module": module,
        "version": version,
        "kernel": kernel,
        "arch": arch if kernel else None,
        "status": status,
        "warning": warning,
    }


@pytest.mark.parametrize(
    ("text", "builds"),
    [
        (f"nvidia/580.95.05, {NEW}, x86_64: installed\n", [build("nvidia", "580.95.05", NEW, "installed")]),
        (
            f"nvidia, 396.44, {NEW}, x86_64: installed (WARNING! {DIFF}) (WARNING! {DIFF})(WARNING! {DIFF})\n",
            [build("nvidia", "396.44", NEW, "installed", DIFF)],
        ),
        (
            "nvidia-open/570.124.06, 5.14.0-503.29.1.el9_5.x86_64, x86_64: installed\n",
            [build("nvidia-open", "570.124.06", "5.14.0-503.29.1.el9_5.x86_64", "installed")],
        ),
        ("nvidia/580.95.05: added\n", [build("nvidia", "580.95.05", None, "added")]),
        ("nvidia, 470.57.02: added\n", [build("nvidia", "470.57.02", None, "added")]),
        (
            f"nvidia/580.95.05, {NEW}, x86_64: installed (original_module exists)\n",
            [build("nvidia", "580.95.05", NEW, "installed")],
        ),
        (f"kmod/1, {NEW}, x86_64: installed-weak from {OLD}\n", [build("kmod", "1", NEW, "installed-weak")]),
        (f"amdgpu/6.14.14-2226257.24.04, {NEW}, x86_64: built\n", [build("amdgpu", "6.14.14-2226257.24.04", NEW, "built")]),
        (
            f"Deprecated feature: REMAKE_INITRD (/var/lib/dkms/a/4.0/source/dkms.conf)\na/4.0, {NEW}, x86_64: installed\n"
            f"a/4.0, {NEW}, x86_64: installed\n",
            [build("a", "4.0", NEW, "installed")],
        ),
        (
            "nvidia/570.86, 6.12.9+rpt-rpi-2712, aarch64: built\n",
            [build("nvidia", "570.86", "6.12.9+rpt-rpi-2712", "built", arch="aarch64")],
        ),
        ("", []),
    ],
)
def test_status(text: str, builds: list[dict[str, Any]]) -> None:
    assert parse_dkms_status(text) == builds


def test_status_refuses() -> None:
    with pytest.raises(ValueError, match="no line of"):
        parse_dkms_status("Error! Could not locate dkms.conf file.")


def kernels(next_boot: str | None, *with_module: str) -> dict[str, Any]:
    modules = {"nvidia": {"path": "x"}}
    return {
        "next_boot_release": next_boot,
        "installed": [{"release": release, "modules": modules if release in with_module else {}} for release in (OLD, NEW)],
    }


def status(*kernels_built: str) -> list[Any]:
    return [command("dkms status", "".join(f"nvidia/580.95.05, {kernel}, x86_64: installed\n" for kernel in kernels_built))]


@pytest.mark.parametrize(
    ("kernel", "commands", "driver", "ready"),
    [
        (kernels(NEW, NEW), [], {}, True),
        (kernels(NEW, OLD), status(OLD), {}, False),
        (kernels(NEW), status(OLD, NEW), {}, True),
        (kernels(NEW), [command("dkms status", "nvidia/580.95.05: added\n")], {}, False),
        (kernels(NEW), [], {"installed_version": "580.95.05"}, False),
        (kernels(NEW), [], {}, None),
        (kernels(None, NEW), status(NEW), {}, None),
        ({"next_boot_release": NEW, "installed": []}, status(OLD), {}, False),
        ({}, status(OLD), {}, None),
    ],
)
def test_next_boot_ready(kernel: dict[str, Any], commands: list[Any], driver: dict[str, Any], ready: bool | None) -> None:
    source, problems = node("dkms", commands=commands)
    found = read(source, known("nvidia", kernel=kernel, nvidia={"driver": driver}))
    assert found.get("nvidia", {}).get("driver", {}).get("next_boot_ready") is ready
    assert problems == []


TREE = {
    f"/var/lib/dkms/nvidia/580.95.05/{OLD}/x86_64/module/nvidia.ko": "",
    f"/var/lib/dkms/nvidia/580.95.05/{NEW}/x86_64/module/nvidia.ko": "",
    f"/var/lib/dkms/nvidia/580.95.05/{NEW}/x86_64/log/make.log": "",
    "/var/lib/dkms/nvidia/570.1/source/dkms.conf": "",
    "/var/lib/dkms/zfs/2.2/source/dkms.conf": "",
}


def test_tree_of_another_root() -> None:
    source, _unused = node("dkms", files=TREE, links={f"/var/lib/dkms/nvidia/kernel-{OLD}-x86_64": f"580.95.05/{OLD}/x86_64"})
    assert read(source, known("nvidia")) == {
        "nvidia": {
            "driver": {
                "dkms": [
                    build("nvidia", "570.1", None, "added"),
                    build("nvidia", "580.95.05", OLD, "installed"),
                    build("nvidia", "580.95.05", NEW, "built"),
                ]
            }
        }
    }


BUILT = {path: "" for path in TREE if NEW not in path and "570" not in path}


@pytest.mark.parametrize(
    ("tree", "wanted", "version"),
    [
        (BUILT, ("change",), "580.95.05"),  # all is well there: nobody is asked
        (BUILT, (), "580.126.09"),
        (TREE, ("change",), "580.126.09"),  # a module that is only added, and one that is built
        ({}, ("change",), "580.126.09"),
    ],
)
def test_a_plan_takes_the_word_of_a_tree_where_all_is_installed(tree: dict[str, str], wanted: tuple[str, ...], version: str) -> None:
    links = {f"/var/lib/dkms/nvidia/kernel-{OLD}-x86_64": f"580.95.05/{OLD}/x86_64"} if tree else {}
    told = [command("dkms status", f"nvidia/580.126.09, {OLD}, x86_64: installed\n")]
    source, problems = node("dkms", files=tree, links=links, commands=told, wanted=wanted)
    assert read(source, known("nvidia"))["nvidia"]["driver"]["dkms"] == [build("nvidia", version, OLD, "installed")]
    assert problems == []


@pytest.mark.parametrize(
    ("vendors", "machine", "found"),
    [
        (("nvidia",), {}, {}),
        (("nvidia",), {"commands": [command("dkms status", "zfs/2.2: added\n")]}, {"nvidia": {"driver": {"dkms": []}}}),
        (("nvidia",), {"commands": [command("dkms status", "")]}, {"nvidia": {"driver": {"dkms": []}}}),
        (("nvidia",), {"files": {"/var/lib/dkms/zfs/2.2/source/dkms.conf": ""}}, {"nvidia": {"driver": {"dkms": []}}}),
        (
            ("amd",),
            {"commands": [command("dkms status", f"amdgpu/6.14, {NEW}, x86_64: installed\nnvidia/580.1: added\n")]},
            {
                "amd": {"driver": {"dkms": [build("amdgpu", "6.14", NEW, "installed")]}},
                "nvidia": {"driver": {"dkms": [build("nvidia", "580.1", None, "added")]}},
            },
        ),
    ],
)
def test_read(vendors: tuple[str, ...], machine: dict[str, Any], found: dict[str, Any]) -> None:
    source, problems = node("dkms", **machine)
    assert read(source, known(*vendors)) == found
    assert problems == []


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        (command("dkms status", "???"), "unreadable", "no line of `dkms status` in: ???"),
        (command("dkms status", "", 1, "Error! no tree\n"), "refused", "dkms status: Error! no tree"),
        ({"argv": ["dkms", "status"], "error": "timeout"}, "timeout", "dkms status: no answer within 10 s"),
    ],
)
def test_failure_is_a_problem(entry: dict[str, Any], code: str, message: str) -> None:
    source, problems = node("dkms", commands=[entry])
    assert read(source, known("nvidia")) == {}
    assert problems == [{"source": "dkms", "code": code, "message": message}]


@given(st.text(alphabet="nvidia/, 6.8-x:\ninstalled()WARNING! "))
def test_only_value_errors_leave(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert all(set(entry) == {"module", "version", "kernel", "arch", "status", "warning"} for entry in parse_dkms_status(text))


def test_captures(captures: Path) -> None:
    import yaml

    entries = [entry for entry in yaml.safe_load((captures / "SOURCES.yml").read_text())["files"] if entry["kind"] == "dkms_status"]
    assert len(entries) >= 6
    for entry in entries:
        lines = (captures / entry["file"]).read_text().splitlines()
        builds = [line for text in lines if ": " in text and "Deprecated" not in text for line in parse_dkms_status(text)]
        counts = {status: sum(found["status"] == status for found in builds) for status in ("installed", "built", "added")}
        assert counts == {status: entry["expect"][status] for status in counts}, entry["file"]
        assert sum(found["warning"] is not None for found in builds) == entry["expect"]["warning_lines"], entry["file"]
