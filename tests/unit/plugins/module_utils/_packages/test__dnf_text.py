# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages._dnf_text import (
    Item,
    Row,
    Transaction,
    locks_in_the_way,
    parse_module_provides,
    parse_repoquery,
    parse_transaction,
    trouble,
)
from ansible_collections.gpufleet.node.plugins.module_utils._packages._rpm_text import FIELD, RECORD
from rpm_node import outputs

SAID = outputs("dnf")
OLD, NEW = "3:580.65.06-1.el9", "3:580.95.05-1.el9"
CUDA = "cuda-rhel9-x86_64"
LONG = "nvidia-fabric-manager-with-a-very-long-name-that-makes-rows-wrap-in-the-table"
SWITCHED = {"nvidia-driver": "580-dkms -> 580-open"}
ALL_OF_580 = ("nvidia-driver-cuda", "nvidia-driver-cuda-libs", "nvidia-kmod-common", "nvidia-persistenced")
NOTHING = Transaction((), {}, (), None, None)


def item(action: str, name: str, evr: str, repository: str = CUDA, arch: str = "x86_64") -> Item:
    return Item(action, name, arch, evr, repository)


def upgrades(action: str, evr: str) -> tuple[Item, ...]:
    return tuple(item(action, name, evr, arch="noarch" if name == "nvidia-kmod-common" else "x86_64") for name in ALL_OF_580)


@pytest.mark.parametrize(
    ("case", "transaction"),
    [
        (
            "switch",
            Transaction(
                (
                    item("install", "kmod-nvidia-open-dkms", NEW),
                    *upgrades("upgrade", NEW),
                    item("remove", "kmod-nvidia-latest-dkms", OLD, "@System"),
                ),
                SWITCHED,
                (),
                28,
                None,
            ),
        ),
        (
            "downgrade",
            Transaction(
                (item("downgrade", "kmod-nvidia-latest-dkms", "3:570.195.03-1.el9"), *upgrades("downgrade", "3:570.195.03-1.el9")),
                {"nvidia-driver": "580-dkms -> 570-dkms"},
                (),
                28,
                None,
            ),
        ),
        (
            "long_name",
            Transaction(
                (item("install", LONG, "580.95.05-1.with.a.long.release.el9"), item("install", "nvidia-imex", "580.95.05-1")), {}, (), 11, 0
            ),
        ),
        (
            "erasing",
            Transaction(
                (
                    item("install", "nano", "1-1", "baseos"),
                    item("remove", "editor-pack", "1-1", "@System"),
                    item("remove", "vim", "9.0-1", "@System", "noarch"),
                ),
                {},
                (),
                6,
                None,
            ),
        ),
        (
            "obsoletes",
            Transaction((Item("install", "newvim", "x86_64", "10-1", "baseos", (("vim", "9.0-1"),)),), {}, (), 6, None),
        ),
        ("stream_alone", Transaction((), SWITCHED, (), None, None)),
        ("remove", Transaction((item("remove", "nvidia-driver-cuda", OLD, "@System"),), {}, (), None, None)),
        ("nothing", NOTHING),
        ("broken", NOTHING),
        ("conflict", NOTHING),
    ],
)
def test_transaction(case: str, transaction: Transaction) -> None:
    assert parse_transaction(SAID[case]["stdout"]) == transaction


HEAD = " Package                Architecture  Version          Repository        Size\n"

