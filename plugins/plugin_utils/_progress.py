# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a slow step is doing right now, told from the logs that package managers and DKMS write."""

from __future__ import annotations

import re

from ansible_collections.gpufleet.node.plugins.module_utils._check._clean import clean

__all__ = ["COMMAND", "elapsed", "progress"]

# Constant: nothing from a plan goes into a shell. Logs count while they are written to; lines are `kind text`.
COMMAND = r"""
for log in /var/lib/dkms/*/*/build/make.log; do
  [ -n "$(find "$log" -mmin -1 2>/dev/null)" ] && printf 'dkms %s\n' "$(head -n 1 "$log")"
done
for file in /var/lib/apt/lists/partial/*_*; do [ -f "$file" ] && printf 'lists %s\n' "${file##*/}"; done
for file in $(find /var/cache/apt/archives -name '*.deb' -mmin -1 2>/dev/null | tail -n 1) /var/cache/apt/archives/partial/*.deb; do
  [ -f "$file" ] && printf 'fetch %s\n' "${file##*/}"
done
for file in $(find /var/cache/dnf /var/cache/libdnf5 /var/cache/zypp/packages -name '*.rpm' -mmin -1 2>/dev/null | tail -n 1); do
  printf 'fetch %s\n' "${file##*/}"
done
for log in /var/log/dpkg.log /var/log/dnf.rpm.log /var/log/dnf5.log /var/log/zypp/history; do
  [ -n "$(find "$log" -mmin -1 2>/dev/null)" ] && tail -n 20 "$log" | sed "s|^|${log##*/} |"
done
true
"""
_DKMS = re.compile(r"for (?P<module>\S+?)[-/](?P<version>[0-9][^-\s]*) for kernel (?P<kernel>\S+)")
_DPKG = re.compile(r"\S+ \S+ (?P<verb>install|upgrade|configure|remove|purge|trigproc) (?P<name>[^\s:]+)\S* ")
_VERBS = {"install": "unpacking", "upgrade": "unpacking", "configure": "setting up", "remove": "removing", "purge": "removing",
          "trigproc": "running triggers of"}
_RPM = re.compile(r"(?P<verb>Installed|Upgraded?|Erased?|Removed|Obsoleted|Downgraded?): (?P<name>\S+)")
_ZYPP = re.compile(r"[^|]*\|(?P<verb>install|remove)[^|]*\|(?P<name>[^|]+)\|(?P<version>[^|]*)\|")
_WIDTH = 90


def progress(output: str) -> str | None:
    """The line for people; None where the logs tell nothing. A module that is built says more than a package that is set up."""
    lines = [line.partition(" ")[::2] for line in output.splitlines()]
    for source, tell in _TELLERS:
        told = [text for text in (tell(words.strip()) for kind, words in lines if kind in source) if text]
        if told:
            return clean(told[-1])[:_WIDTH]
    return None


def elapsed(seconds: float) -> str:
    """75 -> "1:15"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _dkms(text: str) -> str | None:
    match = _DKMS.search(text)
    return f"building module {match['module']} {match['version']} for kernel {match['kernel']}" if match else None


def _dpkg(text: str) -> str | None:
    match = _DPKG.match(f"{text} ")
    return f"{_VERBS[match['verb']]} {match['name']}" if match else None


def _rpm(text: str) -> str | None:
    match = _RPM.search(text)
    return f"{match['verb'].lower()} {match['name']}" if match else None


def _zypp(text: str) -> str | None:
    match = _ZYPP.match(text)
    return f"{'installed' if match['verb'] == 'install' else 'removed'} {match['name']} {match['version']}".strip() if match else None


def _fetch(text: str) -> str | None:
    name = text.partition("_")[0] if text.endswith(".deb") else text.removesuffix(".rpm")
    return f"fetching {name}" if name else None


_TELLERS = (
    (("dkms",), _dkms),
    (("dpkg.log",), _dpkg),
    (("dnf.rpm.log", "dnf5.log"), _rpm),
    (("history",), _zypp),
    (("fetch",), _fetch),
    (("lists",), lambda _text: "fetching the lists of packages"),
)
