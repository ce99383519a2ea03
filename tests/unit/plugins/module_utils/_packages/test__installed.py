# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages are there and what they need, from what dpkg-query 1.22 and rpm 4.20 printed for packages of our own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._host import Host, HostError, Output
from ansible_collections.gpufleet.node.plugins.module_utils._packages._installed import (
    DpkgRow,
    dpkg_needs,
    dpkg_rows,
    parse_dpkg_rows,
    rpm_needs,
    rpm_versions,
)
from ansible_collections.gpufleet.node.plugins.module_utils._packages._rpm_text import FIELD, RECORD
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import PackageError

LINE = "gcc\tamd64\t4:14.2.0-1\tii \tlibc6 (>= 2.38), cpp (= 4:14.2.0-1) | cpp-any, gcc-14:any\tc-compiler, gcc-x86-64 (= 4:14.2.0-1)"


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        (LINE, [DpkgRow("gcc", "4:14.2.0-1", frozenset({"libc6", "cpp", "cpp-any", "gcc-14"}), frozenset({"c-compiler", "gcc-x86-64"}))]),
        ("libcuda1\ti386\t550-1\thi \t, libc6\t", [DpkgRow("libcuda1:i386", "550-1", frozenset({"libc6"}), frozenset())]),
        ("dkms\tall\t3\tiF \t, \t", [DpkgRow("dkms", "3", frozenset(), frozenset())]),
        ("dkms\tall\t3\trc \t, \t", []),
        ("dkms\tall\t\tun \t, \t", []),
    ],
)
def test_rows_of_dpkg(line: str, rows: list[DpkgRow]) -> None:
    assert parse_dpkg_rows(f"{line}\n") == rows


@pytest.mark.parametrize("line", ["nonsense", "-o\tall\t3\tii \t, \t", "a\tb\tc\td\te\tf\tg"])
def test_a_row_that_cannot_be_read(line: str) -> None:
    with pytest.raises(PackageError, match="a line that cannot be read"):
        parse_dpkg_rows(f"{line}\n")


def test_needs_are_those_among_them() -> None:
    rows = parse_dpkg_rows(f"{LINE}\ncpp\tamd64\t4\tii \t, gcc\t\nbuild-essential\tamd64\t12\tii \t, c-compiler (>= 1) | tcc\t\n")
    assert dpkg_needs(rows) == {"gcc": {"cpp"}, "cpp": {"gcc"}, "build-essential": {"gcc"}}


class Rpm(Host):
    """The answers of rpm, by the last words of what it is asked."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def run(self, argv: Sequence[str], timeout: float = 10.0, user: str | None = None) -> Output:
        if argv[0] != "rpm":
            raise HostError("not_found", f"{argv[0]}: not there")
        words = " ".join(word for word in argv[2:] if word not in ("--", "--qf") and FIELD not in word)
        return Output(0 if words in self.answers else 1, self.answers.get(words, ""), "")


def packages(*names: str) -> str:
    return "".join(f"{name}{FIELD}0:{version}{FIELD}{arch}{RECORD}" for name, version, arch in (one.split() for one in names))


ANSWERS = {
    "dkms": packages("dkms 3-1 noarch"),
    "gcc": packages("gcc 11-1 x86_64"),
    "make": packages("make 4-1 x86_64"),
    "kernel-devel": packages("kernel-devel 5.14-1 x86_64", "kernel-devel 5.15-1 x86_64", "kernel-devel 5.14-1 i686"),
    "kernel-devel-5.15-1": packages("kernel-devel 5.15-1 x86_64"),
    "--requires dkms": "/usr/bin/make\ngcc\n(kernel-devel if kernel-core)\nrpmlib(CompressedFileNames) <= 3.0.4-1\n",
    "--whatprovides /usr/bin/make gcc kernel-core kernel-devel":
        packages("make 4-1 x86_64", "gcc 11-1 x86_64", "kernel-devel 5.15-1 x86_64") + "no package provides kernel-core\n",
    "--requires gcc": "libc.so.6(GLIBC_2.34)(64bit)\nmake >= 4\n",
    "--whatprovides libc.so.6(GLIBC_2.34)(64bit) make": packages("glibc 2.34-1 x86_64", "make 4-1 x86_64"),
}  # fmt: skip


def test_needs_of_rpm() -> None:
    found = rpm_needs(Rpm(ANSWERS), ["dkms", "gcc", "make", "kernel-devel-5.15-1", "never-there", "--eval"])
    assert found == {"dkms": {"make", "gcc", "kernel-devel-5.15-1"}, "gcc": {"make"}, "make": set(), "kernel-devel-5.15-1": set(),
                     "never-there": set()}  # fmt: skip


def test_versions_of_rpm() -> None:
    assert rpm_versions(Rpm(ANSWERS), ["kernel-devel"]) == [("kernel-devel", "5.14-1"), ("kernel-devel", "5.15-1")]


def test_without_dpkg() -> None:
    assert dpkg_rows(Rpm({}), ["-x", "A"]) == []
    with pytest.raises(PackageError, match="dpkg-query: dpkg-query: not there"):
        dpkg_rows(Rpm({}), ["dkms"])
