# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the package repositories that a node has set up, from their files. What cannot be parsed is left out and noted."""

from __future__ import annotations

import configparser
import re
from typing import Any, Callable

from ._source import Source

Repository = dict[str, Any]

_LINE = re.compile(r"deb[ \t]+(?:\[(?P<options>[^\]]*)\][ \t]*)?(?P<uri>[^\s\[]\S*)[ \t]+(?P<suite>\S+)(?P<components>(?:[ \t]+[^\s#]+)*)")
_YES = ("yes", "true", "on", "1", "with", "enable")
_FILE_LIMIT = 1 << 18


def parse_list(text: str) -> list[Repository]:
    """The repositories of a .list file (sources.list(5)); those of source packages are left out. A line that is commented out is no
    repository. ValueError where a line that begins with deb is none."""
    found = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not re.match(r"deb[ \t]", line):
            continue
        match = _LINE.match(line)
        if not match:
            raise ValueError(f"line {number} is no repository")
        options = dict(re.findall(r"([\w-]+)\+?=(\S+)", match["options"] or ""))
        found.append(_repository([match["uri"]], [match["suite"]], (match["components"] or "").split(), True, options.get("signed-by")))
    return found


def parse_deb822(text: str) -> list[Repository]:
    """The repositories of a .sources file (sources.list(5)). ValueError for a paragraph without Types, URIs or Suites."""
    found = []
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for paragraph in re.split(r"\n[ \t]*\n", plain):
        fields = _fields(paragraph)
        if not fields:
            continue
        if not all(fields.get(name) for name in ("types", "uris", "suites")):
            raise ValueError("a paragraph without Types, URIs or Suites")
        if "deb" not in fields["types"].split():
            continue
        key = fields.get("signed-by") or ""
        # A key may stand in the file itself: then it has no path.
        signed_by = "(in this file)" if "BEGIN PGP" in key else " ".join(key.split()) or None
        enabled = fields.get("enabled", "yes").lower() in _YES
        uris, suites, components = (fields.get(name, "").split() for name in ("uris", "suites", "components"))
        found.append(_repository(uris, suites, components, enabled, signed_by))
    return found


def _fields(paragraph: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    last = None
    for line in paragraph.splitlines():
        if line[:1] in (" ", "\t") and last:
            fields[last] += "\n" + line.strip()
        elif ":" in line:
            last, _colon, value = line.partition(":")
            last = last.strip().lower()
            fields[last] = value.strip()
        elif line.strip():
            raise ValueError(f"no field: {line.strip()[:60]}")
    return fields


def parse_repo(text: str) -> list[Repository]:
    """The repositories of a .repo file of yum, dnf or zypper, with their id. ValueError where it is none."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#", ";"))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(" ".join(str(error).split())[:120]) from None
    found = []
    for name in parser.sections():
        if name == "main":
            continue
        row = dict(parser.items(name))
        uris = (row.get("baseurl") or row.get("metalink") or row.get("mirrorlist") or "").replace(",", " ").split()
        repository = _repository(uris, [], [], row.get("enabled", "1").strip().lower() in _YES, row.get("gpgkey") or None)
        found.append({"id": name, **repository})
    return found


def _repository(uris: list[str], suites: list[str], components: list[str], enabled: bool, signed_by: str | None) -> Repository:
    return {"uris": uris, "suites": suites, "components": components, "enabled": enabled, "signed_by": signed_by}


def read_repositories(source: Source, manager: str | None) -> list[Repository]:
    """[{id, uris, suites, components, enabled, signed_by, path}]; the id of apt's is the name of their file without its ending."""
    found: list[Repository] = []
    for path, parse in _files(source, manager):
        text = source.text(path, _FILE_LIMIT)
        try:
            rows = parse(text) if text else []
        except ValueError as error:
            source.problem("unreadable", f"{path}: {error}")
            continue
        stem = path.rpartition("/")[2].rpartition(".")[0]
        found += [{"id": stem, **row, "path": path} for row in rows]
    return found


def _files(source: Source, manager: str | None) -> list[tuple[str, Callable[[str], list[Repository]]]]:
    if manager == "rpm":
        folders = ("/etc/yum.repos.d", "/etc/zypp/repos.d")
        return [(f"{folder}/{name}", parse_repo) for folder in folders for name in source.names(folder) if name.endswith(".repo")]
    files: list[tuple[str, Callable[[str], list[Repository]]]] = []
    if "sources.list" in source.names("/etc/apt"):
        files.append(("/etc/apt/sources.list", parse_list))
    # apt takes names of letters, digits, hyphen, underscore and period only
    names = [name for name in source.names("/etc/apt/sources.list.d") if re.fullmatch(r"[\w.-]+\.(?:list|sources)", name, re.ASCII)]
    return files + [(f"/etc/apt/sources.list.d/{name}", parse_list if name.endswith(".list") else parse_deb822) for name in names]
