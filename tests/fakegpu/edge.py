# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's edge of a host whose kernel is only played: what modprobe, rmmod, udev, a boot and the NVIDIA daemons do there.

`python3 -m fakegpu.edge PROGRAM ARGUMENT …` on the host, as root. Files of modules, aliases, blacklists, install and remove
lines are the real ones, read by the real kmod; only init_module(2) and delete_module(2) are ours. PROFILE is in
/run/fakegpu/profile; what is loaded in /run/fakegpu/kernel.json; `edge_view` lays it out as /sys, /proc and /dev.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import edge_rocm, edge_view
from .profile import load_profile

RUN = Path("/run/fakegpu")
KMOD = RUN / "kmod"  # links to kmod under the names that it answers to
# Which names of /dev keep a module in use.
_NODES = {"nvidia": r"/dev/nvidia(\d+|ctl)", "nvidia_uvm": r"/dev/nvidia-uvm.*", "nvidia_modeset": r"/dev/nvidia-modeset",
          "nvidia_drm": r"/dev/dri/.*", "nouveau": r"/dev/dri/.*", "amdgpu": r"/dev/(kfd|dri/.*)|/memfd:fake-(kfd|drm).*"}
State = dict[str, Any]


class Refusal(Exception):
    """What the kernel answers; the text is that of the error number."""


