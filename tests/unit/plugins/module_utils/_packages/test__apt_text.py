# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts are what apt 2.6 (Debian 12) and 3.0 (Debian 13) printed, shortened by whole lines."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages._apt_text import (
    Record,
    code_of,
    first_words,
    parse_config_names,
    parse_madison,
    parse_policy,
    parse_records,
    parse_shell,
    parse_simulation,
    refusal_words,
    valid_name,
    valid_version,
)
from hypothesis import given
from hypothesis import strategies as st

BPO = "550.163.01-4~bpo13+1"


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("nvidia-kernel-dkms", True), ("libstdc++6", True), ("g++-12", True), ("0ad", True), ("a.b", True),
        ("a", False), ("", False), ("Nvidia", False), ("nvidia_driver", False), ("-o", False), ("+a", False), ("nvidia;rm", False),
        ("nvidia driver", False), ("nvidia\n", False), ("nvidia\u0661", False), ("nvidia=1", False), ("nvidia:i386", False),
        ("n" * 129, False),
    ],
)  # fmt: skip
def test_valid_name(name: str, valid: bool) -> None:
    assert valid_name(name) is valid


@pytest.mark.parametrize(
    ("version", "valid"),
    [
        ("550.163.01-2", True), (BPO, True), ("1:20240109-1", True), ("0.0~2023.04.11-1", True), ("20220217+3~deb12u1", True), ("1", True),
        ("", False), ("a1", False), ("1.0;rm", False), ("1 2", False), ("1\n", False), ("\u0661.0", False), ("1:2:3", False),
        ("1=2", False), (":1", False), ("../1", False), ("1/2", False),
    ],
)  # fmt: skip
def test_valid_version(version: str, valid: bool) -> None:
    assert valid_version(version) is valid


def test_first_words() -> None:
    assert first_words(" a\n  b ") == "a b"
    assert (len(first_words("x" * 1000)), first_words("x" * 1000)[-1]) == (400, "…")


MADISON = f"""\
nvidia-smi | {BPO} | http://deb.example.org/debian trixie-backports/non-free amd64 Packages
linux-headers-amd64 |  6.12.117-1 | http://deb.example.org/debian-security trixie-security/main amd64 Packages
nvidia-smi | 550.163.01-2 | http://deb.example.org/debian trixie/non-free Sources
N: Unable to locate package nothing
"""


def test_parse_madison() -> None:
    assert parse_madison(MADISON) == [
        ("nvidia-smi", BPO, "http://deb.example.org/debian trixie-backports/non-free amd64 Packages"),
        ("linux-headers-amd64", "6.12.117-1", "http://deb.example.org/debian-security trixie-security/main amd64 Packages"),
    ]


POLICY = """\
Package files:
 100 /var/lib/dpkg/status
     release a=now
 -1 http://deb.example.org/debian trixie-backports/non-free amd64 Packages
     release o=Debian Backports,a=stable-backports,n=trixie-backports,l=Debian Backports,c=non-free,b=amd64
     origin deb.example.org
 500 http://127.0.0.1:41527 x86_64/ Packages
     release o=NVIDIA,a=x86_64/,n=x86_64/,l=NVIDIA, Inc.,c=
     origin 127.0.0.1
Pinned packages:
     libcuda1 -> 550.163.01-2 with priority 995
"""


def test_parse_policy() -> None:
    assert parse_policy(POLICY) == {
        "/var/lib/dpkg/status": {"a": "now"},
        "http://deb.example.org/debian trixie-backports/non-free amd64 Packages": {
            "o": "Debian Backports", "a": "stable-backports", "n": "trixie-backports", "l": "Debian Backports", "c": "non-free",
            "b": "amd64", "site": "deb.example.org",
        },
        "http://127.0.0.1:41527 x86_64/ Packages": {
            "o": "NVIDIA", "a": "x86_64/", "n": "x86_64/", "l": "NVIDIA, Inc.", "c": "", "site": "127.0.0.1",
        },
    }  # fmt: skip


