# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real apt-get against archives in a folder, served by HTTP on this machine; as an ordinary user too."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages.apt import Apt
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
from apt_node import MISSING, Archive, Key, Node, Server, keys, package

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {', '.join(MISSING)}")

OS_RELEASE = 'ID=exampleos\nVERSION_CODENAME=stable\n'
OLD, NEW = "550.163.01-2", "550.163.01-4~bpo13+1"
KEY_PATH = "/usr/share/keyrings/wished.asc"
WISHED_PATH = "/etc/apt/sources.list.d/wished.sources"
NOBODY = "http://127.0.0.2:9"  # of an address that fails once apt asks nothing more, whatever the port


class World:
    """A node with an archive of its distribution, suite stable, and one that may be wished."""

    def __init__(self, node: Node, archive: Archive, server: Server, pair: tuple[Key, Key], private: Path) -> None:
        self.node, self.archive, self.server, self.keys, self.private = node, archive, server, pair, private
        self.key_file = node.folder / "keys/archive.asc"
        self.key_file.write_text(pair[0].public)

    def distribution(self, *packages: str, suite: str = "stable") -> None:
        self.archive.publish(suite, *packages, origin="ExampleOS")
        self.node.etc(f"sources.list.d/{suite}.sources", self.archive.sources(suite, self.key_file))

    def wished(self, suite: str = "wished", key: str | None = None, **changes: str) -> Repository:
        content = self.archive.sources(suite, KEY_PATH)
        repository = Repository("wished", WISHED_PATH, content, KEY_PATH, self.keys[0].public if key is None else key)
        return repository._replace(**changes)

    def apt(self) -> Apt:
        return Apt(self.node, str(self.private), refresh_timeout=60, origins=origins)

    def snapshot(self) -> dict[str, tuple[int, int, bytes]]:
        files = [path for path in self.node.folder.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes()) for path in files}


def origins(manager: str, fields: Mapping[str, str]) -> str:
    return f"{manager}:{fields['o']}:{fields['n']}:{fields['site']}"


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Key, Key]]:
    with keys() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair: tuple[Key, Key]) -> Iterator[World]:
    node = Node(tmp_path / "node", OS_RELEASE)
    monkeypatch.setenv("PATH", f"{node.programs}:{os.environ['PATH']}")
    (tmp_path / "archive").mkdir()
    server = Server(tmp_path / "archive", tmp_path / "server.log")
    try:
        yield World(node, Archive(tmp_path / "archive", server.url, pair[0]), server, pair, tmp_path / "private")
    finally:
        server.stop()


def fields(name: str, version: str) -> dict[str, str]:
    """Relations of a package of the driver."""
    return {
        "nvidia-kernel-dkms": {"Depends": "dkms (>= 3) | other, nvidia-support"},
        "libcuda1": {"Depends": f"nvidia-alternative (= {version})", "Provides": "libcuda.so.1 (= 550), libcuda1-any"},
        "nvidia-alternative": {"Pre_Depends": "nvidia-support"},
        "nvidia-support": {"Conflicts": "old-driver"},
    }.get(name, {})


def driver(version: str) -> list[str]:
    return [package(name, version, **fields(name, version)) for name in ("nvidia-kernel-dkms", "libcuda1", "nvidia-alternative")]


GLUE = "1:20240109-1"
SUPPORT = [package("nvidia-support", GLUE, **fields("nvidia-support", GLUE)), package("dkms", "3.2.2-1")]


def test_offer(world: World) -> None:
    world.distribution(*driver(OLD), *SUPPORT)
    world.archive.publish("wished", *driver(NEW))
    with world.apt() as apt:
        apt.open([world.wished()])
        offer = apt.offer(["nvidia-kernel-*", "libcuda?"])
    site = "127.0.0.1"
    repository = f"{world.archive.url} {{}}/main amd64 Packages".format
    kernel, cuda = ("dkms (>= 3)|other", "nvidia-support"), ("libcuda.so.1 (= 550)", "libcuda1-any")
    assert sorted(offer.candidates) == [
        Candidate("libcuda1", OLD, "amd64", f"apt:ExampleOS:stable:{site}", repository("stable"), (f"nvidia-alternative (= {OLD})",), cuda),
        Candidate("libcuda1", NEW, "amd64", f"apt:Example:wished:{site}", repository("wished"), (f"nvidia-alternative (= {NEW})",), cuda),
        Candidate("nvidia-kernel-dkms", OLD, "amd64", f"apt:ExampleOS:stable:{site}", repository("stable"), kernel),
        Candidate("nvidia-kernel-dkms", NEW, "amd64", f"apt:Example:wished:{site}", repository("wished"), kernel),
    ]
    assert offer.problems == ()


