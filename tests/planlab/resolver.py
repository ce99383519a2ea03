# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A resolver that answers like a package manager, as far as the offers of tests need it: relations, pins, conflicts, streams."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_locks import parse_apt_preferences
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._versions import version_key
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import rocm_delivery
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.delivery import deliverer
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Candidate, Change, Closure, Request

from .offers import Archive

_RELATION = re.compile(r"([^\s()]+(?:\([^\s()]+\))?)(?:\s*\(?\s*(<=|>=|<<|>>|=|<|>)\s*([^\s()]+)\s*\)?)?")
_SEVERAL = re.compile(r"kernel(?:-\w+)?-(?:devel|core)|kernel-devel")  # rpm keeps several versions of these


def key(version: str) -> Any:
    """The order of versions, epochs first."""
    epoch, colon, rest = version.partition(":")
    return (int(epoch) if colon else 0, version_key(rest if colon else version))


def holds(version: str, operator: str | None, wanted: str | None) -> bool:
    """Whether a version fits a relation."""
    if not operator or not wanted:
        return True
    if "-" not in wanted:
        version = version.rpartition("-")[0] or version
    have, want = key(version), key(wanted)
    if ":" not in wanted:
        have = (0, have[1])
    above, equal = bool(have > want), bool(have == want)
    return {"=": equal, ">=": above or equal, "<=": not above, ">>": above, ">": above}.get(operator, not above and not equal)


