# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD's described repositories for the real apt: what it would install, which version it prefers, and why it refuses."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from apt_node import MISSING, Key, Node, keys
from packagerepo import deb
from packagerepo.description import load
from planlab.rocm import RocmLaboratory, rocm_apply, rocm_machine, rocm_order

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {', '.join(MISSING)}")

NOBLE, JAMMY = "radeon-ubuntu2404", "radeon-ubuntu2204"
PIN = "Package: *\nPin: release o=repo.radeon.com\nPin-Priority: 600\n"  # as AMD's guide has it
ROOT = ("python3", "libc6", "libc6-dev", "libgcc-s1", "libstdc++6", "kmod")  # what the machines' images have anyway
NEW_STREAM = {"ubuntu": "amd-ubuntu2404", "debian": "amd-debian13"}


@pytest.fixture(scope="module")
def key() -> Iterator[Key]:
    with keys() as pair:
        yield pair[0]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory, key: Key) -> Path:
    """All repositories of this module, signed, each in a folder of its name."""
    folder = tmp_path_factory.mktemp("archives")
    for name in ("ubuntu-24.04", "ubuntu-22.04", "debian-13", NOBLE, JAMMY, *NEW_STREAM.values()):
        for release in deb.write(load(name), folder / name):
            key.sign(release, release.with_name("InRelease"))
    return folder


class Said(NamedTuple):
    """What apt-get would do: {name: version} to install and names to remove; and its words."""

    code: int
    installed: dict[str, str]
    removed: set[str]
    text: str


