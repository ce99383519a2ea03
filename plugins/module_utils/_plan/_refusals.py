# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: why no branch can be chosen, card by card, and the wishes nearest to the one that was asked."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

from .._knowledge import nvidia
from .._knowledge.nvidia import Branch
from ._branches import Field
from ._cards import FLAVOURS, MODULES, Card, flavours, limits
from .wish import CHANNELS

_ELSEWHERE = ", from another package source"


def refusals(field: Field) -> list[dict[str, Any]]:
    """Entries in the form of Choice.refused, for a field without a branch to choose."""
    if not field.served:
        return _no_common_branch(field)
    if not field.wished:
        words, use = _advice(field)
        return [_entry(None, f"{_nothing_known(field)}: {words}", use)]
    if not field.both:
        return _cards_in_the_way(field)
    if not field.available:
        return [_not_offered(field)]
    return _only_new_features(field)


def _entry(card: Card | None, message: str, use: list[str]) -> dict[str, Any]:
    return {
        "gpu": card.name if card else None,
        "architecture": card.architecture if card else None,
        "addresses": list(card.addresses) if card else [],
        "message": message,
        "use": use,
    }


def _numbers(rows: Iterable[Branch]) -> list[int]:
    return [row.number for row in rows]


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))


def _nearest(field: Field) -> Branch | None:
    """The branch to advise of those that last: of the package source where that has any for these cards, nearest to the wish."""
    lasting = [row for row in field.served if field.lasting([row])]
    group = [row for row in lasting if field.offers(row)] or lasting
    group = [row for row in group if field.supported(row)] or group
    if field.wish.channel is not None or not group:
        return field.lasting(group)
    low, high = field.wish.low[0], field.wish.high[0]
    away = {row: max(low - row.number, row.number - high, 0) for row in group}
    return field.lasting(row for row in group if away[row] == min(away.values()))


def _advice(field: Field, toward: str = "") -> tuple[str, list[str]]:
    """The wishes that would do, in words and as wishes. toward: 'older' or 'newer' adds a range."""
    best = _nearest(field)
    if best is None:
        return _named(([row for row in field.served if field.offers(row)] or field.served)[-1], field)
    every = _numbers(nvidia.branches())
    above = [number for number in every if number > field.served[-1].number]
    ranges = {"older": [f"<{above[0]}"] if above else [], "newer": [f">={field.served[0].number}"]}
    use = [str(best.number), *ranges.get(toward, [])]
    return f"use version {', or '.join(use)}{_elsewhere(best, field)}", use


def _elsewhere(row: Branch, field: Field) -> str:
    return "" if field.offers(row) else _ELSEWHERE


def _named(row: Branch, field: Field) -> tuple[str, list[str]]:
    """Advice where nothing but new-feature branches is left."""
    use = [str(row.number)]
    if row.type == CHANNELS["new_feature"] and field.supported(row):
        use.append("new_feature")
    return f"use version {use[0]}" + (f", or channel {use[1]}" if use[1:] else "") + _elsewhere(row, field), use


def _nothing_known(field: Field) -> str:
    rows, wish = nvidia.branches(), field.wish
    if wish.channel is not None:
        return f"no branch of channel {wish.channel} is supported{f' on {field.today}' if field.today else ''}"
    row = nvidia.branch(wish.branch) if wish.branch is not None else None
    if row is not None:
        return f"the first version of branch {row.number} is {row.first}, which is newer than {wish}"
    return f"our table of {nvidia.newest_table_date()} has no branch for {wish}, it knows {rows[0].number} to {rows[-1].number}"


def _cards_in_the_way(field: Field) -> list[dict[str, Any]]:
    wished = _numbers(field.wished)
    alone = [card for card in field.cards if not any(card.flavours(number) for number in wished)]
    blocking = alone or [card for card in field.cards if any(card.flavours(number) < FLAVOURS for number in wished)]
    entries = []
    for card in blocking:
        toward = "older" if card.last is not None and card.last < wished[0] else ""
        if card.first is not None and wished[-1] < card.first:
            toward = "newer"
        words, use = _advice(field, toward)
        entries.append(_entry(card, f"{card.label} {limits(card, wished)}: {words}", use))
    return entries


def _not_offered(field: Field) -> dict[str, Any]:
    words, use = _advice(field)
    if not field.offered:
        return _entry(None, f"the package source offers no branch: {words}", use)
    offered = f"the package source offers {_listed(field.offered)}"
    if not any(field.offers(row) for row in field.served):
        return _entry(None, f"{offered}, none of which serves every GPU: {words}", use)
    other = "" if words.endswith(_ELSEWHERE) else ", or another package source"
    return _entry(None, f"{offered}, and none that is in {field.wish} serves every GPU: {words}{other}", use)


def _only_new_features(field: Field) -> list[dict[str, Any]]:
    left = field.available[-1]
    words, use = _named(left, field)
    lasting = [row.number for row in field.wished if field.lasting([row])]
    blocking = [card for card in field.cards if any(not card.flavours(number) for number in lasting)]
    why = f"only new-feature branches are left of {field.wish} ({_listed(_numbers(field.available))})"
    if not blocking:
        return [_entry(None, f"{why}: {words}", use)]
    return [_entry(card, f"{card.label} {limits(card, lasting)}, and {why}: {words}", use) for card in blocking]


def _no_common_branch(field: Field) -> list[dict[str, Any]]:
    """No branch of the table takes all cards: those that contradict each other, or that are older than the table."""
    rows = nvidia.branches()
    orphans = [card for card in field.cards if not any(card.flavours(row.number) for row in rows)]
    twos: Iterable[tuple[Card, Card]] = [] if orphans else combinations(field.cards, 2)
    pairs = [pair for pair in twos if not any(flavours(pair, row.number) for row in rows)]
    guilty = orphans or [card for card in field.cards if not pairs or any(card in pair for pair in pairs)]
    return [_entry(card, f"{_contradiction(card, pairs, field)}: {_without(card, field)}", []) for card in guilty]


def _contradiction(card: Card, pairs: list[tuple[Card, Card]], field: Field) -> str:
    against = next((other for pair in pairs if card in pair for other in pair if other != card), None)
    if against is not None:
        mine, others = _conflict(card, against)
        return f"{card.label} {mine}, {against.label} {others}, and a machine runs one driver"
    numbers = _numbers(nvidia.branches())
    if any(card.flavours(number) for number in numbers):
        return f"{card.label} {limits(card, numbers)}, and no branch serves all cards of this machine"
    return f"{card.label} {limits(card, numbers)}, and our table begins with branch {numbers[0]}"


def _conflict(one: Card, other: Card) -> tuple[str, str]:
    """What keeps two cards from one driver, said of the one and of the other."""
    for old, new in ((one, other), (other, one)):
        if old.last is not None and new.first is not None and old.last < new.first:
            words = {old: f"ends with branch {old.last}", new: f"is served from branch {new.first} on"}
            return words[one], words[other]
    numbers = _numbers(nvidia.branches())
    mine, others = MODULES.get(one.open_module or ""), MODULES.get(other.open_module or "")
    if mine and others and mine != others:
        return f"needs the {mine} kernel module", f"needs the {others} one"
    return limits(one, numbers), limits(other, numbers)


def _without(card: Card, field: Field) -> str:
    rest = [other for other in field.cards if other != card]
    left = field.lasting(row for row in nvidia.branches() if flavours(rest, row.number)) if rest else None
    return f"without it, use version {left.number}" if left else "it needs another machine, or another card"