SHOW = """\
Package: nvidia-smi
Source: nvidia-graphics-drivers
Version: 535.261.03-1
Installed-Size: 880
Maintainer: Debian NVIDIA Maintainers <pkg-nvidia-devel@lists.alioth.debian.org>
Architecture: amd64
Depends: nvidia-alternative (= 535.261.03-1), libnvidia-ml1 (= 535.261.03-1), libc6 (>= 2.34)
Pre-Depends: nvidia-installer-cleanup,
 dpkg (>= 1.17) |  other
Description: NVIDIA System Management Interface
 Depends: on nothing
Size: 390144
SHA256: 9b4392fa97957603d96f3cf1141fe78d871f5bcdd2e6bf810bce278cc14cb6d4

Package: libcuda1
Status: install ok installed
Version: 535.261.03-1
Architecture: amd64
Provides: libcuda.so.1 (= 535.261.03), libcuda1-any
Size: many

Package: nothing
Architecture: amd64

"""


def test_parse_records() -> None:
    depends = ("nvidia-installer-cleanup", "dpkg (>= 1.17)|other", "nvidia-alternative (= 535.261.03-1)",
               "libnvidia-ml1 (= 535.261.03-1)", "libc6 (>= 2.34)")
    assert parse_records(SHOW) == [
        Record("nvidia-smi", "535.261.03-1", "amd64", depends, (), 381, 880, False),
        Record("libcuda1", "535.261.03-1", "amd64", (), ("libcuda.so.1 (= 535.261.03)", "libcuda1-any"), None, None, True),
    ]


def test_parse_shell_and_configuration() -> None:
    assert parse_shell("LISTS='/var/lib/apt/lists/'\nFILE='/a b'\n") == {"LISTS": "/var/lib/apt/lists/", "FILE": "/a b"}
    dump = 'Acquire::IndexTargets::deb "";\nAcquire::IndexTargets::deb::Packages "";\nAcquire::IndexTargets::deb::DEP-11 "";\n' \
           'Acquire::IndexTargets::deb::DEP-11::MetaKey "x";\nAcquire::IndexTargets::deb-src::Sources "";\n'
    assert parse_config_names(dump, "Acquire::IndexTargets::deb") == ["Packages", "DEP-11"]


# The lines of Inst with brackets at the end: what is broken until the next line.
SIMULATION = f"""\
Reading package lists...
The following packages will be REMOVED:
  old-driver:i386
The following packages will be upgraded:
  libcuda1 libcuda1:i386
The following packages will be DOWNGRADED:
  libpci3 nvidia-alternative:i386
1 upgraded, 0 newly installed, 1 to remove and 0 not upgraded.
Remv old-driver:i386 [2]
Remv jq [1.6-2.1+deb12u1] [yq:amd64 ]
Purg ca-certificates-java [20230710~deb12u1]
Inst libcuda1:i386 [550.163.01-2] ({BPO} ExampleOS:stable [i386]) [libcuda1:amd64 on libcuda1:i386] [libcuda1:amd64 ]
Inst libcuda1 [550.163.01-2] ({BPO} Debian Backports:stable-backports [amd64]) []
Inst libpci3 [1:3.9.0-5] (1:3.9.0-4 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64])
Inst dkms (3.0.10-8+deb12u1 Debian:12.15/oldstable [all])
Inst local (1.0 [amd64])
Conf dkms (3.0.10-8+deb12u1 Debian:12.15/oldstable [all])
"""


def test_parse_simulation() -> None:
    found = parse_simulation(SIMULATION)
    assert found.done == (
        ("Remv", "old-driver", "i386", "2", None, None),
        ("Remv", "jq", None, "1.6-2.1+deb12u1", None, None),
        ("Remv", "ca-certificates-java", None, "20230710~deb12u1", None, None),
        ("Inst", "libcuda1", "i386", "550.163.01-2", BPO, "ExampleOS:stable"),
        ("Inst", "libcuda1", "amd64", "550.163.01-2", BPO, "Debian Backports:stable-backports"),
        ("Inst", "libpci3", "amd64", "1:3.9.0-5", "1:3.9.0-4", "Debian:12.15/oldstable, Debian-Security:12/oldstable-security"),
        ("Inst", "dkms", "all", None, "3.0.10-8+deb12u1", "Debian:12.15/oldstable"),
        ("Inst", "local", "amd64", None, "1.0", None),
    )
    assert (found.downgraded, found.held) == (frozenset({"libpci3", "nvidia-alternative:i386"}), ())


@pytest.mark.parametrize(
    "line", ["Inst", "Inst a;b (1 X [all])", "Inst nvidia-smi", "Remv nvidia-smi (1 X [all])", "Inst nvidia-smi [1] 2"]
)
def test_parse_simulation_of_nonsense(line: str) -> None:
    with pytest.raises(ValueError, match=r"^a line of apt-get that cannot be read: (?:Inst|Remv)"):
        parse_simulation(f"Reading package lists...\n{line} \n")


