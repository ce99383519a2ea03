# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zypper with recorded outputs, and with the real one where it is installed: repositories in a folder, nothing of the machine written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._host import LiveHost, Output
from ansible_collections.gpufleet.node.plugins.module_utils._packages._rpm_text import FIELD, RECORD
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import (
    Candidate,
    Change,
    Closure,
    Installed,
    PackageError,
    Request,
    Wanted,
)
from ansible_collections.gpufleet.node.plugins.module_utils._packages.zypper import Zypper
from rpm_node import BUILDERS, PUBLIC_KEY, Packages, Told, answer, missing, outputs, traces

SAID = outputs("zypper")
OLD, NEW, OLDER = "3:580.65.06-1.el9", "3:580.95.05-1.el9", "3:570.195.03-1.el9"
ENABLED = Output(0, '<repo-list>\n<repo alias="cuda" name="cuda" enabled="1"/>\n</repo-list>', "")
LOCK = "type: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: "
FILES = {
    "/etc/zypp/zypp.conf": "## a comment\n[main]\nmultiversion = provides:multiversion(kernel)\nlocksfile.path = /elsewhere\n",
    "/etc/zypp/repos.d/cuda.repo": "[cuda]\nbaseurl=https://example.com/compute/cuda/repos/sles15/x86_64\n",
    "/etc/zypp/locks": f"\n{LOCK}kmod-nvidia-*\n\n{LOCK}nvidia-driver-cuda-l*\n\n",
    "/var/lib/gpufleet/nvidia_driver.json": '{"locks": [{"kind": "zypper_lock", "patterns": ["kmod-nvidia-*"]}]}',
}
SWITCH = Request((Wanted("kmod-nvidia-open-dkms", NEW), Wanted("nvidia-driver-cuda", NEW)), erase=True)


def nvidia(manager: str, fields: Mapping[str, str]) -> str | None:
    return "nvidia" if fields["vendor"] == "NVIDIA" and "/cuda/" in fields["url"] else None


def told(**answers: Output) -> Told:
    return Told({"repos": ENABLED, **answers}, FILES)


def resolved(case: str, request: Request, folder: Path) -> Closure:
    with Zypper(told(install=answer(SAID[case])), str(folder / "private")) as manager:
        manager.open([])
        return manager.resolve(request)


def test_switch(tmp_path: Path) -> None:
    closure = resolved("switch", SWITCH, tmp_path)
    assert closure.error is None
    assert closure.download_kib == 28
    assert [(one.action, one.name) for one in closure.changes] == [
        *(("upgrade", f"nvidia-{name}") for name in ("driver-cuda", "driver-cuda-libs", "kmod-common", "persistenced")),
        ("install", "kmod-nvidia-open-dkms"),
        ("remove", "kmod-nvidia-latest-dkms"),
    ]


def test_what_is_asked(tmp_path: Path) -> None:
    host = told(install=answer(SAID["swap"]))
    private = tmp_path / "p"
    with Zypper(host, str(private)) as manager:
        manager.open([], proxy="http://proxy:3128")
        manager.resolve(Request((Wanted("nano", "1-1"),), remove=("vim",), erase=True, downgrade=True))
        conf = (private / "zypp.conf").read_text()
    assert "multiversion=provides:multiversion(kernel)\n" in conf
    assert f"locksfile.path={private}/locks\n" in conf
    assert f"history.logfile={private}/history\n" in conf
    assert "/elsewhere" not in conf
    argv = host.asked[-1]
    assert argv[:5] == [
        "env",
        f"ZYPP_CONF={private}/zypp.conf",
        f"ZYPP_LOCKFILE_ROOT={private}/lock",
        f"ZYPP_LOGFILE={private}/zypper.log",
        "http_proxy=http://proxy:3128",
    ]
    assert argv[argv.index("--no-refresh") :] == [
        "--no-refresh",
        "install",
        "--dry-run",
        "--no-recommends",
        "--details",
        "--force-resolution",
        "--oldpackage",
        "--",
        "nano=1-1",
        "!vim",
    ]
    assert ["refresh", "--", "cuda"] in [argv[-3:] for argv in host.asked]
    assert not private.exists()


def test_own_locks_are_left_out_and_others_are_named(tmp_path: Path) -> None:
    with Zypper(told(install=answer(SAID["locked"])), str(tmp_path / "p")) as manager:
        manager.open([])
        error = manager.resolve(SWITCH).error or ""
        assert (tmp_path / "p/locks").read_text() == f"\n{LOCK}nvidia-driver-cuda-l*\n\n"
    assert error.startswith("held packages in the way: nvidia-driver-cuda-l* (/etc/zypp/locks)\nProblem: 1: ")


