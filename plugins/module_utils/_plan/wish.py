# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which drivers an operator wants: a branch, one version, a range, or a channel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._knowledge import nvidia
from ._ranges import Parts, Range, Rules, WishError, edges, numbers, range_of, text_of, trimmed

__all__ = ["CHANNELS", "Wish", "WishError"]

# The words of the option, and the type of branch that the table of branches gives them.
CHANNELS = {"lts": "LTSB", "production": "PB", "new_feature": "NFB"}

_CLAUSE = re.compile(
    r"(?P<operator>>=|<=|==|!=|>|<)?[ \t]*(?P<version>[1-9][0-9]{0,3}(?:\.[0-9]{1,5}){0,3})"
    r"(?:-(?P<revision>[0-9A-Za-z][0-9A-Za-z.+~^_]{0,63}))?\Z"
)


def _allowed() -> str:
    rows = [row for row in nvidia.branches() if row.type == CHANNELS["lts"] and row.latest]
    newest, before = rows[-1], rows[-2]
    return (
        f"a branch such as {newest.number!r}, an exact version such as {newest.latest!r},"
        f" a range such as '>={before.number},<{newest.number}', a channel: {', '.join(CHANNELS)}"
    )


def _text(parts: Parts) -> str:
    # As NVIDIA writes them: what follows the branch has two digits at least.
    return ".".join([str(parts[0]), *(f"{number:02d}" for number in parts[1:])])


# The end is above every branch that _CLAUSE lets through.
_RULES = Rules(2, _CLAUSE, (1, 0), (10**4, 0), _allowed, _text)


@dataclass(frozen=True)
class Wish:
    """The driver versions from low up to below high, less those of without; or those of a channel.

    Versions are tuples of two numbers or more in their usual order, so that the first one after v is v + (0,), and branch 580
    reaches from (580, 0) up to below (581, 0). A tuple of one number in without is a whole branch. revision is that of the
    package of one exact version. Equal wishes are equal values with equal text, however they were written.
    """

    low: Parts = _RULES.start
    high: Parts = _RULES.end
    without: tuple[Parts, ...] = ()
    channel: str | None = None
    revision: str | None = None

    @classmethod
    def parse(cls, text: object, option: str = "version") -> Wish:
        """From '580' or 580, '580.95.05', '550.163.01-4~bpo13+1', '>=535,<590' or 'lts'; WishError for anything else."""
        words = text_of(option, text, _RULES)
        if words in CHANNELS:
            return cls(channel=words)
        found = range_of(option, text, _RULES)
        return cls(found.low, found.high, found.without, revision=found.revision)

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
        parts = numbers(found["version"])
        revision = found["revision"] or revision
        if self.revision is not None and revision is not None and revision != self.revision:
            return False
        if len(parts) == 1:
            return self.allows_from((*parts, 0))
        return self._type_fits(parts[0]) and self.low <= parts < self.high and not self._left_out(parts)

    def allows_from(self, first: Parts) -> bool:
        """Whether a branch may have an allowed version that is not older than its first, (580, 65, 6)."""
        low, high = max(first, self.low), min((first[0] + 1, 0), self.high)
        low, high = trimmed(low, high, self.without, _RULES)
        return self._type_fits(first[0]) and low < high

    def _type_fits(self, branch: int) -> bool:
        row = nvidia.branch(branch)
        return self.channel is None or (row is not None and row.type == CHANNELS[self.channel])

    def _left_out(self, parts: Parts) -> bool:
        return any(parts == entry or (parts[0],) == entry for entry in self.without)

    def __str__(self) -> str:
        if self.channel:
            return self.channel
        if not self.without and self.branch is not None:
            if (self.low, self.high) == _RULES.span((self.branch,)):
                return str(self.branch)
            if self.high == (*self.low, 0):
                return _text(self.low) + (f"-{self.revision}" if self.revision else "")
        return edges(Range(self.low, self.high, self.without), _RULES)
