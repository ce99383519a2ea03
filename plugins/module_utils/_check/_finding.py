# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: make a finding from its row in data/findings.yml."""

from __future__ import annotations

import shlex
from typing import Any

from .._knowledge.findings import finding_row
from ._node import Node, Section, address, name
from ._report import Finding
from ._words import Words

# Words of a finding that are texts of ours, not of the machine: whole commands and advice.
_OURS = ("command", "action", "override", "runtime_setup", "minors", "settings", "index", "torch_index")


class _Typed(Words):
    """The words as they stand in a command that people copy: a path or a name of the machine must not become a command."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return shlex.quote(value) if (key in self or key == "kernel") and key not in _OURS and isinstance(value, str) else value


def finding(node: Node, code: str, subject: str, evidence: dict[str, Any], link: str | None = None, **words: Any) -> Finding:
    """The finding of this code with its texts filled in. link: instead of the row's own, for a code that has several."""
    row = finding_row(code)
    texts = Words(node, words)
    return Finding(
        code=code,
        severity=row.severity,
        subject=subject,
        message=row.message.format_map(texts),
        evidence=evidence,
        remedy=row.remedy.format_map(_Typed(node, words)),
        reference=row.reference,
        link=link or row.link,
    )


def of_device(node: Node, code: str, device: Section, evidence: dict[str, Any], **words: Any) -> Finding:
    """The finding of this code about one GPU; its name and address are among the words."""
    where = address(device)
    return finding(node, code, where, evidence, **{"name": name(device), "address": where, **words})
