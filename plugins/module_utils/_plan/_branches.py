# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the branches of our table, seen from one machine and one wish."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from .._knowledge import nvidia
from .._knowledge.nvidia import Branch
from .._knowledge.versions import order
from ._cards import Card, flavours
from .wish import CHANNELS, Wish

_LASTING = ("LTSB", "PB")  # in the order of preference


class Field(NamedTuple):
    """Rows of the table: those that all cards take, that the wish allows, that do both, and that the source has as well."""

    wish: Wish
    cards: list[Card]
    served: list[Branch]
    wished: list[Branch]
    both: list[Branch]
    available: list[Branch]
    offered: Collection[int] | None
    today: str | None

    def supported(self, row: Branch) -> bool:
        """Whether its maker still supports a branch; the month of its end counts."""
        return row.supported and not (row.eol and self.today and self.today[: len(row.eol)] > row.eol)

    def offers(self, row: Branch) -> bool:
        """Whether the package source has a branch."""
        return self.offered is None or row.number in self.offered

    def best(self, rows: Iterable[Branch]) -> Branch | None:
        """The branch to take of some for the wish; None where only new-feature branches are left and it does not ask for one."""
        return self._best(list(rows), self.wish.branch is not None or self.wish.channel is not None)

    def lasting(self, rows: Iterable[Branch]) -> Branch | None:
        """The branch to take of some if nobody wished for one; never a new-feature branch."""
        return self._best(list(rows), asked=False)

    def _best(self, rows: list[Branch], asked: bool) -> Branch | None:
        supported = [row for row in rows if self.supported(row)]
        preferred = [[row for row in supported if row.type == kind] for kind in _LASTING]
        ended = [row for row in rows if row.type in (*_LASTING, "legacy")]
        for group in (*preferred, supported if asked else [], ended, rows if asked else []):
            if group:
                return max(group, key=lambda row: row.number)
        return None


def field_of(wish: Wish, cards: list[Card], offered: Collection[int] | None, today: str | None) -> Field:
    """The field of a wish."""
    rows = [*nvidia.branches(), *_unknown(wish, offered)]
    served = [row for row in rows if flavours(cards, row.number)]
    field = Field(wish, cards, served, [], [], [], offered, today)
    wished = [row for row in rows if _wished(row, field)]
    both = [row for row in served if row in wished]
    return field._replace(wished=wished, both=both, available=[row for row in both if field.offers(row)])


def newer_than_table(branch: int | None) -> bool:
    """Whether a branch is newer than all that our table has: it was made after this release of the collection."""
    return branch is not None and branch > max(row.number for row in nvidia.branches())


def _unknown(wish: Wish, offered: Collection[int] | None) -> list[Branch]:
    """The branch that was asked for by its number and that the source has, where the table ends before it. Cards whose support has no
    end in the table are taken to be served by it; ND-BRANCH-UNKNOWN says so."""
    number = wish.branch
    if number is None or number not in (offered or ()) or not newer_than_table(number):
        return []
    return [Branch(number, None, None, None, None, True, None, None, None)]


def _wished(row: Branch, field: Field) -> bool:
    wish = field.wish
    if wish.channel is not None:
        return row.type == CHANNELS[wish.channel] and field.supported(row)
    # The first public version is the floor: a wish may end below it.
    return wish.allows_from(order(row.first) if row.first else (row.number, 0))
