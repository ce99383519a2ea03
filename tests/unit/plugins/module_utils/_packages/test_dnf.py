# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dnf with recorded outputs of dnf 4, and with the real one where it is installed: repositories in a folder, an rpm database of the
test's own, nothing of the machine written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._host import LiveHost, Output
from ansible_collections.gpufleet.node.plugins.module_utils._packages._rpm_text import FIELD, RECORD
from ansible_collections.gpufleet.node.plugins.module_utils._packages.dnf import Dnf
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import (
    Candidate,
    Change,
    Closure,
    Installed,
    PackageError,
    Pin,
    Repository,
    Request,
    Wanted,
)
from rpm_node import BUILDERS, PUBLIC_KEY, Packages, Told, answer, missing, outputs, traces

SAID = outputs("dnf")
OLD, NEW, OLDER = "3:580.65.06-1.el9", "3:580.95.05-1.el9", "3:570.195.03-1.el9"
CUDA = "cuda-rhel9-x86_64"
LIST = "/etc/dnf/plugins/versionlock.list"
FILES = {
    "/etc/dnf/dnf.conf": "[main]\ngpgcheck=1\ncachedir=/nowhere/cache\nexcludepkgs=foo\n",
    "/etc/yum.repos.d/base.repo": "[baseos]\nbaseurl=file:///base\n",
    "/etc/dnf/plugins/versionlock.conf": f"[main]\nenabled = 1\nlocklist = {LIST}\n",
    LIST: "# ours\nkmod-nvidia-*-580.*\n# somebody's\nnvidia-driver-cuda-libs-3:580.65.06-1.*\n",
    "/var/lib/gpufleet/nvidia_driver.json": '{"locks": [{"kind": "dnf_versionlock", "patterns": ["kmod-nvidia-*-580.*"]}]}',
}
MACHINE = "x86_64"
INSTALLED = "".join(
    f"{name}{FIELD}{OLD}{FIELD}{'noarch' if name == 'nvidia-kmod-common' else MACHINE}{RECORD}"
    for name in ("nvidia-driver-cuda", "nvidia-driver-cuda-libs", "nvidia-kmod-common", "nvidia-persistenced", "kmod-nvidia-latest-dkms")
)
SWITCH = Request((Wanted("kmod-nvidia-open-dkms", NEW), Wanted("nvidia-driver-cuda", NEW)), streams=("nvidia-driver:580-open",), erase=True)
USER_SPACE = ("nvidia-driver-cuda", "nvidia-driver-cuda-libs", "nvidia-kmod-common", "nvidia-persistenced")


def moved(action: str, before: str, after: str) -> list[Change]:
    return [Change(action, name, before, after, CUDA, "noarch" if "kmod" in name else MACHINE) for name in USER_SPACE]


def told(case: str, **more: Output) -> Told:
    return Told({"shell": answer(SAID[case]), "rpm": Output(0, INSTALLED, ""), **more}, FILES)


def nvidia(manager: str, fields: Mapping[str, str]) -> str | None:
    return "nvidia" if fields["vendor"] == "NVIDIA" else None


def resolved(case: str, request: Request, folder: Path) -> Closure:
    with Dnf(told(case), str(folder / "private"), origin_of=nvidia) as manager:
        manager.open([])
        return manager.resolve(request)


def test_switch_of_streams(tmp_path: Path) -> None:
    assert resolved("switch", SWITCH, tmp_path) == Closure(
        (
            Change("install", "kmod-nvidia-open-dkms", None, NEW, CUDA, MACHINE),
            *moved("upgrade", OLD, NEW),
            Change("remove", "kmod-nvidia-latest-dkms", OLD, None, None, MACHINE),
        ),
        None,
        28,
    )


