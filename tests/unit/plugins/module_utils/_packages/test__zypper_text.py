# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages._zypper_text import (
    Solvable,
    Summary,
    locked_names,
    parse_info,
    parse_search,
    parse_summary,
    trouble,
)
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Change
from rpm_node import outputs

SAID = outputs("zypper")
OLD, NEW = "3:580.65.06-1.el9", "3:580.95.05-1.el9"
OLDER = "3:570.195.03-1.el9"
USER_SPACE = ("nvidia-driver-cuda", "nvidia-driver-cuda-libs", "nvidia-kmod-common", "nvidia-persistenced")


def moved(action: str, name: str, before: str, after: str) -> Change:
    return Change(action, name, before, after, "cuda", "noarch" if name == "nvidia-kmod-common" else "x86_64")


def removed(name: str, evr: str, arch: str = "x86_64") -> Change:
    return Change("remove", name, evr, None, None, arch)


NANO = Change("install", "nano", None, "1-1", "baseos", "x86_64")


@pytest.mark.parametrize(
    ("case", "summary"),
    [
        (
            "switch",
            Summary(
                (
                    *(moved("upgrade", name, OLD, NEW) for name in USER_SPACE),
                    Change("install", "kmod-nvidia-open-dkms", None, NEW, "cuda", "x86_64"),
                    removed("kmod-nvidia-latest-dkms", OLD),
                ),
                28,
                0,
            ),
        ),
        (
            "downgrade",
            Summary(tuple(moved("downgrade", name, OLD, OLDER) for name in ("kmod-nvidia-latest-dkms", *USER_SPACE)), 28, 0),
        ),
        ("swap", Summary((NANO, removed("editor-pack", "1-1"), removed("vim", "9.0-1", "noarch")), 6, 0)),
        ("obsoletes", Summary((Change("install", "newvim", None, "10-1", "baseos", "x86_64"), removed("vim", "9.0-1", "noarch")), 6, 0)),
        ("nothing", Summary((), 0, 0)),
        ("older", Summary((), 0, 0)),
        ("switch_not_erasing", None),
        ("not_found", None),
    ],
)
def test_summary(case: str, summary: Summary | None) -> None:
    assert parse_summary(SAID[case]["stdout"]) == summary


def summary_of(package: str) -> str:
    return f'<install-summary download-size="1"><to-install>{package}</to-install></install-summary>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (summary_of('<solvable type="package" name="a;b" edition="1-1" arch="x86_64"/>'), "not a package of a transaction"),
        (summary_of('<solvable type="package" name="a" edition="\u0661-1" arch="x86_64"/>'), "not a package of a transaction"),
        (summary_of("<!ENTITY x 'y'>"), "is not complete"),
        (summary_of("<solvable>"), "mismatched tag"),
        ("<install-summary>", "is not complete"),
    ],
)
def test_summary_refuses(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_summary(text)


def test_patterns_and_patches_are_no_packages() -> None:
    assert parse_summary(summary_of('<solvable type="patch" name="a b" edition="1" arch="noarch"/>')) == Summary((), 1, None)


OLDEST = f"kmod-nvidia-latest-dkms-{OLDER}.x86_64"
WAY = {
    "not_found": "No provider of 'nvidia-nope' found.",
    "broken": "Problem: 1: nothing provides 'libnowhere.so.9()(64bit)' needed by the to be installed nvidia-broken-1.0-1.x86_64\n"
    " Solution 1: do not install nvidia-broken-1.0-1.x86_64\n"
    " Solution 2: break nvidia-broken-1.0-1.x86_64 by ignoring some of its dependencies",
    "older": f"The selected package '{OLDEST}' from repository 'cuda' has lower version than the installed one."
    f" Use 'zypper install --oldpackage {OLDEST}' to force installation of the package.",
}


@pytest.mark.parametrize("case", [*WAY, "switch", "nothing", "swap", "downgrade"])
def test_trouble(case: str) -> None:
    assert trouble(SAID[case]["stdout"]) == WAY.get(case)


@pytest.mark.parametrize(
    ("case", "names"), [("locked", ["nvidia-driver-cuda-libs"]), ("locked_itself", ["nvidia-driver-cuda-libs"]), ("broken", [])]
)
def test_locked_names(case: str, names: list[str]) -> None:
    assert locked_names(SAID[case]["stdout"]) == names


def test_search() -> None:
    found, problems = parse_search(SAID["offer"]["stdout"])
    assert not problems
    assert Solvable("kmod-nvidia-open-dkms", NEW, "x86_64", "cuda") in found
    assert [one.evr for one in found if one.name == "kmod-nvidia-latest-dkms"] == [NEW, OLD, OLDER]
    assert parse_search(SAID["offer_nothing"]["stdout"]) == ([], [])


@pytest.mark.parametrize(("name", "edition"), [("a b", "1-1"), ("-rf", "1-1"), ("a", "1"), ("a", "1-1|x"), ("\uff41", "1-1")])
def test_hostile_metadata_is_a_problem(name: str, edition: str) -> None:
    text = f'<solvable-list><solvable name="{name}" kind="package" edition="{edition}" arch="x86_64" repository="R"/></solvable-list>'
    found, problems = parse_search(text)
    assert found == []
    assert [(one["repository"], one["code"]) for one in problems] == [("R", "refused")]
    assert problems[0]["message"].isascii()


def test_what_is_installed_from_nowhere_is_no_offer() -> None:
    text = '<solvable-list><solvable name="a" kind="package" edition="1-1" arch="x86_64" repository="(System Packages)"/></solvable-list>'
    assert parse_search(text) == ([], [])


def test_info() -> None:
    found = parse_info(SAID["offer_2"]["stdout"])
    assert found["kmod-nvidia-latest-dkms", NEW, "x86_64"].vendor == "NVIDIA"
    assert found["kmod-nvidia-latest-dkms", OLD, "x86_64"].requires == ("dkms", "gcc")
    assert "nvidia-kmod = 3:570.195.03" in found["kmod-nvidia-latest-dkms", OLDER, "x86_64"].provides
    assert found["dkms", "3.2.1-1.el9", "noarch"].provides == ("dkms = 3.2.1-1.el9",)
