# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The builder of container images, without building any: tags, and the apt sources of a machine turned to another suite."""
from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def images() -> ModuleType:
    """The script as a module; tools/ is no package."""
    spec = importlib.util.spec_from_file_location("images", Path(__file__).parents[3] / "tools" / "images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["images"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("change", "same"), [
    ({}, True),
    ({"installed": ("python3", "less")}, False),
    ({"unpacked": ()}, False),
    ({"script": "rm /etc/motd"}, False),
])
def test_a_tag_is_one_recipe(images: ModuleType, change: dict[str, object], same: bool) -> None:
    image = images.Image(suite="trixie", installed=("python3",), unpacked=("nvidia-smi",))
    other = dataclasses.replace(image, **change)
    assert image.tag("node").startswith("gpufleet-test:node-trixie-")
    assert (other.tag("node") == image.tag("node")) is same


@pytest.mark.parametrize(("here", "stanzas", "wanted"), [
    ("bookworm", [("http://a/debian", "bookworm bookworm-updates", "")], [("http://a/debian", "trixie trixie-updates")]),
    ("bookworm", [("http://a/debian", "bookworm", ""), ("http://a/security", "bookworm-security", "")],
     [("http://a/debian", "trixie"), ("http://a/security", "trixie-security")]),
    ("trixie", [("http://a/debian", "trixie", ""), ("http://vendor/repo", "stable", "")], [("http://a/debian", "trixie")]),
    ("bookworm", [("http://a/debian", "bookworm", ""), ("http://b/cloud", "cloud-sdk-bookworm", "")], [("http://a/debian", "trixie")]),
])
def test_the_archives_of_this_machine_turned_to_another_suite(
    images: ModuleType, monkeypatch: pytest.MonkeyPatch, here: str, stanzas: list[tuple[str, str, str]], wanted: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(images, "_codename", lambda: here)
    monkeypatch.setattr(images, "_stanzas", lambda: iter(stanzas))
    assert images.apt_sources("trixie", "/k.gpg", "main contrib non-free") == "\n".join(
        f"Types: deb\nURIs: {uris}\nSuites: {suites}\nComponents: main contrib non-free\nSigned-By: /k.gpg\n" for uris, suites in wanted)


def test_sid_has_one_suite(images: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    stanzas = [("http://a/debian", "bookworm bookworm-updates", ""), ("http://a/security", "bookworm-security", "")]
    monkeypatch.setattr(images, "_codename", lambda: "bookworm")
    monkeypatch.setattr(images, "_stanzas", lambda: iter(stanzas))
    assert re.findall("Suites: (.*)", images.apt_sources("sid", "/k.gpg", "main")) == ["sid"]


@pytest.mark.parametrize(("here", "stanzas"), [("", [("http://a/debian", "bookworm", "")]), ("noble", [("http://v/repo", "stable", "")])])
def test_a_machine_without_a_debian_archive_is_told_so(
    images: ModuleType, monkeypatch: pytest.MonkeyPatch, here: str, stanzas: list[tuple[str, str, str]]
) -> None:
    monkeypatch.setattr(images, "_codename", lambda: here)
    monkeypatch.setattr(images, "_stanzas", lambda: iter(stanzas))
    with pytest.raises(images.ImageError, match="name no Debian archive"):
        images.apt_sources("trixie", "/k.gpg", "main contrib non-free")


def test_options_are_those_that_reach_an_archive(images: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = 'APT::Architecture "amd64";\nAcquire::Check-Date "false";\nAcquire::http::Proxy "http://p";\nAcquire::Languages:: "none";\n'
    monkeypatch.setattr(images, "output", lambda *argv, timeout=None: dump)
    assert images.apt_options() == ['Acquire::Check-Date "false";', 'Acquire::http::Proxy "http://p";', 'Acquire::Languages:: "none";']
