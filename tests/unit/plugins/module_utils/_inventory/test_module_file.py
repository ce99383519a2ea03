# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._module_file import ModuleTree, ask, parse_modinfo
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import command, node

OPEN = """filename:       /lib/modules/6.8.0-44-generic/updates/dkms/nvidia.ko.zst
alias:          char-major-195-*
version:        580.95.05
supported:      external
license:        Dual MIT/GPL
srcversion:     8D7B2D6BF3F1B1B1B1B1B1B
sig_id:         PKCS#7
signer:         node Secure Boot Module Signature key
parm:           NvSwitchRegDwords:NvSwitch regkey (charp)
"""


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (OPEN, {"version": "580.95.05", "flavour": "open", "signer": "node Secure Boot Module Signature key"}),
        (
            "filename: /x/nvidia.ko\nversion: 550.163.01\nlicense: NVIDIA\n",
            {"version": "550.163.01", "flavour": "proprietary", "signer": None},
        ),
        ("filename: /x/amdgpu.ko\nlicense: GPL and additional rights\n", {"version": None, "flavour": "open", "signer": None}),
        ("vermagic: 6.1\n", {"version": None, "flavour": None, "signer": None}),
    ],
)
def test_modinfo(text: str, facts: dict[str, str | None]) -> None:
    assert parse_modinfo(text) == facts


@pytest.mark.parametrize("text", ["", "modinfo: ERROR: Module nvidia not found.\n"])
def test_modinfo_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="modinfo"):
        parse_modinfo(text)


@pytest.mark.parametrize(
    ("module", "path"),
    [
        ("nvidia", "updates/dkms/nvidia.ko.zst"),
        ("nvidia", "updates/dkms/nvidia-current.ko"),
        ("nvidia", "updates/dkms/nvidia-tesla-535.ko"),
        ("nvidia", "extra/nvidia.ko.xz"),
        ("nvidia", "extra/nvidia-open/nvidia.ko.xz"),
        ("nvidia", "weak-updates/nvidia/nvidia.ko"),
        ("nvidia", "kernel/nvidia-580/nvidia.ko"),
        ("nvidia", "kernel/drivers/video/nvidia.ko"),
        ("amdgpu", "updates/dkms/amdgpu.ko.zst"),
        ("amdgpu", "kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko.xz"),
    ],
)
def test_find(module: str, path: str) -> None:
    source, _unused = node(files={f"/lib/modules/6.1/{path}": "", "/lib/modules/6.1/modules.order": ""})
    assert ModuleTree(source, "/lib/modules/6.1").find(module) == f"/lib/modules/6.1/{path}"


@pytest.mark.parametrize(
    "path",
    [
        "updates/dkms/nvidia-drm.ko",
        "updates/dkms/nvidia-current-uvm.ko",
        "extra/nvidia-peermem.ko.xz",
        "build/nvidia.ko",
        "kernel/drivers/video/nvidia.ko.sig",
    ],
)
def test_find_takes_no_sibling(path: str) -> None:
    source, _unused = node(files={f"/lib/modules/6.1/{path}": ""})
    assert ModuleTree(source, "/lib/modules/6.1").find("nvidia") is None


def test_updates_come_before_the_kernels_own() -> None:
    source, _unused = node(
        files={
            "/lib/modules/6.1/kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko": "",
            "/lib/modules/6.1/updates/dkms/amdgpu.ko": "",
        }
    )
    assert ModuleTree(source, "/lib/modules/6.1").find("amdgpu") == "/lib/modules/6.1/updates/dkms/amdgpu.ko"


PATH = "/lib/modules/6.1/updates/dkms/nvidia.ko"
INBOX = "/lib/modules/6.1/kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko"


@pytest.mark.parametrize(("name", "flavour"), [("nvidia.ko", None), ("nvidia-current-open.ko.xz", "open")])
def test_facts(name: str, flavour: str | None) -> None:
    path = f"/lib/modules/6.1/updates/dkms/{name}"
    source, _unused = node(files={path: ""})
    assert ModuleTree(source, "/lib/modules/6.1").facts("nvidia") == {"version": None, "flavour": flavour, "signer": None, "path": path}


@pytest.mark.parametrize(
    ("path", "commands", "answer", "problem"),
    [
        (
            PATH,
            [command(f"modinfo {PATH}", OPEN)],
            {"version": "580.95.05", "flavour": "open", "signer": "node Secure Boot Module Signature key"},
            None,
        ),
        (PATH, [], {}, None),
        (INBOX, [command(f"modinfo {INBOX}", OPEN)], {}, None),
        (PATH, [command(f"modinfo {PATH}", "", 1, "modinfo: ERROR: Invalid argument")], {}, "modinfo: ERROR: Invalid argument"),
        (PATH, [command(f"modinfo {PATH}", "", 1)], {}, f"modinfo {PATH}: exit status 1"),
        (PATH, [command(f"modinfo {PATH}", "???")], {}, f"modinfo {PATH}: not the output of modinfo"),
        (PATH, [{"argv": ["modinfo", PATH], "error": "timeout"}], {}, f"modinfo {PATH}: no answer within 10 s"),
    ],
)
def test_ask(path: str, commands: list[Any], answer: dict[str, Any], problem: str | None) -> None:
    source, problems = node(commands=commands)
    assert ask(source, path) == answer
    assert [entry["message"] for entry in problems] == ([problem] if problem else [])


def test_no_module() -> None:
    source, _unused = node(files={"/lib/modules/6.1/modules.order": ""})
    assert ModuleTree(source, "/lib/modules/6.1").facts("nvidia") is None


@given(st.text())
def test_only_value_errors_leave(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert set(parse_modinfo(text)) == {"version", "flavour", "signer"}
