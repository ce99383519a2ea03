# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: ranges of versions as operators write them (">=535,<590"), for drivers and for releases of ROCm."""

from __future__ import annotations

import re
from typing import Callable, NamedTuple

__all__ = ["Parts", "Range", "Rules", "WishError", "edges", "numbers", "range_of", "text_of", "trimmed"]

Parts = tuple[int, ...]

_LONGEST = 200
_LARGEST = 10**12
_USUAL = 3  # numbers of a version, of drivers and of releases


class WishError(ValueError):
    """A wish that nobody can serve; the text names the option and what is valid."""


class Rules(NamedTuple):
    """How versions of one thing are written. whole: how many numbers an exact version has at least; one of fewer is all that begin with
    them. clause: operator, version and, where there is one, revision of one part. start, end: below and above every version. allowed:
    what to write instead, asked where something is wrong. written: a version as people read it."""

    whole: int
    clause: re.Pattern[str]
    start: Parts
    end: Parts
    allowed: Callable[[], str]
    written: Callable[[Parts], str]

    def span(self, parts: Parts) -> tuple[Parts, Parts]:
        """The first version that a text means, and the first one after them."""
        return self._padded(parts), (*parts, 0) if len(parts) >= self.whole else self._padded((*parts[:-1], parts[-1] + 1))

    def _padded(self, parts: Parts) -> Parts:
        return (*parts, *(0,) * (self.whole - len(parts)))


class Range(NamedTuple):
    """The versions from low up to below high, less those of without (short ones mean all that begin with them)."""

    low: Parts
    high: Parts
    without: tuple[Parts, ...] = ()
    revision: str | None = None


def text_of(option: str, value: object, rules: Rules) -> str:
    """The text of an option's value. WishError for what is no text and no whole number."""
    if isinstance(value, float):
        raise WishError(f"{option} is {value!r}, a number with a fraction: quote the version, YAML drops zeros of numbers")
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise _invalid(option, _kind(value), rules)
    if isinstance(value, int) and abs(value) > _LARGEST:  # before str(), which refuses numbers of very many digits
        raise _invalid(option, "a number of many digits", rules)
    return str(value).strip(" \t\r\n")


def range_of(option: str, value: object, rules: Rules) -> Range:
    """The range of an option's value. WishError."""
    words = text_of(option, value, rules)
    clauses = [rules.clause.match(part.strip(" \t")) for part in words.split(",")] if len(words) <= _LONGEST else [None]
    found = [clause for clause in clauses if clause]
    if len(found) < len(clauses):
        shown = repr(value)
        raise _invalid(option, shown if len(shown) <= 60 else shown[:57] + "...", rules)
    if len(found) > 1 and not all(clause["operator"] for clause in found):
        raise WishError(f"{option} is {words!r}: in a list every part needs an operator (allowed: >=, >, <=, <, ==, !=)")
    return _of_clauses(option, words, found, rules)


def numbers(text: str) -> Parts:
    """The numbers of a version."""
    return tuple(int(number) for number in text.split("."))


def edges(found: Range, rules: Rules) -> str:
    """A range in clauses."""
    told = [_edge(found.low, ">=", ">", rules)] if found.low > rules.start else []
    told += [f"!={rules.written(entry)}" for entry in found.without]
    told += [_edge(found.high, "<", "<=", rules)] if found.high < rules.end else []
    return ",".join(told) or _edge(rules.start, ">=", ">", rules)


def trimmed(low: Parts, high: Parts, without: tuple[Parts, ...], rules: Rules) -> tuple[Parts, Parts]:
    """The bounds without what is left out at either end."""
    before = None
    while before != (low, high) and low < high:
        before = (low, high)
        for entry in without:
            first, after = rules.span(entry)
            if first <= low < after:
                low = after
            if first < high <= after:
                high = first
    return low, high


def _kind(value: object) -> str:
    """What a value is that is no text and no number, in the words of YAML."""
    if value is None or isinstance(value, bool):
        return {None: "empty", True: "true", False: "false"}[value]
    return "a list" if isinstance(value, (list, tuple)) else "a mapping" if isinstance(value, dict) else f"a {type(value).__name__}"


def _invalid(option: str, shown: str, rules: Rules) -> WishError:
    return WishError(f"{option} is {shown} (allowed: {rules.allowed()})")


def _edge(bound: Parts, at: str, beyond: str, rules: Rules) -> str:
    """A bound as a clause. One of more numbers that ends in zero is the first version after a shorter one; other zeros at the end are
    those that a short version was filled up with."""
    if len(bound) > _USUAL and bound[-1] == 0:
        return beyond + rules.written(bound[:-1])
    if len(bound) == rules.whole and bound[-1] == 0:
        bound = bound[:-1]
    return at + rules.written(bound)


def _of_clauses(option: str, words: str, clauses: list[re.Match[str]], rules: Rules) -> Range:
    low, high = rules.start, rules.end
    without: set[Parts] = set()
    revision = None
    for clause in clauses:
        parts, operator = numbers(clause["version"]), clause["operator"] or "=="
        first, after = rules.span(parts)
        revision = clause.groupdict().get("revision")
        if revision and (len(clauses) > 1 or operator != "==" or len(parts) < rules.whole):
            raise WishError(f"{option} is {words!r}: a package revision goes with one exact version only")
        if operator == "!=":
            without.add(parts)
        if operator in (">=", "==", ">"):
            low = max(low, after if operator == ">" else first)
        if operator in ("<=", "==", "<"):
            high = min(high, first if operator == "<" else after)
    start, end = trimmed(low, high, tuple(without), rules)
    if start >= end:
        raise WishError(f"{option} is {words!r}, which matches nothing: its parts contradict each other")
    return Range(start, end, tuple(sorted(entry for entry in without if _counts(entry, without, start, end, rules))), revision)


def _counts(entry: Parts, without: set[Parts], start: Parts, end: Parts, rules: Rules) -> bool:
    """Whether something left out lies between the bounds, and in nothing else that is left out."""
    return start < rules.span(entry)[0] < end and not any(entry[:length] in without for length in range(1, len(entry)))
