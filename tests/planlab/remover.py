# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package manager for removals: what depends on something that goes, goes too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Change, Closure, Installed, Request

from .offers import Archive
from .resolver import relation


class There(NamedTuple):
    """An installed package. depends: relations, alternatives joined by "|"; name: where several versions of one are there."""

    version: str
    depends: tuple[str, ...] = ()
    manual: bool | None = False
    provides: tuple[str, ...] = ()
    name: str = ""


class PackagesThere:
    """`Remover` of packages by the name that means them alone ("kernel-devel-5.14.0-570"). asked: the removals so far."""

    def __init__(self, there: Mapping[str, There], name: str = "apt", error: str | None = None,
                 with_it: Iterable[Change] = ()) -> None:
        self.name, self._there, self._error, self._with_it = name, dict(there), error, tuple(with_it)
        self.asked: list[tuple[str, ...]] = []

    def installed(self, names: Iterable[str]) -> tuple[Installed, ...]:
        wanted = set(names)
        return tuple(Installed(one.name or key, one.version, one.manual) for key, one in self._there.items() if (one.name or key) in wanted)

    def needs(self, names: Iterable[str]) -> Mapping[str, frozenset[str]]:
        known = {key for key in names if key in self._there}
        return {key: frozenset(other for words in self._there[key].depends for what in words.split("|")
                               for other in known if other != key and self._gives(other, what)) for key in known}

    def resolve(self, request: Request) -> Closure:
        assert not request.install
        self.asked.append(request.remove)
        if self._error:
            return Closure((), self._error)
        left = {key: one for key, one in self._there.items() if key not in request.remove}
        while True:
            broken = [key for key, one in left.items() if not all(self._served(words, left) for words in one.depends)]
            if not broken:
                break
            for key in broken:
                del left[key]
        gone = [Change("remove", one.name or key, one.version, None) for key, one in self._there.items() if key not in left]
        return Closure((*gone, *self._with_it))

    def _gives(self, key: str, words: str) -> bool:
        one, wanted = self._there[key], relation(words)[0]
        return wanted == (one.name or key) or wanted in [relation(given)[0] for given in one.provides]

    def _served(self, words: str, left: Mapping[str, There]) -> bool:
        """Whether a relation holds; one that nothing served before is of software that these packages leave out."""
        alternatives = words.split("|")
        before = any(self._gives(key, what) for key in self._there for what in alternatives)
        return not before or any(self._gives(key, what) for key in left for what in alternatives)


def packages_there(installed: Mapping[str, str], archive: Archive, manual: Iterable[str] = ()) -> dict[str, There]:
    """Installed packages ({name: version}) with the relations that an archive tells of them."""
    every = {(one.name, one.version): one for one in archive.offer.candidates}
    marked = set(manual)
    found = {}
    for name, version in installed.items():
        one = every.get((name, version))
        found[name] = There(version, one.depends if one else (), name in marked, one.provides if one else ())
    return found
