# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what dnf 4 and dnf 5 print, as values. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ._rpm_text import FIELD, RECORD, evr_of, kib, odd_package, relations, shortened, valid_architecture, valid_name, valid_repository

_FIELDS = ("name", "epoch", "version", "release", "arch", "repoid", "vendor", "requires", "provides")
QUERY_FORMAT = FIELD.join(f"%{{{field}}}" for field in _FIELDS) + RECORD


class Row(NamedTuple):
    """A package that a repository offers."""

    name: str
    evr: str
    architecture: str
    repository: str
    vendor: str
    requires: tuple[str, ...]
    provides: tuple[str, ...]

    @property
    def nevra(self) -> str:
        return f"{self.name}-{self.evr}.{self.architecture}"


class Item(NamedTuple):
    """A row of the transaction table. replaces: (name, EVR) of installed packages that it takes the place of."""

    action: str
    name: str
    architecture: str
    evr: str
    repository: str
    replaces: tuple[tuple[str, str], ...] = ()


class Transaction(NamedTuple):
    """The table that dnf shows before it asks. streams: {module: "580-dkms -> 580-open"}; skipped: names that it leaves out."""

    items: tuple[Item, ...]
    streams: Mapping[str, str]
    skipped: tuple[str, ...]
    download_kib: int | None
    disk_kib: int | None


def parse_repoquery(text: str) -> tuple[list[Row], list[dict[str, str]]]:
    """Rows and problems ({repository, code, message}) from `repoquery --qf QUERY_FORMAT`. What does not fit our expressions is
    left out and becomes a problem; ValueError for a text that is not of that form."""
    rows, problems = [], []
    for record in text.split(RECORD):
        if not record.strip():
            continue
        fields = dict(zip(_FIELDS, record.strip("\n").split(FIELD)))
        if len(fields) != len(_FIELDS):
            raise ValueError(f"not a record of repoquery: {record.strip()[:120]!r}")
        evr = evr_of(f"{fields['epoch'] or 0}:{fields['version']}-{fields['release']}")
        if evr is None or not valid_name(fields["name"]) or not valid_architecture(fields["arch"]):
            problems.append(odd_package(fields["repoid"], fields["name"], f"{fields['version']}-{fields['release']}"))
            continue
        rows.append(Row(fields["name"], evr, fields["arch"], fields["repoid"], fields["vendor"],
                        relations(fields["requires"].splitlines()), relations(fields["provides"].splitlines())))
    return rows, problems


_MODULE = re.compile(r"Module\s*: (?P<name>[A-Za-z0-9._+-]+):(?P<stream>[A-Za-z0-9._+~^-]+):")
_NEVRA = re.compile(r"(?P<name>\S+)-(?P<evr>[^\s-]+-[^\s-]+)\.(?P<arch>[^\s.]+)")


def parse_module_provides(text: str) -> dict[str, list[str]]:
    """{NEVRA: ["580-open"]} from `dnf module provides`: which streams hold a package. Empty where none does."""
    found: dict[str, list[str]] = {}
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.strip().splitlines()
        match = _NEVRA.fullmatch(lines[0].strip()) if lines else None
        evr = evr_of(match["evr"]) if match else None
        for line in lines[1:] if match and evr else ():
            module = _MODULE.match(line)
            stream = module["stream"] if module else None
            known = found.setdefault(f"{match['name']}-{evr}.{match['arch']}", []) if match else []
            if stream and stream not in known:
                known.append(stream)
    return {nevra: streams for nevra, streams in found.items() if streams}


# --- The transaction table -------------------------------------------------------------------------------------------------

_SECTIONS = {
    "Installing": "install", "Installing dependencies": "install", "Installing weak dependencies": "install",
    "Installing group/module packages": "install", "Installing group packages": "install",
    "Upgrading": "upgrade", "Downgrading": "downgrade", "Reinstalling": "reinstall",
    "Removing": "remove", "Removing dependent packages": "remove", "Removing unused dependencies": "remove",
    "Skipping packages with conflicts": "skip", "Skipping packages with broken dependencies": "skip",
    "Skipping packages with broken dependencies or part of a group": "skip",
    "Enabling module streams": "stream", "Switching module streams": "stream",
}
_HEADER = re.compile(r"(?P<title>[A-Z][A-Za-z/ ]+):")
_END = re.compile(r"Transaction Summary:?|Nothing to do\.|Operation aborted\b.*|Error: .*")
_START = re.compile(r"\s*Package\s+Arch(?:itecture)?\s+Version\s+Repo(?:sitory)?\s+Size\s*")
_UNITS = {"k", "M", "G", "T", "B", "KiB", "MiB", "GiB", "TiB"}
_DOWNLOAD = re.compile(r"^Total (?:download )?size: ([\d.]+) ?([kMGT]?)\s*$|Need to download ([\d.]+) ?(\w+)\.", re.MULTILINE)
_DISK = re.compile(r"^Installed size: ([\d.]+) ?([kMGT]?)\s*$|this operation, ([\d.]+) ?(\w+) extra will be used", re.MULTILINE)


