# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host sees of the kernel that `edge` plays: /sys, /proc/driver, device nodes, and the driver behind NVML and nvidia-smi."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import amd, edge_rocm, modules, node, nvidia, nvml_answers, smi, sysfs, sysfs_rest, trouble
from .machine import Machine
from .profile import Profile, load_profile

RUN = Path("/run/fakegpu")
_OURS = re.compile(r"/dev/(nvidia|dri/|kfd$)")
# A module that is not there has no nodes.
_NODE_OF = {"/dev/nvidia-uvm": "nvidia_uvm", "/dev/nvidia-uvm-tools": "nvidia_uvm", "/dev/nvidia-modeset": "nvidia_modeset"}
_ELSEWHERE = any(Path(path).is_dir() for path in ("/etc/yum.repos.d", "/etc/zypp"))
_LIBRARY = Path("/usr/lib64/libnvidia-ml.so.1" if _ELSEWHERE else "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1")
_FAKE = Path("/usr/local/lib/x86_64-linux-gnu/libnvidia-ml.so.1")
_SMI = Path("/usr/local/bin/nvidia-smi")
# The real program is a small one, and takes no half a second of processor time to start: an answer is kept until kernel or library change.
_ANSWERS = RUN / "answers"
_SMI_TEXT = f"""\
#!/bin/sh
answer="{_ANSWERS}/$(printf %s "$*" | tr ' /' '__')"
if [ -x /usr/bin/nvidia-smi ] && [ "$answer" -nt {RUN}/kernel.json ] && [ "$(readlink -f {_LIBRARY})" = "$(cat "$answer.library")" ]; then
    exec cat "$answer"
fi
exec {RUN}/edge nvidia-smi "$@"
"""


def fresh(name: str, release: str) -> dict[str, Any]:
    """The state right after the kernel took over: nothing loaded, cards bound only where the profile binds them for good."""
    profile = load_profile(name)
    keys = [*(profile.kernel.get("mok") or []), profile.system["signer"]]
    cards = {gpu.address: None if gpu.driver == "amdgpu" else gpu.driver for vendor in ("nvidia", "amd") for gpu in profile.of(vendor)}
    return {
        "profile": name, "release": release, "secure_boot": bool(profile.kernel["secure_boot"]), "keys": keys, "persistence": False,
        "modules": {}, "cards": cards, "amd": [gpu.address for gpu in profile.of("amd")],
        "inbox_knows": profile.amd.get("inbox_knows", True),
    }


def _profile(state: dict[str, Any]) -> Profile:
    """The profile in that state."""
    profile = load_profile(state["profile"])
    profile.kernel.update(running=state["release"], installed=[state["release"]], next_boot=state["release"], headers=[])
    profile.trouble = {name: words for name, words in profile.trouble.items() if name != "nouveau_bound"}
    for gpu in (*profile.of("nvidia"), *profile.of("amd")):
        gpu.driver = state["cards"][gpu.address]
    driver = state["modules"].get("nvidia")
    if driver:
        kind = "proprietary" if driver["license"] == "NVIDIA" else "open"
        library = os.path.realpath(_LIBRARY).partition(".so.")[2] or driver["version"]
        profile.nvidia = {"version": driver["version"], "loaded": driver["version"], "module": kind, "origin": "none",
                          "library": library, "persistence": state["persistence"]}
    driver = state["modules"].get("amdgpu")
    profile.amd = {"driver": "inbox" if driver["intree"] else "dkms", "version": driver["version"]} if driver else {}
    return profile


def _render(state: dict[str, Any]) -> tuple[Machine, Profile]:
    profile, machine = _profile(state), Machine()
    trouble.before(profile)
    for part in (sysfs, sysfs_rest, node, nvidia, smi, amd):
        part.render(machine, profile)
    trouble.after(machine, profile)
    for paths in (machine.files, machine.links):
        for path in [path for path in paths if path.startswith("/sys/module/")]:
            del paths[path]
    machine.folders = {path for path in machine.folders if not path.startswith("/sys/module/")}
    for name, module in state["modules"].items():
        holders = [other for other, about in state["modules"].items() if name in about["depends"]]
        modules.loaded(machine, name, module["version"], pci=name in ("nvidia", "nouveau", "amdgpu"), holders=holders)
        flags = (("P", module["license"] == "NVIDIA"), ("O", not module["intree"]), ("E", not module["trusted"]))
        machine.values(f"/sys/module/{name}", taint="".join(flag for flag, is_set in flags if is_set), srcversion=module["srcversion"])
    machine.folder("/sys/module")
    return machine, profile


def lay_out(state: dict[str, Any]) -> None:
    """Make /sys, /proc/driver and /dev those of the state; only what differs from the last time is touched."""
    machine, profile = _render(state)
    seen = RUN / "view.json"
    before: dict[str, Any] = json.loads(seen.read_text(encoding="utf-8")) if seen.is_file() else {}
    after = _wanted(machine, state)
    for path in sorted(before, reverse=True):
        if before[path] != after.get(path):
            _drop(path)
    for path, entry in sorted(after.items()):
        if before.get(path) != entry or entry[0] == "folder":  # which may have gone with the last file in it
            _put(path, *entry)
    seen.write_text(json.dumps(after), encoding="utf-8")
    _user_side(state, profile)


