# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which drivers an operator wants."""

from __future__ import annotations

import operator
import re
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._plan.wish import CHANNELS, Wish, WishError
from hypothesis import given
from hypothesis import strategies as st

OPERATORS = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
# Few numbers, so that parts of a range meet; zeros, since the first version after 580.95 is 580.95.0.
BRANCHES = st.integers(1, 4)
VERSIONS = st.tuples(BRANCHES, st.integers(0, 2)) | st.tuples(BRANCHES, st.integers(0, 2), st.integers(0, 2))
CLAUSES = st.tuples(st.sampled_from(sorted(OPERATORS)), BRANCHES.map(lambda number: (number,)) | VERSIONS)


@pytest.mark.parametrize(
    ("text", "normal", "branch"),
    [
        (580, "580", 580),
        ("580", "580", 580),
        (" 580\n", "580", 580),
        ("==580", "580", 580),
        (">=580,<=580", "580", 580),
        ("580.95.05", "580.95.05", 580),
        ("580.95.5", "580.95.05", 580),
        ("565.77", "565.77", 565),
        (">=580.95.05,<=580.95.05", "580.95.05", 580),
        ("550.163.01-4~bpo13+1", "550.163.01-4~bpo13+1", 550),
        ("== 580.95.05-1.el9", "580.95.05-1.el9", 580),
        (">=530", ">=530", None),
        (">530", ">=531", None),
        (">=535,<590", ">=535,<590", None),
        ("<590, >= 535", ">=535,<590", None),
        (">=535,<=589", ">=535,<590", None),
        (">=535,>=550,<590,<600", ">=550,<590", None),
        ("!=590", "!=590", None),
        (">=535,!=535,!=545,<=550,!=550", ">=536,!=545,<550", None),
        ("!=590,!=590.48.01", "!=590", None),
        (">580.95.05", ">580.95.05", None),
        ("<=580.95.05", "<=580.95.05", None),
        (">=418.226.00", ">=418.226.00", None),
        (">=580,!=580.95.05,<581", ">=580,!=580.95.05,<581", 580),
        (">=1", ">=1", None),
        ("<580.0", "<580", None),
        (">580.0", ">=580.00.00", None),
        ("580.0", "580.00", 580),
        (">=580,!=580.0,<580.2", ">=580.00.00,<580.02", 580),
        ("lts", "lts", None),
        ("production", "production", None),
        ("new_feature", "new_feature", None),
    ],
)
def test_parse(text: Any, normal: str, branch: int | None) -> None:
    wish = Wish.parse(text)
    assert str(wish) == normal
    assert wish.branch == branch
    assert Wish.parse(normal) == wish


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (580.95, "is 580.95, a number with a fraction: quote the version"),
        (float("nan"), "quote the version"),
        (True, "is true (allowed: a branch such as "),
        (None, "is empty (allowed: "),
        (["580"], "is a list (allowed: "),
        ({"580": None}, "is a mapping (allowed: "),
        (0, "is 0 (allowed: "),
        (-580, "is -580 (allowed: "),
        (58000, "is 58000 (allowed: "),
        pytest.param(10**5000, "is a number of many digits (allowed: ", id="5001 digits"),
        ("", "is '' (allowed: "),
        (" ", "is ' ' (allowed: "),
        (",", "is ',' (allowed: "),
        (">=530,", "is '>=530,' (allowed: "),
        ("580;rm", "is '580;rm' (allowed: "),
        ("../", "is '../' (allowed: "),
        ("580/../1", "(allowed: "),
        ("\u0665\u0668\u0660", "(allowed: "),
        ("\uff15\uff18\uff10", "(allowed: "),
        ("0580", "(allowed: "),
        ("58000", "(allowed: "),
        ("580.", "(allowed: "),
        ("580.1.2.3.4", "(allowed: "),
        ("580-", "(allowed: "),
        ("580.95.05-1 2", "(allowed: "),
        ("=580", "(allowed: "),
        ("~=580", "(allowed: "),
        ("newest", "channel: lts, production, new_feature)"),
        ("LTS", "channel: lts, production, new_feature)"),
        ("lts,>=530", "channel: lts, production, new_feature)"),
        pytest.param("9" * 5000, "999... (allowed: ", id="5000 nines"),
        ("535,580", "in a list every part needs an operator (allowed: >=, >, <=, <, ==, !=)"),
        ("580-1", "a package revision goes with one exact version only"),
        (">=580.95.05-1", "a package revision goes with one exact version only"),
        ("==580.95.05-1,<590", "a package revision goes with one exact version only"),
        (">=590,<535", "matches nothing: its parts contradict each other"),
        (">590,<591", "matches nothing"),
        ("==535,==580", "matches nothing"),
        ("==580,!=580", "matches nothing"),
        (">=580,<=581,!=580,!=581", "matches nothing"),
        ("<1", "matches nothing"),
        (">=580,<580.0", "matches nothing"),
        (">=580.95,<=580.95,!=580.95", "matches nothing"),
    ],
)
def test_refused(text: Any, message: str) -> None:
    with pytest.raises(WishError) as caught:
        Wish.parse(text)
    assert str(caught.value).startswith("version is ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_the_option_is_named() -> None:
    with pytest.raises(WishError, match=r"^nvidia_driver_version is '' "):
        Wish.parse("", "nvidia_driver_version")


def test_what_an_error_advises_is_valid() -> None:
    with pytest.raises(WishError) as caught:
        Wish.parse("?")
    advised = re.findall(r"such as '?([0-9.,<>=]+[0-9])", str(caught.value))
    assert [str(Wish.parse(text)) for text in advised] == advised
    assert len(advised) == 3


@pytest.mark.parametrize(
    ("wish", "version", "revision", "allowed"),
    [
        ("580", 580, None, True),
        ("580", "580", None, True),
        ("580", "580.95.05", None, True),
        ("580", "590.48.01", None, False),
        ("580.95.05", 580, None, True),
        ("580.95.05", "580.95.05", None, True),
        ("580.95.05", "580.95.05", "1", True),
        ("580.95.05", "580.95.05-1", None, True),
        ("580.95.05", "580.105.08", None, False),
        ("550.163.01-2", "550.163.01", "2", True),
        ("550.163.01-2", "550.163.01-2", None, True),
        ("550.163.01-2", "550.163.01", None, True),
        ("550.163.01-2", "550.163.01", "4~bpo13+1", False),
        ("550.163.01-2", "550.163.01-4~bpo13+1", None, False),
        (">=530", "530.30.02", None, True),
        (">=530", "525.147.05", None, False),
        (">530", "530.41.03", None, False),
        ("<=580", "580.95.05", None, True),
        ("<=580.65.06", 580, None, True),
        ("<580.65.06", "580.65.06", None, False),
        ("!=580", 580, None, False),
        ("!=580.95.05", 580, None, True),
        (">=530", "", None, False),
        (">=530", "N/A", None, False),
        (">=530", ">=580", None, False),
        (">=530", "580;rm", None, False),
        ("lts", 580, None, True),
        ("lts", "535.309.01", None, True),
        ("lts", 595, None, False),
        ("production", "595.104.02", None, True),
        ("new_feature", 620, None, True),
        ("new_feature", 9000, None, False),
    ],
)
def test_allows(wish: str, version: Any, revision: str | None, allowed: bool) -> None:
    assert Wish.parse(wish).allows(version, revision) is allowed


@pytest.mark.parametrize(
    ("wish", "first", "allowed"),
    [
        ("<580.65.06", (580, 65, 6), False),
        ("<=580.65.06", (580, 65, 6), True),
        (">=580.200", (580, 65, 6), True),
        ("580.10", (580, 65, 6), False),
        ("!=580", (580, 65, 6), False),
        ("lts", (580, 65, 6), True),
    ],
)
def test_allows_from(wish: str, first: tuple[int, ...], allowed: bool) -> None:
    assert Wish.parse(wish).allows_from(first) is allowed


def test_a_wish_is_a_value() -> None:
    assert len({Wish.parse(">=535,<590"), Wish.parse("<=589,>534"), Wish.parse("lts")}) == 2
    with pytest.raises(AttributeError):
        Wish.parse("580").low = (590,)  # type: ignore[misc]


def written(parts: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in parts)


def meant(clauses: list[tuple[str, tuple[int, ...]]], version: tuple[int, ...]) -> bool:
    """What a list of clauses means, said the plain way: a branch is compared with the branch."""
    return all(OPERATORS[sign](version if len(bound) > 1 else version[:1], bound) for sign, bound in clauses)


@given(st.lists(CLAUSES, min_size=1, max_size=4), VERSIONS)
def test_a_range_allows_what_its_parts_allow(clauses: list[tuple[str, tuple[int, ...]]], version: tuple[int, ...]) -> None:
    try:
        wish = Wish.parse(",".join(sign + written(bound) for sign, bound in clauses))
    except WishError:
        assert not meant(clauses, version)
        return
    assert wish.allows(written(version)) is meant(clauses, version)
    assert not meant(clauses, version) or wish.allows(version[0])
    assert Wish.parse(str(wish)) == wish
    assert str(Wish.parse(str(wish))) == str(wish)


TYPED = st.text(alphabet="0123456789.,<>=!-~+ al\u0665\n", max_size=24) | st.text(max_size=12) | st.integers()


@given(TYPED | st.sampled_from(sorted(CHANNELS)))
def test_whatever_is_typed_is_refused_or_has_a_normal_form(text: Any) -> None:
    try:
        wish = Wish.parse(text)
    except WishError:
        return
    assert Wish.parse(str(wish)) == wish
    assert str(wish).isascii()


@given(st.text(max_size=20))
def test_whatever_is_installed_gets_an_answer(version: str) -> None:
    assert Wish.parse(">=530").allows(version) in (True, False)
