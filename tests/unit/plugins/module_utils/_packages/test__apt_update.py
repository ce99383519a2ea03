# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts are what apt 2.6 (Debian 12) and 3.0 (Debian 13) printed."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages._apt_update import (
    SourceLine,
    Trouble,
    choose_trouble,
    parse_sources,
    parse_update,
)

URL = "http://127.0.0.1:41877"
STABLE, WISHED = SourceLine(URL, "stable", ("main",)), SourceLine(URL, "wished", ("main",))
CLOSED = SourceLine("http://127.0.0.2:9", "wished", ("main",))
FLAT = SourceLine(f"{URL}/x86_64/", "/", ())
SOURCES = [STABLE, WISHED, CLOSED, FLAT]

MISSING = "Missing key C371921E2F7038F3C690B37CC4DE3BB6513EB9CC, which is needed to verify signature."
SQV = f"Sub-process /usr/bin/sqv returned an error code (1), error message is: {MISSING}"
SUMMARY = "E: Some index files failed to download. They have been ignored, or old ones used instead.\n"


@pytest.mark.parametrize(
    ("stdout", "stderr", "troubles"),
    [
        pytest.param(
            f"Get:1 {URL} stable InRelease [1076 B]\nErr:2 {URL} wished InRelease\n  {SQV}\nReading package lists...\n",
            f"W: OpenPGP signature verification failed: {URL} wished InRelease: {SQV}\n"
            f"E: The repository '{URL} wished InRelease' is not signed.\n",
            [("bad_signature", f"{URL} wished InRelease {SQV}", WISHED),
             ("bad_signature", f"OpenPGP signature verification failed: {URL} wished InRelease: {SQV}", WISHED),
             ("bad_signature", f"The repository '{URL} wished InRelease' is not signed.", WISHED)],
            id="key is missing, apt 3.0",
        ),
        pytest.param(
            f"Ign:1 {CLOSED.uri} wished InRelease\nErr:1 {CLOSED.uri} wished InRelease\n"
            "  Could not connect to 127.0.0.2:9 (127.0.0.2). - connect (111: Connection refused)\n  Unable to connect to 127.0.0.2:9:\n",
            f"E: Failed to fetch {CLOSED.uri}/dists/wished/InRelease  Unable to connect to 127.0.0.2:9:\n{SUMMARY}",
            [("no_network", f"{CLOSED.uri} wished InRelease Could not connect to 127.0.0.2:9 (127.0.0.2). - connect (111: Connection "
                            "refused) Unable to connect to 127.0.0.2:9:", CLOSED),
             ("no_network", f"Failed to fetch {CLOSED.uri}/dists/wished/InRelease Unable to connect to 127.0.0.2:9:", CLOSED)],
            id="nobody answers",
        ),
        pytest.param(
            f"Err:4 {URL} wished/main amd64 Packages\n  File has unexpected size (232 != 960). Mirror sync in progress? [IP: 127.0.0.1 1]\n"
            "  Hashes of expected file:\n   - Filesize:960 [weak]\nFetched 3076 B in 0s (14.8 kB/s)\n",
            "E: Failed to fetch http://mirror.example/x/Packages  File has unexpected size (232 != 960).\n   Hashes of expected file:\n"
            f"{SUMMARY}",
            [("hash_mismatch", f"{URL} wished/main amd64 Packages File has unexpected size (232 != 960). Mirror sync in progress? "
                               "[IP: 127.0.0.1 1] Hashes of expected file: - Filesize:960 [weak]", WISHED)],
            id="URL of a failure is the one after a redirection",
        ),
        pytest.param(
            "", f"E: Release file for {URL}/dists/stable/InRelease is expired (invalid since 1d). Updates for this repository will not be "
                "applied.\n",
            [(
                "out_of_date",
                f"Release file for {URL}/dists/stable/InRelease is expired (invalid since 1d)."
                " Updates for this repository will not be applied.",
                STABLE,
            )],
            id="expired",
        ),
        pytest.param(
            "", "E: Malformed entry 1 in sources file /etc/apt/sources.list.d/wished.sources (Suite)\n"
                "E: The list of sources could not be read.\n",
            [("refused", "Malformed entry 1 in sources file /etc/apt/sources.list.d/wished.sources (Suite)", None)],
            id="sources that apt cannot read",
        ),
        pytest.param(
            "", f"W: {URL}/dists/stable/InRelease: Key is stored in legacy trusted.gpg keyring (/etc/apt/trusted.gpg), see the "
                "DEPRECATION section in apt-key(8) for details.\n"
                "W: Target Packages (main/binary-amd64/Packages) is configured multiple times in /etc/apt/sources.list:1 and "
                "/etc/apt/sources.list.d/a.list:1\n"
                f"N: Skipping acquire of configured file 'main/binary-i386/Packages' as repository '{URL} stable InRelease' doesn't "
                "support architecture 'i386'\n",
            [], id="warnings of which nothing follows",
        ),
        pytest.param(
            f"Err:1 {URL}/x86_64  InRelease\n  404  Not Found\n", "",
            [("refused", f"{URL}/x86_64 InRelease 404 Not Found", FLAT)], id="flat",
        ),
    ],
)
def test_parse_update(stdout: str, stderr: str, troubles: list[tuple[str, str, SourceLine | None]]) -> None:
    assert parse_update(stdout, stderr, SOURCES) == [Trouble(*trouble) for trouble in troubles]