def _wanted(machine: Machine, state: dict[str, Any]) -> dict[str, list[str]]:
    """Path → [kind, content]; folders are made as they are needed."""
    found: dict[str, list[str]] = {}
    for path in machine.folders:
        found[_place(path)] = ["folder", ""]
    for path, content in machine.files.items():
        found[_place(path)] = ["file", content if isinstance(content, str) else content.decode("latin-1")]
    for path, target in machine.links.items():
        found[_place(path)] = ["link", target]
    wanted = {path: entry for path, entry in found.items() if path.startswith(("/sys/", f"{RUN}/")) and "/fs/cgroup" not in path}
    for path, one in machine.nodes.items():
        if _OURS.match(path) and _NODE_OF.get(path, "nvidia") in {**state["modules"], **({} if "nvidia" in path else {"nvidia": 1})}:
            mode, group = (one.mode, one.group) if "nvidia" in path else edge_rocm.owner(path)
            wanted[path] = ["node", f"{one.kind} {one.major} {one.minor} {mode} {group}"]
    return wanted


def _place(path: str) -> str:
    return f"{RUN}/proc-driver{path[len('/proc/driver'):]}" if path.startswith("/proc/driver/") else path


def _put(path: str, kind: str, content: str) -> None:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        place.mkdir(exist_ok=True)
    elif kind == "link":
        place.symlink_to(content)
    elif kind == "file":
        place.write_bytes(content.encode("latin-1", errors="replace") if "\xff" in content else content.encode())
    else:
        letter, major, minor, mode, group = content.split()
        place.unlink(missing_ok=True)
        os.mknod(path, {"c": stat.S_IFCHR, "b": stat.S_IFBLK}[letter] | 0o600, os.makedev(int(major), int(minor)))
        os.chmod(path, int(mode, 8))
        shutil.chown(path, group=group)


def _drop(path: str) -> None:
    """With the folders above it that are empty then, as sysfs does."""
    place = Path(path)
    try:
        place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()
        for parent in place.parents:
            if not str(parent).startswith(("/sys/", f"{RUN}/proc-driver/", "/dev/dri")):
                break
            parent.rmdir()
    except OSError:
        pass  # not empty, or gone with the folder of a device


def _user_side(state: dict[str, Any], profile: Profile) -> None:
    """NVML and nvidia-smi talk to the module by calls that only NVIDIA knows: while it is loaded, ours stand before theirs."""
    configuration = Path("/etc/fakegpu/nvml.conf")
    if "nvidia" in state["modules"]:
        configuration.parent.mkdir(exist_ok=True)
        profile.nvidia["library"] = profile.nvidia["loaded"]  # the library compares for itself
        configuration.write_text(nvml_answers.conf(profile) + f"library={_LIBRARY}\n", encoding="utf-8")
        _FAKE.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile("/fakegpu/lib/libnvidia-ml.so.1", _FAKE)
        _SMI.write_text(_SMI_TEXT, encoding="ascii")
        _SMI.chmod(0o755)
    else:
        for path in (configuration, _FAKE, _SMI):
            path.unlink(missing_ok=True)
    subprocess.run(["ldconfig"], check=True)


def nvidia_smi(words: list[str]) -> int:
    """What the profile's cards answer to the queries that private functions of NVML serve; the real nvidia-smi does the rest."""
    real = shutil.which("nvidia-smi", path="/usr/bin")
    if real is None:
        print("nvidia-smi: not found", file=sys.stderr)
        return 127
    changed = (RUN / "kernel.json").stat().st_mtime_ns
    state = json.loads((RUN / "kernel.json").read_text(encoding="utf-8"))
    machine, _profile_of = _render(state)
    for command in machine.commands:
        if command["argv"] == ["nvidia-smi", *words]:
            sys.stdout.write(command["stdout"])
            sys.stderr.write(command["stderr"])
            if command["rc"] == 0 and not command["stderr"]:
                _keep(words, command["stdout"], changed)
            return int(command["rc"])
    return subprocess.run([real, *words], check=False).returncode


def _keep(words: list[str], answer: str, changed: int) -> None:
    """As young as the state that it was made of (changed, in nanoseconds), which may be another one by now. Where it cannot be written
    (an ordinary user asked), the next one is made anew."""
    path = _ANSWERS / " ".join(words).replace(" ", "_").replace("/", "_")
    with contextlib.suppress(OSError):
        _ANSWERS.mkdir(exist_ok=True)
        path.with_name(f"{path.name}.library").write_text(f"{os.path.realpath(_LIBRARY)}\n", encoding="utf-8")
        path.write_text(answer, encoding="utf-8")
        os.utime(path, ns=(changed + 1, changed + 1))