@pytest.mark.parametrize("version", [OLD, NEW])
def test_resolve_by_pins(world: World, version: str) -> None:
    world.distribution(*driver(OLD), *SUPPORT)
    world.archive.publish("wished", *driver(NEW))
    with world.apt() as apt:
        apt.open([world.wished()])
        closure = apt.resolve(Request((Wanted("libcuda1", version),), pins=(Pin(("libcuda1", "nvidia-*"), version),)))
    where = {OLD: "ExampleOS:stable", NEW: "Example:wished"}[version]
    assert sorted(closure.changes) == [
        Change("install", "libcuda1", None, version, where, "amd64"),
        Change("install", "nvidia-alternative", None, version, where, "amd64"),
        Change("install", "nvidia-support", None, "1:20240109-1", "ExampleOS:stable", "amd64"),
    ]
    assert (closure.error, closure.download_kib, closure.disk_kib) == (None, 3 * 1025, 3 * 2048)


# --- Transactions ----------------------------------------------------------------------------------------------------------

HAS_OLD = {"libcuda1": OLD, "nvidia-alternative": OLD, "nvidia-support": GLUE}
HAS_NEW = {"libcuda1": NEW, "nvidia-alternative": NEW, "nvidia-support": GLUE}
TO_OLD = (Wanted("libcuda1", OLD), Wanted("nvidia-alternative", OLD))
ALL_NEW = (Pin(("*",), NEW),)


@pytest.mark.parametrize(
    ("installed", "request_", "changes"),
    [
        pytest.param({}, Request((Wanted("nvidia-alternative"),)),
                     [("install", "nvidia-alternative", None, NEW), ("install", "nvidia-support", None, GLUE)], id="preferred"),
        pytest.param(HAS_OLD, Request((Wanted("libcuda1", NEW),), pins=ALL_NEW),
                     [("upgrade", "libcuda1", OLD, NEW), ("upgrade", "nvidia-alternative", OLD, NEW)], id="upgrade"),
        pytest.param(HAS_OLD, Request((Wanted("nvidia-support", GLUE),)), [], id="nothing to do"),
        pytest.param(HAS_NEW, Request(TO_OLD, downgrade=True),
                     [("downgrade", "libcuda1", NEW, OLD), ("downgrade", "nvidia-alternative", NEW, OLD)], id="downgrade"),
        pytest.param({"old-driver": "1:2.0", "useless": "3"}, Request((Wanted("nvidia-support"),), remove=("useless", "not-known")),
                     [("install", "nvidia-support", None, GLUE), ("remove", "old-driver", "1:2.0", None), ("remove", "useless", "3", None)],
                     id="removal"),
    ],
)
def test_transaction(world: World, installed: dict[str, str], request_: Request, changes: list[tuple[str, ...]]) -> None:
    closure = resolve(world, installed, request_)
    assert closure.error is None
    assert sorted(change[:4] for change in closure.changes) == changes


@pytest.mark.parametrize(
    ("installed", "request_", "words"),
    [
        pytest.param(HAS_NEW, Request(TO_OLD), ["Packages were downgraded and -y was used without --allow-downgrades."], id="downgrade"),
        pytest.param({}, Request((Wanted("libcuda1", OLD),)),
                     [f"libcuda1 : Depends: nvidia-alternative (= {OLD}) but {NEW} is to be installed", "held broken packages"],
                     id="needs a pin"),
        pytest.param({**HAS_OLD, "libcuda1": f"hold {OLD}"}, Request((Wanted("nvidia-alternative", NEW),), pins=ALL_NEW),
                     [f"libcuda1 : Depends: nvidia-alternative (= {OLD}) but {NEW} is to be installed", "held packages"], id="held"),
        pytest.param({**HAS_OLD, "libcuda1": f"hold {OLD}"}, Request((Wanted("libcuda1", NEW),), pins=ALL_NEW),
                     ["The following held packages will be changed: libcuda1", "Held packages were changed and -y was used"],
                     id="held itself"),
        pytest.param({}, Request((Wanted("nvidia-driver"), Wanted("nvidia.support"))),
                     ["Unable to locate package nvidia-driver; Unable to locate package nvidia.support"], id="no such name"),
        pytest.param({}, Request((Wanted("libcuda1", "1.2"),)), ["Version '1.2' for 'libcuda1' was not found"], id="no such version"),
    ],
)
def test_refused_transaction(world: World, installed: dict[str, str], request_: Request, words: list[str]) -> None:
    closure = resolve(world, installed, request_)
    assert closure.changes == ()
    assert [word for word in words if word not in (closure.error or "")] == [], closure.error


