# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: files of apt sources, and what `apt-get update` says of the archives in them. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ._apt_text import CODES, code_of, first_words, lettered

__all__ = ["SourceLine", "Trouble", "choose_trouble", "parse_sources", "parse_update"]


class SourceLine(NamedTuple):
    """One archive of a file of sources: without user and password."""

    uri: str
    suite: str
    components: tuple[str, ...]

    def named_in(self, text: str) -> bool:
        """Whether apt speaks of this archive: as "URI SUITE …", or by the URL of one of its files."""
        uri, suite = re.escape(self.uri.rstrip("/")), re.escape(self.suite.strip("/"))
        if not self.suite.endswith("/"):
            tail = rf"(?:/?\s+|/+dists/){suite}(?:[/\s]|$)"
        elif suite in ("", r"\."):
            tail = r"(?:[\s/]|$)"
        else:
            tail = rf"(?:/?\s+|/+){suite}(?:[/\s]|$)"
        return re.search(uri + tail, text) is not None

    def list_file(self, name: str) -> str:
        """How apt names a file of this archive in its folder of lists."""
        place = self.suite.strip("/") if self.suite.endswith("/") else f"dists/{self.suite}"
        bare = re.sub(r"^[a-z0-9+.-]+:(?://)?", "", self.uri.rstrip("/"))
        quoted = re.sub(r"[\\|{}\[\]<>\"^~_=!@#$%&*]", lambda match: f"%{ord(match[0]):02x}", f"{bare}/{place}/{name}")
        return re.sub("/(?:[.]?/)*", "_", quoted)

    def __str__(self) -> str:
        return " ".join([self.uri, self.suite, *self.components])


_ONE_LINE = re.compile(r"[ \t]*deb[ \t]+(?:\[[^]]*\][ \t]*)?(\S+)[ \t]+(\S+)([^#\n]*)")


def parse_sources(text: str, path: str) -> list[SourceLine]:
    """The binary archives that are switched on in a file of sources, in the format that its name tells (.sources or not)."""
    if not path.endswith(".sources"):
        matches = (match for match in map(_ONE_LINE.match, text.splitlines()) if match)
        return [SourceLine(_bare(match[1]), match[2], tuple(match[3].split())) for match in matches]
    found = []
    for stanza in re.split(r"\n[ \t]*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields = {key.lower(): " ".join(value.split())
                  for key, value in re.findall(r"(?m)^([\w-]+):(.*(?:\n[ \t]+.*)*)", stanza)}
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in ("no", "false", "without", "off"):
            found += [SourceLine(_bare(uri), suite, tuple(fields.get("components", "").split()))
                      for uri in fields.get("uris", "").split() for suite in fields.get("suites", "").split()]
    return found


def _bare(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//", uri)


# --- Troubles of an update -------------------------------------------------------------------------------------------------


class Trouble(NamedTuple):
    """What apt-get update says of one failure. source: the archive, None where the words name none that is known. warning: all
    the rest of the archive is there."""

    code: str
    message: str
    source: SourceLine | None
    warning: bool = False


_PARTIAL = re.compile(r"does(?:n't| not) have the component")
_FAILURE = re.compile(rf"Failed to fetch|GPG error|signature verification|is not signed|{_PARTIAL.pattern}")
_SUMMARY = ("Some index files failed to download", "The package lists or status file", "The list of sources could not be read")


def parse_update(stdout: str, stderr: str, sources: Iterable[SourceLine]) -> list[Trouble]:
    """The failures of `apt-get update`: its Err, E and W lines. Warnings of which nothing follows are left out."""
    known = list(sources)
    told = [_trouble(text, known) for text in _blocks(stdout, r"Err:\d+ (.*)")]
    for letter, text in lettered(stderr):
        if letter == "W" and (text.startswith(_SUMMARY) or not _FAILURE.search(text)):
            continue
        trouble = _trouble(text, known)
        # The URL of a failed download is the one after redirections; its Err line told the archive already.
        if trouble.source is None and text.startswith(("Failed to fetch", *_SUMMARY)) and told:
            continue
        told.append(trouble)
    return list(dict.fromkeys(told))


def choose_trouble(troubles: Iterable[Trouble]) -> Trouble:
    """Of several that speak of one archive the one that explains the others."""
    order = [code for code, _pattern in CODES]
    return min(troubles, key=lambda one: (one.warning, order.index(one.code) if one.code in order else len(order)))


def _trouble(text: str, sources: list[SourceLine]) -> Trouble:
    # Of archives that all are named (one is the beginning of another's URL) the longest is meant.
    named = sorted((source for source in sources if source.named_in(text)), key=lambda source: -len(source.uri))
    return Trouble(code_of(text), first_words(text), named[0] if named else None, _PARTIAL.search(text) is not None)


def _blocks(text: str, head: str) -> Iterator[str]:
    """Lines that match, each with the indented ones that follow."""
    for match in re.finditer(rf"(?m)^{head}((?:\n[ \t]+\S.*)*)", text):
        yield match[1] + match[2]
