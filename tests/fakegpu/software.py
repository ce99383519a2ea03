# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages, kernel log, container runtimes, CUDA toolkits, PyTorch: what stands above the driver."""

from __future__ import annotations

import json
import time
from typing import Any

from .machine import Machine
from .node import BOOT_TIME, library_folder
from .nvidia import packing
from .profile import Profile

_JOURNAL = ["journalctl", "-k", "-b", "-o", "short-iso", "--no-pager"]


def render(machine: Machine, profile: Profile) -> None:
    """Everything that needs to know what the others rendered."""
    _log(machine, profile)
    software = profile.about.get("software") or {}
    _toolkits(machine, software)
    _containers(machine, profile, software)
    _pytorch(machine, profile, software)


def _log(machine: Machine, profile: Profile) -> None:
    """The kernel log since boot."""
    lines = [
        (0.0, f"Linux version {profile.kernel['running']} {profile.about.get('kernel_build') or profile.system['build']}"),
        (0.0, f"Command line: BOOT_IMAGE=/boot/vmlinuz-{profile.kernel['running']} ro quiet"),
    ]
    if profile.kernel["secure_boot"]:
        lines.append((0.1, "secureboot: Secure boot enabled"))
    if profile.nvidia.get("loaded"):
        lines.append((6.0, "nvidia: loading out-of-tree module taints kernel."))
        flavour = "Open Kernel Module for x86_64" if profile.nvidia["module"] == "open" else "x86_64 Kernel Module"
        lines.append(
            (6.2, f"NVRM: loading NVIDIA UNIX {flavour}  {profile.nvidia['loaded']}  Release Build  (dvs-builder@U22-I3-AM27-20-3)")
        )
    for gpu in profile.of("amd"):
        if gpu.driver == "amdgpu":
            lines.append((4.0, f"amdgpu {gpu.address}: amdgpu: VRAM: {gpu.get('vram_mib')}M 0x0000008000000000 - 0x00000083FEFFFFFF"))
            lines.append((4.5, f"kfd kfd: amdgpu: added device 1002:{gpu.get('device')}"))
    lines += profile.log
    lines.sort(key=lambda line: line[0])
    journal, ring = "", ""
    for at, message in lines:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(BOOT_TIME + at))
        for part in message.split("\n"):
            journal += f"{stamp} node1 kernel: {part}\n"
            ring += f"[{at:12.6f}] {part}\n"
    machine.outcome(_JOURNAL, rc=0, stdout=journal, stderr="")
    machine.outcome(["dmesg"], rc=0, stdout=ring, stderr="")


def _toolkits(machine: Machine, software: dict[str, Any]) -> None:
    for number, version in enumerate(software.get("cuda_toolkits") or []):
        short = ".".join(version.split(".")[:2])
        folder = f"/usr/local/cuda-{short}"
        machine.write(f"{folder}/version.json", json.dumps({"cuda": {"name": "CUDA SDK", "version": version}}, indent=3) + "\n")
        machine.write(f"{folder}/bin/nvcc", "")
        machine.command(
            f"{folder}/bin/nvcc --version", f"nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release {short}, V{version}\n"
        )
        if number == 0:
            machine.links["/usr/local/cuda"] = folder