def test_what_is_asked(tmp_path: Path) -> None:
    host = told("switch")
    with Dnf(host, str(tmp_path / "p")) as manager:
        manager.open([], proxy="http://user:secret@proxy:3128")
        manager.resolve(SWITCH)
        conf = (tmp_path / "p/dnf.conf").read_text()
        for line in (
            "gpgcheck=1",
            "excludepkgs=foo",
            "best=1",
            "module_stream_switch=1",
            "proxy=http://user:secret@proxy:3128",
            f"cachedir={tmp_path}/p/cache",
            f"reposdir={tmp_path}/p/repos.d",
            f"persistdir={tmp_path}/p/persist",
        ):
            assert f"{line}\n" in conf
        assert "/nowhere/cache" not in conf
        script = (tmp_path / "p/transaction").read_text()
        assert script == f"module enable nvidia-driver:580-open\ninstall kmod-nvidia-open-dkms-{NEW} nvidia-driver-cuda-{NEW}\nrun\n"
    refresh, shell = host.asked[0], host.asked[1]
    assert refresh[-3:] == ["--assumeyes", "--refresh", "makecache"]
    assert shell[-5:] == ["--cacheonly", "--assumeno", "--allowerasing", "shell", f"{tmp_path}/p/transaction"]
    assert not any("secret" in word for argv in host.asked for word in argv)
    assert not (tmp_path / "p").exists()


def test_own_locks_are_left_out_and_others_are_named(tmp_path: Path) -> None:
    host = told("locked")
    with Dnf(host, str(tmp_path / "p")) as manager:
        manager.open([])
        closure = manager.resolve(SWITCH)
        assert (tmp_path / "p/versionlock.list").read_text() == "# ours\n# somebody's\nnvidia-driver-cuda-libs-3:580.65.06-1.*\n"
        assert f"locklist={tmp_path}/p/versionlock.list\n" in (tmp_path / "p/plugins/versionlock.conf").read_text()
    assert (closure.error or "").startswith(f"held packages in the way: nvidia-driver-cuda-libs-3:580.65.06-1.* ({LIST})\n Problem: ")


def test_downgrade_only_where_it_is_allowed(tmp_path: Path) -> None:
    request = Request((Wanted("nvidia-driver-cuda", OLDER),))
    closure = resolved("downgrade", request, tmp_path)
    assert closure.changes[1:] == tuple(moved("downgrade", OLD, OLDER))
    assert (closure.error or "").startswith(f"this would be a downgrade: kmod-nvidia-latest-dkms {OLD} → {OLDER}, nvidia-driver-cuda")
    assert resolved("downgrade", request._replace(downgrade=True), tmp_path).error is None


@pytest.mark.parametrize("case", ["not_found", "broken", "conflict", "no_stream", "switch_not_erasing"])
def test_what_cannot_be_done(case: str, tmp_path: Path) -> None:
    assert re.match(r"(?:Error:| Problem:)", resolved(case, Request((Wanted("a"),)), tmp_path).error or "")


def test_nothing_to_do(tmp_path: Path) -> None:
    assert resolved("nothing", Request((Wanted("vim", "9.0-1"),)), tmp_path) == Closure(())


def test_a_removal_asks_no_repository(tmp_path: Path) -> None:
    host = told("remove", remove=answer(SAID["remove"]), repoquery=Output(0, "nvidia-driver-cuda\n\n", ""))
    with Dnf(host, str(tmp_path / "p")) as manager:
        manager.open((), refresh=False)
        assert manager.installed(["nvidia-driver-cuda", "-x"])[:2] == (
            Installed("nvidia-driver-cuda", OLD, True),
            Installed("nvidia-driver-cuda-libs", OLD, False),
        )
        closure = manager.resolve(Request((), ("nvidia-driver-cuda",)))
    assert closure.changes == (Change("remove", "nvidia-driver-cuda", OLD, None, None, MACHINE),)
    assert closure.error is None
    assert [argv for argv in host.asked if "makecache" in argv] == []
    assert all("--disablerepo=*" in argv for argv in host.asked if argv[0] == "dnf")
    assert host.asked[-2][-4:] == ["--assumeno", "--disablerepo=*", "remove", "nvidia-driver-cuda"]


def test_offer_has_a_candidate_for_each_stream(tmp_path: Path) -> None:
    host = Told({"repoquery": answer(SAID["offer"]), "module": answer(SAID["offer_2"])}, FILES)
    with Dnf(host, str(tmp_path / "p"), origin_of=nvidia) as manager:
        manager.open([])
        offer = manager.offer(["kmod-nvidia-*"])
    assert [(one.version, one.stream) for one in offer.candidates if one.name == "kmod-nvidia-open-dkms"] == [
        (OLDER, "570-open"),
        (OLD, "580-open"),
        (NEW, "580-open"),
        (NEW, "open-dkms"),
    ]
    assert offer.candidates[0] == Candidate(
        "kmod-nvidia-latest-dkms",
        OLDER,
        MACHINE,
        "nvidia",
        CUDA,
        ("dkms", "gcc"),
        (f"kmod-nvidia-latest-dkms = {OLDER}", f"kmod-nvidia-latest-dkms(x86-64) = {OLDER}", "nvidia-kmod = 3:570.195.03"),
        "570-dkms",
    )
    assert offer.problems == ()