def test_component_that_an_archive_does_not_have() -> None:
    words = (f"Skipping acquire of configured file 'contrib/binary-amd64/Packages' as repository '{URL} wished InRelease' doesn't have "
             "the component 'contrib' (component misspelt in sources.list?)")
    assert parse_update("", f"W: {words}\n", SOURCES) == [Trouble("refused", words, WISHED, warning=True)]


@pytest.mark.parametrize(
    ("codes", "chosen"),
    [(["refused", "no_network"], "no_network"), (["hash_mismatch", "no_space"], "no_space"), (["bad_signature", "bad_key"], "bad_key")],
)
def test_choose_trouble(codes: list[str], chosen: str) -> None:
    assert choose_trouble([Trouble(code, "", None) for code in codes]).code == chosen
    warned = [Trouble("no_space", "", None, warning=True), *(Trouble(code, "", None) for code in codes)]
    assert choose_trouble(warned).code == chosen


@pytest.mark.parametrize(
    ("uri", "suite", "text", "named"),
    [
        (URL, "stable", f"{URL} stable InRelease", True),
        (f"{URL}/", "stable", f"{URL}/ stable/main amd64 Packages", True),
        (URL, "stable", f"{URL}/dists/stable/main/binary-amd64/Packages", True),
        (URL, "stable", f"{URL}/dists/stable-updates/InRelease", False),
        (URL, "stable", f"{URL} stable-updates InRelease", False),
        (URL, "stable", f"{URL}/debian stable InRelease", False),
        (URL, "stable/updates", f"{URL} stable/updates InRelease", True),
        (URL, "x86_64/", f"{URL} x86_64/ InRelease", True),
        (URL, "x86_64/", f"{URL}/x86_64/Packages", True),
        (URL, "./", f"{URL} ./ InRelease", True),
        (URL, "/", f"{URL}0 InRelease", False),
    ],
)
def test_named_in(uri: str, suite: str, text: str, named: bool) -> None:
    assert SourceLine(uri, suite, ()).named_in(text) is named


@pytest.mark.parametrize(
    ("uri", "suite", "file"),
    [
        ("http://deb.example.org/debian", "trixie-backports", "deb.example.org_debian_dists_trixie-backports_InRelease"),
        ("http://deb.example.org/debian/", "stable/updates", "deb.example.org_debian_dists_stable_updates_InRelease"),
        ("https://a.example/~b_c", "d", "a.example_%7eb%5fc_dists_d_InRelease"),
        ("file:/srv/a", "b", "_srv_a_dists_b_InRelease"),
        ("https://a.example/ubuntu2404/x86_64/", "/", "a.example_ubuntu2404_x86%5f64_InRelease"),
    ],
)
def test_list_file(uri: str, suite: str, file: str) -> None:
    assert SourceLine(uri, suite, ()).list_file("InRelease") == file


DEB822 = """\
# Types: deb
Types: deb deb-src
URIs: http://user:secret@a.example/debian
 http://b.example/debian
Suites: trixie trixie-updates
Components: main
# a comment within
 contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 URIs: http://no.example

Types: deb
Enabled: no
URIs: http://off.example
Suites: x

Types: deb-src
URIs: http://source.example
Suites: x
Components: main
"""
ONE_LINE = """\
# deb http://off.example x main
deb [arch=amd64 signed-by=/a.gpg] http://user:secret@a.example/debian trixie main contrib # more
deb-src http://a.example/debian trixie main
  deb http://b.example/flat ./
"""


@pytest.mark.parametrize(
    ("text", "path", "sources"),
    [
        (DEB822, "/etc/apt/sources.list.d/debian.sources",
         [SourceLine(f"http://{host}.example/debian", suite, ("main", "contrib"))
          for host in "ab" for suite in ("trixie", "trixie-updates")]),
        (ONE_LINE, "/etc/apt/sources.list",
         [SourceLine("http://a.example/debian", "trixie", ("main", "contrib")), SourceLine("http://b.example/flat", "./", ())]),
        ("", "/etc/apt/sources.list.d/a.sources", []),
    ],
)  # fmt: skip
def test_parse_sources(text: str, path: str, sources: list[SourceLine]) -> None:
    assert parse_sources(text, path) == sources
