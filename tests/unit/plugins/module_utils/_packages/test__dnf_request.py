# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages._dnf_request import (
    changes_of,
    do_arguments,
    downgrades,
    ignored,
    is_version,
    shell_script,
    validate,
)
from ansible_collections.gpufleet.node.plugins.module_utils._packages._dnf_text import Item
from ansible_collections.gpufleet.node.plugins.module_utils._packages._rpm_text import Installed
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Change, PackageError, Request, Wanted

NEW = "3:580.95.05-1.el9"
REQUEST = Request((Wanted("a", NEW), Wanted("b")), remove=("c", "d"), streams=("nvidia-driver:580-open",))


def test_script_of_one_transaction() -> None:
    assert shell_script(REQUEST) == f"module enable nvidia-driver:580-open\nremove c d\ninstall a-{NEW} b\nrun\n"
    assert shell_script(Request(())) == "run\n"


@pytest.mark.parametrize(
    ("request_", "arguments"),
    [
        (Request((Wanted("a", NEW),)), ["install", f"a-{NEW}"]),
        (Request((Wanted("a", NEW),), downgrade=True), ["install", "--allow-downgrade", f"a-{NEW}"]),
        (REQUEST, ["do", "--action=remove", "c", "d", "--action=install", f"a-{NEW}", "b"]),
        (Request((), remove=("c",)), ["do", "--action=remove", "c"]),
        (REQUEST._replace(erase=True, downgrade=True), ["do", "--allow-downgrade", "--allowerasing", "--action=remove", "c", "d",
                                                        "--action=install", f"a-{NEW}", "b"]),
    ],
)
def test_arguments_of_dnf5(request_: Request, arguments: list[str]) -> None:
    assert do_arguments(request_) == arguments


@pytest.mark.parametrize(
    "request_",
    [
        Request((Wanted("a\nremove dnf"),)),
        Request((Wanted("a", "1-1\nremove dnf"),)),
        Request((Wanted("a", "580;rm"),)),
        Request((Wanted("--nogpgcheck"),)),
        Request((), remove=("*",)),
        Request((), streams=("nvidia-driver",)),
        Request((), streams=("nvidia-driver:580 -y",)),
    ],
)
def test_nothing_else_reaches_the_script(request_: Request) -> None:
    with pytest.raises(PackageError) as caught:
        validate(request_)
    assert caught.value.code == "refused"


@pytest.mark.parametrize(
    ("evr", "pattern", "fits"),
    [
        (NEW, "580.*", True),
        (NEW, "3:580.*", True),
        (NEW, "580.95.05-1.el9", True),
        (NEW, "580.95.05", True),
        (NEW, "58.*", False),
        ("590.44-1", "580.*", False),
    ],
)
def test_versions_of_pins(evr: str, pattern: str, fits: bool) -> None:
    assert is_version(evr, pattern) is fits


OLD = [Installed("a", "1-1", "noarch"), Installed("a", "1-2", "x86_64"), Installed("k", "5-1", "x86_64")]


@pytest.mark.parametrize(
    ("item", "changes"),
    [
        (Item("upgrade", "a", "x86_64", "2-1", "r"), [Change("upgrade", "a", "1-2", "2-1", "r", "x86_64")]),
        (Item("upgrade", "k", "noarch", "6-1", "r"), [Change("upgrade", "k", "5-1", "6-1", "r", "noarch")]),
        (Item("install", "k", "x86_64", "6-1", "r"), [Change("install", "k", None, "6-1", "r", "x86_64")]),
        (Item("remove", "a", "x86_64", "1-2", "@System"), [Change("remove", "a", "1-2", None, None, "x86_64")]),
        (
            Item("install", "new", "x86_64", "2-1", "r", (("a", "1-2"), ("new", "1-1"))),
            [Change("install", "new", None, "2-1", "r", "x86_64"), Change("remove", "a", "1-2", None)],
        ),
    ],
)
def test_changes(item: Item, changes: list[Change]) -> None:
    assert list(changes_of(item, OLD)) == changes


def test_downgrades_are_named() -> None:
    assert (
        downgrades([Change("downgrade", "a", "2-1", "1-1"), Change("install", "b", None, "1-1")])
        == "this would be a downgrade: a 2-1 → 1-1"
    )
    assert downgrades([Change("upgrade", "a", "1-1", "2-1")]) is None


def test_repositories_that_were_passed_over() -> None:
    text = (
        "Errors during downloading metadata for repository 'epel':\n  - Curl error (6): Could not resolve hostname for https://example.com/x\n"
        "Error: Failed to download metadata for repo 'epel': Cannot prepare internal mirrorlist\nIgnoring repositories: epel\n"
    )
    assert ignored(text) == [("epel", "Curl error (6): Could not resolve hostname for https://example.com/x")]
    assert ignored("Metadata cache created.") == []