class Machine:
    """A node with archives, given as (repository, folder in it)."""

    def __init__(self, folder: Path, archives: Path, key: Key, system: str, *sources: tuple[str, str], pin: bool = False) -> None:
        self.node = Node(folder, "")
        self.node.folder.joinpath("keys/all.asc").write_text(key.public)
        suites = {"ubuntu-24.04": "noble noble-updates", "ubuntu-22.04": "jammy jammy-updates", "debian-13": "trixie"}
        lines = [(f"{archives / system}", suites[system], "main universe" if "ubuntu" in system else "main")]
        lines += [(f"{archives / name}/{place}", {NOBLE: "noble", JAMMY: "jammy"}.get(name, "stable"), "main")
                  for name, place in sources]
        self.node.etc("sources.list.d/all.sources", "\n".join(
            f"Types: deb\nURIs: file:{where}\nSuites: {suite}\nComponents: {components}\nSigned-By: {self.node.folder}/keys/all.asc\n"
            for where, suite, components in lines))
        if pin:
            self.node.etc("preferences.d/rocm-pin-600", PIN)
        for name in ROOT:
            self.node.install(name, "99")
        self.node.update()

    def would(self, *words: str) -> Said:
        """apt-get --simulate with these words, without recommended packages."""
        argv = [str(self.node.programs / "apt-get"), "--simulate", "-y", "--no-install-recommends", *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return Said(done.returncode, dict(re.findall(r"(?m)^Inst (\S+) (?:\[\S+\] )?\((\S+)", done.stdout)),
                    set(re.findall(r"(?m)^(?:Remv|Purg) (\S+)", done.stdout)), done.stdout + done.stderr)

    def policy(self, name: str) -> str:
        """What apt-cache says of a package."""
        return subprocess.run([str(self.node.programs / "apt-cache"), "policy", name], capture_output=True, text=True, check=True).stdout


def test_without_a_pin_the_distribution_is_in_the_way(tmp_path: Path, archives: Path, key: Key) -> None:
    machine = Machine(tmp_path / "n", archives, key, "ubuntu-24.04", (NOBLE, "rocm/apt/7.2.4"))
    said = machine.would("install", "rocm-hip-runtime")
    assert said.code == 100
    assert "rocm-hip-runtime : Depends: rocminfo (= 1.0.0.70204-93~24.04) but 5.7.1-3build1 is to be installed" in said.text
    assert "Candidate: 5.7.1-3build1" in machine.policy("rocminfo")


def test_the_pin_prefers_amds(tmp_path: Path, archives: Path, key: Key) -> None:
    machine = Machine(tmp_path / "n", archives, key, "ubuntu-24.04", (NOBLE, "rocm/apt/7.2.4"), pin=True)
    assert re.search(r"Candidate: 1\.0\.0\.70204-93~24\.04\n(?s:.)*5\.7\.1-3build1 500\n(?s:.)*1\.0\.0\.70204-93~24\.04 600\n",
                     machine.policy("rocminfo"))
    said = machine.would("install", "rocm-hip-runtime")
    assert said.code == 0
    assert said.installed == {
        "rocm-core": "7.2.4.70204-93~24.04", "rocm-hip-runtime": "7.2.4.70204-93~24.04", "rocm-language-runtime": "7.2.4.70204-93~24.04",
        "hip-runtime-amd": "7.2.53211.70204-93~24.04", "hsa-rocr": "1.18.0.70204-93~24.04", "rocminfo": "1.0.0.70204-93~24.04",
        "comgr": "3.0.0.70204-93~24.04", "openmp-extras-runtime": "20.70.0.70204-93~24.04",
        "rocprofiler-register": "0.6.0.70204-93~24.04", "pciutils": "1:3.10.0-2build1"}
    assert said.removed == set()
    assert "repo.radeon.com:7.2.4/noble" in said.text


def test_a_distributions_rocminfo_that_is_there_is_only_downgraded_by_a_wish(tmp_path: Path, archives: Path, key: Key) -> None:
    machine = Machine(tmp_path / "n", archives, key, "ubuntu-24.04", (NOBLE, "rocm/apt/7.2.4"), pin=True)
    for name in ("libhsakmt1", "libhsa-runtime64-1"):
        machine.node.install(name, "5.7.1-2build1")
    machine.node.install("rocminfo", "5.7.1-3build1")
    assert machine.would("install", "rocm-hip-runtime").code == 100
    said = machine.would("install", "--allow-downgrades", "rocm-hip-runtime", "rocminfo=1.0.0.70204-93~24.04")
    assert (said.code, said.installed["rocminfo"]) == (0, "1.0.0.70204-93~24.04")


@pytest.mark.parametrize(("system", "repository", "release", "name", "version"), [
    ("ubuntu-24.04", NOBLE, "6.4.3", "rocm", "6.4.3.60403-128~24.04"),
    ("ubuntu-24.04", NOBLE, "7.1.1", "rocm", "7.1.1.70101-38~24.04"),
    ("ubuntu-24.04", NOBLE, "7.2.4", "rocm", "7.2.4.70204-93~24.04"),
    ("ubuntu-22.04", JAMMY, "6.4.3", "rocm", "6.4.3.60403-128~22.04"),
    ("ubuntu-22.04", JAMMY, "7.2.4", "rocm-ml-sdk", "7.2.4.70204-93~22.04"),
    ("ubuntu-22.04", JAMMY, "7.2.4", "rocm-opencl-runtime", "7.2.4.70204-93~22.04"),
])
def test_a_set_of_each_release(tmp_path: Path, archives: Path, key: Key, system: str, repository: str, release: str, name: str,
                               version: str) -> None:
    machine = Machine(tmp_path / "n", archives, key, system, (repository, f"rocm/apt/{release}"), pin=True)
    said = machine.would("install", name)
    assert (said.code, said.installed.get(name)) == (0, version), said.text


def test_the_sdk_of_71_lacks_the_compiler(tmp_path: Path, archives: Path, key: Key) -> None:
    for release, has in (("6.4.3", True), ("7.1.1", False), ("7.2.4", True)):
        machine = Machine(tmp_path / release, archives, key, "ubuntu-24.04", (NOBLE, f"rocm/apt/{release}"), pin=True)
        assert ("hipcc" in machine.would("install", "rocm-hip-sdk").installed) == has


def test_releases_side_by_side(tmp_path: Path, archives: Path, key: Key) -> None:
    machine = Machine(tmp_path / "n", archives, key, "ubuntu-24.04", *((NOBLE, f"rocm/apt/{one}") for one in ("6.4.3", "7.1.1", "7.2.4")))
    said = machine.would("install", "rocm-hip-runtime7.2.4", "rocm-opencl-runtime6.4.3")
    assert said.code == 0
    assert {name: said.installed[name] for name in ("rocminfo7.2.4", "rocm-core7.2.4", "rocm-core6.4.3", "rocm-opencl6.4.3")} == {
        "rocminfo7.2.4": "1.0.0.70204-93~24.04", "rocm-core7.2.4": "7.2.4.70204-93~24.04", "rocm-core6.4.3": "6.4.3.60403-128~24.04",
        "rocm-opencl6.4.3": "2.0.0.60403-128~24.04"}
    assert not {"rocminfo", "rocm-core"} & set(said.installed)


def test_the_firmware_without_an_epoch_is_older(tmp_path: Path, archives: Path, key: Key) -> None:
    machine = Machine(tmp_path / "n", archives, key, "ubuntu-24.04", (NOBLE, "amdgpu/30.30.4/ubuntu"), pin=True)
    machine.node.install("amdgpu-dkms-firmware", "1:6.12.12.60403-2194681.24.04")
    assert "Candidate: 1:6.12.12.60403-2194681.24.04" in machine.policy("amdgpu-dkms-firmware")
    assert machine.would("install", "amdgpu-dkms").code == 100
    wished = "amdgpu-dkms-firmware=30.30.4.0.30300400-2341068.24.04"
    said = machine.would("install", "--allow-downgrades", "amdgpu-dkms", wished)
    assert (said.code, said.installed["amdgpu-dkms"]) == (0, "1:6.16.13.30300400-2341068.24.04")


@pytest.mark.parametrize(("place", "driver", "firmware"), [
    ("amdgpu/6.4.3/ubuntu", "1:6.12.12.60403-2194681.24.04", "1:6.12.12.60403-2194681.24.04"),
    ("amdgpu/30.20.1/ubuntu", "1:6.16.6.30200100-2255209.24.04", "30.20.1.0.30200100-2255209.24.04"),
    ("amdgpu/31.40/ubuntu", "1:6.19.14.31400000-2364437.24.04", "1:31.40.0.0.31400000-2364437.24.04"),
    ("amdgpu/31.50/ubuntu", "1:7.1.3.31500000-2390945.24.04", "1:31.50.0.0.31500000-2390945.24.04"),
])
def test_drivers(tmp_path: Path, archives: Path, key: Key, place: str, driver: str, firmware: str) -> None:
    said = Machine(tmp_path / "n", archives, key, "ubuntu-24.04", (NOBLE, place)).would("install", "amdgpu-dkms")
    assert (said.installed["amdgpu-dkms"], said.installed["amdgpu-dkms-firmware"]) == (driver, firmware)
    assert {"dkms", "autoconf", "automake", "initramfs-tools"} <= set(said.installed)


@pytest.mark.parametrize(("system", "slug"), [("ubuntu-24.04", "ubuntu2404"), ("debian-13", "debian13")])
@pytest.mark.parametrize(("wish", "place", "version", "cards"), [
    ("amdrocm7.14-gfx942", "packages-multi-arch", "7.14.0-3", {"gfx942"}),
    ("amdrocm10.1-gfx1030", "core/packages", "10.1.0-1", {"gfx1030"}),
    ("amdrocm10.0", "core/packages", "10.0.0-4",
     {"gfx908", "gfx90a", "gfx942", "gfx950", "gfx1030", "gfx1031", "gfx1100", "gfx1101", "gfx1151", "gfx1201"}),
    ("amdrocm10.1", "core/packages", "10.1.0-1",
     {"gfx908", "gfx90a", "gfx942", "gfx950", "gfx1030", "gfx1031", "gfx1100", "gfx1101", "gfx1151", "gfx1201"}),
    ("amdrocm-core-sdk10.1-gfx1151", "core/packages", "10.1.0-1", {"gfx1151"}),
])
def test_the_new_stream(tmp_path: Path, archives: Path, key: Key, system: str, slug: str, wish: str, place: str, version: str,
                        cards: set[str]) -> None:
    said = Machine(tmp_path / "n", archives, key, system, (f"amd-{slug}", f"rocm/{place}/{slug}")).would("install", wish)
    assert (said.code, said.installed.get(wish)) == (0, version), said.text
    assert {name.rpartition("-")[2] for name in said.installed if "-gfx" in name} == cards
    assert {version for name, version in said.installed.items() if name.startswith("amdrocm")} == {version}


def test_names_without_a_series_lead_to_the_newest(tmp_path: Path, archives: Path, key: Key) -> None:
    machine = Machine(tmp_path / "n", archives, key, "ubuntu-24.04", ("amd-ubuntu2404", "rocm/core/packages/ubuntu2404"))
    said = machine.would("install", "amdrocm-amdsmi", "amdrocm-opencl")
    assert {"amdrocm-amdsmi10.1", "amdrocm-opencl10.1", "amdrocm-runtime10.1"} <= set(said.installed)
    assert not [name for name in said.installed if "10.0" in name]


def test_two_series_and_the_classic_release_have_no_conflict_that_apt_knows(tmp_path: Path, archives: Path, key: Key) -> None:
    """AMD wants the classic packages gone first; its packages do not say so."""
    core = "rocm/core/packages/ubuntu2404"
    machine = Machine(tmp_path / "n", archives, key, "ubuntu-24.04", (NOBLE, "rocm/apt/7.2.4"), ("amd-ubuntu2404", core), pin=True)
    said = machine.would("install", "rocm-hip-runtime", "amdrocm10.0-gfx1030", "amdrocm10.1-gfx1030")
    assert (said.code, said.removed) == (0, set())


BARE, DEBIAN = "noble-mi300x8-bare", "trixie-rx6800xt-bare"
INBOX = {"driver": "inbox"}
# a host, what was done there before, the order, names that have to go
PLANNED: list[tuple[str, list[dict[str, Any]], dict[str, Any], set[str]]] = [
    (BARE, [], {"version": "7.2", "components": ["hip", "opencl", "smi"], **INBOX}, set()),
    (BARE, [], {"version": "7.2", "components": ["runtime"], "driver": "dkms"}, set()),
    (BARE, [], {"version": "10.1", "components": ["hip", "opencl", "smi"], **INBOX}, set()),
    (BARE, [], {"version": "10.1", "components": ["ml"], **INBOX}, set()),
    (BARE, [{"version": "6.4.3", **INBOX}], {"version": "7.2", "components": ["hip"], **INBOX}, set()),
    (BARE, [{"version": "7.2", **INBOX}], {"version": "6.4.3", "allow_downgrade": True, **INBOX}, set()),
    (BARE, [{"version": "7.2", "components": ["hip"], **INBOX}], {"version": "10.1", **INBOX}, {"rocm-core", "hip-runtime-amd"}),
    (BARE, [{"version": "10.1", **INBOX}], {"version": "7.2", "allow_downgrade": True, **INBOX}, {"amdrocm-runtime10.1"}),
    (BARE, [{"version": "7.1.1", "side_by_side": True, **INBOX}], {"version": "7.2", "side_by_side": True, **INBOX}, set()),
    (BARE, [{"version": "7.2", **INBOX}], {"version": "7.2", "side_by_side": True, **INBOX}, {"rocm-core", "hsa-rocr"}),
    (DEBIAN, [{}], {"version": "7.2", "origin": "amd", **INBOX}, {"libhsa-runtime64-1", "libhsakmt1"}),
    (DEBIAN, [{}], {"version": "10.1", "origin": "amd", **INBOX}, {"libhsa-runtime64-1", "rocminfo"}),
    (DEBIAN, [{"version": "7.2", **INBOX}], {"origin": "distribution", "allow_downgrade": True}, {"rocm-core", "hsa-rocr"}),
]


@pytest.mark.parametrize(("profile", "before", "options", "gone"), PLANNED)
def test_apt_does_what_a_plan_says(
    tmp_path: Path, archives: Path, key: Key, profile: str, before: list[dict[str, Any]], options: dict[str, Any], gone: set[str]
) -> None:
    """The transaction of a plan, with the preferences as it leaves them."""
    inventory = rocm_machine(profile, ())
    for one in before:
        inventory = rocm_apply(inventory, RocmLaboratory(inventory, rocm_order(**one)).run())
    laboratory = RocmLaboratory(inventory, rocm_order(**options))
    found = laboratory.select()
    system = "debian-13" if profile == DEBIAN else "ubuntu-24.04"
    roots = {"rocm/core": NEW_STREAM[system.partition("-")[0]], "rocm/apt": NOBLE, "graphics": NOBLE, "amdgpu": NOBLE}
    sources = [(root, place) for place in laboratory.folders(found.attempt) for start, root in roots.items() if place.startswith(start)]
    machine = Machine(tmp_path / "n", archives, key, system, *sources)
    every = laboratory.candidates()
    for name in ("pciutils", "libgcc-13-dev", "libstdc++-13-dev"):  # which come with the packages that are there
        machine.node.install(name, "99")
    for name, entry in inventory.packages["installed"].items():
        if name not in ROOT:
            machine.node.install(name, str(entry["version"]), **every.get((name, entry["version"]), {}))
    for path, text in found.request.files:
        if text:
            machine.node.etc(f"preferences.d/{path.rpartition('/')[2]}", text)
    lower = ["--allow-downgrades"] if found.request.downgrade else []
    said = machine.would("install", *lower, *(f"{one.name}={one.version}" if one.version else one.name for one in found.request.install),
                         *(f"{name}-" for name in found.request.remove))
    assert said.code == 0, said.text
    assert gone <= said.removed == set(found.request.remove)
    installed = {name: entry["version"] for name, entry in inventory.packages["installed"].items()}
    there = {name: version for name, version in {**installed, **said.installed}.items() if name not in said.removed}
    assert {one.name: there.get(one.name) for one in found.request.install if one.version} == {
        one.name: one.version for one in found.request.install if one.version}
    stamps = {"6.4.3": "60403", "7.2.4": "70204"}
    mixed = [name for name, version in there.items() for release, stamp in stamps.items()
             if f".{stamp}-" in version and release != found.chosen.version and not options.get("side_by_side")]
    assert mixed == []