@pytest.mark.parametrize(
    ("case", "start"),
    [
        ("switch_not_erasing", "Problem: 1: the installed"),
        ("not_found", "No provider of"),
        ("broken", "Problem: 1: nothing provides"),
        ("conflict", "Problem: 1:"),
        ("older", "The selected package"),
        ("downgrade", f"this would be a downgrade: kmod-nvidia-latest-dkms {OLD} → "),
    ],
)
def test_what_cannot_be_done(case: str, start: str, tmp_path: Path) -> None:
    assert (resolved(case, Request((Wanted("a"),)), tmp_path).error or "").startswith(start)


def test_nothing_to_do(tmp_path: Path) -> None:
    assert resolved("nothing", Request((Wanted("vim", "9.0-1"),)), tmp_path) == Closure((), None, 0, 0)


REMOVAL = """<?xml version='1.0'?>
<stream>
<message type="info">Reading installed packages...</message>
<message type="info">Resolving package dependencies...</message>
<install-summary download-size="0" space-usage-diff="0" space-usage-installed="0" space-usage-removed="0" packages-to-change="2">
<to-remove>
<solvable type="package" name="build-essentialx" edition="1-1.el9" arch="noarch" repository="@System" summary="a">
<description>a</description></solvable>
<solvable type="package" name="gccx" edition="11-1.el9" arch="noarch" repository="@System" summary="a">
<description>a</description></solvable>
</to-remove>
</install-summary>
<prompt id="0">
<text>Backend:  classic_rpmtrans --dry-run
Continue?</text>
</prompt>
</stream>
"""
MARKS = "# AutoInstalled generated Mon Nov 23 17:44:08 2026\n#\ngccx\nproduct:NAME=sles\n#\n"


@pytest.mark.parametrize(("marks", "manual"), [(MARKS, [False, True]), (None, [None, None])])
def test_a_removal_asks_no_repository(marks: str | None, manual: list[bool | None], tmp_path: Path) -> None:
    there = "".join(f"{name}{FIELD}0:{version}{FIELD}noarch{RECORD}" for name, version in (("gccx", "11-1.el9"), ("dkmsx", "3.0-1.el9")))
    files = {"/etc/zypp/repos.d/r.repo": "[r]\nbaseurl=file:///r\n", **({"/var/lib/zypp/AutoInstalled": marks} if marks else {})}
    host = Told({"rpm": Output(0, there, ""), "remove": Output(0, REMOVAL, "")}, files)
    with Zypper(host, str(tmp_path / "p")) as manager:
        manager.open((), refresh=False)
        assert manager.installed(["gccx", "dkmsx"]) == (
            Installed("gccx", "11-1.el9", manual[0]),
            Installed("dkmsx", "3.0-1.el9", manual[1]),
        )
        closure = manager.resolve(Request((), ("gccx",)))
    assert [(one.action, one.name, one.before) for one in closure.changes] == [
        ("remove", "build-essentialx", "1-1.el9"),
        ("remove", "gccx", "11-1.el9"),
    ]
    assert [argv for argv in host.asked if "refresh" in argv] == []
    assert host.asked[-1][-6:] == ["--disable-repositories", "remove", "--dry-run", "--details", "--", "gccx"]


def test_offer(tmp_path: Path) -> None:
    with Zypper(told(search=answer(SAID["offer"]), info=answer(SAID["offer_2"])), str(tmp_path / "p"), origin_of=nvidia) as manager:
        manager.open([])
        offer = manager.offer(["kmod-nvidia-*"])
    assert offer.candidates[0] == Candidate(
        "kmod-nvidia-latest-dkms",
        NEW,
        "x86_64",
        "nvidia",
        "cuda",
        ("dkms", "gcc"),
        ("nvidia-kmod = 3:580.95.05", f"kmod-nvidia-latest-dkms = {NEW}", f"kmod-nvidia-latest-dkms(x86-64) = {NEW}"),
    )
    assert {one.name for one in offer.candidates} == {"kmod-nvidia-latest-dkms", "kmod-nvidia-open-dkms"}


def test_a_repository_of_the_node_that_fails_is_a_problem(tmp_path: Path) -> None:
    words = (
        '<message type="error">Repository &apos;net&apos; is invalid.\n'
        "[net|http://127.0.0.1:9/] Failed to retrieve new repository metadata.\n"
        "History:\n - Download (curl) error for &apos;http://127.0.0.1:9/content&apos;:\n   Error code: Connection failed\n</message>\n"
    )
    with Zypper(told(refresh=Output(4, words, "")), str(tmp_path / "p")) as manager:
        manager.open([])
        problems = manager.offer([]).problems
    assert [(one["repository"], one["code"]) for one in problems] == [("net", "no_network")]


