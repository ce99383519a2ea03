# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_locks import (
    holds,
    parse_apt_preferences,
    parse_module_stream,
    parse_versionlock_list,
    parse_versionlock_toml,
    parse_zypper_locks,
    read_locks,
    read_streams,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import node

PREFERENCES = """# pinned by hand
Package: *nvidia* cuda-drivers*
Pin: version 580.*
Pin-Priority: 1001

Package: *
Pin: release o=repo.radeon.com
Pin-Priority: 600

Package: vim
Pin: version 9.*
"""
TOML = """version = "1.0"

[[packages]]
name = "nvidia-driver"
comment = "added by hand"
[[packages.conditions]]
key = "evr"
comparator = "="
value = "3:580.95.05-1.fc42"

[[packages]]
name = '*nvidia*'
"""
ZYPPER = """
type: package
match_type: glob
case_sensitive: on
solvable_name: nvidia-*G06*

type: package
solvable_name: vim
"""


def test_apt_preferences() -> None:
    assert parse_apt_preferences(PREFERENCES) == [
        ("*nvidia* cuda-drivers*", "version 580.*", 1001),
        ("*", "release o=repo.radeon.com", 600),
    ]
    assert parse_apt_preferences("# nothing but a remark\n") == []
    lines = "Package: a\n# of others\n b\n\tc  d\nPin: version 1.*\nPin-Priority: 995\n"
    assert parse_apt_preferences(lines) == [("a b c  d", "version 1.*", 995)]


def test_apt_preferences_refuses() -> None:
    with pytest.raises(ValueError, match="no complete paragraph"):
        parse_apt_preferences("Package: nvidia\n")


def test_versionlock_list() -> None:
    assert parse_versionlock_list("# Added lock\nnvidia-driver-3:580.95.05-1.el9.*\n\n!cuda-0:13.0-1.*\n") == [
        "nvidia-driver-3:580.95.05-1.el9.*",
        "!cuda-0:13.0-1.*",
    ]


def test_versionlock_toml() -> None:
    assert parse_versionlock_toml(TOML) == ["nvidia-driver evr = 3:580.95.05-1.fc42", "*nvidia*"]
    assert parse_versionlock_toml("") == []


def test_versionlock_toml_refuses() -> None:
    with pytest.raises(ValueError, match="no package"):
        parse_versionlock_toml("[[something]]\n")


def test_zypper_locks() -> None:
    assert parse_zypper_locks(ZYPPER) == ["nvidia-*G06*", "vim"]


@pytest.mark.parametrize(
    ("text", "stream"),
    [
        ("[nvidia-driver]\nname=nvidia-driver\nstream=580-open\nprofiles=\nstate=enabled\n", ("nvidia-driver", "580-open")),
        ("[nvidia-driver]\nname=nvidia-driver\nstream=\nstate=\n", None),
        ("[x]\nname=x\nstream=1\nstate=disabled\n", None),
        ("", None),
    ],
)
def test_module_stream(text: str, stream: tuple[str, str] | None) -> None:
    assert parse_module_stream(text) == stream


@pytest.mark.parametrize(
    ("kind", "pattern", "name", "held"),
    [
        ("apt_pin", "*nvidia* cuda-drivers*", "libnvidia-compute-580", True),
        ("apt_pin", "/^libnv/", "libnvidia-compute-580", True),
        ("apt_pin", "/(/", "x", False),
        ("apt_pin", "libcuda1 nvidia-driver", "nvidia-driver", True),
        ("apt_pin", "libcuda1 nvidia-driver", "nvidia-driver-libs", False),
        ("apt_pin", "*nvidia*", "docker-ce", False),
        ("dnf_versionlock", "nvidia-driver-3:580.95.05-1.el9.*", "nvidia-driver", True),
        ("dnf_versionlock", "nvidia-driver-3:580.95.05-1.el9.*", "nvidia-driver-libs", False),
        ("dnf_versionlock", "*nvidia*580*", "nvidia-driver-libs", False),
        ("dnf_versionlock", "*nvidia*", "nvidia-driver-libs", True),
        ("dnf_versionlock", "!nvidia-driver-3:590.1-1.*", "nvidia-driver", False),
        ("dnf_versionlock", "nvidia-driver evr = 3:580.95.05-1.fc42", "nvidia-driver", True),
        ("zypper_lock", "nvidia-*G06*", "nvidia-compute-G06", True),
        ("zypper_lock", "nvidia-*G06*", "nvidia-compute-G07", False),
    ],
)
def test_holds(kind: str, pattern: str, name: str, held: bool) -> None:
    assert holds({"kind": kind, "pattern": pattern, "path": "x", "priority": 1001}, name) is held


