# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which driver branch a wish means on a machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from .._knowledge import nvidia
from .._knowledge.nvidia import Branch
from ._branches import Field, field_of
from ._cards import Card, cards_of, flavours, limits
from .wish import Wish

__all__ = ["Choice", "Installed", "choose_branch"]

_KINDS = {"LTSB": "long-term", "PB": "production", "NFB": "new-feature", "legacy": "legacy"}


class Installed(NamedTuple):
    """The driver that is there: its version, and where they are known the package revision and the flavour of its module."""

    version: str
    revision: str | None = None
    flavour: str | None = None


class Choice(NamedTuple):
    """The branch and the flavour (open | proprietary) of its kernel module, and why; or what stands in the way.

    branch is None where nothing can be chosen; refused then has an entry {gpu, architecture, addresses, message, use} for each
    card in the way (gpu None: no card is), where use lists wishes that would do. It is empty where no NVIDIA GPU was found.
    flavour is None where the flavour that the cards need is not known.
    """

    branch: int | None
    flavour: str | None
    reasons: list[str]
    refused: list[dict[str, Any]]


def choose_branch(
    wish: Wish,
    devices: Iterable[Mapping[str, Any]],
    offered: Collection[int] | None = None,
    installed: Installed | None = None,
    today: str | None = None,
) -> Choice:
    """The branch that serves a wish on the devices of the facts.

    An installed driver that the wish allows and that serves all cards stays. Else it is the newest supported long-term branch
    that the wish allows and all cards take, else the newest supported production branch, else the newest of those whose support
    has ended; a new-feature branch only where the wish names it or its channel. A channel means its supported branches.
    offered: the branches that the package source has (None: not restricted). today: YYYY-MM-DD (None: as the table says).
    """
    cards = cards_of(devices)
    if not cards:
        return Choice(None, None, ["no NVIDIA GPU is here: there is no driver to choose"], [])
    field = field_of(wish, cards, offered, today)
    if installed and wish.allows(installed.version, installed.revision):
        number = nvidia.branch_of(installed.version)
        if number is not None and flavours(cards, number):
            return _kept(field, installed, number)
    best = field.best(field.available)
    if best is None:
        from ._refusals import refusals  # most nodes have a driver that serves

        return Choice(None, None, [], refusals(field))
    flavour, why = _flavour(cards, best.number)
    reasons = [_why_best(field, best), *_left_behind(field, best), *_version_notes(field.wish, best), why, *_unknown(cards)]
    return Choice(best.number, flavour, reasons, [])


def _kept(field: Field, installed: Installed, number: int) -> Choice:
    flavour, why = _flavour(field.cards, number)
    reasons = [f"{installed.version} is installed, {field.wish} allows it and it serves every GPU: it stays"]
    if installed.flavour in flavours(field.cards, number):
        flavour, why = installed.flavour, f"kernel module: {installed.flavour}, as installed"
    elif installed.flavour:
        reasons.append(f"the {installed.flavour} kernel module that is installed does not drive every GPU")
    row = nvidia.branch(number)
    if row is not None and not field.supported(row):
        reasons.append(_ended(field, row))
    return Choice(number, flavour, [*reasons, why, *_unknown(field.cards)], [])


def _kind(row: Branch) -> str:
    return _KINDS.get(row.type or "", "other")


def _why_best(field: Field, best: Branch) -> str:
    wish, wanted = field.wish, "" if field.wish.channel else f" for {field.wish}"
    if wish.branch is not None:
        known = nvidia.branch(best.number) is not None
        text = f"{best.number} is the branch that was asked for, {f'a {_kind(best)} one' if known else 'which our table does not know'}"
    elif field.supported(best):
        text = f"{best.number} is the newest supported {_kind(best)} branch{wanted} that serves every GPU"
    else:
        text = f"{best.number} is the newest branch{wanted} that serves every GPU"
    if not field.supported(best):
        return f"{text}; {_ended(field, best)}"
    return f"{text}, supported until {best.eol}" if best.eol else text


def _ended(field: Field, row: Branch) -> str:
    end = f"the support of branch {row.number} ended{f' in {row.eol}' if row.eol else ''}"
    successor = field.lasting(other for other in field.served if field.supported(other))
    if successor is None:
        return f"{end}; no supported long-term or production branch serves every GPU here"
    return f"{end}; its successor is {successor.number}"


def _left_behind(field: Field, best: Branch) -> list[str]:
    """The newer supported branches that the wish allows, and the cards that do not take them."""
    newer = [row.number for row in field.wished if row.number > best.number and field.supported(row) and field.offers(row)]
    return [
        f"{', '.join(str(number) for number in lost)} would leave a GPU behind: {card.label} {limits(card, lost)}"
        for card in field.cards
        if (lost := [number for number in newer if not card.flavours(number)])
    ]


def _version_notes(wish: Wish, best: Branch) -> list[str]:
    if best.latest is None or wish.branch is not None or wish.allows(best.latest):
        return []
    return [f"the newest version of branch {best.number} that our table knows, {best.latest}, is outside {wish}"]


def _unknown(cards: list[Card]) -> list[str]:
    return [f"whether the branch serves {card.label} is not known: its PCI id is {card.note}" for card in cards if card.note]


def _flavour(cards: list[Card], branch: int) -> tuple[str | None, str]:
    """The flavour for a branch that serves all cards, and why.

    Where both would do, the open one is taken from the branch on that our table recommends for the cards, all of which it
    recommends with the open module; before, open modules did not have all features.
    """
    left = flavours(cards, branch)
    needed = [card for card in cards if card.flavours(branch) == left]
    if len(left) == 1:
        only = next(iter(left))
        return only, f"kernel module: {only}, the only one of branch {branch} for {needed[0].label if needed else 'these GPUs'}"
    known = [nvidia.recommended_branch(card.architecture) for card in cards if card.architecture]
    since = [number for number in known if number is not None]
    if not since:
        return None, "kernel module: which one these GPUs need is not known"
    if branch < max(since):
        return "proprietary", f"kernel module: proprietary, since the open one is recommended from branch {max(since)} on"
    return "open", "kernel module: open, it serves every GPU here"
