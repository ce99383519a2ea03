# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._boot import (
    choose_grub_entry,
    choose_loader_entry,
    grub_default,
    parse_grub_environment,
    parse_grub_menu,
    parse_loader_entry,
    release_of_image,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import DEBIAN_MENU

OLD, NEW = "6.1.0-18-amd64", "6.1.0-28-amd64"


@pytest.mark.parametrize(
    ("path", "release"),
    [
        ("/boot/vmlinuz-6.1.0-18-amd64", OLD),
        ("/vmlinuz-5.14.0-503.el9.x86_64 ", "5.14.0-503.el9.x86_64"),
        ("/0123abcd/6.8.4-arch1-1/linux", "6.8.4-arch1-1"),
        ("/vmlinux-4.18.0", "4.18.0"),
        ("/vmlinuz-linux", None),
        ("/vmlinuz", None),
    ],
)
def test_release_of_image(path: str, release: str | None) -> None:
    assert release_of_image(path) == release


@pytest.mark.parametrize(
    ("wanted", "release"),
    [
        ("0", NEW),
        ("1>0", NEW),
        ("1>1", OLD),
        ("gnulinux-simple-4711", NEW),
        ("2", None),
        ("no such entry", NEW),
        ("gnulinux-advanced-4711>gnulinux-6.1.0-18-amd64-advanced-4711", OLD),
        ("Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-18-amd64", OLD),
        ("Debian GNU/Linux, with Linux 6.1.0-18-amd64", OLD),
    ],
)
def test_grub_menu(wanted: str, release: str | None) -> None:
    assert choose_grub_entry(parse_grub_menu(DEBIAN_MENU % "0"), wanted) == release


@pytest.mark.parametrize(
    ("menu", "settings", "environment", "wanted"),
    [
        (DEBIAN_MENU % "0", None, {}, "0"),
        (DEBIAN_MENU % "1>1", "GRUB_DEFAULT=0", {}, "1>1"),
        (DEBIAN_MENU % "${saved_entry}", None, {"saved_entry": "1>1"}, "1>1"),
        (DEBIAN_MENU % "${saved_entry}", None, {}, "0"),
        (DEBIAN_MENU % "0", None, {"next_entry": "1>1"}, "1>1"),
        (None, "GRUB_TIMEOUT=5\n", {}, "0"),
        (None, "GRUB_DEFAULT=saved\n", {"saved_entry": "x"}, "x"),
        (None, 'GRUB_DEFAULT=0\nGRUB_DEFAULT="1>2"\n', {}, "1>2"),
        (None, None, {}, None),
        ("", None, {}, None),
    ],
)
def test_grub_default(menu: str | None, settings: str | None, environment: dict[str, str], wanted: str | None) -> None:
    assert grub_default(menu, settings, environment) == wanted


def test_grub_environment() -> None:
    text = "# GRUB Environment Block\n# WARNING: Do not edit\nsaved_entry=abc=def\nboot_success=1\n####"
    assert parse_grub_environment(text) == {"saved_entry": "abc=def", "boot_success": "1"}


@pytest.mark.parametrize("text", ["", "saved_entry=0"])
def test_grub_environment_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="environment block"):
        parse_grub_environment(text)


def test_grub_menu_refuses() -> None:
    with pytest.raises(ValueError, match="brace"):
        parse_grub_menu("}\n")


ENTRIES = {
    "8f3a-0-rescue": {"title": "Rocky Linux (0-rescue-8f3a)", "version": "0-rescue-8f3a", "linux": "/vmlinuz-0-rescue-8f3a"},
    "8f3a-5.14.0-503.el9.x86_64": {
        "title": "Rocky Linux (5.14.0-503)",
        "version": "5.14.0-503.el9.x86_64",
        "linux": "/vmlinuz-5.14.0-503.el9.x86_64",
    },
    "8f3a-5.14.0-70.el9.x86_64": {
        "title": "Rocky Linux (5.14.0-70)",
        "version": "5.14.0-70.el9.x86_64",
        "linux": "/vmlinuz-5.14.0-70.el9.x86_64",
    },
}


@pytest.mark.parametrize(
    ("wanted", "release"),
    [
        (None, "5.14.0-503.el9.x86_64"),
        ("0", "5.14.0-503.el9.x86_64"),
        ("1", "5.14.0-70.el9.x86_64"),
        ("8f3a-5.14.0-70.el9.x86_64", "5.14.0-70.el9.x86_64"),
        ("8f3a-5.14.0-70.el9.x86_64.conf", "5.14.0-70.el9.x86_64"),
        ("8f3a-5.14.0-7*", "5.14.0-70.el9.x86_64"),
        ("Rocky Linux (5.14.0-70)", "5.14.0-70.el9.x86_64"),
        ("gone", "5.14.0-503.el9.x86_64"),
    ],
)
def test_loader_entries(wanted: str | None, release: str) -> None:
    assert choose_loader_entry(ENTRIES, wanted) == release


def test_no_loader_entry() -> None:
    assert choose_loader_entry({}, "0") is None


def test_loader_entry_without_image_name_tells_its_version() -> None:
    assert choose_loader_entry({"a": {"version": "6.8.4", "efi": "/a.efi"}}, None) == "6.8.4"


def test_loader_entry() -> None:
    text = "# made by a tool\ntitle   Debian\nversion 6.12.9\nlinux /x/6.12.9/linux\ninitrd /a\ninitrd /b\n"
    assert parse_loader_entry(text) == {"title": "Debian", "version": "6.12.9", "linux": "/x/6.12.9/linux", "initrd": "/a"}


def test_loader_entry_refuses() -> None:
    with pytest.raises(ValueError, match="no key"):
        parse_loader_entry("# nothing\n")


@given(st.text(alphabet=st.sampled_from("menuentry submenu linux'\"{}\n\t$>/vmlinuz-6.1 set default=")), st.text())
def test_only_value_errors_leave(text: str, wanted: str) -> None:
    for parse in (parse_grub_menu, parse_grub_environment, parse_loader_entry):
        with contextlib.suppress(ValueError):
            parse(text)
    with contextlib.suppress(ValueError):
        choose_grub_entry(parse_grub_menu(text), wanted)
    grub_default(text, text, {})
    choose_loader_entry({text: {"version": wanted}}, wanted)