@contextlib.contextmanager
def kernel() -> Iterator[State]:
    """The state, changed by one program at a time, and laid out anew when it was changed."""
    with open(RUN / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = RUN / "kernel.json"
        before = path.read_text(encoding="utf-8")
        state = json.loads(before)
        yield state
        after = json.dumps(state, indent=1)
        if after != before:
            path.write_text(after, encoding="utf-8")
            edge_view.lay_out(state)


def kmod(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real modprobe or modinfo."""
    return subprocess.run([KMOD / program, *arguments], capture_output=True, text=True, check=False)


def release() -> str:
    """The kernel that runs."""
    return Path("/proc/sys/kernel/osrelease").read_text(encoding="ascii").strip()


def about(path: str) -> dict[str, str]:
    """The fields of a module file."""
    fields: dict[str, str] = {}
    for line in kmod("modinfo", path).stdout.splitlines():
        key, colon, value = line.partition(":")
        if colon and key not in fields:
            fields[key] = value.strip()
    return fields


def log(message: str) -> None:
    """A line of the kernel log."""
    with open(RUN / "kernel.log", "a", encoding="utf-8") as file:
        file.write(f"[{time.clock_gettime(time.CLOCK_BOOTTIME):12.6f}] {message}\n")


# --- insert ----------------------------------------------------------------------------------------------------------------


def insert(path: str) -> None:
    """init_module(2) with the file. Refusal, which the kernel log has too."""
    fields = about(path)
    with kernel() as state:
        try:
            _admit(state, path, fields)
        except Refusal as refusal:
            log(f"{fields.get('name')}: {refusal}")
            raise


def _admit(state: State, path: str, fields: dict[str, str]) -> None:
    name = fields.get("name", "").replace("-", "_")
    if name in state["modules"]:
        return
    if fields.get("vermagic", "").split(" ")[0] != state["release"]:
        raise Refusal("Exec format error")
    if state["secure_boot"] and not _trusted(state, fields):
        raise Refusal("Key was rejected by service")
    depends = [one for one in fields.get("depends", "").replace("-", "_").split(",") if one]
    if any(one not in state["modules"] for one in depends):
        raise Refusal("Unknown symbol in module, or unknown parameter (see dmesg)")
    if name in ("nvidia", "nouveau", "amdgpu"):
        free = [address for address, driver in state["cards"].items() if driver is None and (address in state["amd"]) == (name == "amdgpu")]
        if name == "nvidia" and not free:
            raise Refusal("No such device")
        if name == "amdgpu" and fields.get("intree") == "Y" and not state["inbox_knows"]:
            for address in free:
                log(f"amdgpu {address}: amdgpu: probe with driver amdgpu failed with error -22")
            free = []
        state["cards"].update(dict.fromkeys(free, name))
    state["modules"][name] = {
        "stem": Path(path).name.split(".ko")[0].replace("-", "_"), "depends": depends, "version": fields.get("version"),
        "srcversion": fields.get("srcversion"), "license": fields.get("license", ""), "intree": fields.get("intree") == "Y",
        "trusted": _trusted(state, fields),
    }
    if not fields.get("intree"):
        log(f"{name}: loading out-of-tree module taints kernel.")


def _trusted(state: State, fields: dict[str, str]) -> bool:
    """Whether the kernel knows the key: its own has signed what came with it."""
    signer = fields.get("signer")
    return bool(signer) and (fields.get("intree") == "Y" or signer in state["keys"])


def modprobe(words: list[str]) -> int:
    """modprobe(8), as far as programs use it to change something."""
    parser = argparse.ArgumentParser(prog="modprobe", allow_abbrev=True)
    for short, long in (("-i", "--ignore-install"), ("-I", "--ignore-remove"), ("-r", "--remove"), ("-q", "--quiet"), ("-a", "--all"),
                        ("-b", "--use-blacklist"), ("-v", "--verbose"), ("-f", "--force"), ("-s", "--syslog")):
        parser.add_argument(short, long, action="store_true")
    parser.add_argument("-S", "--set-version")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args(words)
    if asked.remove:
        return max((_remove(name, asked.ignore_install or asked.ignore_remove) for name in asked.names), default=0)
    wanted = [[name] for name in asked.names] if asked.all else [asked.names]
    return max((_insert_all(asked, one[0], one[1:]) for one in wanted if one), default=0)


def _insert_all(asked: argparse.Namespace, name: str, parameters: list[str]) -> int:
    flags = ["--ignore-install"] if asked.ignore_install else []
    flags += ["--use-blacklist"] if asked.use_blacklist else []
    found = kmod("modprobe", "-S", release(), "--show-depends", *flags, name)
    if found.returncode:
        sys.stderr.write("" if asked.quiet else found.stderr)
        return 0 if asked.quiet and asked.use_blacklist else found.returncode
    for line in found.stdout.splitlines():
        kind, _blank, rest = line.strip().partition(" ")
        if kind == "install":
            environment = {**os.environ, "CMDLINE_OPTS": " ".join(parameters)}
            status = subprocess.run(["sh", "-c", rest], env=environment, check=False).returncode
            if status:
                print(f"modprobe: ERROR: Error running install command '{rest}' for module {name}: retcode {status}", file=sys.stderr)
                return 1
        elif kind == "insmod":
            try:
                insert(rest.split(" ")[0])
            except Refusal as refusal:
                stem = Path(rest.split(" ")[0]).name.split(".ko")[0].replace("-", "_")
                print(f"modprobe: ERROR: could not insert '{stem}': {refusal}", file=sys.stderr)
                return 1
    return 0


def insmod(words: list[str]) -> int:
    """insmod(8)."""
    try:
        insert(words[0])
    except Refusal as refusal:
        print(f"insmod: ERROR: could not insert module {words[0]}: {refusal}", file=sys.stderr)
        return 1
    return 0


# --- remove ----------------------------------------------------------------------------------------------------------------


def delete(state: State, name: str) -> None:
    """delete_module(2). Refusal names who uses it, as rmmod and modprobe do."""
    holders = [other for other, module in state["modules"].items() if name in module["depends"]]
    if holders:
        raise Refusal(f"Module {name} is in use by: {' '.join(holders)}")
    if name in _NODES and any(re.fullmatch(_NODES[name], target) for target in _opened()):
        raise Refusal(f"Module {name} is in use")
    del state["modules"][name]
    for address, driver in state["cards"].items():
        if driver == name:
            state["cards"][address] = None


def _opened() -> Iterator[str]:
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            yield os.readlink(link)


def _loaded(state: State, name: str) -> str | None:
    plain = name.replace("-", "_")
    return next((one for one, module in state["modules"].items() if plain in (one, module["stem"])), None)


def _remove(name: str, ignore: bool) -> int:
    command = None if ignore else re.search(rf"(?m)^remove {re.escape(name.replace('-', '_'))} (.*)$", kmod("modprobe", "-c").stdout)
    if command:
        return subprocess.run(["sh", "-c", command[1]], env={**os.environ, "CMDLINE_OPTS": ""}, check=False).returncode
    with kernel() as state:
        module = _loaded(state, name)
        if module is None:
            found = kmod("modprobe", "-S", release(), "--show-depends", "--ignore-install", name)
            if found.returncode:
                print(f"modprobe: FATAL: Module {name} not found.", file=sys.stderr)
            return found.returncode
        depends = state["modules"][module]["depends"]
        try:
            delete(state, module)
        except Refusal as refusal:
            print(f"modprobe: FATAL: {refusal}.", file=sys.stderr)
            return 1
        for one in reversed(depends):  # those that nothing needs any more go too
            with contextlib.suppress(Refusal, KeyError):
                delete(state, one)
    return 0


def rmmod(words: list[str]) -> int:
    """rmmod(8)."""
    status = 0
    for name in [word for word in words if not word.startswith("-")]:
        with kernel() as state:
            module = _loaded(state, name)
            try:
                if module is None:
                    raise Refusal(f"Module {name} is not currently loaded")
                delete(state, module)
            except Refusal as refusal:
                print(f"rmmod: ERROR: {refusal}", file=sys.stderr)
                status = 1
    return status


# --- boot and the daemons --------------------------------------------------------------------------------------------------


def boot(words: list[str]) -> int:
    """What the kernel, the initramfs and udev do until systemd takes over: one word, the release that the boot loader chose."""
    profile = (RUN / "profile").read_text(encoding="utf-8").strip()
    state = edge_view.fresh(profile, words[0])
    (RUN / "kernel.json").write_text(json.dumps(state), encoding="utf-8")
    log(Path("/proc/version").read_text(encoding="utf-8").strip())
    edge_rocm.prepare(load_profile(profile))
    edge_view.lay_out(state)
    tool = next((name for name in ("lsinitramfs", "lsinitrd") if shutil.which(name)), "lsinitramfs")
    names = (f"/boot/initrd.img-{words[0]}", f"/boot/initramfs-{words[0]}.img", f"/boot/initrd-{words[0]}")
    found = next((name for name in names if Path(name).exists()), names[0])
    image = subprocess.run([tool, found], capture_output=True, text=True, check=False).stdout
    kept_away = re.search(r"etc/modprobe\.d/.*nvidia.*blacklist|nvidia-blacklists-nouveau", image)
    if set(state["cards"]) - set(state["amd"]) and "/nouveau.ko" in image and not kept_away:
        modprobe(["-q", "nouveau"])
    for path in sorted(Path("/sys/bus/pci/devices").glob("*/modalias")):
        if (path.parent / "vendor").read_text(encoding="ascii").strip() in ("0x10de", "0x1002"):
            modprobe(["-q", "-b", path.read_text(encoding="ascii").strip()])
    wanted = [path.read_text(encoding="utf-8").splitlines() for folder in ("/usr/lib/modules-load.d", "/etc/modules-load.d")
              for path in sorted(Path(folder).glob("*.conf"))]
    for name in [line.strip() for lines in wanted for line in lines]:
        if name.startswith(("nvidia", "amdgpu")):
            modprobe(["-q", "-b", name])
    return 0


def udevadm(words: list[str]) -> int:
    """udevadm(8): what a trigger makes udev do, which does not run here: device files get owners and modes by the rules of now."""
    if words[:1] == ["trigger"]:
        with kernel() as state:
            edge_view.lay_out(state)
        return 0
    return 0 if words[:1] in (["control"], ["settle"]) else subprocess.run(["udevadm.kernel", *words], check=False).returncode


def persistenced(_words: list[str]) -> int:
    """The daemon at the device's edge: it holds the nodes open, and refuses to start without the module."""
    with kernel() as state:
        if "nvidia" not in state["modules"]:
            print("Failed to query NVIDIA devices. Please ensure that the NVIDIA device files (/dev/nvidia*) exist", file=sys.stderr)
            return 1
        state["persistence"] = True
    Path("/proc/self/comm").write_text("nvidia-persistenced"[:15], encoding="ascii")
    held = [os.open(path, os.O_PATH) for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia(\d+|ctl)", path.name)]
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(0))
    try:
        signal.pause()
    finally:
        for handle in held:
            os.close(handle)
        with kernel() as state:
            state["persistence"] = False
    return 0


PROGRAMS = {"modprobe": modprobe, "insmod": insmod, "rmmod": rmmod, "boot": boot, "nvidia-persistenced": persistenced,
            "nvidia-smi": edge_view.nvidia_smi, "udevadm": udevadm, **edge_rocm.PROGRAMS}

if __name__ == "__main__":
    sys.exit(PROGRAMS[sys.argv[1]](sys.argv[2:]))
