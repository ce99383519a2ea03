# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the real dnf 5 printed, as values."""

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_locks import parse_versionlock_toml
from ansible_collections.gpufleet.node.plugins.module_utils._packages._dnf_text import (
    Item,
    Transaction,
    locks_in_the_way,
    parse_transaction,
    trouble,
)
from rpm_node import outputs

SAID = outputs("dnf5")
OPEN, KMOD = "kmod-nvidia-open-dkms", "kmod-nvidia-latest-dkms"


def transaction(case: str) -> Transaction:
    return parse_transaction(f"{SAID[case]['stdout']}\n{SAID[case]['stderr']}")


@pytest.mark.parametrize(("case", "actions", "download_kib", "disk_kib"), [
    ("install", {"install": 12}, 85, 11),
    ("upgrade", {"upgrade": 8}, 57, 0),
    ("downgrade", {"downgrade": 8}, 57, 0),
    ("other_module", {"remove": 1, "install": 1}, 9, None),
    ("remove", {"remove": 1}, None, None),
    ("locked", {}, None, None),
    ("skipped", {}, None, None),
    ("not_found", {}, None, None),
])
def test_transaction(case: str, actions: dict[str, int], download_kib: int | None, disk_kib: int | None) -> None:
    found = transaction(case)
    assert Counter(item.action for item in found.items) == actions
    assert (found.download_kib, found.disk_kib) == (download_kib, disk_kib)


def test_rows() -> None:
    replaced = ((OPEN, "3:595.71.05-1.fc44"),)
    assert transaction("downgrade").items[0] == Item("downgrade", OPEN, "noarch", "3:580.95.05-1.fc44", "nvidia-fedora44", replaced)
    assert transaction("other_module").items == (
        Item("remove", OPEN, "noarch", "3:595.71.05-1.fc44", "nvidia-fedora44"),
        Item("install", KMOD, "x86_64", "3:595.71.05-1.fc44", "nvidia-fedora44"),
    )
    assert transaction("install").items[2] == Item("install", "dkms", "noarch", "3.4.3-2.fc44", "fedora44-base")


def test_what_is_left_out_is_named() -> None:
    assert transaction("skipped").skipped == (KMOD, OPEN, "libnvidia-cfg", "nvidia-kmod-common")


@pytest.mark.parametrize(("case", "words"), [
    ("install", None),
    ("other_module", None),
    ("downgrade", None),
    ("remove", None),
    ("not_found", "No match for argument: nosuch-1-1"),
    ("locked", "Argument 'nvidia-driver-cuda-3:595.71.05-1.fc44' matches only packages excluded by versionlock."),
])
def test_trouble(case: str, words: str | None) -> None:
    found = trouble(SAID[case]["stdout"], SAID[case]["stderr"])
    assert found is None if words is None else words in str(found)


def test_the_locks_in_the_way_are_those_of_its_file() -> None:
    locks = parse_versionlock_toml(str(SAID["versionlock"]))
    assert locks == ["nvidia-driver-cuda evr = 3:580.95.05-1.fc44", "nvidia-driver-cuda-libs evr = 3:580.95.05-1.fc44"]
    assert locks_in_the_way(str(trouble("", SAID["locked"]["stderr"])), locks) == locks[:1]
