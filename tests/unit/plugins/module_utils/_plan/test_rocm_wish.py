# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases of ROCm an operator wants."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import rocm_releases
from ansible_collections.gpufleet.node.plugins.module_utils._plan.rocm_wish import RocmWish, WishError
from hypothesis import given
from hypothesis import strategies as st

VERSIONS = st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(0, 2))
CLAUSES = st.tuples(st.sampled_from((">=", ">", "<=", "<", "==", "!=")),
                    VERSIONS | st.tuples(st.integers(1, 3), st.integers(0, 2)) | st.tuples(st.integers(1, 3)))


@pytest.mark.parametrize(
    ("text", "normal", "exact", "series"),
    [
        ("7.2", "7.2", None, "7.2"),
        ("7.2.4", "7.2.4", "7.2.4", "7.2"),
        ("7.2.0", "7.2.0", "7.2.0", "7.2"),
        (7, "7", None, None),
        ("10.1", "10.1", None, "10.1"),
        (">=6.0", ">=6.0", None, None),
        (">=6", ">=6.0", None, None),
        (">7.2", ">=7.3", None, None),
        (">=7.10,<10", ">=7.10,<10.0", None, None),
        ("<10, >= 7.2.1", ">=7.2.1,<10.0", None, None),
        (">=7.2,<=7.2", "7.2", None, "7.2"),
        (">=7.2.4,<=7.2.4", "7.2.4", "7.2.4", "7.2"),
        (">7.2.3,<7.3", ">7.2.3,<7.3", None, "7.2"),
        (">=6.4,!=7.0,!=7.0.1", ">=6.4,!=7.0", None, None),
        (">=6.4,!=6.4", ">=6.5", None, None),
    ],
)
def test_parse(text: Any, normal: str, exact: str | None, series: str | None) -> None:
    wish = RocmWish.parse(text)
    assert (str(wish), wish.exact, wish.series) == (normal, exact, series)
    assert RocmWish.parse(normal) == wish


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (7.1, "is 7.1, a number with a fraction: quote the version"),
        (True, "is true (allowed: a series such as '10."),
        (None, "is empty (allowed: "),
        (["7.2"], "is a list (allowed: "),
        ("", "is '' (allowed: "),
        ("latest", "is 'latest' (allowed: "),
        ("7.2.4.1", "(allowed: "),
        ("07.2", "(allowed: "),
        ("7.2.4-93", "(allowed: "),
        ("7.2;rm", "(allowed: "),
        ("6.4,7.2", "in a list every part needs an operator"),
        (">=10,<7.2", "matches nothing: its parts contradict each other"),
        ("==7.2,!=7.2", "matches nothing"),
    ],
)
def test_refused(text: Any, message: str) -> None:
    with pytest.raises(WishError) as caught:
        RocmWish.parse(text, "driver_version")
    assert str(caught.value).startswith("driver_version is ")
    assert message in str(caught.value)


def test_what_an_error_advises_is_valid() -> None:
    with pytest.raises(WishError) as caught:
        RocmWish.parse("?")
    advised = re.findall(r"such as '([^']+)'", str(caught.value))
    assert [str(RocmWish.parse(text)) for text in advised] == advised
    assert len(advised) == 3


@pytest.mark.parametrize(
    ("wish", "allowed"),
    [
        ("7.2", {"7.2.0", "7.2.1", "7.2.2", "7.2.3", "7.2.4"}),
        ("7.1", {"7.1.0", "7.1.1"}),
        ("7.10", {"7.10.0"}),
        (">=10", {"10.0.0", "10.1.0"}),
        ("!=7.2,>=7.2.1,<7.10", {"7.9.0"}),
    ],
)
def test_of_the_releases(wish: str, allowed: set[str]) -> None:
    parsed = RocmWish.parse(wish)
    assert {one.version for one in rocm_releases.releases() if parsed.allows(one.version)} == allowed
    assert not parsed.allows("")
    assert not parsed.allows("7.2.x")


@given(st.lists(CLAUSES, min_size=1, max_size=4), VERSIONS)
def test_a_range_means_what_its_clauses_say(clauses: list[tuple[str, tuple[int, ...]]], version: tuple[int, int, int]) -> None:
    def fits(operator: str, parts: tuple[int, ...]) -> bool:
        short = version[: len(parts)]
        return {">=": short >= parts, ">": short > parts, "<=": short <= parts, "<": short < parts, "==": short == parts,
                "!=": short != parts}[operator]

    text = ",".join(f"{operator}{'.'.join(map(str, parts))}" for operator, parts in clauses)
    expected = all(fits(*clause) for clause in clauses)
    try:
        wish = RocmWish.parse(text)
    except WishError:
        assert not expected
        return
    assert wish.allows(".".join(map(str, version))) == expected
    assert RocmWish.parse(str(wish)) == wish
