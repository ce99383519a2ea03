# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: package databases as text: dpkg-query, dpkg's status file, rpm."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

DPKG_FORMAT = r"${Package}\t${Version}\t${db:Status-Abbrev}\t${Architecture}\t${source:Package}\t${Maintainer}\n"
RPM_FORMAT = r"%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{VENDOR}\t%{PACKAGER}\n"

_DPKG_ROW = re.compile(r"([^\t]+)\t([^\t]*)\t([a-zA-Z?]{2}[ R]?)\s*\t([^\t]*)\t([^\t]*)\t(.*)")
_NVRA = re.compile(r"(?P<name>[A-Za-z0-9][\w.+-]*)-(?P<version>[^-\s]+)-(?P<release>[^-\s]+)"
                   r"\.(?P<arch>noarch|x86_64|aarch64|i[3-6]86|ppc64le|s390x|src)")
# Who a package comes from, by the words of its maintainer (dpkg) or of its vendor and packager (rpm). The first fit counts.
_ORIGINS = (
    ("@nvidia.com", "nvidia"), ("nvidia corporation", "nvidia"), ("@amd.com", "amd"), ("advanced micro devices", "amd"),
    ("@lists.ubuntu.com", "ubuntu"), ("@ubuntu.com", "ubuntu"), ("@canonical.com", "ubuntu"), ("debian.org", "debian"),
    ("debian.net", "debian"), ("rpm fusion", "rpmfusion"), ("rpmfusion", "rpmfusion"), ("negativo17", "negativo17"),
    ("elrepo", "elrepo"), ("opensuse", "opensuse"), ("obs://", "opensuse"), ("suse", "suse"), ("fedora project", "fedora"),
    ("red hat", "redhat"), ("almalinux", "almalinux"), ("rocky", "rocky"), ("oracle", "oracle"), ("amazon", "amazon"),
    ("centos", "centos"), ("docker", "docker"), ("system76", "system76"),
)
# The words of dpkg's status file as the letters of its listings (dpkg-query(1)).
_WISHES = {"install": "i", "hold": "h", "deinstall": "r", "purge": "p"}
_STATES = {"installed": "i", "config-files": "c", "unpacked": "U", "half-configured": "F", "half-installed": "H",
           "triggers-awaited": "W", "triggers-pending": "t", "not-installed": "n"}
_UBUNTU_PPA = re.compile(r"~gpu\d|~ppa\d|ppa\d+$")


class Row(NamedTuple):
    """One package as its database has it. state: installed, broken, or removed (settings may be left). held: by dpkg itself."""

    name: str
    version: str
    architecture: str
    source: str | None
    origin: str | None
    state: str
    held: bool


def parse_dpkg_query(text: str) -> list[Row]:
    """The rows of dpkg-query with DPKG_FORMAT. ValueError for a text of other rows only."""
    rows = [_dpkg_row(*match.groups()) for match in map(_DPKG_ROW.fullmatch, text.splitlines()) if match]
    if text.strip() and not rows:
        raise ValueError(f"no row of dpkg-query in: {text.strip()[:120]}")
    return rows


def parse_dpkg_status(text: str) -> list[Row]:
    """The packages of /var/lib/dpkg/status. ValueError for a text without a package."""
    rows = []
    for paragraph in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Z][\w-]*): *(.*)$", paragraph, re.MULTILINE))
        status = fields.get("Status", "").split()
        if "Package" in fields and len(status) == 3:
            state = _WISHES.get(status[0], "u") + _STATES.get(status[2], "n") + ("R" if status[1] == "reinstreq" else " ")
            source = (fields.get("Source") or fields["Package"]).partition(" ")[0]
            rows.append(_dpkg_row(fields["Package"], fields.get("Version", ""), state, fields.get("Architecture", ""), source,
                                  fields.get("Maintainer", "")))
    if text.strip() and not rows:
        raise ValueError("no package in dpkg's status file")
    return rows


def _dpkg_row(name: str, version: str, state: str, architecture: str, source: str, maintainer: str) -> Row:
    letter = state[1]
    kind = "broken" if state[2:3] == "R" or letter in "UFH" else "installed" if letter in "iWt" else "removed"
    origin = origin_of(maintainer)
    if origin == "ubuntu" and _UBUNTU_PPA.search(version):
        origin = "ppa"
    return Row(name, version, architecture, source or None, origin, kind, state[0] == "h")


def parse_rpm_query(text: str) -> list[Row]:
    """The rows of rpm with RPM_FORMAT, or bare names as `rpm -qa` prints them. ValueError for a text of other rows only."""
    rows = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == 6:
            name, version, arch, source, vendor, packager = ("" if field == "(none)" else field for field in fields)
            bare = re.sub(r"-[^-]+-[^-]+\.(?:no)?src\.rpm$", "", source)
            version = version[2:] if version.startswith("0:") else version
            rows.append(Row(name, version, arch, bare or None, origin_of(f"{vendor} {packager}"), "installed", False))
        else:
            match = _NVRA.fullmatch(line.strip())
            if match:
                version = f"{match['version']}-{match['release']}"
                rows.append(Row(match["name"], version, match["arch"], None, None, "installed", False))
    if text.strip() and not rows:
        raise ValueError(f"no row of rpm in: {text.strip()[:120]}")
    return rows


def origin_of(words: str) -> str | None:
    """Who made a package, by what it says of its maker; None where that is nobody known."""
    lower = words.lower()
    if set(lower.split()) == {"nvidia"}:  # the whole vendor of some packages; other makers have the word in their names
        return "nvidia"
    return next((name for part, name in _ORIGINS if part in lower), None)


def upstream_version(version: str) -> str:
    """A version without epoch, package revision and SUSE's kernel: 1:580.95.05-0ubuntu1, 580.95.05_k6.4.0-1 → 580.95.05."""
    bare = version.partition(":")[2] or version
    return re.split(r"[-+~_]", bare, maxsplit=1)[0]


def as_installed(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """{name: {version, origin, architecture, source, held}} of what is on the disk, broken or not; of a name for several
    architectures the first that is not 32 bit."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        foreign = row.architecture in ("i386", "i686", "armhf")
        if row.state == "removed" or (row.name in found and foreign):
            continue
        found[row.name] = {"version": row.version, "origin": row.origin, "architecture": row.architecture, "source": row.source,
                           "held": row.held}
    return found