class Resolver:
    """One transaction on the packages of a machine ({name: version})."""

    def __init__(self, archive: Archive, installed: Mapping[str, str], request: Request, origins: Iterable[str]) -> None:
        known = {*origins, None}
        streams = {stream.partition(":")[2] for stream in request.streams}
        self.request, self.installed, self.conflicts = request, dict(installed), archive.conflicts
        self.every = {(one.name, one.version): one for one in archive.offer.candidates}
        self.by_name: dict[str, list[Candidate]] = {}
        self.givers: dict[str, list[Candidate]] = {}
        for one in archive.offer.candidates:
            if one.origin in known and (one.stream is None or not streams or one.stream in streams):
                self.by_name.setdefault(one.name, []).append(one)
                for words in one.provides:
                    self.givers.setdefault(relation(words)[0], []).append(one)
        self.after = dict(installed)
        self.before = {name for name in installed if not all(map(self._holds_still, self._depends(name)))}
        self.after = {name: version for name, version in installed.items() if name not in request.remove}
        self.chosen: dict[str, Candidate] = {}
        # A solver of rpm looks at the whole request at once; apt takes each package's own candidate.
        self.whole = archive.offer.manager != "apt"
        self.versions = {wanted.version for wanted in request.install}
        # As in apt the first record that fits counts, in the order of the files' names; one of all packages ("*") counts last.
        texts = [text for _path, text in sorted(request.files) if text]
        records = [(package.split(), pin, priority) for text in texts for package, pin, priority in parse_apt_preferences(text)]
        records += [(list(pin.names), f"version {pin.version}", pin.priority) for pin in request.pins]
        self.pins = sorted(records, key=lambda record: record[0] == ["*"])

    def run(self) -> Closure:
        """The transaction, or the words of a package manager that finds none."""
        for wanted in self.request.install:
            words = f"{wanted.name}={wanted.version}" if wanted.version else wanted.name
            if not self._take(wanted.name, "=" if wanted.version else None, wanted.version):
                return Closure((), error=f"{words} is not available, or what it depends on is not going to be installed")
        if not self._mend():
            return Closure((), error="you have held broken packages")
        changes = list(self._changes())
        lower = [change.name for change in changes if change.action == "downgrade"]
        if lower and not self.request.downgrade:
            return Closure((), error=f"packages would be downgraded: {', '.join(lower)}")
        return Closure(tuple(changes), None, 1024, 4096)

    def _changes(self) -> Iterator[Change]:
        for name in sorted({*self.installed, *self.after}):
            before, after = self.installed.get(name), self.after.get(name)
            if after is None:
                yield Change("remove", name, before, None)
            elif before != after:
                action = "install" if before is None else "downgrade" if key(after) < key(before) else "upgrade"
                chosen = self.chosen[name]
                yield Change(action, chosen.name, before, after, chosen.repository, chosen.architecture)

    def _priority(self, one: Candidate) -> tuple[int, Any]:
        if self.whole and one.version in self.versions:
            return (10**6, key(one.version))
        for names, pin, priority in self.pins:
            if _is_pinned(pin, one) and any(fnmatch.fnmatchcase(one.name, name) for name in names):
                return (priority, key(one.version))
        return (100 if one.origin == "debian_backports" else 500, key(one.version))

    def _present(self, name: str, operator: str | None, version: str | None) -> bool:
        for other, have in self.after.items():
            other = other.partition("=")[0]
            if other == name and holds(have, operator, version):
                return True
            for given, what in self._provided(other, have):
                if given == name and (operator is None or (what is not None and holds(what, operator, version))):
                    return True
        return False

    def _provided(self, name: str, version: str) -> list[tuple[str, str | None]]:
        one = self.every.get((name, version))
        return [(given, what) for given, _operator, what in map(relation, one.provides)] if one else []

    def _take(self, name: str, operator: str | None, version: str | None) -> bool:
        if self._present(name, operator, version):
            return True
        best = max(self.by_name.get(name, []), key=self._priority, default=None)
        fits = [one for one in self.by_name.get(name, []) if holds(one.version, operator, version)]
        if operator == "=" and fits:
            return self._put(max(fits, key=self._priority))
        if best is not None and best in fits:
            return self._put(best)
        givers = [one for one in self.givers.get(name, ()) if operator is None or any(
            given == name and what and holds(what, operator, version) for given, _op, what in map(relation, one.provides))]
        return bool(givers) and self._put(max(givers, key=self._priority))

    def _put(self, one: Candidate) -> bool:
        slot = f"{one.name}={one.version}" if _SEVERAL.fullmatch(one.name) else one.name
        old = self.after.get(slot)
        if slot in self.chosen and old != one.version:
            return False
        self.after[slot], self.chosen[slot] = one.version, one
        for other in [other for other in self.after if other != slot]:
            if self._against(one.name, one.version, other) or self._against(other, self.after[other], slot):
                if other in self.chosen:
                    return False
                del self.after[other]
        return all(self._serve(words) for words in one.depends)

    def _against(self, name: str, version: str, other: str) -> bool:
        """Whether a package conflicts with another one, by its name or by what it provides."""
        given = [(other, self.after[other]), *self._provided(other, self.after[other])]
        return any(named == what and (operator is None or (has is not None and holds(has, operator, wanted)))
                   for named, operator, wanted in map(relation, self.conflicts.get((name, version), ())) for what, has in given)

    def _serve(self, words: str) -> bool:
        if any(self._present(*relation(alternative)) for alternative in words.split("|")):
            return True  # what is there, or comes anyway, is taken before the first alternative
        for alternative in words.split("|"):
            match = _RELATION.fullmatch(alternative.strip())
            if match is None or (match[1] not in self.by_name and match[1] not in self.givers):
                return True  # of software that these files leave out
            if self._take(match[1], match[2], match[3]):
                return True
        return False

    def _mend(self) -> bool:
        """Installed packages that a new one breaks are upgraded, else removed. Those that lacked something before stay: profiles name
        a few packages of a driver only."""
        for _round in range(20):
            broken = [name for name in self.after if self._was_whole(name) and not all(map(self._holds_still, self._depends(name)))]
            if not broken:
                return True
            for name in broken:
                best = max(self.by_name.get(name, []), key=self._priority, default=None)
                if name in self.chosen:
                    return False
                if best is None or best.version == self.after[name] or not self._put(best):
                    self.after.pop(name, None)
        return False

    def _was_whole(self, name: str) -> bool:
        return name in self.chosen or name not in self.before

    def _depends(self, name: str) -> tuple[str, ...]:
        one = self.every.get((name.partition("=")[0], self.after[name]))
        return one.depends if one else ()

    def _holds_still(self, words: str) -> bool:
        for alternative in words.split("|"):
            name, operator, version = relation(alternative)
            if (name not in self.by_name and name not in self.givers) or self._present(name, operator, version):
                return True
        return False


def _is_pinned(pin: str, one: Candidate) -> bool:
    """Whether a pin means a candidate, by its version or by what its repository calls itself. As apt does: a star at the end is taken off
    a version, what is left is a beginning or a glob."""
    kind, _blank, value = pin.partition(" ")
    if kind == "version":
        start = value[:-1] if value.endswith("*") else value
        return one.version == value or fnmatch.fnmatchcase(one.version, start) or (start != value and one.version.startswith(start))
    known = (deliverer(one.origin) or rocm_delivery.deliverer(one.origin)) if one.origin else None
    rule = next(iter(known.match), {}) if known else {}
    letter = pin.partition(" ")[2][:1]
    return fnmatch.fnmatchcase(f"release {letter}={rule.get(letter)}", pin)


def relation(words: str) -> tuple[str, str | None, str | None]:
    """(name, operator, version) of a relation."""
    match = _RELATION.fullmatch(words.strip())
    return (match[1], match[2], match[3]) if match else (words, None, None)