def test_pins_leave_other_versions_out(tmp_path: Path) -> None:
    host = told("nothing", repoquery=answer(SAID["offer"]))
    with Dnf(host, str(tmp_path / "p")) as manager:
        manager.open([])
        manager.resolve(Request((Wanted("dkms"),), pins=(Pin(("kmod-nvidia-open-*", "dkms"), "580.*"),)))
    excluded = [word for argv in host.asked for word in argv if word.startswith("--exclude")]
    assert excluded == [f"--exclude=kmod-nvidia-open-dkms-{OLDER}.x86_64"]  # of dkms nothing fits: it stays


def test_repositories_that_were_passed_over_are_problems(tmp_path: Path) -> None:
    words = (
        "Errors during downloading metadata for repository 'epel':\n  - Curl error (7): Could not connect to server\n"
        "Error: Failed to download metadata for repo 'epel': Cannot download repomd.xml\nIgnoring repositories: epel\n"
    )
    with Dnf(Told({"makecache": Output(0, "", words)}, FILES), str(tmp_path / "p")) as manager:
        manager.open([])
        assert manager.offer([]).problems == (
            {"repository": "epel", "code": "no_network", "message": "Curl error (7): Could not connect to server"},
        )


@pytest.mark.parametrize(
    ("output", "code"),
    [
        (
            Output(
                1, "", "Error: Failed to download metadata for repo 'x': repomd.xml GPG signature verification error: Bad GPG signature"
            ),
            "bad_signature",
        ),
        (Output(None, "", "", "timeout"), "no_network"),
        (Output(1, "", "Error: No space left on device"), "no_space"),
    ],
)
def test_a_refresh_that_fails_leaves_nothing(output: Output, code: str, tmp_path: Path) -> None:
    manager = Dnf(Told({"makecache": output}, FILES), str(tmp_path / "p"))
    with pytest.raises(PackageError) as caught:
        manager.open([])
    assert caught.value.code == code
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("proxy", ["ftp://x", "http://a b", "http://x\nbest=0", "-x"])
def test_proxy_is_a_url(proxy: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="proxy: not a URL"):
        Dnf(Told({}, FILES), str(tmp_path / "p")).open([], proxy=proxy)


def test_name_is_that_of_a_dnf(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="neither dnf nor dnf5"):
        Dnf(Told({}), str(tmp_path), name="yum")


def test_dnf5_has_words_of_its_own(tmp_path: Path) -> None:
    host = Told(
        {},
        {
            **FILES,
            "/etc/dnf/libdnf5.conf.d/a.conf": "[main]\nexcludepkgs=bar\nzchunk=0\n",
            "/etc/dnf/versionlock.toml": '[[packages]]\nname = "nvidia-driver"\n',
        },
    )
    with Dnf(host, str(tmp_path / "p"), name="dnf5") as manager:
        manager.open([])
        manager.resolve(Request((Wanted("a", "1-1"),), remove=("b",), erase=True))
        conf = (tmp_path / "p/dnf.conf").read_text()
    for line in ("excludepkgs=foo", "zchunk=0", f"system_cachedir={tmp_path}/p/cache"):
        assert f"{line}\n" in conf
    assert host.asked[-1][-8:] == ["--cacheonly", "--assumeno", "do", "--allowerasing", "--action=remove", "b", "--action=install", "a-1-1"]


OF_DNF5 = {
    "/usr/bin/dnf": "dnf5",
    "/etc/dnf/versionlock.toml": '[[packages]]\nname = "kmod-nvidia-open-dkms"\n',
    "/var/lib/gpufleet/nvidia_driver.json": FILES["/var/lib/gpufleet/nvidia_driver.json"],
}
NO_EXCLUDES = "--setopt=disable_excludes=*"