# The forms that we have from dnf's own sources: rows that dnf 4.7 breaks, and the table of dnf 5.
OTHER_FORMS = {
    "broken rows": (
        f"{HEAD}Installing:\n {LONG}\n                        x86_64        580.95.05-1      cuda-rhel9-x86_64\n"
        "                                                                 1.5 M\n"
        " nvidia-imex            x86_64        580.95.05-1      cuda-rhel9-x86_64 999  \n\nTransaction Summary\n",
        (item("install", LONG, "580.95.05-1"), item("install", "nvidia-imex", "580.95.05-1")),
    ),
    "dnf 5": (
        "Package                 Arch   Version           Repository             Size\nUpgrading:\n"
        " nvidia-driver-cuda     x86_64 3:580.95.05-1.el9 cuda-fedora44     1.5 MiB\n"
        "   replacing nvidia-driver-cuda x86_64 3:580.65.06-1.el9 cuda-fedora44 1.4 MiB\n"
        "Installing dependencies:\n nvidia-imex            x86_64 0:580.95.05-1     cuda-fedora44     0.0   B\n\n"
        "Transaction Summary:\n Installing:         1 package\n Upgrading:          1 package\n",
        (
            Item("upgrade", "nvidia-driver-cuda", "x86_64", NEW, "cuda-fedora44", (("nvidia-driver-cuda", OLD),)),
            item("install", "nvidia-imex", "580.95.05-1", "cuda-fedora44"),
        ),
    ),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_transaction_of_other_releases(form: str) -> None:
    text, items = OTHER_FORMS[form]
    assert parse_transaction(text).items == items


def test_skipped_packages_are_named() -> None:
    text = (
        f"{HEAD}Skipping packages with conflicts:\n(add '--best --allowerasing' to command line to force their upgrade):\n"
        " kmod-nvidia-open-dkms   x86_64   3:580.95.05-1.el9   cuda   5.7 k\nTransaction Summary\n"
    )
    assert parse_transaction(text) == Transaction((), {}, ("kmod-nvidia-open-dkms",), None, None)


def test_sizes_of_dnf5() -> None:
    text = "Total size of inbound packages is 2 MiB. Need to download 2 MiB.\nAfter this operation, 7 KiB extra will be used (install…)\n"
    assert parse_transaction(text) == Transaction((), {}, (), 2048, 7)


@pytest.mark.parametrize(
    "row",
    [
        "nvidia;rm x86_64 1-1 cuda 1 k",
        "nvidia x86_64 1 cuda 1 k",
        "nvidia x86_64",
        "nvïdia x86_64 1-1 cuda 1 k",
        "a x86_64 1-1 c\x1b[31m 1 k",
    ],
)
def test_transaction_refuses_rows(row: str) -> None:
    with pytest.raises(ValueError, match="not a row of a transaction"):
        parse_transaction(f"{HEAD}Installing:\n {row}\n")


WAY = {
    "not_found": "Error: Unable to find a match: nvidia-nope\nNo match for argument: nvidia-nope",
    "no_stream": "Error: Problems in request:\nmissing groups or modules: nvidia-driver:999",
    "broken": " Problem: conflicting requests\n"
    "  - nothing provides libnowhere.so.9()(64bit) needed by nvidia-broken-1.0-1.x86_64 from cuda-rhel9-x86_64",
    "locked_itself": f"Error: Unable to find a match: nvidia-driver-cuda-libs-{NEW}\n"
    f"All matches were filtered out by exclude filtering for argument: nvidia-driver-cuda-libs-{NEW}",
}


@pytest.mark.parametrize("case", [*WAY, "switch", "nothing", "long_name", "remove", "stream_alone"])
def test_trouble(case: str) -> None:
    assert trouble(SAID[case]["stdout"], SAID[case].get("stderr", "")) == WAY.get(case)


@pytest.mark.parametrize("case", ["locked", "locked_itself"])
def test_locks_in_the_way(case: str) -> None:
    text = trouble(SAID[case]["stdout"], SAID[case]["stderr"]) or ""
    locks = [
        "nvidia-driver-cuda-libs-3:580.65.06-1.*",
        "nvidia-driver-*-580.*",
        "nvidia-driver-580.*",
        "!nvidia-driver-cuda-libs-0:1-1",
        "gcc",
    ]
    assert locks_in_the_way(text, locks) == locks[:2]


def test_lock_of_dnf5_in_the_way() -> None:
    text = "Cannot perform install because 'nvidia-driver-cuda-3:590.44-1' matches only packages excluded by versionlock."
    assert locks_in_the_way(text, ["nvidia-driver-cuda evr = 3:580.95.05-1", "gcc"]) == ["nvidia-driver-cuda evr = 3:580.95.05-1"]


def test_repoquery() -> None:
    rows, problems = parse_repoquery(SAID["offer"]["stdout"])
    assert not problems
    assert rows[0] == Row("dkms", "3.2.1-1.el9", "noarch", "baseos", "Fedora Project", ("gcc", "kernel-devel"), ("dkms = 3.2.1-1.el9",))
    assert [(row.name, row.evr) for row in rows[1:]] == [
        (name, f"3:{version}-1.el9")
        for name in ("kmod-nvidia-latest-dkms", "kmod-nvidia-open-dkms")
        for version in ("570.195.03", "580.65.06", "580.95.05")
    ]


def record(name: str, version: str) -> str:
    return (
        FIELD.join((name, "0", version, "1", "x86_64", "cuda", "NVIDIA", "/bin/sh\nrpmlib(x) <= 1\nlibc.so.6()(64bit)\ngcc", "")) + RECORD
    )


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("nvidia;reboot", "1"),
        ("-rf", "1"),
        ("nvidia", "5٨0"),
        ("nvidia", "580 --nogpgcheck"),
        ("../nvidia", "1"),
        ("nvidia", ""),
        ("nvidia\nx", "1"),
    ],
)
def test_hostile_metadata_is_a_problem(name: str, version: str) -> None:
    rows, problems = parse_repoquery(record("gcc", "12") + record(name, version))
    assert rows == [Row("gcc", "12-1", "x86_64", "cuda", "NVIDIA", ("gcc",), ())]
    assert [(one["repository"], one["code"]) for one in problems] == [("cuda", "refused")]
    assert problems[0]["message"].isascii()
    assert "\n" not in problems[0]["message"]


def test_repoquery_refuses_another_form() -> None:
    with pytest.raises(ValueError, match="not a record of repoquery"):
        parse_repoquery("nvidia-driver-580")


def test_module_provides() -> None:
    found = parse_module_provides(SAID["offer_2"]["stdout"])
    assert found[f"kmod-nvidia-open-dkms-{NEW}.x86_64"] == ["580-open", "open-dkms"]
    assert found[f"kmod-nvidia-latest-dkms-{OLD}.x86_64"] == ["580-dkms"]
    assert parse_module_provides("") == {}


def test_module_provides_leaves_epoch_zero_out() -> None:
    assert parse_module_provides("a-0:1-2.x86_64\nModule   : m:s:1:c:x86_64\n") == {"a-1-2.x86_64": ["s"]}
