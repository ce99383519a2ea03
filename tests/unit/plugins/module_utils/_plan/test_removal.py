# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the record goes: all but what somebody else needs or wants by now, and nothing that is not in it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Change
from ansible_collections.gpufleet.node.plugins.module_utils._plan._removal import Removal, removal
from planlab import PackagesThere, There
from planned_node import node

DEBIAN = "persistence-off"  # driver 580.95.05
DRIVER = "580.95.05-1"
OURS = {
    "nvidia-driver-cuda": There(DRIVER, ("libcuda1", "nvidia-kernel-dkms"), True),
    "libcuda1": There(DRIVER),
    "nvidia-kernel-dkms": There(DRIVER, ("dkms",)),
    "dkms": There("3.2", ("gcc|c-compiler", "make")),
    "gcc": There("14.2", ("binutils",), provides=("c-compiler",)),
    "binutils": There("2.44"),
    "make": There("4.4"),
    "linux-headers-6.12": There("6.12.1", ("linux-headers-common",), True),
    "linux-headers-common": There("6.12.1"),
    "update-glx": There("1.2"),
}
RECORD = {
    "packages": {**{name: one.version for name, one in OURS.items()}, "gone": "1"},
    "asked": ["nvidia-driver-cuda", "linux-headers-6.12"],
}
TOOLS = {"binutils", "gcc"}
HEADERS = {"linux-headers-6.12", "linux-headers-common"}
DKMS = {*TOOLS, *HEADERS, "dkms", "make"}


def decide(
    there: dict[str, There], record: dict[str, Any] | None = None, manager: str = "apt", changes: Any = None, **more: Any
) -> Removal:
    return removal(node(DEBIAN, changes), record or RECORD, PackagesThere(there, manager, **more))


def test_all_of_it_goes_in_one_question() -> None:
    asked = PackagesThere(OURS)
    found = removal(node(DEBIAN), RECORD, asked)
    assert found == Removal(tuple(sorted(OURS)), found.changes)
    assert {one.name for one in found.changes} == set(OURS)
    assert asked.asked == [tuple(sorted(OURS))]


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        pytest.param({"build-essential": There("12", ("gcc",))}, dict.fromkeys(TOOLS, "build-essential needs it"), id="later package"),
        pytest.param({"cross": There("1", ("c-compiler",))}, dict.fromkeys(TOOLS, "cross needs it"), id="virtual name"),
        pytest.param({"a": There("1", ("b",)), "b": There("1", ("gcc",))}, dict.fromkeys(TOOLS, "b needs it"), id="by another one"),
        pytest.param(
            {"zfs-dkms": There("2", ("dkms",))},
            {**dict.fromkeys(DKMS - HEADERS, "zfs-dkms needs it"), **dict.fromkeys(HEADERS, "dkms needs it")},
            id="another module of DKMS, and the headers",
        ),
        pytest.param(
            {"gcc": OURS["gcc"]._replace(manual=True)},
            {"gcc": "somebody has marked it as wanted", "binutils": "gcc needs it"},
            id="marked by hand",
        ),
        pytest.param(
            {"make": OURS["make"]._replace(manual=None)},
            {"make": "nobody can tell whether somebody else wants it by now"},
            id="no mark to be read",
        ),
        pytest.param({"libcuda1": OURS["libcuda1"]._replace(manual=True)}, {}, id="the driver goes, marked or not"),
        pytest.param({"other": There("1", ("perl",))}, {}, id="nothing to do with it"),
    ],
)
def test_what_stays(more: dict[str, There], kept: dict[str, str]) -> None:
    found = decide({**OURS, **more})
    assert dict(found.kept) == kept
    assert set(found.names) == set(OURS) - set(kept)
    assert {one.name for one in found.changes} == set(found.names)
    assert found.refusals == ()