@pytest.mark.parametrize(
    ("files", "left_out"),
    [
        ({}, True),
        ({"/etc/dnf/versionlock.toml": '[[packages]]\nname = "somebodys"\n'}, False),
        ({"/etc/dnf/dnf.conf": "[main]\nexcludepkgs=foo\n"}, False),
        ({"/var/lib/gpufleet/nvidia_driver.json": "{}"}, False),
        ({"/etc/dnf/versionlock.toml": ""}, False),
    ],
)
def test_own_locks_of_dnf5(files: dict[str, str], left_out: bool, tmp_path: Path) -> None:
    host = Told({}, {**OF_DNF5, **files})
    with Dnf(host, str(tmp_path / "p")) as manager:
        manager.open([])
        manager.resolve(Request((Wanted("a", "1-1"),)))
        assert manager.name == "dnf5"
    assert host.asked[-1][0] == "dnf5"
    assert (NO_EXCLUDES in host.asked[-1]) is left_out


# --- The real dnf ----------------------------------------------------------------------------------------------------------

LACKING = missing("dnf", *BUILDERS)
real = pytest.mark.skipif(bool(LACKING), reason=f"the real dnf needs what is not here (stage unit-rpm has it): {', '.join(LACKING)}")
NODE = ("/etc/dnf", "/etc/yum.repos.d", "/var/lib/dnf", "/var/cache/dnf", "/var/lib/rpm", "/usr/lib/sysimage", "/var/log", "/etc/pki")


