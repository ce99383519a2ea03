# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the words that a text of our tables is filled with."""

from __future__ import annotations

from typing import Any

from ._node import Node


class Words(dict[str, Any]):
    """The words of one finding; commands that the finding did not give are made for this machine when a text asks for them."""

    def __init__(self, node: Node, words: dict[str, Any]) -> None:
        super().__init__(words)
        self._node = node

    def __missing__(self, key: str) -> str:
        from ._commands import word  # a table of every distribution's commands, and most looks find nothing to say

        return word(self._node, key, self)
