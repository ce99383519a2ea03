# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of the machine would find: space, locks, repositories, jobs, what the collection did there before.

```yaml
change:
  free_mib: {/boot: 200, /usr: 40000, /var: 30000}     # of three file systems; these are the defaults but for /boot
  lock_holder: {pid: 812, name: unattended-upgr}
  holders: [{pid: 4242, name: python3, path: /dev/nvidia0}]
  kubelet: cordoned          # or ready, unknown (no kubectl)
  slurmd: IDLE+DRAIN         # the state that scontrol shows
  record: {packages: {nvidia-driver: 550.163.01-2}, files: [], repositories: [], locks: []}
  repositories: {/etc/apt/sources.list.d/cuda.list: "deb https://example.org/ /"}      # none where it is left out: a tree is for real ones
```
"""

from __future__ import annotations

import json
from typing import Any

from .errors import unknown
from .machine import Machine
from .node import is_rpm
from .profile import Profile

KEYS = {"free_mib", "lock_holder", "holders", "kubelet", "slurmd", "record", "repositories", "programs"}
_FREE = {"/boot": 700, "/usr": 40000, "/var": 30000}
_HOST = "node1"


def render(machine: Machine, profile: Profile) -> None:
    """Every machine has room, nobody at the locks and no jobs, where its profile says nothing else."""
    about: dict[str, Any] = profile.about.get("change") or {}
    for key in about:
        if key not in KEYS:
            raise unknown("key", key, KEYS, f"{profile.name}: change")
    machine.values("/proc/sys/kernel", hostname=_HOST)
    for folder in _FREE:
        machine.folder(folder)
    _df(machine, {**_FREE, **(about.get("free_mib") or {})})
    machine.probes["package_lock"] = {"holder": about.get("lock_holder")}
    machine.probes["gpu_holders"] = {"holders": about.get("holders") or [], "complete": True}
    _programs(machine, profile, about)
    _workloads(machine, about)
    for path, text in (about.get("repositories") or {}).items():
        machine.write(path, text)
    if about.get("record") is not None:
        record = {"schema_version": 1, "packages": {}, "files": [], "repositories": [], "locks": [], **about["record"]}
        machine.write("/var/lib/gpufleet/nvidia_driver.json", json.dumps(record))


def _df(machine: Machine, free: dict[str, int]) -> None:
    rows = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n"
    for number, (path, mib) in enumerate(free.items(), 1):
        rows += f"/dev/nvme0n1p{number}    104857600 52428800 {mib * 1024:9d}      50% {path}\n"
    machine.outcome(["df", "-kP", *free], rc=0, stdout=rows, stderr="")


def _programs(machine: Machine, profile: Profile, about: dict[str, Any]) -> None:
    names = about.get("programs")
    if names is None:
        names = ["dracut" if is_rpm(profile) else "update-initramfs"] + (["nvidia-modprobe"] if profile.nvidia else [])
    for name in names:
        machine.write(f"/usr/sbin/{name}", "")


def _workloads(machine: Machine, about: dict[str, Any]) -> None:
    kubelet, slurmd = about.get("kubelet"), about.get("slurmd")
    if kubelet:
        machine.links["/run/systemd/units/invocation:kubelet.service"] = "0123456789abcdef0123456789abcdef"
    if kubelet in ("cordoned", "ready"):
        spec = {"podCIDR": "10.244.1.0/24", **({"unschedulable": True} if kubelet == "cordoned" else {})}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": _HOST}, "spec": spec}
        machine.command(f"kubectl --kubeconfig=/etc/kubernetes/kubelet.conf get node {_HOST} -o json", json.dumps(node, indent=4) + "\n")
    if slurmd:
        machine.links["/run/systemd/units/invocation:slurmd.service"] = "fedcba9876543210fedcba9876543210"
        machine.command(
            f"scontrol show node {_HOST}",
            f"NodeName={_HOST} Arch=x86_64 CoresPerSocket=32\n   Gres=gpu:8\n   State={slurmd} ThreadsPerCore=2 TmpDisk=0 Weight=1\n\n",
        )