def resolve(world: World, installed: dict[str, str], request: Request) -> Closure:
    world.distribution(*driver(OLD), *driver(NEW), *SUPPORT, package("useless", "3"))
    for name, text in installed.items():
        version = text.split()[-1]
        world.node.install(name, version, "hold" if text.startswith("hold") else "install", **fields(name, version))
    with world.apt() as apt:
        apt.open([])
        return apt.resolve(request)


def test_removal_without_archives(world: World) -> None:
    """What came later and depends on a package goes with it, and is named; nothing is fetched, there is nowhere to fetch from."""
    world.node.etc("sources.list.d/gone.sources", world.archive.sources("gone", world.key_file))
    world.node.install("gcc", "14.2", Provides="c-compiler", Depends="binutils (>= 2)")
    world.node.install("binutils", "2.44")
    world.node.install("dkms", "3.2", Depends="gcc | c-compiler, make:any")
    world.node.install("make", "4.4", Multi_Arch="allowed")
    world.node.install("build-essential", "12", Depends="c-compiler")
    world.node.install("broken", "1", state="half-configured", Pre_Depends="make")
    world.node.install("removed", "1", wish="deinstall", state="config-files", Depends="make")
    world.node.automatic("gcc", "binutils", "make")
    ours = ("gcc", "binutils", "dkms", "make", "broken", "removed", "never-there")
    with world.apt() as apt:
        apt.open((), refresh=False)
        assert sorted(apt.installed(ours)) == [
            Installed("binutils", "2.44", False),
            Installed("broken", "1", True),
            Installed("dkms", "3.2", True),
            Installed("gcc", "14.2", False),
            Installed("make", "4.4", False),
        ]
        gone = apt.resolve(Request((), ("binutils", "broken", "dkms", "gcc", "make")))
        assert [(one.action, one.name) for one in sorted(gone.changes)] == [
            ("remove", name) for name in ("binutils", "broken", "build-essential", "dkms", "gcc", "make")
        ]
        assert apt.needs([*ours, "build-essential"]) == {
            "binutils": set(),
            "broken": {"make"},
            "build-essential": {"gcc"},
            "dkms": {"gcc", "make"},
            "gcc": {"binutils"},
            "make": set(),
        }
        rest = apt.resolve(Request((), ("broken", "dkms", "make")))
        assert sorted(one.name for one in rest.changes) == ["broken", "dkms", "make"]
    assert world.server.requests() == []


def test_a_removal_does_not_break_a_hold(world: World) -> None:
    world.node.install("libcuda1", OLD, wish="hold")
    with world.apt() as apt:
        apt.open((), refresh=False)
        closure = apt.resolve(Request((), ("libcuda1",)))
    assert (closure.changes, "libcuda1" in (closure.error or "")) == ((), True)


