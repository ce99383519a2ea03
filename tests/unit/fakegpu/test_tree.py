# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree for a container holds what the evidence holds, and nothing that would break a container."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._host import LiveHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from fakegpu import ProfileError, evidence_of, load_profile, machine_of
from fakegpu.tree import write_tree

CHOSEN = ["rtx4090-healthy", "h100x8-healthy", "mi300x8-cpx", "gpu-off-the-bus", "no-gpu", "wsl"]


@pytest.mark.parametrize("name", CHOSEN)
def test_sys_is_the_one_of_the_evidence(name: str, tmp_path: Path) -> None:
    write_tree(load_profile(name), tmp_path)
    machine = machine_of(load_profile(name))
    for path, content in machine.files.items():
        if path.startswith("/sys/") and not path.startswith("/sys/fs/cgroup"):
            assert (tmp_path / path[1:]).read_bytes() == (content.encode() if isinstance(content, str) else content)
    for path, target in machine.links.items():
        if path.startswith("/sys/"):
            assert os.readlink(tmp_path / path[1:]) == target
            assert (tmp_path / path[1:]).exists(), path
    assert list((tmp_path / "sys/fs/cgroup").iterdir()) == []


@pytest.mark.parametrize("name", CHOSEN)
def test_root_brings_nothing_that_breaks_a_container(name: str, tmp_path: Path) -> None:
    write_tree(load_profile(name), tmp_path)
    root = tmp_path / "root"
    assert [entry for entry in ("bin", "sbin", "lib", "lib64", "proc", "dev", "sys", "var/lib/dpkg") if os.path.lexists(root / entry)] == []
    assert list(root.glob("usr/lib*/ld-*")) == []


def test_driver_files_and_nodes(tmp_path: Path) -> None:
    write_tree(load_profile("h100x8-healthy"), tmp_path)
    assert "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05" in (tmp_path / "proc-driver/nvidia/version").read_text(
        encoding="utf-8"
    )
    assert len(list((tmp_path / "proc-driver/nvidia/gpus").iterdir())) == 8
    nodes = (tmp_path / "nodes").read_text(encoding="utf-8").splitlines()
    assert "/dev/nvidiactl c 195 255 0666 root" in nodes
    assert "/dev/nvidia7 c 195 7 0666 root" in nodes
    assert "count=8" in (tmp_path / "root/etc/fakegpu/nvml.conf").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", ["rtx4090-healthy", "library-mismatch"])
def test_stand_ins_answer_as_recorded(name: str, tmp_path: Path) -> None:
    write_tree(load_profile(name), tmp_path)
    outputs = tmp_path / "root/usr/share/fakegpu/commands"
    recorded = json.loads((tmp_path / "commands.json").read_text(encoding="utf-8"))
    checked = 0
    for command in recorded:
        script = tmp_path / "root/usr/local/bin" / command["argv"][0]
        if script.is_file():
            here = tmp_path / "stand-in"
            here.write_text(script.read_text(encoding="utf-8").replace("/usr/share/fakegpu/commands", shlex.quote(str(outputs))),
                            encoding="utf-8")
            done = subprocess.run(["sh", str(here), *command["argv"][1:]], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout, done.stderr) == (command["rc"], command["stdout"], command["stderr"])
            checked += 1
    assert checked > 5


def test_stand_ins_crash_and_refuse_what_they_do_not_know(tmp_path: Path) -> None:
    write_tree(load_profile("smi-crashes"), tmp_path)
    script = tmp_path / "root/usr/local/bin/nvidia-smi"
    assert subprocess.run(["sh", str(script), "-q", "-x"], capture_output=True, check=False).returncode == -11
    if not Path("/usr/bin/nvidia-smi").exists():
        done = subprocess.run(["sh", str(script), "dmon"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (127, "nvidia-smi: fakegpu knows no answer to: dmon\n")


def test_without_commands_real_tools_have_their_place(tmp_path: Path) -> None:
    write_tree(load_profile("rtx4090-healthy"), tmp_path, commands=False)
    assert not (tmp_path / "root/usr/local/bin").exists()


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("", encoding="utf-8")
    with pytest.raises(ProfileError, match="not empty"):
        write_tree(load_profile("no-gpu"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["rtx4090-healthy", "mi300x8-cpx", "azure-pci-domains", "mi300x-gim-host"])
def test_the_product_sees_the_same_cards_in_tree_and_evidence(name: str, tmp_path: Path) -> None:
    write_tree(load_profile(name), tmp_path)
    root = tmp_path / "root"
    (tmp_path / "sys").rename(root / "sys")
    (root / "proc").mkdir()
    (tmp_path / "proc-driver").rename(root / "proc" / "driver")
    keys = ("vendor", "name", "gfx_target", "pci", "partitioning", "xgmi")
    told = [
        [{key: device.get(key) for key in keys} for device in gather(host, sources=("pci", "kfd", "amdgpu", "nvidia_proc")).devices]
        for host in (LiveHost(str(root)), load(json.dumps(evidence_of(load_profile(name)))))
    ]
    assert told[0] == told[1]
    assert told[0]
