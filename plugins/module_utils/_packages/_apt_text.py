# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: apt as text: what its programs print in the C locale, and its files. Pure functions.

Everything here may come from a repository that lies, so names and versions count only where they are valid by Debian policy.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["CODES", "Record", "Simulation", "code_of", "first_words", "lettered", "parse_config_names", "parse_madison", "parse_policy",
           "parse_records", "parse_shell", "parse_simulation", "refusal_words", "valid_name", "valid_version"]

# Debian policy 5.6.1 and 5.6.12. Capitals and "_" are not allowed there, and dpkg refuses them in names too.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,127}", re.ASCII)
_VERSION = re.compile(r"(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]{0,255}", re.ASCII)
_LENGTH = 400  # characters of a message that a person still reads
_REFUSAL_LENGTH = 2000  # of one that lists dependencies


def valid_name(name: str) -> bool:
    """Whether this is the name of a package."""
    return _NAME.fullmatch(name) is not None


def valid_version(version: str) -> bool:
    """Whether this is a version. A colon stands after the epoch only, since it separates an architecture elsewhere."""
    return _VERSION.fullmatch(version) is not None


def first_words(text: str) -> str:
    """Words on one line, shortened."""
    line = " ".join(text.split())
    return line if len(line) <= _LENGTH else f"{line[:_LENGTH - 1]}…"


# --- What is offered -------------------------------------------------------------------------------------------------------


class Record(NamedTuple):
    """A paragraph of `apt-cache show`. Sizes are KiB, rounded up; None where unknown. installed: it is dpkg's own."""

    name: str
    version: str
    architecture: str
    depends: tuple[str, ...]
    provides: tuple[str, ...]
    download_kib: int | None
    disk_kib: int | None
    installed: bool


def parse_madison(text: str) -> list[tuple[str, str, str]]:
    """(name, version, repository) of each line of `apt-cache madison` that speaks of binary packages, as they stand there."""
    rows = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(" | ", 2)]
        if len(parts) == 3 and parts[2].endswith("Packages"):
            rows.append((parts[0], parts[1], parts[2]))
    return rows


def parse_policy(text: str) -> dict[str, dict[str, str]]:
    """{repository: {o, a, n, l, c, v, b, site}} from `apt-cache policy` without names; absent fields are left out."""
    found: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for line in text.splitlines():
        head = re.fullmatch(r" *-?\d+ (\S.*)", line)
        if head:
            fields = found.setdefault(head[1], {})
        elif line.startswith("     release "):
            for key, value in re.findall(r"(?:^|,)([oanlcvb])=(.*?)(?=,[oanlcvb]=|$)", line[len("     release "):]):
                fields.setdefault(key, value)
        elif line.startswith("     origin "):
            fields["site"] = line[len("     origin "):]
        elif line.startswith("Pinned packages:"):
            break
    return found


def parse_records(text: str) -> list[Record]:
    """The paragraphs of `apt-cache show`, without those that have no name or version."""
    records = []
    for paragraph in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z][\w-]*):[ \t]*(.*(?:\n[ \t].*)*)", paragraph, re.MULTILINE | re.ASCII))
        if fields.get("Package") and fields.get("Version"):
            depends = [fields[key] for key in ("Pre-Depends", "Depends") if key in fields]
            records.append(Record(fields["Package"], fields["Version"], fields.get("Architecture", ""), _relations(*depends),
                                  _relations(fields.get("Provides", "")), _number(fields.get("Size"), 1024),
                                  _number(fields.get("Installed-Size"), 1), "Status" in fields))
    return records


def _relations(*texts: str) -> tuple[str, ...]:
    """Each relation of such fields, the alternatives of one joined by "|" without blanks."""
    relations = (relation for text in texts for relation in text.split(","))
    return tuple("|".join(" ".join(part.split()) for part in relation.split("|")) for relation in relations if relation.strip())


