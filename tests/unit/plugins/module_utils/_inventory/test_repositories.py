# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._repositories import (
    parse_deb822,
    parse_list,
    parse_repo,
    read_repositories,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import node

# /etc/apt/sources.list.d/debian.sources of Debian 13, with the second paragraph switched off.
DEBIAN_SOURCES = """\
# Modernized from /etc/apt/sources.list
Types: deb deb-src
URIs: http://deb.example.org/debian/
Suites: trixie trixie-updates
Components: main contrib non-free non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.example.org/debian/
Suites: trixie-backports
Components: main
Enabled: no
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJKwYBBAHaRw8BAQdAd7Z0srwuhlB6JKFkcf4HU4SSS/xcRfwEQWzr
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb-src
URIs: http://deb.example.org/debian/
Suites: sid
Components: main
"""
# As cuda-keyring and Docker's guide leave them.
LIST = """\
# deb http://old.example.org/ stable main
deb [signed-by=/usr/share/keyrings/cuda-archive-keyring.gpg] https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/ /
deb-src http://archive.ubuntu.com/ubuntu noble main
deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/ubuntu noble stable # docker
deb	http://archive.ubuntu.com/ubuntu  noble-updates  main restricted
"""
# /etc/yum.repos.d/rocky.repo (shortened) and NVIDIA's cuda-rhel9.repo.
REPO = """\
[main]
gpgcheck=1

[baseos]
name=Rocky Linux $releasever - BaseOS
mirrorlist=https://mirrors.rockylinux.org/mirrorlist?arch=$basearch&repo=BaseOS-$releasever$rltype
#baseurl=http://dl.rockylinux.org/$contentdir/$releasever/BaseOS/$basearch/os/
gpgcheck=1
enabled=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-Rocky-9

[baseos-source]
name=Rocky Linux $releasever - BaseOS - Source
mirrorlist=https://mirrors.rockylinux.org/mirrorlist?arch=source&repo=BaseOS-$releasever-source
enabled=0

[cuda-rhel9-x86_64]
name=cuda-rhel9-x86_64
baseurl=https://developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64,
        https://mirror.example.com/cuda
enabled = true
gpgkey=https://developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64/D42D0685.pub
"""


def row(uris: list[str], suites: list[str] | None = None, components: list[str] | None = None, **other: Any) -> dict[str, Any]:
    return {"uris": uris, "suites": suites or [], "components": components or [], "enabled": True, "signed_by": None, **other}


DEBIAN = ["http://deb.example.org/debian/"]


def test_parse_deb822() -> None:
    assert parse_deb822(DEBIAN_SOURCES) == [
        row(
            DEBIAN,
            ["trixie", "trixie-updates"],
            ["main", "contrib", "non-free", "non-free-firmware"],
            signed_by="/usr/share/keyrings/debian-archive-keyring.gpg",
        ),
        row(DEBIAN, ["trixie-backports"], ["main"], enabled=False, signed_by="(in this file)"),
    ]


def test_parse_list() -> None:
    cuda = "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/"
    assert parse_list(LIST) == [
        row([cuda], ["/"], signed_by="/usr/share/keyrings/cuda-archive-keyring.gpg"),
        row(["https://download.docker.com/linux/ubuntu"], ["noble"], ["stable"], signed_by="/etc/apt/keyrings/docker.asc"),
        row(["http://archive.ubuntu.com/ubuntu"], ["noble-updates"], ["main", "restricted"]),
    ]


def test_parse_repo() -> None:
    base = "https://mirrors.rockylinux.org/mirrorlist?arch="
    cuda = "https://developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64"
    key = "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-Rocky-9"
    assert parse_repo(REPO) == [
        {"id": "baseos", **row([f"{base}$basearch&repo=BaseOS-$releasever$rltype"], signed_by=key)},
        {"id": "baseos-source", **row([f"{base}source&repo=BaseOS-$releasever-source"], enabled=False)},
        {"id": "cuda-rhel9-x86_64", **row([cuda, "https://mirror.example.com/cuda"], signed_by=f"{cuda}/D42D0685.pub")},
    ]


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_list, "deb http://example.org/\n", "line 1 is no repository"),
        (parse_list, "# fine\ndeb [arch=amd64 http://example.org/ stable main\n", "line 2 is no repository"),
        (parse_deb822, "Types: deb\nURIs: http://example.org/\n", "a paragraph without Types, URIs or Suites"),
        (parse_deb822, "deb http://example.org/ stable main\n", "a paragraph without Types, URIs or Suites"),
        (parse_deb822, "nonsense\n", "no field: nonsense"),
        (parse_repo, "baseurl=http://example.org/\n", "File contains no section headers"),
    ],
)
def test_refuses(parse: Any, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


@given(st.text(max_size=200))
@pytest.mark.parametrize("parse", [parse_list, parse_deb822, parse_repo])
def test_any_text_is_parsed_or_refused(parse: Any, text: str) -> None:
    try:
        rows = parse(text)
    except ValueError:
        return
    assert all(set(one) >= {"uris", "suites", "components", "enabled", "signed_by"} for one in rows)


def test_files_of_apt() -> None:
    folder = "/etc/apt/sources.list.d"
    files = {
        "/etc/apt/sources.list": "",
        f"{folder}/cuda.list": "deb https://example.org/ /\n",
        f"{folder}/broken.sources": "Types: deb\n",
        f"{folder}/old.list.save": "deb https://example.org/save /\n",
        f"{folder}/with blank.list": "deb https://example.org/blank /\n",
    }
    source, problems = node(files=files)
    found = read_repositories(source, "dpkg")
    assert found == [{"id": "cuda", "path": f"{folder}/cuda.list", **row(["https://example.org/"], ["/"])}]
    message = f"{folder}/broken.sources: a paragraph without Types, URIs or Suites"
    assert problems == [{"source": "test", "code": "unreadable", "message": message}]


def test_files_of_rpm() -> None:
    files = {
        "/etc/yum.repos.d/a.repo": "[a]\nbaseurl=http://example.org/a\n",
        "/etc/yum.repos.d/a.repo.rpmnew": "[b]\nbaseurl=http://example.org/b\n",
        "/etc/zypp/repos.d/c.repo": "[c]\nbaseurl=http://example.org/c\nenabled=0\n",
    }
    source, _problems = node(files=files)
    assert [(one["id"], one["path"], one["enabled"]) for one in read_repositories(source, "rpm")] == [
        ("a", "/etc/yum.repos.d/a.repo", True),
        ("c", "/etc/zypp/repos.d/c.repo", False),
    ]