def test_several_architectures(world: World) -> None:
    both = [package("libcuda1", version, Architecture=architecture, Multi_Arch="same", Depends=f"nvidia-alternative (= {version})")
            for version in (OLD, NEW) for architecture in ("amd64", "i386")]
    alternative = [package("nvidia-alternative", version, Multi_Arch="foreign") for version in (OLD, NEW)]
    world.distribution(*both, *alternative, package("old-driver", "2", Architecture="i386"))
    world.node.several_architectures()
    for architecture in ("amd64", "i386"):
        world.node.install("libcuda1", OLD, Architecture=architecture, Multi_Arch="same", Depends=f"nvidia-alternative (= {OLD})")
    world.node.install("nvidia-alternative", OLD, Multi_Arch="foreign")
    world.node.install("old-driver", "2", Architecture="i386")
    with world.apt() as apt:
        apt.open([])
        closure = apt.resolve(Request((Wanted("libcuda1", NEW),), remove=("old-driver:i386",)))
    assert (sorted(change[:4] + change[5:] for change in closure.changes), closure.error) == ([
        ("remove", "old-driver", "2", None, "i386"),
        ("upgrade", "libcuda1", OLD, NEW, "amd64"),
        ("upgrade", "libcuda1", OLD, NEW, "i386"),
        ("upgrade", "nvidia-alternative", OLD, NEW, "amd64"),
    ], None)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("-oDir=/"), Wanted("nvidia;rm"), Wanted("nvidia-"), Wanted("Nvidia"), Wanted("libcuda1:amd64;"), Wanted(""),
        Wanted("libcuda1", "1 -y"), Wanted("libcuda1", "1-"), Wanted("libcuda1", "\u0661.0"), Wanted("libcuda1", ""),
    ],
    ids=repr,
)
def test_hostile_request(world: World, wanted: Wanted) -> None:
    world.distribution(package("nvidia--", "1"), *driver(OLD))
    with world.apt() as apt:
        apt.open([])
        with pytest.raises(PackageError) as caught:
            apt.resolve(Request((wanted,)))
    assert caught.value.code == "refused"


# --- Refresh ---------------------------------------------------------------------------------------------------------------


def break_index(world: World) -> Repository:
    world.archive.publish("wished", *driver(NEW)).write_text(package("libcuda1", "666"))
    return world.wished()


def other_key(world: World) -> Repository:
    world.archive.publish("wished", *driver(NEW))
    return world.wished(key=world.keys[1].public)


def unsigned(world: World) -> Repository:
    Archive(world.archive.folder, world.archive.url, None).publish("wished", *driver(NEW))
    return world.wished()


def expired(world: World) -> Repository:
    world.archive.publish("wished", *driver(NEW), valid=3600)
    return world.wished()


def closed(world: World) -> Repository:
    return world.wished(content=world.wished().content.replace(world.archive.url, NOBODY))


def absent(world: World) -> Repository:
    return world.wished()


def no_component(world: World) -> Repository:
    world.archive.publish("wished", *driver(NEW))
    return world.wished(content=world.archive.sources("wished", KEY_PATH, "contrib"))


def no_key(world: World) -> Repository:
    return world.wished(key="<html>Not found</html>")


def broken_key(world: World) -> Repository:
    world.archive.publish("wished", *driver(NEW))
    return world.wished(key="-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nbm9uc2Vuc2U=\n-----END PGP PUBLIC KEY BLOCK-----\n")


def nonsense(world: World) -> Repository:
    return world.wished(content=f"Types: deb\nURIs: {world.archive.url}\nComponents: {KEY_PATH}\n")


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (break_index, "hash_mismatch", "unexpected size"),
        (other_key, "bad_signature", "wished InRelease"),
        (unsigned, "bad_signature", "is not signed"),
        (expired, "out_of_date", "expired"),
        (closed, "no_network", "Could not connect to 127.0.0.2:9"),
        (absent, "refused", "404"),
        (no_component, "refused", "contrib"),
        (no_key, "bad_key", "wished: its key cannot be used: "),
        (broken_key, "bad_key", ""),
        (nonsense, "refused", "wished.sources"),
    ],
)
def test_wished_repository_fails(world: World, make: Callable[[World], Repository], code: str, words: str) -> None:
    world.distribution(*driver(OLD))
    with world.apt() as apt:
        with pytest.raises(PackageError) as caught:
            apt.open([make(world)])
        assert not world.private.exists()
    assert (caught.value.code, str(world.private) in str(caught.value)) == (code, False)
    assert words in str(caught.value)


def test_half_installed_packages_are_no_answer(world: World) -> None:
    world.distribution(*driver(OLD), *SUPPORT)
    world.node.install("libcuda1", OLD, **fields("libcuda1", OLD))  # without what it depends on
    with world.apt() as apt:
        apt.open([])
        with pytest.raises(PackageError, match="Unmet dependencies") as caught:
            apt.resolve(Request((Wanted("dkms"),)))
    assert caught.value.code == "broken"


