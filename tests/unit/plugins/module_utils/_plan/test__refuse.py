# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals made of their rows: words filled in, defaults, this node's own commands, and nothing hostile in a command."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._check._node import Node
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._plan._refuse import refuse


def _node(distribution: str = "debian", version: str = "13") -> Node:
    inventory = Inventory()
    inventory.system.update(distribution=distribution, distribution_version=version, distribution_like=[])
    return Node(inventory)


def test_words_severity_subject_and_use() -> None:
    use = ({"version": "580"},)
    one = refuse(_node(), "ND-BRANCH-ENDED", "branch", use=use, branch=535, ended="ended in 2026-06", successor="its successor is 580")
    assert (one.code, one.severity, one.subject, one.use) == ("ND-BRANCH-ENDED", "warning", "branch", use)
    assert one.message == "the support of branch 535 ended in 2026-06: no more security updates; its successor is 580"
    assert one.remedy.splitlines()[0] == 'version: "580"'
    none = refuse(_node(), "ND-BRANCH-ENDED", "branch", branch=535, ended="has ended", successor="nothing follows")
    assert none.remedy.splitlines()[0] == "acknowledge: [ND-BRANCH-ENDED]"
    assert refuse(_node(), "ND-NO-GPU", severity="critical").severity == "critical"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"installed": "580.95.05", "version": "550.163.01"}, "580.95.05 → 550.163.01"),
        ({"packages": "libcuda1 2 → 1"}, "libcuda1 2 → 1"),
    ],
)
def test_a_word_that_is_left_out_has_its_default(words: dict[str, Any], message: str) -> None:
    refusal = refuse(_node(), "ND-DOWNGRADE", **words)
    assert refusal.message == f"allow_downgrade is false, and this would be a downgrade: {message}"


def test_a_missing_word_is_a_fault() -> None:
    with pytest.raises(KeyError, match="'free'"):
        refuse(_node(), "ND-NO-SPACE", place="/boot", needed=512)


@pytest.mark.parametrize(
    ("distribution", "version", "repair", "remove"),
    [
        ("debian", "13", "sudo dpkg --configure -a && sudo apt-get --fix-broken install", "sudo apt-get remove libcuda1"),
        ("rocky", "9.4", "sudo dnf distro-sync", "sudo dnf remove libcuda1"),
        ("fedora", "44", "sudo dnf distro-sync", "sudo dnf remove libcuda1"),
        ("sles", "15.7", "sudo zypper verify", "sudo zypper remove libcuda1"),
    ],
)
def test_commands_are_those_of_the_node(distribution: str, version: str, repair: str, remove: str) -> None:
    node = _node(distribution, version)
    half = refuse(node, "ND-HALF-CONFIGURED", "packages", packages="libcuda1")
    unknown = refuse(node, "ND-NO-RECORD", path="/p", version="580.95.05", packages="libcuda1")
    assert (half.remedy.splitlines()[0], unknown.remedy.splitlines()[0]) == (repair, remove)


def test_what_a_repository_says_is_no_command() -> None:
    url = "https://example.com/;reboot/$(id).pub"
    refusal = refuse(_node(), "ND-KEY-UNREACHABLE", where=url, error="no\nroute \x1b[2Jto host")
    assert refusal.remedy.splitlines()[0] == f"curl -fsSLO '{url}'"
    assert refusal.message == f"the key at {url} cannot be fetched: no route [2Jto host"


@pytest.mark.parametrize(("use", "remedy"), [
    ((), "lspci -nn -d 10de:"),
    (({"version": "<590"}, {"version": "580"}), 'version: "<590"'),
    (({"origin": "nvidia"}, {"version": "580"}), "origin: nvidia"),
    (({"version": '580"; rm'},), 'version: "580; rm"'),
])
def test_the_first_choice_that_would_do_is_what_to_set(use: Any, remedy: str) -> None:
    refusal = refuse(_node(), "ND-ORIGIN-NO-GPU", use=use, origin="debian", wish=">=590", reason="x")
    assert refusal.remedy.splitlines()[0] == remedy


def test_several_names_stay_several() -> None:
    assert refuse(_node(), "ND-HELD", packages="a and b", names="libcuda1 b;c").remedy == "sudo apt-mark unhold libcuda1 'b;c'"
