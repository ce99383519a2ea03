# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the names that our files of apt's preferences say, and whether a file that is there says enough.

Each start of apt compares a pattern with every name that it knows, which takes long; a name costs nothing. So the patterns of a hold
(`Deliverer.hold_patterns`) become names where the package manager was asked, and the record keeps them for runs that do not ask.
They stay patterns where a driver is held that somebody else installed, since nobody was asked what there is besides, and where names
count that nobody offers yet (`_hold`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._inventory._package_locks import fits, is_name, parse_apt_preferences
from .._knowledge.delivery import Deliverer

__all__ = ["named", "says_enough", "spelt"]

_COLUMNS = 120


def named(packages: Mapping[str, Any], deliverer: Deliverer, offered: Iterable[str] = ()) -> tuple[str, ...]:
    """The names that the hold of a deliverer covers, sorted: of what is installed and offered, or else recorded, all that its patterns
    fit. Empty where nothing is offered and the record has none. packages: the section of the inventory."""
    known = {*offered} or _recorded(packages)
    patterns = " ".join(deliverer.hold_patterns)
    return tuple(sorted(name for name in {*known, *_installed(packages)} if fits(name, patterns))) if known else ()


def spelt(names: Iterable[str]) -> str:
    """Names as the value of a field, whose further lines begin with a blank (deb822(5))."""
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) >= _COLUMNS:
            lines.append("")
        lines[-1] += f" {name}"
    return "\n".join(lines).strip()


def says_enough(there: str, wanted: str, packages: Mapping[str, Any]) -> bool:
    """Whether a file pins as the wanted one does: the same pins in the same order, of all names and patterns that this has. Names in the
    place of patterns do where they cover what is installed. More names, other comments and other lines are no difference."""
    try:
        have, want = parse_apt_preferences(there), parse_apt_preferences(wanted)
    except ValueError:
        return False
    if [pin[1:] for pin in have] != [pin[1:] for pin in want]:
        return False
    return all(_covers(old[0].split(), new[0].split(), packages) for old, new in zip(have, want))


def _covers(there: list[str], wanted: list[str], packages: Mapping[str, Any]) -> bool:
    if all(map(is_name, there)) and not all(map(is_name, wanted)):
        wanted = [name for name in _installed(packages) if fits(name, " ".join(wanted))]
    return all(word in there or fits(word, " ".join(there)) for word in wanted)


def _recorded(packages: Mapping[str, Any]) -> set[str]:
    locks = (packages.get("record") or {}).get("locks") or ()
    words = {str(word) for lock in locks if lock.get("kind") == "apt_pin" for word in lock.get("patterns", ())}
    return words if all(map(is_name, words)) else set()


def _installed(packages: Mapping[str, Any]) -> Iterable[str]:
    return packages.get("installed") or ()