@pytest.mark.parametrize(
    ("pin", "priority", "held"),
    [
        ("release o=repo.radeon.com", 600, False),
        ("release o=repo.radeon.com", 999, False),
        ("release o=repo.radeon.com", 1000, True),
        ("version 580.*", 990, False),
        ("version 580.*", 991, True),
        ("version 580.*", 995, True),
        ("version *", 995, False),
        ("version *", 1001, True),
        ('origin "developer.download.nvidia.com"', 995, False),
        (None, 995, False),
    ],
)
def test_a_low_priority_only_prefers(pin: str | None, priority: int, held: bool) -> None:
    lock = {"kind": "apt_pin", "pattern": "nvidia-* rocm*", "path": "x", "pin": pin, "priority": priority}
    assert holds(lock, "rocm-core") is held
    assert holds(lock, "libcuda1") is False


@pytest.mark.parametrize(
    ("manager", "files", "locks"),
    [
        (
            "dpkg",
            {
                "/etc/apt/preferences.d/nvidia": PREFERENCES,
                "/etc/apt/preferences.d/old.bak": PREFERENCES,
                "/etc/apt/preferences.d/vim": "Package: vim\n",
            },
            [
                {
                    "kind": "apt_pin",
                    "pattern": "*nvidia* cuda-drivers*",
                    "path": "/etc/apt/preferences.d/nvidia",
                    "pin": "version 580.*",
                    "priority": 1001,
                },
                {
                    "kind": "apt_pin",
                    "pattern": "*",
                    "path": "/etc/apt/preferences.d/nvidia",
                    "pin": "release o=repo.radeon.com",
                    "priority": 600,
                },
            ],
        ),
        (
            "dpkg",
            {"/etc/apt/preferences": "Package: rocm*\nPin: version 6.4*\nPin-Priority: 1000\n"},
            [{"kind": "apt_pin", "pattern": "rocm*", "path": "/etc/apt/preferences", "pin": "version 6.4*", "priority": 1000}],
        ),
        (
            "rpm",
            {
                "/etc/dnf/plugins/versionlock.list": "nvidia-driver-3:580.95.05-1.el9.*\nvim-9\n",
                "/etc/dnf/versionlock.toml": TOML,
                "/etc/zypp/locks": ZYPPER,
            },
            [
                {
                    "kind": "dnf_versionlock",
                    "pattern": "nvidia-driver-3:580.95.05-1.el9.*",
                    "path": "/etc/dnf/plugins/versionlock.list",
                },
                {
                    "kind": "dnf_versionlock",
                    "pattern": "nvidia-driver evr = 3:580.95.05-1.fc42",
                    "path": "/etc/dnf/versionlock.toml",
                },
                {"kind": "dnf_versionlock", "pattern": "*nvidia*", "path": "/etc/dnf/versionlock.toml"},
                {"kind": "zypper_lock", "pattern": "nvidia-*G06*", "path": "/etc/zypp/locks"},
            ],
        ),
        ("dpkg", {}, []),
        ("rpm", {}, []),
    ],
)
def test_read_locks(manager: str, files: dict[str, str], locks: list[Any]) -> None:
    source, problems = node(files=files)
    assert read_locks(source, manager) == locks
    assert problems == []


@pytest.mark.parametrize(
    ("manager", "path", "text"),
    [("dpkg", "/etc/apt/preferences.d/nvidia", "nvidia\n"), ("rpm", "/etc/dnf/versionlock.toml", "[[x]]\n")],
)
def test_damaged_file_is_a_problem(manager: str, path: str, text: str) -> None:
    source, problems = node(files={path: text})
    assert read_locks(source, manager) == []
    assert [problem["code"] for problem in problems] == ["unreadable"]
    assert problems[0]["message"].startswith(f"{path}: ")


def test_read_streams() -> None:
    source, _unused = node(
        files={
            "/etc/dnf/modules.d/nvidia-driver.module": "name=nvidia-driver\nstream=open-dkms\nstate=enabled\n",
            "/etc/dnf/modules.d/perl.module": "name=perl\nstream=5\nstate=enabled\n",
        }
    )
    assert read_streams(source) == {"nvidia-driver": "open-dkms"}


@given(st.text(alphabet="[]packages.conditions=\"'\n: Pin-Priority/nvidia*1"), st.text())
def test_only_value_errors_leave(text: str, other: str) -> None:
    for parse in (
        parse_apt_preferences,
        parse_versionlock_list,
        parse_versionlock_toml,
        parse_zypper_locks,
        parse_module_stream,
    ):
        for candidate in (text, other):
            with contextlib.suppress(ValueError):
                parse(candidate)
    for kind in ("apt_pin", "dnf_versionlock", "zypper_lock"):
        assert holds({"kind": kind, "pattern": text, "priority": 1001}, other) in (True, False)
