# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of what a card is good for."""

from __future__ import annotations

from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import fitness


def test_rules_are_the_tables_of_the_data() -> None:
    rules = fitness.rules()
    assert [row["grade"] for row in rules["grades"]][:3] == ["ideal"] * 3
    assert {"precision", "compute_capability"} <= set(rules["precision_floors"][0])
    assert {"what", "command"} <= set(rules["cpu_fallback"][0])
