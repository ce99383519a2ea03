# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: make a refusal from its row in data/refusals.yml."""

from __future__ import annotations

import shlex
from typing import Any

from .._check._node import Node
from .._check._words import Words
from .steps import Refusal

_REMOVE = {"suse": "sudo zypper remove", "el": "sudo dnf remove", "fedora": "sudo dnf remove"}

_LIST = {"suse": "zypper search --details", "el": "dnf list --showduplicates", "fedora": "dnf list --showduplicates"}


class _Typed(Words):
    """The words as they stand in a command that people copy: what a repository or a node says must not become a command."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return " ".join(map(shlex.quote, value.split())) if key in self and key not in ("remove", "set") else value


def refuse(
    node: Node, code: str, subject: str = "node", severity: str | None = None, use: tuple[dict[str, str], ...] = (), **words: Any
) -> Refusal:
    """The refusal of this code with its texts filled in; the first of use is the word {set}. severity: instead of the row's own.
    KeyError where its row has a word that was not given (a fault of ours)."""
    from .._check._commands import distribution
    from .._knowledge.refusals import refusal_row

    row = refusal_row(code)
    given = {key: _line(value) for key, value in words.items()}
    if use:
        set_ = (f"{option}: {shlex.quote(value) if option != 'version' else _quoted(value)}" for option, value in use[0].items())
        given["set"] = _line(", ".join(set_))
    if code.startswith("RS-"):
        given.setdefault("policy", f"{_LIST.get(distribution(node), 'apt-cache policy')} rocm-core rocminfo amdrocm* amdgpu-dkms")
    given.setdefault("remove", _REMOVE.get(distribution(node), "sudo apt-get remove"))
    for key, text in row.defaults.items():
        if key not in given:
            given[key] = text.format_map(given)
    message, remedy = row.message.format_map(Words(node, given)), row.remedy.format_map(_Typed(node, given))
    return Refusal(code, severity or row.severity, message, remedy, subject, use)


def _quoted(value: str) -> str:
    """A version as a text of YAML, which would make a number of it."""
    return '"' + value.replace('"', "") + '"'


def _line(value: Any) -> str:
    """A word on one line, without what could steer a terminal."""
    return "".join(letter for letter in " ".join(str(value).split()) if letter.isprintable())
