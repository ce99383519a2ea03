# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which drivers an operator wants: a branch, one version, a range, or a channel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._knowledge import nvidia

__all__ = ["CHANNELS", "Wish", "WishError"]

# The words of the option, and the type of branch that the table of branches gives them.
CHANNELS = {"lts": "LTSB", "production": "PB", "new_feature": "NFB"}

_Parts = tuple[int, ...]

_LONGEST = 200
_LARGEST = 10**12
_START: _Parts = (1, 0)
_END: _Parts = (10**4, 0)  # above every branch that _CLAUSE lets through
_CLAUSE = re.compile(
    r"(?P<operator>>=|<=|==|!=|>|<)?[ \t]*(?P<version>[1-9][0-9]{0,3}(?:\.[0-9]{1,5}){0,3})"
    r"(?:-(?P<revision>[0-9A-Za-z][0-9A-Za-z.+~^_]{0,63}))?\Z"
)


class WishError(ValueError):
    """A wish that nobody can serve; the text names the option and what is valid."""


@dataclass(frozen=True)
class Wish:
    """The driver versions from low up to below high, less those of without; or those of a channel.

    Versions are tuples of two numbers or more in their usual order, so that the first one after v is v + (0,), and branch 580
    reaches from (580, 0) up to below (581, 0). A tuple of one number in without is a whole branch. revision is that of the
    package of one exact version. Equal wishes are equal values with equal text, however they were written.
    """

    low: _Parts = _START
    high: _Parts = _END
    without: tuple[_Parts, ...] = ()
    channel: str | None = None
    revision: str | None = None

    @classmethod
    def parse(cls, text: object, option: str = "version") -> Wish:
        """From '580' or 580, '580.95.05', '550.163.01-4~bpo13+1', '>=535,<590' or 'lts'; WishError for anything else."""
        if isinstance(text, float):
            raise WishError(f"{option} is {text!r}, a number with a fraction: quote the version, YAML drops zeros of numbers")
        if isinstance(text, bool) or not isinstance(text, (int, str)):
            raise WishError(_invalid(option, _kind(text)))
        if isinstance(text, int) and abs(text) > _LARGEST:  # before str(), which refuses numbers of very many digits
            raise WishError(_invalid(option, "a number of many digits"))
        words = str(text).strip(" \t\r\n")
        if words in CHANNELS:
            return cls(channel=words)
        clauses = [_CLAUSE.match(part.strip(" \t")) for part in words.split(",")] if len(words) <= _LONGEST else [None]
        found = [clause for clause in clauses if clause]
        if len(found) < len(clauses):
            raise WishError(_invalid(option, _shown(text)))
        if len(found) > 1 and not all(clause["operator"] for clause in found):
            raise WishError(f"{option} is {words!r}: in a list every part needs an operator (allowed: >=, >, <=, <, ==, !=)")
        return _of_clauses(option, words, found)

    @property
    def branch(self) -> int | None:
        """The only branch that this wish allows; None where there may be several."""
        return self.low[0] if self.high <= (self.low[0] + 1, 0) else None

    def allows(self, version: int | str, revision: str | None = None) -> bool:
        """Whether a version is allowed, or for a branch (580 or '580') whether it may have one that is.

        A version may bring its revision ('550.163.01-2'). One whose revision is not known is allowed by a wish for a revision.
        """
        found = _CLAUSE.match(str(version))
        if not found or found["operator"]:
            return False
        parts = _parts(found["version"])
        revision = found["revision"] or revision
        if self.revision is not None and revision is not None and revision != self.revision:
            return False
        if len(parts) == 1:
            return self.allows_from((*parts, 0))
        return self._type_fits(parts[0]) and self.low <= parts < self.high and not self._left_out(parts)

    def allows_from(self, first: _Parts) -> bool:
        """Whether a branch may have an allowed version that is not older than its first, (580, 65, 6)."""
        low, high = max(first, self.low), min((first[0] + 1, 0), self.high)
        low, high = _trimmed(low, high, self.without)
        return self._type_fits(first[0]) and low < high

    def _type_fits(self, branch: int) -> bool:
        row = nvidia.branch(branch)
        return self.channel is None or (row is not None and row.type == CHANNELS[self.channel])

    def _left_out(self, parts: _Parts) -> bool:
        return any(parts == entry or (parts[0],) == entry for entry in self.without)

    def __str__(self) -> str:
        if self.channel:
            return self.channel
        if not self.without and self.branch is not None:
            if (self.low, self.high) == _span((self.branch,)):
                return str(self.branch)
            if self.high == (*self.low, 0):
                return _text(self.low) + (f"-{self.revision}" if self.revision else "")
        edges = [_edge(self.low, ">=", ">")] if self.low > _START else []
        edges += [f"!={_text(entry)}" for entry in self.without]
        edges += [_edge(self.high, "<", "<=")] if self.high < _END else []
        return ",".join(edges) or _edge(_START, ">=", ">")