def _number(text: str | None, unit: int) -> int | None:
    return -(-int(text) // unit) if text and re.fullmatch("[0-9]{1,15}", text) else None


def parse_shell(text: str) -> dict[str, str]:
    """{NAME: value} from `apt-config shell`; values that are quoted twice do not occur there."""
    return {match[1]: match[2].replace("'\\''", "'") for match in re.finditer(r"(?m)^([A-Z_]+)='(.*)'$", text)}


def parse_config_names(text: str, under: str) -> list[str]:
    """The names right below a tree of `apt-config dump`, in its order."""
    names = re.findall(rf"(?m)^{re.escape(under)}::([\w-]+)(?:::\S*)? \"", text, re.ASCII | re.IGNORECASE)
    return list(dict.fromkeys(names))


# --- What it complains of -------------------------------------------------------------------------------------------------

# In the order in which one explains the others: a file that does not fit the disk also has the wrong hash.
CODES = (
    ("no_space", r"No space left on device|Disk quota exceeded|don't have enough free space"),
    ("bad_key", r"unsupported filetype|keyring.*(?:not readable|unreadable)|parse keyring|[Mm]alformed (?:Cert|keyring|OpenPGP)"
                r"|no valid OpenPGP data|(?:key|Cert|keyring)\b.*(?:No such file|could not be opened)"),
    # The words on a signature that counts only later come where the clock of the node is behind.
    ("out_of_date", r"[Rr]elease file .*is (?:expired|not (?:yet )?valid)|[Nn]ot live until"),
    ("bad_signature", r"NO_PUBKEY|EXPKEYSIG|EXPSIG|BADSIG|REVKEYSIG|ERRSIG|[Mm]issing key|GPG error|not signed|no longer signed"
                      r"|signature verification|signatures? (?:were|was|could)"
                      r"|Clearsigned file isn't valid"),
    ("hash_mismatch", r"Hash Sum mismatch|unexpected size|Mirror sync in progress|Hashes of (?:expected|received) file"
                      r"|weak security information|No Hash entry"),
    ("no_network", r"Could not (?:connect|resolve|handshake|wait)|Unable to connect|[Tt]imed? ?out|No route to host|failure resolving"
                   r"|Connection (?:failed|refused|reset|closed)|[Nn]etwork is unreachable|Something wicked|Cannot initiate the connection"
                   r"|No system certificates|Certificate verification|Error reading from server|\b5\d\d +[A-Z]|\b407 "),
    ("unreadable", r"Permission denied|File not found - |could not be read|can't be read|Unable to parse|Unable to (?:read|open)"),
)


def code_of(text: str) -> str:
    """The code of PackageError for words of apt."""
    return next((code for code, pattern in CODES if re.search(pattern, text)), "refused")


def lettered(text: str) -> list[tuple[str, str]]:
    """(letter, words) of the messages "E: …" and "W: …" of apt, with their lines of continuation; apt 3 may write out the words."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        match = re.match(r"(E|W|N|Error|Warning|Notice): (.*)", line)
        if match:
            found.append((match[1][0], match[2]))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}")
    return [item for item in found if item[0] != "N"]


# --- A simulated transaction -----------------------------------------------------------------------------------------------


class Simulation(NamedTuple):
    """What `apt-get --simulate` would do. done: (word, name, architecture, before, after, repository), word Inst or Remv."""

    done: tuple[tuple[str, str, str | None, str | None, str | None, str | None], ...]
    downgraded: frozenset[str]
    held: tuple[str, ...]


_DONE = re.compile(r"(?P<word>Inst|Remv|Purg) (?P<name>[^\s:\[(]+)(?::(?P<foreign>[a-z0-9-]+))?(?: \[(?P<before>[^\]\s]+)\])?"
                   r"(?: \((?P<after>\S+)(?: (?P<repository>[^()\[]*?))? \[(?P<architecture>[a-z0-9-]+)\]\))?(?: \[.*\])?\s*")
_DOWNGRADED = "The following packages will be DOWNGRADED:"
_HELD = "The following held packages will be changed:"


def parse_simulation(text: str) -> Simulation:
    """From the output of `apt-get --simulate install`. ValueError for a line of a transaction that cannot be read."""
    done = []
    for line in text.splitlines():
        if not line.startswith(("Inst ", "Remv ", "Purg ")):
            continue
        match = _DONE.fullmatch(line)
        if not match or not valid_name(match["name"]) or (match["word"] == "Inst") != bool(match["after"]):
            raise ValueError(f"a line of apt-get that cannot be read: {first_words(line)}")
        word = "Remv" if match["word"] == "Purg" else match["word"]
        done.append((word, match["name"], match["architecture"] or match["foreign"], match["before"], match["after"],
                     match["repository"] or None))
    return Simulation(tuple(done), frozenset(_listed(text, _DOWNGRADED)), tuple(_listed(text, _HELD)))


def _listed(text: str, title: str) -> list[str]:
    """The names that apt lists under a title; a foreign architecture stays with its name."""
    match = re.search(rf"(?m)^{re.escape(title)}((?:\n  .*)*)", text)
    return match[1].split() if match else []


def refusal_words(stdout: str, stderr: str) -> str:
    """The essential words of a transaction that apt refuses: held packages, unmet dependencies, and its errors."""
    held = _listed(stdout, _HELD)
    unmet = re.search(r"(?m)^The following packages have unmet dependencies:((?:\n .*)*)", stdout)
    errors = [words for letter, words in lettered(stderr) if letter == "E"]
    if unmet:  # then a solver that explains itself at length says the same once more
        errors = [words.partition("\n")[0] for words in errors if "--solver" not in words]
    lines = [f"{_HELD} {' '.join(held)}" if held else "", *(unmet[1].splitlines() if unmet else ()), *errors]
    return "; ".join(" ".join(line.split()) for line in lines if line.strip())[:_REFUSAL_LENGTH]
