# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases of ROCm, or of AMD's driver, an operator wants: "7.2" (a series), "7.2.4" (a release), ">=6.0,<10". 7.10 follows 7.2."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._knowledge import rocm_releases
from ._ranges import Parts, Range, Rules, WishError, edges, numbers, range_of

__all__ = ["RocmWish", "WishError"]

_CLAUSE = re.compile(r"(?P<operator>>=|<=|==|!=|>|<)?[ \t]*(?P<version>[1-9][0-9]{0,2}(?:\.[0-9]{1,3}){0,2})\Z")
_VERSION = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){0,2}", re.ASCII)


def _allowed() -> str:
    newest = rocm_releases.newest()
    older = rocm_releases.newest("legacy")
    return (f"a series such as '{newest.series}', a release such as '{older.version}', a range such as '>={older.series},<{newest.series}'")


def _text(parts: Parts) -> str:
    return ".".join(map(str, parts))


# The end is above every release that _CLAUSE lets through.
_RULES = Rules(3, _CLAUSE, (1, 0, 0), (10**3, 0, 0), _allowed, _text)


@dataclass(frozen=True)
class RocmWish:
    """The releases from low up to below high, less those of without, whose short ones are whole series.

    Releases are tuples of three numbers; the first one after v is v + (0,), and 7.2 reaches from (7, 2, 0) up to below (7, 3, 0). Equal
    wishes are equal values with equal text, however they were written.
    """

    low: Parts = _RULES.start
    high: Parts = _RULES.end
    without: tuple[Parts, ...] = ()

    @classmethod
    def parse(cls, text: object, option: str = "version") -> RocmWish:
        """From '7.2', '7.2.4' or '>=6.0,<10'; a whole number is all of that major release. WishError for anything else."""
        found = range_of(option, text, _RULES)
        return cls(found.low, found.high, found.without)

    @property
    def exact(self) -> str | None:
        """The only release that this wish allows ("7.2.4"); None where there may be several."""
        return _text(self.low) if self.high == (*self.low, 0) else None

    @property
    def series(self) -> str | None:
        """The only series that this wish allows ("7.2"); None where there may be several."""
        major, minor = self.low[:2]
        return f"{major}.{minor}" if self.high <= (major, minor + 1, 0) else None

    def allows(self, version: str) -> bool:
        """Whether a release ("7.2.4", also "10.1" for 10.1.0) is allowed; False for another text."""
        if not _VERSION.fullmatch(version):
            return False
        parts = numbers(version)
        parts = (*parts, *(0,) * (3 - len(parts)))
        return self.low <= parts < self.high and not any(parts[: len(entry)] == entry for entry in self.without)

    def __str__(self) -> str:
        if not self.without:
            for short in (self.low[:1], self.low[:2]):
                if (self.low, self.high) == _RULES.span(short):
                    return ".".join(map(str, short))
            if self.exact:
                return self.exact
        return edges(Range(self.low, self.high, self.without), _RULES)
