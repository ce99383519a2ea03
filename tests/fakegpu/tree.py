# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine as a tree for a container (README.md, "The tree")."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from . import nvml_answers
from .errors import ProfileError
from .machine import Content, Machine
from .profile import Profile
from .render import machine_of

# The container's own: a tree that brought these would break it.
_NOT_IN_ROOT = (
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/proc",
    "/dev",
    "/sys",
    "/usr/lib64/ld-",
    "/usr/lib/ld-",
    "/var/lib/dpkg",
    "/var/lib/rpm",
    "/.dockerenv",
    "/usr/lib/systemd/system/ssh.service",
    "/usr/lib/systemd/system/cron.service",
    "/usr/bin/docker",
    "/usr/bin/podman",
    "/usr/sbin",
)
_NOT_STOOD_IN_FOR = ("uname", "systemd-detect-virt", "dpkg-query", "dpkg", "rpm", "apt-cache", "apt-mark", "dnf", "versionlock", "df", "id",
                     "find")
# Files of /proc that a container may get mounted over its own, one by one.
_PROC = ("/proc/cmdline", "/proc/sys/kernel/osrelease", "/proc/version")
_OUTPUTS = "/usr/share/fakegpu/commands"


def write_tree(profile: Profile, folder: Path, commands: bool = True) -> None:
    """Write the tree into a folder that is empty or does not exist yet."""
    if folder.exists() and any(folder.iterdir()):
        raise ProfileError(f"{folder}: not empty")
    machine = machine_of(profile)
    if commands:
        _stand_ins(machine)
    (folder / "root").mkdir(parents=True)
    for path in sorted(machine.folders):
        _place(folder, path).mkdir(parents=True, exist_ok=True) if _is_in(path) else None
    for path, content in machine.files.items():
        if _is_in(path):
            _write(_place(folder, path), content, executable=path.startswith("/usr/local/bin/") or "/bin/" in path)
    for path, target in machine.links.items():
        if _is_in(path):
            place = _place(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
    for name in ("sys/fs/cgroup", "proc-driver", "sys/class", "sys/module"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if profile.nvidia:
        text = nvml_answers.conf(profile)
        _write(folder / "nvml.conf", text)
        _write(folder / "root/etc/fakegpu/nvml.conf", text)
    _write(folder / "commands.json", json.dumps(machine.commands, indent=1) + "\n")
    rows = [
        f"{path} {node.kind} {node.major} {node.minor} {node.mode} {node.group}\n"
        for path, node in sorted(machine.nodes.items())
        if node.major != 1
    ]
    _write(folder / "nodes", "".join(rows))
    for path in _PROC:
        if path in machine.files:
            _write(folder / path[1:], machine.files[path])
    status = machine.files.get("/var/lib/dpkg/status")
    if status is not None:
        _write(folder / "dpkg-status", status)


def _is_in(path: str) -> bool:
    """Whether a path belongs into the tree; an empty place is all that the mount of the control groups wants."""
    if path.startswith("/sys/fs/cgroup"):
        return False
    return path.startswith(("/sys/", "/proc/driver/")) or not any(
        path == one or path.startswith(one if one.endswith("-") else f"{one}/") for one in _NOT_IN_ROOT
    )


def _place(folder: Path, path: str) -> Path:
    if path.startswith("/sys/"):
        return folder / path[1:]
    if path.startswith("/proc/driver/"):
        return folder / "proc-driver" / path[len("/proc/driver/") :]
    return folder / "root" / path[1:]


def _write(place: Path, content: Content, executable: bool = False) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else content.encode())
    if executable:
        os.chmod(place, 0o755)


def _stand_ins(machine: Machine) -> None:
    """A shell script for each program: known arguments get the recorded outcome, others go to the real program below /usr/bin."""
    programs: dict[str, list[dict[str, Any]]] = {}
    for command in [one for one in machine.commands if "user" not in one]:
        programs.setdefault(command["argv"][0], []).append(command)
    number = 0
    for program, known in sorted(programs.items()):
        name = os.path.basename(program)
        if name in _NOT_STOOD_IN_FOR:
            continue
        cases = ""
        for command in known:
            number += 1
            cases += _case(machine, command, f"{_OUTPUTS}/{number}")
        text = f'#!/bin/sh\n# made by fakegpu\ncase "$*" in\n{cases}esac\n'
        text += (
            f'if [ -x /usr/bin/{name} ]; then exec /usr/bin/{name} "$@"; fi\necho "{name}: fakegpu knows no answer to: $*" >&2\nexit 127\n'
        )
        machine.write(program if program.startswith("/") else f"/usr/local/bin/{name}", text)
        if machine.files.get(f"/usr/bin/{name}") == "":
            machine.files.pop(f"/usr/bin/{name}")


def _case(machine: Machine, command: dict[str, Any], output: str) -> str:
    lines = []
    for stream, redirect in (("stdout", ""), ("stderr", " >&2")):
        if command.get(stream):
            machine.write(f"{output}.{stream}", command[stream])
            lines.append(f"cat {output}.{stream}{redirect}")
    if command.get("error") == "timeout":
        lines.append("exec cat /run/fakegpu/hang")
    elif "signal" in command:
        lines.append(f"kill -{command['signal']} $$")
    else:
        lines.append(f"exit {command.get('rc', 0)}")
    return f"{shlex.quote(' '.join(command['argv'][1:]))})\n  " + "\n  ".join(lines) + ";;\n"