def parse_transaction(text: str) -> Transaction:
    """The first table in a text; an empty transaction where there is none. ValueError for a table with rows of another form.

    Rows are read as words, not columns: dnf breaks a row whose name is longer than its column.
    """
    sections: dict[str, list[str]] = {}
    title, inside = "", False
    for line in text.splitlines():
        if not inside:
            inside = bool(_START.fullmatch(line))
            continue
        if _END.fullmatch(line.strip()):
            break
        header = _HEADER.fullmatch(line) if not line.startswith(" ") else None
        if header:
            title = header["title"]
            sections.setdefault(title, [])
        elif line.strip() and not line.startswith(("=", "(add")):
            if not title:
                raise ValueError(f"no section of a transaction: {line.strip()[:80]!r}")
            sections[title] += line.split()
    items, streams, skipped = [], {}, []
    for title, words in sections.items():
        kind = _SECTIONS.get(title)
        if kind == "stream":
            streams.update(_streams(words))
        elif kind:
            found = _items(kind, words)
            items += found if kind != "skip" else []
            skipped += [item.name for item in found] if kind == "skip" else []
    return Transaction(tuple(items), streams, tuple(skipped), _size(_DOWNLOAD, text), _size(_DISK, text))


def _streams(words: list[str]) -> dict[str, str]:
    """Words "module stream" and "module old -> new"."""
    found, rest = {}, words
    while rest:
        if len(rest) >= 4 and rest[2] == "->":
            found[rest[0]], rest = f"{rest[1]} -> {rest[3]}", rest[4:]
        elif len(rest) >= 2:
            found[rest[0]], rest = rest[1], rest[2:]
        else:
            raise ValueError(f"no module and its stream: {' '.join(rest)[:80]!r}")
    return found


def _items(action: str, words: list[str]) -> list[Item]:
    found: list[Item] = []
    rest = words
    while rest:
        if rest[0] == "replacing" and found:
            replaced, rest = _replaced(rest)
            found[-1] = found[-1]._replace(replaces=(*found[-1].replaces, replaced))
            continue
        name, arch, evr, repository, *rest = [*rest, "", "", ""] if len(rest) < 4 else rest
        known = evr_of(evr)
        if not valid_name(name) or not valid_architecture(arch) or known is None or not valid_repository(repository):
            raise ValueError(f"not a row of a transaction: {ascii(' '.join((name, arch, evr, repository)))[:120]}")
        rest = _after_size(rest)
        found.append(Item(action, name, arch, known, repository))
    return found


def _replaced(words: list[str]) -> tuple[tuple[str, str], list[str]]:
    """dnf 4: "replacing name.arch evr"; dnf 5: "replacing name arch evr repository size"."""
    name, _dot, arch = words[1].rpartition(".") if len(words) > 2 else ("", "", "")
    evr = evr_of(words[2]) if len(words) > 2 else None
    if evr and valid_architecture(arch) and valid_name(name):
        return (name, evr), words[3:]
    evr = evr_of(words[3]) if len(words) > 4 else None
    if not evr or not valid_name(words[1]):
        raise ValueError(f"no replaced package: {ascii(' '.join(words[:4]))[:120]}")
    return (words[1], evr), _after_size(words[5:])


def _after_size(words: list[str]) -> list[str]:
    if not words or not re.fullmatch(r"[\d.]+", words[0]):
        return words
    return words[2:] if len(words) > 1 and words[1] in _UNITS else words[1:]


def _size(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    if not match:
        return None
    return kib(match[1], match[2] or "") if match[1] else kib(match[3], match[4])


# --- What stands in the way ------------------------------------------------------------------------------------------------

_HARMLESS = re.compile(r"(?:Error: )?Operation aborted\b|Unable to detect release version|Failed loading plugin|Main config did not|"
                       r"Last metadata expiration|Unknown configuration (?:option|value)|No matches found for the following disable")
_WORRY = re.compile(r"Error:|\s*Problem(?: \d+)?:|No match for argument|All matches were filtered out|Failed to resolve|Cannot perform"
                    r"|missing groups or modules|broken groups|Cannot enable multiple streams|It is not possible to|Argument '"
                    r"|Unable to (?:resolve|find)|The operation would result|Modular dependency problem")
_FILTERED = re.compile(r"package (\S+) (?:from \S+ )?is filtered out by exclude filtering"
                       r"|filtered out by exclude filtering for argument: (\S+)"
                       r"|(?:argument|Argument|because) '([^']+)' matches only packages excluded by versionlock")


def trouble(stdout: str, stderr: str) -> str | None:
    """What dnf says stands in the way of a transaction, shortened; None where it says nothing of the kind."""
    kept, inside = [], False
    for line in (*stderr.splitlines(), *stdout.splitlines()):
        inside = bool(_WORRY.match(line)) or (inside and line.startswith((" ", "\t", "-")))
        if inside and not _HARMLESS.match(line):
            kept.append(line)
    return shortened("\n".join(kept)) or None


def locks_in_the_way(text: str, locks: Iterable[str]) -> list[str]:
    """Those of the versionlock entries that keep the packages which dnf calls filtered."""
    names = [next(filter(None, match)) for match in _FILTERED.findall(text)]
    return [lock for lock in locks if not lock.startswith("!") and any(is_lock_of(lock, name) for name in names)]


def is_lock_of(lock: str, spec: str) -> bool:
    """Whether an entry is for the name of a spec ("name-3:580.95.05-1.el9.x86_64" or shorter)."""
    pattern = re.split(r"-(?=[0-9]+[:.])|\s", lock, maxsplit=1)[0]
    name = re.split(r"-(?=[0-9]+[:.])", spec, maxsplit=1)[0]
    return fnmatch.fnmatchcase(name, pattern)