@pytest.fixture(scope="module")
def cuda(tmp_path_factory: pytest.TempPathFactory) -> tuple[Packages, str]:
    """NVIDIA's packages of two branches with streams, and the key that signs them."""
    packages = Packages(tmp_path_factory.mktemp("cuda"))
    arch, streams = os.uname().machine, {}
    for version in ("570.195.03", "580.95.05"):
        evr, branch = f"3:{version}-1.el9", version[:3]
        packages.add("nvidia-driver-cuda", evr, "Vendor: NVIDIA", f"Requires: nvidia-kmod = 3:{version}")
        for name, other, stream in (("open", "latest", "open"), ("latest", "open", "dkms")):
            packages.add(f"kmod-nvidia-{name}-dkms", evr, f"Provides: nvidia-kmod = 3:{version}", f"Conflicts: kmod-nvidia-{other}-dkms")
            streams[f"nvidia-driver:{branch}-{stream}"] = [f"nvidia-driver-cuda-{evr}.{arch}", f"kmod-nvidia-{name}-dkms-{evr}.{arch}"]
    packages.finish(streams)
    return packages, packages.sign()


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An rpm database of the test's own: rpm's libraries look for it in ~/.rpmmacros."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.rpmmacros").write_text(f"%_dbpath {tmp_path}/rpmdb\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert LiveHost().run(["rpm", "--initdb"]).ok
    return tmp_path / "rpmdb"


@real
def test_real_streams_are_enabled_privately(cuda: tuple[Packages, str], database: Path, tmp_path: Path) -> None:
    packages, key = cuda
    before, arch = traces(*NODE, str(database)), os.uname().machine
    with Dnf(LiveHost(), str(tmp_path / "p"), origin_of=nvidia) as manager:
        manager.open([packages.wished("/etc/yum.repos.d", key)])
        offer = manager.offer(["kmod-nvidia-*"])
        assert {(one.name, one.version, one.stream) for one in offer.candidates} == {
            (f"kmod-nvidia-{name}-dkms", f"3:{version}-1.el9", f"{version[:3]}-{stream}")
            for version in ("570.195.03", "580.95.05")
            for name, stream in (("open", "open"), ("latest", "dkms"))
        }
        for stream, kmod in (("580-open", "open"), ("580-dkms", "latest")):
            closure = manager.resolve(Request((Wanted("nvidia-driver-cuda", NEW),), streams=(f"nvidia-driver:{stream}",)))
            assert set(closure.changes) == {
                Change("install", name, None, NEW, "wished", arch) for name in ("nvidia-driver-cuda", f"kmod-nvidia-{kmod}-dkms")
            }
            assert closure.error is None
        missing_stream = manager.resolve(Request((Wanted("nvidia-driver-cuda"),), streams=("nvidia-driver:999-open",)))
        assert "nvidia-driver:999-open" in (missing_stream.error or "")
    assert traces(*NODE, str(database)) == before
    assert not (tmp_path / "p").exists()


@real
def test_real_removal(cuda: tuple[Packages, str], database: Path, tmp_path: Path) -> None:
    """Without a repository: what needs a package goes with it."""
    names, arch = ("kmod-nvidia-open-dkms", "nvidia-driver-cuda"), os.uname().machine
    rpms = [f"{cuda[0].folder}/{arch}/{name}-580.95.05-1.el9.{arch}.rpm" for name in names]
    assert LiveHost().run(["rpm", "-i", "--justdb", *rpms]).ok
    before = traces(*NODE, str(database))
    with Dnf(LiveHost(), str(tmp_path / "p")) as manager:
        manager.open((), refresh=False)
        assert sorted(manager.installed([*names, "never-there"])) == [Installed(name, NEW, True) for name in names]
        assert manager.needs(names) == {"nvidia-driver-cuda": {"kmod-nvidia-open-dkms"}, "kmod-nvidia-open-dkms": set()}
        closure = manager.resolve(Request((), ("kmod-nvidia-open-dkms",)))
        alone = manager.resolve(Request((), ("nvidia-driver-cuda",)))
    assert (closure.error, alone.error) == (None, None)
    assert set(closure.changes) == {Change("remove", name, NEW, None, None, arch) for name in names}
    assert alone.changes == (Change("remove", "nvidia-driver-cuda", NEW, None, None, arch),)
    assert traces(*NODE, str(database)) == before


@real
def test_real_conflict_is_erased_only_if_asked(cuda: tuple[Packages, str], database: Path, tmp_path: Path) -> None:
    packages, key = cuda
    arch = os.uname().machine
    rpms = [f"{packages.folder}/{arch}/{name}-570.195.03-1.el9.{arch}.rpm" for name in ("nvidia-driver-cuda", "kmod-nvidia-latest-dkms")]
    assert LiveHost().run(["rpm", "-i", "--justdb", *rpms]).ok
    with Dnf(LiveHost(), str(tmp_path / "p")) as manager:
        manager.open([packages.wished("/etc/yum.repos.d", key)])
        request = Request((Wanted("nvidia-driver-cuda", NEW), Wanted("kmod-nvidia-open-dkms", NEW)), streams=("nvidia-driver:580-open",))
        assert "conflicts with" in (manager.resolve(request).error or "")
        closure = manager.resolve(request._replace(erase=True))
    assert closure.error is None
    assert set(closure.changes) == {
        Change("upgrade", "nvidia-driver-cuda", OLDER, NEW, "wished", arch),
        Change("install", "kmod-nvidia-open-dkms", None, NEW, "wished", arch),
        Change("remove", "kmod-nvidia-latest-dkms", OLDER, None, None, arch),
    }


@real
@pytest.mark.parametrize(
    ("fault", "code"),
    [("key", "bad_signature"), ("index", "bad_signature"), ("packages", "hash_mismatch"), ("network", "no_network"), ("none", None)],
)
def test_real_faults(fault: str, code: str | None, database: Path, tmp_path: Path) -> None:
    packages = Packages(tmp_path / "lying")
    packages.add("gcc", "12-1")
    packages.finish()
    key = packages.sign()
    index = packages.folder / "repodata/repomd.xml"
    if fault == "index":
        index.write_text(index.read_text().replace("<revision>", "<revision>9"))
    if fault == "packages":
        primary = next(path for path in (packages.folder / "repodata").iterdir() if "primary" in path.name)
        primary.write_bytes(primary.read_bytes()[:-1] + b"x")
    wished: Repository = packages.wished(
        "/etc/yum.repos.d", PUBLIC_KEY if fault == "key" else key, "http://127.0.0.1:9/" if fault == "network" else ""
    )
    with Dnf(LiveHost(), str(tmp_path / "p")) as manager:
        if code is None:
            manager.open([wished])
            assert [one.name for one in manager.offer(["gcc"]).candidates] == ["gcc"]
            return
        with pytest.raises(PackageError) as caught:
            manager.open([wished])
    assert caught.value.code == code
