# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD's side of the kernel that hosts of the tests play: whose device files are, by udev's rules, and what tools say at this edge."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakegpu import edge_rocm

DEFAULT = (
    'SUBSYSTEM=="drm", KERNEL!="renderD*", GROUP="video"\n'
    'SUBSYSTEM=="drm", KERNEL=="renderD*", GROUP="render", MODE="0660"\n'
    'SUBSYSTEM=="kfd", GROUP="render", MODE="0660"\n'
)


@pytest.fixture(autouse=True)
def _rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(edge_rocm, "_RULES", (f"{tmp_path}/etc", f"{tmp_path}/lib"))
    monkeypatch.setattr(edge_rocm, "_there", lambda group: group in ("render", "video"))
    edge_rocm._rules.cache_clear()
    yield
    edge_rocm._rules.cache_clear()


@pytest.mark.parametrize(
    ("rules", "kfd", "render", "card"),
    [
        ({}, ("0600", "root"), ("0600", "root"), ("0600", "root")),
        ({"lib/50-default.rules": DEFAULT}, ("0660", "render"), ("0660", "render"), ("0660", "video")),
        ({"lib/50-default.rules": DEFAULT, "etc/70-x.rules": 'KERNEL=="kfd", MODE="0666"\n'}, ("0666", "render"), ("0660", "render"),
         ("0660", "video")),
        ({"lib/50-default.rules": DEFAULT, "etc/50-default.rules": ""}, ("0600", "root"), ("0600", "root"), ("0600", "root")),
        ({"lib/50-default.rules": DEFAULT, "etc/70-x.rules": 'KERNEL=="kfd", GROUP="nobody-has-it"\n'}, ("0660", "render"),
         ("0660", "render"), ("0660", "video")),
        ({"lib/50-default.rules": DEFAULT, "etc/70-x.rules": 'KERNEL=="renderD*", ATTRS{vendor}=="0x10de", MODE="0666"\n'},
         ("0660", "render"), ("0660", "render"), ("0660", "video")),
    ],
)  # fmt: skip
def test_owners(tmp_path: Path, rules: dict[str, str], kfd: Any, render: Any, card: Any) -> None:
    for name, text in rules.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert [edge_rocm.owner(path) for path in ("/dev/kfd", "/dev/dri/renderD128", "/dev/dri/card0")] == [kfd, render, card]


def run(tool: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool = True, loaded: bool = True,
        bound: bool = True) -> int:
    bound = bound and loaded
    state = {"profile": "trixie-rx6800xt-bare", "cards": {"0000:03:00.0": "amdgpu" if bound else None},
             "modules": {"amdgpu": {"intree": True, "version": None}} if loaded else {}}
    (tmp_path / "kernel.json").write_text(json.dumps(state))
    monkeypatch.setattr(edge_rocm, "RUN", tmp_path)
    monkeypatch.setattr(edge_rocm, "_allowed", lambda: allowed)
    monkeypatch.setattr(os.path, "exists", lambda path: bound if path == "/dev/kfd" else os.access(path, os.F_OK))
    return edge_rocm.PROGRAMS[tool](words)


@pytest.mark.parametrize(
    ("tool", "words", "how", "status", "said"),
    [
        ("rocminfo", [], {}, 0, "gfx1030"),
        ("rocminfo", [], {"allowed": False}, 1, "Unable to open /dev/kfd read-write: Permission denied"),
        ("rocminfo", [], {"loaded": False}, 1, "ROCk module is NOT loaded, possibly no GPU devices"),
        ("rocminfo", [], {"bound": False}, 1, "Unable to open /dev/kfd read-write: No such file or directory"),
        ("clinfo", [], {}, 0, "gfx1030"),
        ("clinfo", [], {"allowed": False}, 0, "Number of devices:              \t\t 0\n"),
        ("amd-smi", ["static", "--json"], {}, 0, '"bdf": "0000:03:00.0"'),
        ("amd-smi", ["monitor"], {}, 2, "fakegpu knows no answer to: monitor"),
        ("amd-smi", ["static", "--json"], {"loaded": False}, 255, "Unable to detect any GPU devices"),
        ("rocm_agent_enumerator", [], {}, 0, "gfx1030\n"),
    ],
)  # fmt: skip
def test_tools(tool: str, words: list[str], how: dict[str, bool], status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
               capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tool, words, tmp_path, monkeypatch, **how) == status
    told = capsys.readouterr()
    assert said in told.out + told.err