@pytest.mark.parametrize(("kernel", "part", "module"), [
    ("linux-image-6.8.0-90-generic", "linux-modules-6.8.0-90-generic", "linux-modules-nvidia-580-6.8.0-90-generic"),
    ("linux-image-unsigned-6.8.0-90-generic", "linux-modules-extra-6.8.0-90-generic", "linux-objects-nvidia-580-6.8.0-90-generic"),
    ("linux-image-amd64", "linux-image-6.12.57+deb13-amd64", "nvidia-kernel-dkms"),
    ("kernel-core", "kernel-modules-core", "kmod-nvidia-open-dkms"),
    ("kernel-default", "kernel-64k-modules", "nvidia-open-driver-G06-signed-kmp-default"),
])
def test_a_kernel_that_came_along_stays(kernel: str, part: str, module: str) -> None:
    """It may be the only one that boots, and this collection changes no kernel."""
    there = {"libcuda1": There(DRIVER), kernel: There("1", (part,)), part: There("1", ("linux-firmware",)), "linux-firmware": There("1"),
             module: There("1", (kernel,))}
    found = decide(there, {"packages": {name: one.version for name, one in there.items()}, "asked": []})
    assert (set(found.names), found.refusals) == ({"libcuda1", module}, ())
    assert dict(found.kept)[kernel] == "it is a kernel, which may be the one that boots"


@pytest.mark.parametrize(
    ("more", "code", "message", "command"),
    [
        (
            {"cuda-app": There("1", ("libcuda1",)), "its-plugin": There("1", ("cuda-app",))},
            "ND-NEEDED-BY-OTHERS",
            "cuda-app: needs libcuda1 of the driver, and this collection did not install it",
            "sudo apt-get remove cuda-app",
        ),
        (
            {"update-glx": OURS["update-glx"]._replace(manual=True, depends=("libcuda1",))},
            "ND-NEEDED-BY-OTHERS",
            "update-glx: needs libcuda1 of the driver, and this collection did not install it",
            "sudo apt-get remove update-glx",
        ),
    ],
)
def test_a_driver_that_others_need(more: dict[str, There], code: str, message: str, command: str) -> None:
    found = decide({**OURS, **more})
    assert (found.names, found.changes) == ((), ())
    assert [(one.code, one.message, one.remedy.splitlines()[0]) for one in found.refusals] == [(code, message, command)]


@pytest.mark.parametrize(
    ("changes", "more", "code", "words"),
    [
        ({}, {"error": "E: Essential packages"}, "ND-REMOVAL", "and nothing else: E: Essential packages"),
        ({}, {"with_it": [Change("install", "other-driver", None, "1")]}, "ND-REMOVAL", "it would also install other-driver"),
        ({"packages.installed.libcuda1.held": True}, {"error": "E: Held packages were changed"}, "ND-HELD", "libcuda1"),
    ],
)
def test_what_the_package_manager_does_not_do(changes: dict[str, Any], more: dict[str, Any], code: str, words: str) -> None:
    found = decide({"libcuda1": OURS["libcuda1"]}, {"packages": {"libcuda1": DRIVER}}, changes=changes, **more)
    assert [one.code for one in found.refusals] == [code]
    assert words in found.refusals[0].message


TWO = {
    "kernel-devel-5.14-1": There("5.14-1", name="kernel-devel"),
    "kernel-devel-5.15-1": There("5.15-1", name="kernel-devel"),
}


@pytest.mark.parametrize(
    ("manager", "recorded", "names", "kept"),
    [
        ("dnf", "5.15-1", ("kernel-devel-5.15-1",), ()),
        ("dnf", "5.13-1", (), ()),
        ("zypper", "5.15-1", (), (("kernel-devel", "other versions of it are there: 5.14-1"),)),
    ],
)
def test_of_several_versions_only_ours_goes(manager: str, recorded: str, names: tuple[str, ...], kept: Any) -> None:
    found = decide(TWO, {"packages": {"kernel-devel": recorded}, "asked": ["kernel-devel"]}, manager)
    assert (found.names, found.kept) == (names, kept)
    assert [(one.name, one.before) for one in found.changes] == [("kernel-devel", "5.15-1") for _name in names]


def test_a_package_of_a_foreign_architecture_is_not_ours() -> None:
    there = {"libcuda1": OURS["libcuda1"]}
    other = Change("remove", "libcuda1", DRIVER, None, None, "i386")
    found = decide(there, {"packages": {"libcuda1": DRIVER}}, with_it=[other])
    assert "it would also remove libcuda1:i386" in found.refusals[0].message
