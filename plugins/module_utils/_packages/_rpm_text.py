# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: words of the rpm world that dnf and zypper share. Pure. Names and versions come from repositories' metadata: hostile
until they fit the expressions here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# Fields and records of query formats end with these: XML cannot hold them, so no metadata can.
FIELD, RECORD = "\x1f", "\x1e"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", re.ASCII)
_PART = r"[A-Za-z0-9][A-Za-z0-9._+~^]{0,119}"
_EVR = re.compile(rf"(?:(?P<epoch>[0-9]{{1,9}}):)?(?P<version>{_PART})-(?P<release>{_PART})", re.ASCII)
_ARCH = re.compile(r"[a-z0-9][a-z0-9_]{0,31}", re.ASCII)
_REPO = re.compile(r"[@A-Za-z0-9][A-Za-z0-9_.:+@/-]{0,199}", re.ASCII)
_RELATION = re.compile(r"[A-Za-z0-9(][A-Za-z0-9._+~^:()<>=,\[\]/ -]{0,299}", re.ASCII)
_NOT_PACKAGES = re.compile(r"rpmlib\(|config\(|.*\.so\b|rtld\(|elf\(")
_PATTERN = re.compile(r"[A-Za-z0-9*?\[\]][A-Za-z0-9._+*?\[\]-]{0,127}", re.ASCII)
_MESSAGE_LIMIT = 1500  # characters; a solver may explain itself for pages

RPM_FORMAT = FIELD.join(("%{NAME}", "%{EPOCHNUM}:%{VERSION}-%{RELEASE}", "%{ARCH}")) + RECORD


class Installed(NamedTuple):
    """A package of the rpm database."""

    name: str
    evr: str
    architecture: str


def valid_name(text: str) -> bool:
    """Whether this can be the name of a package."""
    return bool(_NAME.fullmatch(text))


def valid_pattern(text: str) -> bool:
    """Whether this can be a name with fnmatch's signs."""
    return bool(_PATTERN.fullmatch(text))


def valid_architecture(text: str) -> bool:
    """Whether this can be the architecture of a package."""
    return bool(_ARCH.fullmatch(text))


def valid_repository(text: str) -> bool:
    """Whether this can be the id of a repository, with the @ of installed packages."""
    return bool(_REPO.fullmatch(text))


def evr_of(text: str) -> str | None:
    """"epoch:version-release" with an epoch of 0 left out; None for anything else."""
    match = _EVR.fullmatch(text)
    if not match:
        return None
    epoch = int(match["epoch"] or 0)
    return f"{epoch}:{match['version']}-{match['release']}" if epoch else f"{match['version']}-{match['release']}"


def relations(lines: Iterable[str]) -> tuple[str, ...]:
    """Requirements or provisions that speak of packages ("nvidia-kmod = 3:580.95.05"), without files, libraries and rpm's own."""
    found = [" ".join(line.split()) for line in lines]
    return tuple(dict.fromkeys(line for line in found if _RELATION.fullmatch(line) and not _NOT_PACKAGES.match(line)))


def odd_package(repository: str, name: str, version: str) -> dict[str, str]:
    """The problem {repository, code, message} of a package whose name or version fits no expression here."""
    message = f"a package whose name or version nobody may use: {ascii(name)[1:-1][:80]} {ascii(version)[1:-1][:80]}"
    return {"repository": ascii(repository)[1:-1][:100], "code": "refused", "message": message}


def parse_installed(text: str) -> list[Installed]:
    """Packages from `rpm -q --qf RPM_FORMAT`; its notes on packages that are not installed and odd names are left out."""
    found = []
    for record in text.split(RECORD):
        fields = record.rpartition("\n")[2].split(FIELD)
        evr = evr_of(fields[1]) if len(fields) == 3 else None
        if evr and valid_name(fields[0]) and valid_architecture(fields[2]):
            found.append(Installed(fields[0], evr, fields[2]))
    return found


def kib(number: str, unit: str) -> int:
    """KiB, rounded up, from a number and its unit: "", k, M, G, or B, KiB, MiB, GiB."""
    factor = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}[unit.strip().lower()[:1]]
    return -int(-float(number) * factor // 1024)


def shortened(text: str) -> str:
    """A manager's own words, without blank lines, at a length that people still read."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    whole = "\n".join(dict.fromkeys(lines))
    return whole if len(whole) <= _MESSAGE_LIMIT else whole[:_MESSAGE_LIMIT] + " …"


# What both managers, librepo, libcurl and rpm say; the first that fits counts.
_CODES = (
    ("no_space", r"No space left on device|Disk quota exceeded|Insufficient space|needs \d+\S* (?:more space )?on the"),
    ("locked", r"System management is locked|already locked by|Waiting for process with pid|holding the (?:yum |rpm )?lock"),
    ("bad_key", r"Signing key not found|public key is not (?:installed|available)|NOKEY|Failed to (?:retrieve|parse|import) (?:new )?key"
                r"|GPG key retrieval failed|invalid key|no public key|key .*(?:expired|revoked)|Key import failed|NO_PUBKEY"
                r"|Couldn't open file .*gpg|signed with unknown key"),
    ("bad_signature", r"Bad GPG signature|GPG verification (?:is enabled|failed|error)|GPG signature verification|BADSIG|BAD signature"
                      r"|Signature verification failed|is not signed|is unsigned|Malformed file repomd\.xml\.asc"),
    ("hash_mismatch", r"(?i)checksum (?:does ?n.t match|error|mismatch)|digest verification failed|wrong (?:checksum|digest)"
                      r"|doesn't match.*checksum|Calculated checksum"),
    ("no_network", r"Curl error \((?:5|6|7|28|35|52|55|56|60)\)|Could ?n.t resolve|Could not resolve|Failed to connect"
                   r"|Connection (?:failed|refused|timed out)|Timeout (?:exceeded|was reached)|(?i:network is unreachable)"
                   r"|Status code: (?:5\d\d|407)"),
    ("broken", r"(?i)rpmdb.*(?:damaged|corrupt|open failed)|Failed loading RPMDB|database disk image is malformed"
               r"|rpm database .*(?:failed|corrupt)"),
    ("unreadable", r"Status code: 4\d\d|File .* not found|Couldn't open file|Cannot download|Failed to download metadata"
                   r"|Valid metadata not found|no cache for|Parsing file|(?i:syntax error)|Specified path|not found on medium"),
)


def code_of(text: str) -> str:
    """The code of PackageError for words of dnf or zypper."""
    return next((code for code, pattern in _CODES if re.search(pattern, text)), "refused")
