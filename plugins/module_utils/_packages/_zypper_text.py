# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what `zypper --xmlout` prints, as values. Pure.

The stream is not one document: programs and plugins write between its parts. So each part is cut out and read by itself.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import NamedTuple
from xml.sax.saxutils import unescape

from ._rpm_text import evr_of, kib, odd_package, relations, shortened, valid_architecture, valid_name
from .types import Change

_QUOTES = {"&apos;": "'", "&quot;": '"'}
_SYSTEM = ("@System", "(System Packages)", "System Packages")


class Solvable(NamedTuple):
    """A package that a repository offers; repository is the name that people gave it."""

    name: str
    evr: str
    architecture: str
    repository: str


class Details(NamedTuple):
    """What `zypper info` adds to it."""

    vendor: str
    requires: tuple[str, ...]
    provides: tuple[str, ...]


class Summary(NamedTuple):
    """A transaction; None of a size: not told."""

    changes: tuple[Change, ...]
    download_kib: int | None
    disk_kib: int | None


def parse_search(text: str) -> tuple[list[Solvable], list[dict[str, str]]]:
    """Offered packages and problems ({repository, code, message}) from `search -s`; what does not fit our expressions is a problem.
    Empty where nothing was found."""
    found, problems = [], []
    for node in _elements(text, "solvable-list"):
        name, evr, arch = node.get("name", ""), evr_of(node.get("edition", "")), node.get("arch", "")
        repository = node.get("repository", "")
        if node.get("kind") != "package" or repository in _SYSTEM:
            continue
        if evr is None or not valid_name(name) or not valid_architecture(arch):
            problems.append(odd_package(repository, name, node.get("edition", "")))
            continue
        found.append(Solvable(name, evr, arch, repository))
    return found, problems


def parse_info(text: str) -> dict[tuple[str, str, str], Details]:
    """{(name, EVR, architecture): Details} from `info --requires --provides`. The first of several repositories counts."""
    found: dict[tuple[str, str, str], Details] = {}
    for block in re.split(r"^(?:<message[^>]*>)?Repository +: ", unescape(text, _QUOTES), flags=re.MULTILINE)[1:]:
        fields = dict(re.findall(r"^(Name|Version|Arch|Vendor) +: (.*)$", block, re.MULTILINE))
        evr = evr_of(fields.get("Version", ""))
        if evr and valid_name(fields.get("Name", "")):
            key = (fields["Name"], evr, fields.get("Arch", ""))
            found.setdefault(key, Details(fields.get("Vendor", ""), _listed(block, "Requires"), _listed(block, "Provides")))
    return found


def _listed(block: str, title: str) -> tuple[str, ...]:
    match = re.search(rf"^{title} +: (?:\[\d+\]\n((?:    .*\n?)*)|(.*))", block, re.MULTILINE)
    return relations((match[1] or match[2] or "").splitlines()) if match else ()


# By the first words of zypper's titles (to-upgrade-change-arch …).
_ACTIONS = {"to-install": "install", "to-upgrade": "upgrade", "to-downgrade": "downgrade", "to-reinstall": "reinstall",
            "to-remove": "remove", "to-change": "upgrade"}


def parse_summary(text: str) -> Summary | None:
    """The transaction of `install --dry-run`; None where zypper came to none. ValueError for packages of another form."""
    if "<install-summary" not in text:
        return None
    root = _part(text, "install-summary")
    changes: dict[tuple[str, str], Change] = {}
    for group in root:
        action = next((action for start, action in _ACTIONS.items() if group.tag.startswith(start)), None)
        for node in group if action else ():
            if node.get("type") == "package" and action:
                change = _change(action, node)
                changes.setdefault((change.name, change.architecture or ""), change)
    return Summary(tuple(changes.values()), _bytes(root.get("download-size")), _bytes(root.get("space-usage-diff")))


def _change(action: str, node: ET.Element) -> Change:
    name, arch, evr = node.get("name", ""), node.get("arch", ""), evr_of(node.get("edition", ""))
    old = evr_of(node.get("edition-old", ""))
    if not valid_name(name) or not valid_architecture(arch) or evr is None:
        raise ValueError(f"not a package of a transaction: {ascii(name)[:80]} {ascii(node.get('edition'))[:80]}")
    if action == "remove":
        return Change(action, name, evr, None, None, arch)
    return Change(action, name, old, evr, node.get("repository"), arch)


def _bytes(text: str | None) -> int | None:
    return kib(text, "B") if text and re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _part(text: str, tag: str) -> ET.Element:
    match = re.search(rf"<{tag}[ >].*?</{tag}>", text, re.DOTALL)
    if not match or "<!" in match[0]:  # a declaration of entities can only be an attack
        raise ValueError(f"zypper's <{tag}> is not complete")
    try:
        return ET.fromstring(match[0])
    except ET.ParseError as error:
        raise ValueError(f"zypper's <{tag}>: {error}") from None


def _elements(text: str, tag: str) -> list[ET.Element]:
    return list(_part(text, tag)) if f"<{tag}" in text else []


# --- What stands in the way ------------------------------------------------------------------------------------------------

_MESSAGE = re.compile(r'<message type="(error|warning|info)">(.*?)</message>', re.DOTALL)
_PROBLEM = re.compile(r"<description>(\s*Problem: .*?)</description>", re.DOTALL)
_LOCKED = re.compile(r"remove lock to allow (?:installation|removal|[a-z]+) of (\S+?)-(?:\d+:)?[^-\s]+-[^-\s]+\s")
_OLDER = re.compile(r"has lower version than the installed one")


def messages(text: str, *kinds: str) -> list[str]:
    """zypper's messages of these kinds (error, warning, info)."""
    return [" ".join(unescape(words, _QUOTES).split()) for kind, words in _MESSAGE.findall(text) if kind in kinds]


def trouble(text: str) -> str | None:
    """What zypper says stands in the way of a transaction, shortened; None where it says nothing of the kind."""
    found = [unescape(words, _QUOTES) for words in _PROBLEM.findall(text)]
    found += messages(text, "error")
    found += [words for words in messages(text, "info") if _OLDER.search(words)]
    return shortened("\n".join(found)) or None


def locked_names(text: str) -> list[str]:
    """Names of the packages whose locks are in the way."""
    return list(dict.fromkeys(_LOCKED.findall(text)))
