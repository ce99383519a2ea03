# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD's side of a host whose kernel is only played: owners and modes of device files by udev's rules, and tools of ROCm that packages of
a local repository stand for. The distribution's real tools need neither: they run over libfakekfd.so.

A tool at this edge sees what the calling user may open, as the real one does, and says what the real one says.
"""

from __future__ import annotations

import fnmatch
import grp
import json
import os
import pwd
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from . import amd_tools, opencl
from .amd_cards import gfx_name, served
from .profile import Profile, load_profile

RUN = Path("/run/fakegpu")
_RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_WORD = re.compile(r'([A-Z]+)(?:\{[^}]*\})?\s*(==|!=|\+=|:=|=)\s*"([^"]*)"')
_TOOLS = Path("/opt/real")  # where the tools of the local repositories look for the host's own


def owner(path: str) -> tuple[str, str]:
    """(mode, group) that udev gives a device file, by the rules on this host that ask for its name and subsystem alone."""
    name = path.rpartition("/")[2]
    device = {"KERNEL": name, "SUBSYSTEM": "kfd" if name == "kfd" else "drm"}
    mode, group = "", ""
    for words in _rules():
        if all(_fits(device.get(key), operator, value) for key, operator, value in words if operator in ("==", "!=")):
            for key, operator, value in words:
                if operator in ("=", ":=") and key == "MODE":
                    mode = value.zfill(4)
                elif operator in ("=", ":=") and key == "GROUP" and _there(value):
                    group = value
    return mode or ("0660" if group else "0600"), group or "root"


@cache
def _rules() -> list[list[tuple[str, str, str]]]:
    """The words of each rule, in udev's order."""
    files: dict[str, Path] = {}
    for folder in _RULES:
        for path in Path(folder).glob("*.rules"):
            files.setdefault(path.name, path)
    texts = [files[name].read_text(encoding="utf-8", errors="replace").replace("\\\n", " ") for name in sorted(files)]
    lines = [line for text in texts for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [words for words in map(_WORD.findall, lines) if any(key in ("MODE", "GROUP") for key, _operator, _value in words)]


def _fits(value: str | None, operator: str, pattern: str) -> bool:
    """A key that is not known here (an attribute, the environment) fits no pattern."""
    found = value is not None and any(fnmatch.fnmatchcase(value, one) for one in pattern.split("|"))
    return found == (operator == "==")


def _there(group: str) -> bool:
    try:
        grp.getgrnam(group)
    except KeyError:
        return False
    return True


def prepare(profile: Profile) -> None:
    """What a host with AMD cards has from its boot on: the driver behind the device files, and the tools at the edge."""
    if not profile.of("amd"):
        return
    library = Path("/usr/local/lib/libfakekfd.so")
    fresh = library.with_suffix(".new")  # put in place in one step: at a second boot every program looks for it already
    fresh.write_bytes(Path("/fakegpu/lib/libfakekfd.so").read_bytes())
    fresh.replace(library)
    Path("/etc/ld.so.preload").write_text(f"{library}\n", encoding="ascii")
    _TOOLS.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        (_TOOLS / name).write_text(f'#!/bin/sh\nexec {RUN}/edge {name} "$@"\n', encoding="ascii")
        (_TOOLS / name).chmod(0o755)


def _cards() -> tuple[Profile, list[Any]]:
    """The profile as it is now, and the cards that amdgpu drives."""
    state = json.loads((RUN / "kernel.json").read_text(encoding="utf-8"))
    profile = load_profile(state["profile"])
    for gpu in profile.of("amd"):
        gpu.driver = state["cards"][gpu.address]
    driver = state["modules"].get("amdgpu")
    profile.amd = {"driver": "inbox" if driver["intree"] else "dkms", "version": driver["version"]} if driver else {}
    return profile, served(profile)


def _allowed() -> bool:
    return os.access("/dev/kfd", os.R_OK | os.W_OK)


def rocminfo(_words: list[str]) -> int:
    """rocminfo(1)."""
    profile, _served = _cards()
    user, loaded = pwd.getpwuid(os.geteuid()).pw_name, bool(profile.amd)
    status, text = amd_tools.said(profile, user, loaded, kfd=os.path.exists("/dev/kfd"), allowed=_allowed())
    sys.stdout.write(text)
    return status


def clinfo(_words: list[str]) -> int:
    """AMD's own clinfo: a platform without devices where the compute device may not be opened."""
    _profile, cards = _cards()
    sys.stdout.write(opencl.clinfo(cards if _allowed() else [], aligned=False))
    return 0


def amd_smi(words: list[str]) -> int:
    """amd-smi, as far as it is asked here."""
    profile, cards = _cards()
    if not cards:
        print("ERROR:root:Unable to detect any GPU devices, check amdgpu version and module status (sudo modprobe amdgpu)", file=sys.stderr)
        return 255
    if words != ["static", "--json"]:
        print(f"amd-smi: fakegpu knows no answer to: {' '.join(words)}", file=sys.stderr)
        return 2
    print(json.dumps(amd_tools.static(profile, cards), indent=4))
    return 0


def rocm_agent_enumerator(_words: list[str]) -> int:
    """The targets of the cards, one a line."""
    _profile, cards = _cards()
    print("\n".join(gfx_name(gpu.get("gfx")) for gpu in cards if _allowed()))
    return 0


PROGRAMS = {"rocminfo": rocminfo, "clinfo": clinfo, "amd-smi": amd_smi, "rocm_agent_enumerator": rocm_agent_enumerator}