def _kind(value: object) -> str:
    """What a value is that is no text and no number, in the words of YAML."""
    if value is None or isinstance(value, bool):
        return {None: "empty", True: "true", False: "false"}[value]
    return "a list" if isinstance(value, (list, tuple)) else "a mapping" if isinstance(value, dict) else f"a {type(value).__name__}"


def _shown(value: int | str) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _invalid(option: str, shown: str) -> str:
    rows = [row for row in nvidia.branches() if row.type == CHANNELS["lts"] and row.latest]
    newest, before = rows[-1], rows[-2]
    return (
        f"{option} is {shown} (allowed: a branch such as {newest.number!r}, an exact version such as {newest.latest!r},"
        f" a range such as '>={before.number},<{newest.number}', a channel: {', '.join(CHANNELS)})"
    )


def _parts(text: str) -> _Parts:
    return tuple(int(number) for number in text.split("."))


def _text(parts: _Parts) -> str:
    # As NVIDIA writes them: what follows the branch has two digits at least.
    return ".".join([str(parts[0]), *(f"{number:02d}" for number in parts[1:])])


def _span(parts: _Parts) -> tuple[_Parts, _Parts]:
    """The first version of a branch or of one version, and the first one after it."""
    return ((*parts, 0), (parts[0] + 1, 0)) if len(parts) == 1 else (parts, (*parts, 0))


def _edge(bound: _Parts, at: str, beyond: str) -> str:
    """A bound as a clause. One that ends in zero after three numbers or more is the first version after a shorter one."""
    if len(bound) == 2 and bound[1] == 0:
        return f"{at}{bound[0]}"
    if len(bound) > 3 and bound[-1] == 0:
        return beyond + _text(bound[:-1])
    return at + _text(bound)


def _of_clauses(option: str, words: str, clauses: list[re.Match[str]]) -> Wish:
    low, high = _START, _END
    without: set[_Parts] = set()
    revision = None
    for clause in clauses:
        parts, operator = _parts(clause["version"]), clause["operator"] or "=="
        first, after = _span(parts)
        if clause["revision"] and (len(clauses) > 1 or operator != "==" or len(parts) == 1):
            raise WishError(f"{option} is {words!r}: a package revision goes with one exact version only")
        revision = clause["revision"]
        if operator == "!=":
            without.add(parts)
        if operator in (">=", "==", ">"):
            low = max(low, after if operator == ">" else first)
        if operator in ("<=", "==", "<"):
            high = min(high, first if operator == "<" else after)
    start, end = _trimmed(low, high, tuple(without))
    if start >= end:
        raise WishError(f"{option} is {words!r}, which matches nothing: its parts contradict each other")
    left_out = tuple(sorted(entry for entry in without if start < _span(entry)[0] < end and not (len(entry) > 1 and entry[:1] in without)))
    return Wish(start, end, left_out, revision=revision)


def _trimmed(low: _Parts, high: _Parts, without: tuple[_Parts, ...]) -> tuple[_Parts, _Parts]:
    """The bounds without what is left out at either end."""
    before = None
    while before != (low, high) and low < high:
        before = (low, high)
        for entry in without:
            first, after = _span(entry)
            if first <= low < after:
                low = after
            if first < high <= after:
                high = first
    return low, high