def test_old_lists_are_no_answer_where_the_key_is_wrong_now(world: World) -> None:
    """apt itself goes on with the lists that it has."""
    world.distribution(*driver(OLD))
    world.node.update()
    Archive(world.archive.folder, world.archive.url, world.keys[1]).publish("stable", *driver(NEW), origin="ExampleOS")
    path = world.archive.folder / "dists/stable/InRelease"
    os.utime(path, (path.stat().st_mtime + 1000,) * 2)
    with world.apt() as apt, pytest.raises(PackageError, match="stable InRelease") as caught:
        apt.open([])
    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize(
    ("suite", "lists", "components", "serious"),
    [
        pytest.param("stable", True, "main", True, id="the distribution's, by its origin"),
        pytest.param("stable-updates", False, "main", True, id="the distribution's, by suite and components"),
        pytest.param("other", False, "main", False, id="another suite"),
        pytest.param("stable", False, "special", False, id="another component"),
    ],
)
def test_source_of_the_node_fails(world: World, suite: str, lists: bool, components: str, serious: bool) -> None:
    world.archive.publish("other-archive", package("a1", "1"))
    world.node.etc("sources.list.d/good.list", f"deb [signed-by={world.key_file}] {world.archive.url} other-archive main\n")
    source = world.node.etc("sources.list.d/bad.sources", world.archive.sources(suite, world.key_file, components))
    if lists:
        world.distribution()
        world.node.update()
        (world.archive.folder / "dists/stable/InRelease").unlink()
        source.unlink()
    with world.apt() as apt:
        if serious:
            with pytest.raises(PackageError, match="404") as caught:
                apt.open([])
            assert caught.value.code == "refused"
        else:
            apt.open([])
            offer = apt.offer(["a?"])
            assert [candidate.name for candidate in offer.candidates] == ["a1"]
            assert [(one["repository"], one["code"]) for one in offer.problems] == [
                (f"{world.archive.url} {suite} {components}", "refused")
            ]


# --- The node's own state --------------------------------------------------------------------------------------------------

HOOKS = """\
APT::Update::Pre-Invoke {{ "touch {0}/pre"; }};
APT::Update::Post-Invoke {{ "touch {0}/post"; }};
APT::Update::Post-Invoke-Success {{ "touch {0}/success"; }};
DPkg::Pre-Invoke {{ "touch {0}/dpkg-pre"; }};
DPkg::Post-Invoke {{ "touch {0}/dpkg-post"; }};
DPkg::Pre-Install-Pkgs {{ "touch {0}/dpkg-install"; }};
AptCli::Hooks::Install {{ "touch {0}/json"; }};
Binary::apt-get::APT::Update::Post-Invoke {{ "touch {0}/binary"; }};
"""


def test_the_node_is_not_touched(world: World) -> None:
    world.distribution(*driver(OLD), *SUPPORT)
    world.node.update()
    world.archive.publish("wished", *driver(NEW))
    world.archive.publish("stable", *driver(OLD), *SUPPORT, package("new", "1"), origin="ExampleOS")
    ran = world.node.folder / "ran"
    ran.mkdir()
    world.node.etc("apt.conf.d/hooks", HOOKS.format(ran))
    for path in (world.node.folder / "var/lib/apt/lists").glob("*_*"):  # a time set anew in whole seconds would be seen
        os.utime(path, ns=(path.stat().st_mtime_ns + 123456789,) * 2)
    before = world.snapshot()
    assert len([path for path in before if "/lists/" in path]) > 1
    with world.apt() as apt:
        apt.open([world.wished()])
        assert world.private.stat().st_mode & 0o777 == 0o700
        assert apt.offer(["new"]).candidates
        assert apt.resolve(Request((Wanted("new"),))).changes
    assert not world.private.exists()
    assert world.snapshot() == before
    assert list(ran.iterdir()) == []
    world.node.update()
    assert sorted(path.name for path in ran.iterdir()) == ["binary", "post", "pre", "success"]  # so they would have run


def test_only_what_is_new_is_fetched(world: World) -> None:
    world.distribution(*driver(OLD))
    world.node.update()
    before = len(world.server.requests())
    with world.apt() as apt:
        apt.open([])
        assert apt.offer(["libcuda1"]).candidates
    assert world.server.requests()[before:] == [("/dists/stable/InRelease", 304)]


def test_without_refresh_nothing_is_fetched(world: World) -> None:
    world.distribution(*driver(OLD))
    world.node.update()
    world.archive.publish("wished", *driver(NEW))
    before = world.server.requests()
    with world.apt() as apt:
        apt.open([world.wished()], refresh=False)
        assert {candidate.version for candidate in apt.offer(["libcuda1"]).candidates} == {OLD}
    assert world.server.requests() == before


