# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which kernel starts at the next boot, from what boot loaders are told: GRUB (menu, environment block, boot loader
specification) and systemd-boot. No boot loader is asked to do anything, and nothing here knows a path."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from typing import NamedTuple

from ._versions import version_key

_RELEASE = re.compile(r"(?:vmlinu[xz]|kernel|Image|bzImage)-([0-9][^\s/\"']*)|/([0-9][^\s/]*)/linux$")
_TOKEN = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|(\S+)""")


class Entry(NamedTuple):
    """One thing to boot: its titles and ids from the outermost menu inwards, and the kernel's release."""

    titles: Sequence[str]
    ids: Sequence[str | None]
    position: Sequence[int]
    release: str | None


def release_of_image(path: str) -> str | None:
    """/boot/vmlinuz-6.1.0-18-amd64 and /MACHINE-ID/6.1.0-18-amd64/linux → 6.1.0-18-amd64; None for a path without one."""
    match = _RELEASE.search(path.strip())
    return (match[1] or match[2]) if match else None


def parse_grub_environment(text: str) -> dict[str, str]:
    """The variables of a GRUB environment block (grubenv). ValueError where it is none."""
    if not text.startswith("# GRUB Environment Block"):
        raise ValueError("not a GRUB environment block")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def parse_grub_menu(text: str) -> list[Entry]:
    """The entries of a grub.cfg in order, those of submenus too. ValueError where braces do not match."""
    entries: list[Entry] = []
    stack: list[Entry | None] = []  # open blocks; None for those that are no menu
    counts = [0]
    for line in text.splitlines():
        words = _words(line)
        if not words or words[0].startswith("#"):
            continue
        menus = [block for block in stack if block]
        if words[0] in ("menuentry", "submenu") and words[-1] == "{" and len(words) > 2:
            above = menus[-1] if menus else Entry((), (), (), None)
            block = Entry((*above.titles, words[1]), (*above.ids, _id_of(words)), (*above.position, counts[-1]), None)
            counts[-1] += 1
            counts.append(0)
            stack.append(block)
            if words[0] == "menuentry":
                entries.append(block)
        elif words[-1] == "{":
            stack.append(None)
        elif words[0] == "}":
            if not stack:
                raise ValueError("a brace too many in grub.cfg")
            if stack.pop():
                counts.pop()
        elif menus and entries and menus[-1].position == entries[-1].position and re.fullmatch(r"linux(?:efi|16)?", words[0]):
            entries[-1] = entries[-1]._replace(release=release_of_image(words[1]) if len(words) > 1 else None)
    return entries


def _words(line: str) -> list[str]:
    return [single or double or bare for single, double, bare in _TOKEN.findall(line)]


def _id_of(words: Sequence[str]) -> str | None:
    for number, word in enumerate(words[:-1]):
        if word in ("--id", "$menuentry_id_option", "${menuentry_id_option}"):
            return words[number + 1]
    return None


def grub_default(menu: str | None, settings: str | None, environment: dict[str, str]) -> str | None:
    """What GRUB is told to start: a number, title, id or path of them ("1>2"). None where neither text says it.

    menu: grub.cfg, which counts; settings: /etc/default/grub, of which grub.cfg is made. Both may be None (unreadable).
    """
    if menu is not None:
        if "next_entry" in menu and environment.get("next_entry"):
            return environment["next_entry"]
        told = [value for value in re.findall(r'^[ \t]*set default="([^"]*)"', menu, re.MULTILINE) if "next_entry" not in value]
        if told:
            return (environment.get("saved_entry") or "0") if "saved_entry" in told[0] else told[0]
        return "0" if "menuentry" in menu or "blscfg" in menu else None
    if settings is None:
        return None
    values = re.findall(r"""^[ \t]*GRUB_DEFAULT=["']?([^"'#\n]*)""", settings, re.MULTILINE)
    value = values[-1].strip() if values else "0"
    return (environment.get("next_entry") or environment.get("saved_entry") or "0") if value == "saved" else value


def choose_grub_entry(entries: Sequence[Entry], wanted: str) -> str | None:
    """The release that GRUB starts for this default. A name that no entry has lets GRUB start the first one."""
    parts = wanted.split(">")
    for entry in entries:
        if len(entry.titles) == len(parts) and all(
                part in (title, name) or part == str(number)
                for part, title, name, number in zip(parts, entry.titles, entry.ids, entry.position)):
            return entry.release
    for entry in entries:  # old settings name an entry of a submenu by its own title alone
        if len(parts) == 1 and wanted in (entry.titles[-1], entry.ids[-1]):
            return entry.release
    return entries[0].release if entries else None


def parse_loader_entry(text: str) -> dict[str, str]:
    """Keys of a boot loader specification entry or of loader.conf; of a repeated key the first counts. ValueError if empty."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _blank, value = line.strip().partition(" ")
        if key and value and not key.startswith("#"):
            found.setdefault(key, value.strip())
    if not found:
        raise ValueError("no key in a boot loader entry")
    return found


def choose_loader_entry(entries: dict[str, dict[str, str]], wanted: str | None) -> str | None:
    """The release to start among entries {id without .conf: keys}. wanted: id, title, number or pattern; None: the newest."""
    def order(name: str) -> object:
        keys = entries[name]
        return (not keys.get("title", "").lower().startswith("rescue") and "-0-rescue" not in name,
                version_key(keys.get("version", "")), version_key(name))

    ranked = sorted(entries, key=order, reverse=True)  # type: ignore[arg-type]
    if not ranked:
        return None
    chosen = ranked[0]
    if wanted:
        bare = wanted[:-5] if wanted.endswith(".conf") else wanted
        fits = [name for name in ranked if wanted == entries[name].get("title") or fnmatch.fnmatchcase(name, bare)]
        if fits:
            chosen = fits[0]
        elif bare.isdecimal() and int(bare) < len(ranked):
            chosen = ranked[int(bare)]
    keys = entries[chosen]
    return release_of_image(keys.get("linux", "")) or keys.get("version")