@given(st.text())
def test_parsers_take_any_text(text: str) -> None:
    parse_madison(text), parse_policy(text), parse_shell(text), refusal_words(text, text)
    assert all(record.name and record.version for record in parse_records(text))


UNMET = f"""\
Solving dependencies...
Some packages could not be installed. This may mean that you have
requested an impossible situation or if you are using the unstable
The following information may help to resolve the situation:

The following packages have unmet dependencies:
 nvidia-smi : Depends: nvidia-alternative (= {BPO}) but 550.163.01-2 is to be installed
              Depends: libnvidia-ml1 (= {BPO}) but 550.163.01-2 is to be installed
"""
HELD_BROKEN = "E: Unable to correct problems, you have held broken packages.\n"
SOLVER = f"""\
E: The following information from --solver 3.0 may provide additional context:
   Unable to satisfy dependencies. Reached two conflicting decisions:
   1. nvidia-alternative:amd64={BPO} is not selected for install
"""
TOLD = (f"nvidia-smi : Depends: nvidia-alternative (= {BPO}) but 550.163.01-2 is to be installed; Depends: libnvidia-ml1 (= {BPO}) but "
        "550.163.01-2 is to be installed; Unable to correct problems, you have held broken packages.")


@pytest.mark.parametrize(
    ("stdout", "stderr", "words"),
    [
        (UNMET, HELD_BROKEN, TOLD),
        (UNMET, HELD_BROKEN + SOLVER, TOLD),
        ("", "W: no matter\nE: Version '1' for 'coreutils' was not found\n", "Version '1' for 'coreutils' was not found"),
        ("", SOLVER, " ".join(SOLVER[3:].split())),
        ("The following held packages will be changed:\n  libcuda1\nThe following packages will be upgraded:\n  libcuda1\n",
         "E: Held packages were changed and -y was used without --allow-change-held-packages.\n",
         "The following held packages will be changed: libcuda1; Held packages were changed and -y was used without "
         "--allow-change-held-packages."),
    ],
)
def test_refusal_words(stdout: str, stderr: str, words: str) -> None:
    assert refusal_words(stdout, stderr) == words


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("write (28: No space left on device)", "no_space"),
        ("The following signatures were invalid: EXPKEYSIG A1B2 Example", "bad_signature"),
        ("The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 9FECD55DF29058DC",
         "bad_signature"),
        ("Sub-process /usr/bin/sqv returned an error code (1), error message is: Missing key C371921E2F, which is needed to verify "
         "signature.", "bad_signature"),
        ("The repository 'http://a.example wished Release' is not signed.", "bad_signature"),
        ("Release file for http://a.example/dists/a/InRelease is expired (invalid since 1d 23h 0min 0s).", "out_of_date"),
        ("Release file for http://a.example/dists/a/InRelease is not valid yet (invalid for another 8h 3min 51s).", "out_of_date"),
        ("OpenPGP signature verification failed: http://a.example a InRelease: Sub-process /usr/bin/sqv returned an error code (1), error "
         "message is: Signature not live until 2031-01-01T00:00:00Z", "out_of_date"),
        ("The key(s) in the keyring /etc/a.gpg are ignored as the file has an unsupported filetype.", "bad_key"),
        ("File has unexpected size (232 != 960). Mirror sync in progress? [IP: 127.0.0.1 34929]", "hash_mismatch"),
        ("Hash Sum mismatch", "hash_mismatch"),
        ("Could not resolve 'nothing.invalid'", "no_network"),
        ("Temporary failure resolving 'deb.example.org'", "no_network"),
        ("Unable to connect to 127.0.0.2:9:", "no_network"),
        ("503  Service Unavailable [IP: 192.0.2.1 80]", "no_network"),
        ("407  Proxy Authentication Required", "no_network"),
        ("404  File not found [IP: 127.0.0.1 33489]", "refused"),
        ("403  Forbidden", "refused"),
        ("File not found - /srv/a/Release (2: No such file or directory)", "unreadable"),
        ("Could not open file /var/lib/apt/lists/a - open (13: Permission denied)", "unreadable"),
    ],
)
def test_code_of(words: str, code: str) -> None:
    assert code_of(words) == code