@pytest.mark.parametrize(
    ("output", "code"),
    [
        (Output(7, "", "System management is locked by the application with pid 12 (zypper)."), "locked"),
        (Output(1, '<message type="error">No space left on device</message>', ""), "no_space"),
    ],
)
def test_a_refresh_that_fails_leaves_nothing(output: Output, code: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError) as caught:
        Zypper(told(refresh=output), str(tmp_path / "p")).open([])
    assert caught.value.code == code
    assert not (tmp_path / "p").exists()


# --- The real zypper -------------------------------------------------------------------------------------------------------

LACKING = missing("zypper", *BUILDERS)
real = pytest.mark.skipif(bool(LACKING), reason=f"the real zypper needs what is not here (stage unit-rpm has it): {', '.join(LACKING)}")
NODE = ("/etc/zypp", "/var/lib/zypp", "/var/cache/zypp", "/var/lib/rpm", "/usr/lib/sysimage", "/var/log", "/etc/pki")
REPOS = "/etc/zypp/repos.d"


@pytest.fixture(scope="module")
def cuda(tmp_path_factory: pytest.TempPathFactory) -> tuple[Packages, str]:
    """Packages of two branches, and the key that signs them."""
    packages = Packages(tmp_path_factory.mktemp("cuda"))
    for version in ("570.195.03", "580.95.05"):
        packages.add("nvidia-driver-cuda", f"3:{version}-1.el9", "Vendor: NVIDIA", f"Requires: nvidia-kmod = 3:{version}")
        for name, other in (("open", "latest"), ("latest", "open")):
            packages.add(
                f"kmod-nvidia-{name}-dkms",
                f"3:{version}-1.el9",
                f"Provides: nvidia-kmod = 3:{version}",
                f"Conflicts: kmod-nvidia-{other}-dkms",
            )
    packages.finish()
    return packages, packages.sign()


def keys_of_rpm() -> str:
    return LiveHost().run(["rpm", "-q", "gpg-pubkey"]).stdout


@real
def test_real_closure(cuda: tuple[Packages, str], tmp_path: Path) -> None:
    packages, key = cuda
    before, keys, arch = traces(*NODE), keys_of_rpm(), os.uname().machine
    with Zypper(LiveHost(), str(tmp_path / "p")) as manager:
        manager.open([packages.wished(REPOS, key)])
        offer = manager.offer(["nvidia-driver-*"])
        assert {(one.name, one.version, one.depends) for one in offer.candidates if one.repository == "wished"} == {
            ("nvidia-driver-cuda", OLDER, ("nvidia-kmod = 3:570.195.03",)),
            ("nvidia-driver-cuda", NEW, ("nvidia-kmod = 3:580.95.05",)),
        }
        user_space, open_, latest = (
            Wanted(name, NEW) for name in ("nvidia-driver-cuda", "kmod-nvidia-open-dkms", "kmod-nvidia-latest-dkms")
        )
        closure = manager.resolve(Request((user_space, open_)))
        assert closure.error is None
        assert set(closure.changes) == {Change("install", one.name, None, NEW, "wished", arch) for one in (user_space, open_)}
        assert "conflicts with" in (manager.resolve(Request((open_, latest))).error or "")
    assert traces(*NODE) == before
    assert keys_of_rpm() == keys


@real
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("key", "bad_key"),
        ("index", "bad_signature"),
        ("unsigned", "bad_signature"),
        ("packages", "hash_mismatch"),
        ("network", "no_network"),
    ],
)
def test_real_faults(fault: str, code: str, tmp_path: Path) -> None:
    keys, packages = keys_of_rpm(), Packages(tmp_path / "lying")
    packages.add("gcc", "12-1")
    packages.finish()
    key = packages.sign()
    index = packages.folder / "repodata/repomd.xml"
    if fault == "index":
        index.write_text(index.read_text().replace("<revision>", "<revision>9"))
    if fault == "unsigned":
        (packages.folder / "repodata/repomd.xml.asc").unlink()
    if fault == "packages":
        primary = next(path for path in (packages.folder / "repodata").iterdir() if "primary" in path.name)
        primary.write_bytes(primary.read_bytes()[:-1] + b"x")
    wished = packages.wished(REPOS, PUBLIC_KEY if fault == "key" else key, "http://127.0.0.1:9/" if fault == "network" else "")
    with Zypper(LiveHost(), str(tmp_path / "p")) as manager, pytest.raises(PackageError) as caught:
        manager.open([wished])
    assert caught.value.code == code
    assert keys_of_rpm() == keys
