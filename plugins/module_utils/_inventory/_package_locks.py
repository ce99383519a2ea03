# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what keeps packages at a version: apt preferences, dnf version locks, zypper locks, module streams."""

from __future__ import annotations

import fnmatch
import functools
import re
from typing import Any

from ._source import Source

VERSIONLOCK = "dnf versionlock"  # what `system.programs` calls the plugin of dnf 4 that sets its locks
_GPU = re.compile(r"(?i)nvidia|cuda|rocm|libnvsdm|nvlsm|amdgpu|radeon|amdrocm|\bhip")

Lock = dict[str, Any]


def parse_apt_preferences(text: str) -> list[tuple[str, str, int]]:
    """(package pattern, pin, priority) of each paragraph of apt_preferences(5). ValueError for a text without one."""
    found = []
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for paragraph in re.split(r"\n\s*\n", plain):
        rows = re.findall(r"^([\w-]+)\s*:[ \t]*(.*(?:\n[ \t]+\S.*)*)$", paragraph, re.MULTILINE)
        fields = {name.lower(): re.sub(r"\s*\n\s*", " ", value.strip()) for name, value in rows}
        priority = fields.get("pin-priority", "")
        if fields.get("package") and fields.get("pin") and re.fullmatch(r"[+-]?\d{1,9}", priority):
            found.append((fields["package"], fields["pin"], int(priority)))
    if plain.strip() and not found:
        raise ValueError("no complete paragraph (Package, Pin, Pin-Priority) in apt preferences")
    return found


def parse_versionlock_list(text: str) -> list[str]:
    """Locked packages of dnf 4's versionlock.list: names with versions or patterns; exclusions start with "!"."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def parse_versionlock_toml(text: str) -> list[str]:
    """Locked packages of dnf 5's versionlock.toml, as "name" or "name evr = 1-2". ValueError where text has no package.

    Only the form that dnf writes: tables [[packages]] and [[packages.conditions]], one key a line.
    """
    found: list[str] = []
    words: dict[str, str] = {}
    in_condition = False
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[["):
            in_condition = line == "[[packages.conditions]]"
            words = {}
            continue
        match = re.match(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')""", line)
        if not match:
            continue
        key, value = match[1], match[2] if match[2] is not None else match[3]
        if not in_condition and key == "name":
            found.append(value)
        elif in_condition and found:
            words[key] = value
            if len(words) == 3 and {"key", "comparator", "value"} == set(words):
                found[-1] += f" {words['key']} {words['comparator']} {words['value']}"
    if "[[" in text and not found:
        raise ValueError("no package in versionlock.toml")
    return found


def parse_zypper_locks(text: str) -> list[str]:
    """Names or patterns of locked packages in zypper's locks file."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(\w+):[ \t]*(.+?)[ \t]*$", paragraph, re.MULTILINE))
        if fields.get("solvable_name") and fields.get("type", "package") == "package":
            found.append(fields["solvable_name"])
    return found


def parse_module_stream(text: str) -> tuple[str, str] | None:
    """(module, stream) of an enabled module in a file of /etc/dnf/modules.d; None where it is not enabled."""
    fields = dict(re.findall(r"^(\w+)[ \t]*=[ \t]*(.*?)[ \t]*$", text, re.MULTILINE))
    if fields.get("state") != "enabled" or not fields.get("name") or not fields.get("stream"):
        return None
    return fields["name"], fields["stream"]


def holds(lock: Lock, name: str) -> bool:
    """Whether a lock keeps this package from moving on. Of apt's pins one of priority 1000 does, and one that names a version and is
    above 990, the priority of a release that apt is told to prefer; any other only prefers one."""
    if lock["kind"] == "apt_pin":
        names_one = re.fullmatch(r"version\s+(?!\*$).+", str(lock.get("pin") or ""))
        return lock["priority"] >= (991 if names_one else 1000) and fits(name, lock["pattern"])
    pattern = lock["pattern"].split(" ")[0]
    if lock["kind"] == "dnf_versionlock":
        return not pattern.startswith("!") and (_fits(name, pattern) or _fits(name, re.split(r"-\d", pattern, maxsplit=1)[0]))
    return _fits(name, pattern)


def fits(name: str, patterns: str) -> bool:
    """Whether a name is one of those that the field Package of an apt pin says: names, globs and /regular expressions/."""
    names, others = _split(patterns)
    return name in names or any(_fits(name, pattern) for pattern in others)


def is_name(word: str) -> bool:
    """Whether a word of that field is a plain name."""
    return not set("*?[/") & set(word)


@functools.lru_cache(maxsize=64)  # a pin of ours has hundreds of names, and each installed package is compared
def _split(patterns: str) -> tuple[frozenset[str], tuple[str, ...]]:
    words = patterns.split()
    return frozenset(filter(is_name, words)), tuple(word for word in words if not is_name(word))


def _fits(name: str, pattern: str) -> bool:
    try:
        if len(pattern) > 2 and pattern[0] == pattern[-1] == "/":
            return bool(re.search(pattern[1:-1], name))
        return fnmatch.fnmatchcase(name, pattern)
    except re.error:  # fnmatch of Python 3.9 makes an expression of "[1-/]" that is none
        return False


def read_locks(source: Source, manager: str) -> list[Lock]:
    """[{kind, pattern, path}] of locks that concern GPU software; apt pins have pin and priority too."""
    return _apt(source) if manager == "dpkg" else _rpm(source)


def _apt(source: Source) -> list[Lock]:
    locks: list[Lock] = []
    folder = "/etc/apt/preferences.d"
    names = [name for name in source.names(folder) if re.fullmatch(r"[\w-]+|[\w.-]+\.pref", name)]
    single = ["/etc/apt/preferences"] if "preferences" in source.names("/etc/apt") else []
    for path in single + [f"{folder}/{name}" for name in names]:
        text = source.text(path)
        if not text or not _GPU.search(text):
            continue
        try:
            pins = parse_apt_preferences(text)
        except ValueError as error:
            source.problem("unreadable", f"{path}: {error}")
            continue
        locks += [{"kind": "apt_pin", "pattern": package, "path": path, "pin": pin, "priority": priority}
                  for package, pin, priority in pins if _GPU.search(f"{package} {pin}")]
    return locks


def _rpm(source: Source) -> list[Lock]:
    locks: list[Lock] = []
    for kind, path, parse in (("dnf_versionlock", "/etc/dnf/plugins/versionlock.list", parse_versionlock_list),
                              ("dnf_versionlock", "/etc/yum/pluginconf.d/versionlock.list", parse_versionlock_list),
                              ("dnf_versionlock", "/etc/dnf/versionlock.toml", parse_versionlock_toml),
                              ("zypper_lock", "/etc/zypp/locks", parse_zypper_locks)):
        try:
            patterns = parse(source.text(path) or "")
        except ValueError as error:
            source.problem("unreadable", f"{path}: {error}")
            continue
        locks += [{"kind": kind, "pattern": pattern, "path": path} for pattern in patterns if _GPU.search(pattern)]
    return locks


def read_streams(source: Source) -> dict[str, str]:
    """{module: stream} of enabled module streams of GPU software."""
    folder = "/etc/dnf/modules.d"
    found = {}
    for name in source.names(folder):
        if name.endswith(".module") and _GPU.search(name):
            stream = parse_module_stream(source.text(f"{folder}/{name}") or "")
            if stream:
                found[stream[0]] = stream[1]
    return found