def _containers(machine: Machine, profile: Profile, software: dict[str, Any]) -> None:
    docker = software.get("docker")
    daemon: dict[str, Any] = {}
    if docker:
        machine.write("/usr/bin/docker", "")
        machine.write("/usr/bin/dockerd", "")
        profile.packages["docker-ce"] = {"version": f"5:{docker['version']}-1", "vendor": "Docker", "held": False, "source": "docker-ce"}
        if docker.get("nvidia_runtime"):
            daemon["runtimes"] = {"nvidia": {"args": [], "path": "nvidia-container-runtime"}}
        if docker.get("cgroup_driver"):
            daemon["exec-opts"] = [f"native.cgroupdriver={docker['cgroup_driver']}"]
        if daemon:
            machine.write("/etc/docker/daemon.json", json.dumps(daemon, indent=4) + "\n")
        driver = docker.get("cgroup_driver", "systemd" if profile.kernel["cgroup"] == 2 else "cgroupfs")
        runtimes = {"io.containerd.runc.v2": {"path": "runc"}, "runc": {"path": "runc"}, **daemon.get("runtimes", {})}
        machine.command("docker --version", f"Docker version {docker['version']}, build 1234567\n")
        machine.outcome(
            ["docker", "version", "--format", "{{json .}}"],
            rc=0,
            stderr="",
            stdout=json.dumps({"Client": {"Version": docker["version"]}, "Server": {"Version": docker["version"]}}) + "\n",
        )
        machine.outcome(
            ["docker", "info", "--format", "{{json .}}"],
            rc=0,
            stderr="",
            stdout=json.dumps(
                {
                    "ServerVersion": docker["version"],
                    "Runtimes": runtimes,
                    "CgroupDriver": driver,
                    "CgroupVersion": str(profile.kernel["cgroup"]),
                }
            )
            + "\n",
        )
    for engine in ("podman", "containerd"):
        if software.get(engine):
            machine.write(f"/usr/bin/{engine}", "")
            text = (
                f"podman version {software[engine]}\n"
                if engine == "podman"
                else f"containerd github.com/containerd/containerd/v2 {software[engine]} 1234567\n"
            )
            machine.command(f"{engine} --version", text)
            profile.packages["containerd.io" if engine == "containerd" else engine] = {
                "version": f"{software[engine]}-1",
                "vendor": "Docker",
                "held": False,
                "source": engine,
            }
    toolkit = software.get("container_toolkit")
    if toolkit:
        for name in ("nvidia-ctk", "nvidia-container-runtime", "nvidia-container-cli"):
            machine.write(f"/usr/bin/{name}", "")
        machine.command("nvidia-ctk --version", f"NVIDIA Container Toolkit CLI version {toolkit}\ncommit: 0123456789abcdef\n")
        machine.write("/etc/nvidia-container-runtime/config.toml", '[nvidia-container-runtime]\nmode = "auto"\n')
        for name in ("nvidia-container-toolkit", "nvidia-container-toolkit-base", "libnvidia-container-tools", "libnvidia-container1"):
            profile.packages[name] = {"version": f"{toolkit}-1", "vendor": "NVIDIA CORPORATION", "held": False, "source": name}
        if software.get("cdi", True) and profile.nvidia.get("library"):
            machine.write("/etc/cdi/nvidia.yaml", _cdi(profile))


def _cdi(profile: Profile) -> str:
    """A CDI specification as nvidia-ctk writes it."""
    version, folder = profile.nvidia["library"], library_folder(profile)
    row = packing(profile)
    inside = f"{folder}/{row['library']}" if row.get("library") else folder
    text = "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n"
    for number, gpu in enumerate(profile.driven()):
        for name in (str(number), gpu.uuid):
            text += f'- name: "{name}"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nvidia{number}\n'
    text += "- name: all\n  containerEdits:\n    deviceNodes:\n"
    text += "".join(f"    - path: /dev/nvidia{number}\n" for number in range(len(profile.driven())))
    text += "containerEdits:\n  deviceNodes:\n  - path: /dev/nvidiactl\n  - path: /dev/nvidia-uvm\n"
    text += "  env:\n  - NVIDIA_VISIBLE_DEVICES=void\n  mounts:\n"
    for library in ("libcuda", "libnvidia-ml", "libnvidia-ptxjitcompiler"):
        path = f"{inside}/{library}.so.{version}"
        text += f"  - hostPath: {path}\n    containerPath: {path}\n    options:\n    - ro\n    - nosuid\n    - nodev\n    - bind\n"
    return text + "  - hostPath: /usr/bin/nvidia-smi\n    containerPath: /usr/bin/nvidia-smi\n"


def _pytorch(machine: Machine, profile: Profile, software: dict[str, Any]) -> None:
    """Wheels in site-packages: the version file tells the backend."""
    for one in software.get("pytorch") or []:
        folder = one.get("path", "/usr/local/lib/python3.12/dist-packages")
        backend = one["backend"]
        local = f"{one['version']}+{backend}"
        cuda = f"'{backend[2:-1]}.{backend[-1]}'" if backend.startswith("cu") else "None"
        hip = f"'{backend[4:]}.25424'" if backend.startswith("rocm") else "None"
        machine.write(
            f"{folder}/torch/version.py",
            "from typing import Optional\n\n__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']\n"
            f"__version__ = '{local}'\ndebug = False\ncuda: Optional[str] = {cuda}\ngit_version = '0123456789abcdef'\n"
            f"hip: Optional[str] = {hip}\nrocm: Optional[str] = None\nxpu: Optional[str] = None\n",
        )
        machine.write(f"{folder}/torch-{local}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {local}\n")