def test_wished_file_replaces_the_one_of_its_path(world: World) -> None:
    world.distribution(*driver(OLD))
    path = world.node.etc("sources.list.d/wished.sources", world.archive.sources("gone", world.key_file))
    world.archive.publish("wished", *driver(NEW))
    with world.apt() as apt:
        apt.open([world.wished(path=str(path))])
        assert sorted(candidate.version for candidate in apt.offer(["libcuda1"]).candidates) == [OLD, NEW]


def test_key_that_the_node_names_too(world: World) -> None:
    world.archive.publish("wished", *driver(NEW))
    world.node.etc("sources.list", f"deb [signed-by={KEY_PATH}] {world.archive.url} wished main\n")
    with world.apt() as apt:
        apt.open([world.wished()])
        assert [candidate.version for candidate in apt.offer(["libcuda1"]).candidates] == [NEW]


@pytest.mark.parametrize(
    ("name", "after"),
    [
        pytest.param("preferences.d/gpufleet-nvidia-driver.pref", {NEW, GLUE}, id="that of a plan is as the plan leaves it"),
        pytest.param("preferences.d/gpufleet-nvidia-ubuntu.pref", set(), id="ours that the plan does not name stays"),
        pytest.param("preferences.d/admin", set(), id="the administrator's stays"),
        pytest.param("preferences", set(), id="the file without a folder too"),
    ],
)
def test_pins_of_the_node(world: World, name: str, after: set[str]) -> None:
    world.distribution(*driver(OLD), *driver(NEW), *SUPPORT)
    world.node.etc(name, f"Package: libcuda1 nvidia-*\nPin: version {OLD}\nPin-Priority: 1001\n")
    with world.apt() as apt:
        apt.open([])
        closure = apt.resolve(Request((Wanted("libcuda1", NEW),), pins=(Pin(("libcuda1", "nvidia-alternative"), NEW),),
                                      files=(("/etc/apt/preferences.d/gpufleet-nvidia-driver.pref", None),)))
    assert {change.after for change in closure.changes} == after
    assert (closure.error is None) is bool(after)


def test_flat_archive(world: World) -> None:
    world.archive.publish("x86_64/", *driver(NEW), origin="NVIDIA", flat=True)
    world.node.etc("sources.list", f"deb [signed-by={world.key_file}] {world.archive.url} x86_64/\n")
    with world.apt() as apt:
        apt.open([])
        found = apt.offer(["libcuda1"]).candidates
    assert [(one.version, one.origin, one.repository) for one in found] == [
        (NEW, "apt:NVIDIA:x86_64/:127.0.0.1", f"{world.archive.url} x86_64/ Packages")
    ]


def test_hostile_metadata(world: World) -> None:
    names = ["nvidia-$(touch x)", "nvidia;rm", "Nvidia-Evil", "-onvidia"]
    world.distribution(package("nvidia-good", "1:1.0-1"), package("nvidia-good", "1.0;rm"), *(package(name, "1") for name in names))
    with world.apt() as apt:
        apt.open([])
        offer = apt.offer(["*nvidia*", "Nvidia*"])
    assert [(one.name, one.version) for one in offer.candidates] == [("nvidia-good", "1:1.0-1")]
    assert {problem["code"] for problem in offer.problems} == {"refused"}
    said = " ".join(problem["message"] for problem in offer.problems)
    # apt itself makes the name with capitals another one, of which it then knows nothing.
    assert [text for text in ("nvidia-$(touch x)", "nvidia;rm", "-onvidia", "1.0;rm") if text not in said] == []


def test_proxy(world: World) -> None:
    world.distribution(*driver(OLD))
    with world.apt() as apt, pytest.raises(PackageError, match=r"127\.0\.0\.2") as caught:
        apt.open([], proxy=NOBODY)
    assert caught.value.code == "no_network"
    with world.apt() as apt, pytest.raises(PackageError, match=r"^proxy is") as caught:
        apt.open([], proxy='http://a"; APT::Update::Pre-Invoke {"rm"}; "')
    assert caught.value.code == "refused"


def test_no_space(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in world.node.programs.iterdir():
        program.write_text("#!/bin/sh\necho 'E: Write error - write (28: No space left on device)' >&2\nexit 100\n")
    with world.apt() as apt, pytest.raises(PackageError, match="No space left on device") as caught:
        apt.open([])
    assert caught.value.code == "no_space"
