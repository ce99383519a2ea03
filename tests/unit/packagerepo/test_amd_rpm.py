# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD's described repositories for the real dnf and zypper, built as a machine gets them: what they would install."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packagerepo import rpm
from packagerepo.description import HERE, load
from planlab.rocm import RocmLaboratory, rocm_machine, rocm_order
from rpm_node import BUILDERS, missing

LACKING = missing("dnf", "zypper", *BUILDERS, "rpmsign")
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"needs what is not here (stage unit-rpm has it): {', '.join(LACKING)}")

# Repository → the folders that are asked here, and the names under which the managers know them.
ASKED = {
    "el9-base": {"": "base"},
    "radeon-rhel9": {"rocm/el9/6.4.3/main": "rocm643", "rocm/el9/7.2.4/main": "rocm724", "amdgpu/30.30.4/el/9.6/main/x86_64": "amdgpu"},
    "amd-rhel9": {"rocm/core/packages/rhel9/x86_64": "core"},
    "sles15-base": {"": "base"},
    "radeon-sles15": {"rocm/zyp/7.2.4/main": "rocm724", "amdgpu/30.30.4/sle/15.7/main/x86_64": "amdgpu"},
    "amd-sles15": {"rocm/core/packages/sles15/x86_64": "core"},
}
LEFT_OUT = ("10.0.",)  # takes time and tells nothing that the next one does not
DNF, ZYPPER = ("el9-base", "radeon-rhel9", "amd-rhel9"), ("sles15-base", "radeon-sles15", "amd-sles15")
Ask = Callable[..., dict[str, str]]


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The asked folders, as finish.sh leaves them."""
    root = tmp_path_factory.mktemp("archives")
    (root / "keys").mkdir()
    for name, folders in ASKED.items():
        work = root / name
        (work / "specs").mkdir(parents=True)
        (work / "repository").mkdir()
        (work / "keys").symlink_to(root / "keys")
        repository = load(name)
        asked = tuple(one for one in repository.packages if one.folder in folders and not one.version.startswith(LEFT_OUT))
        rpm.write(dataclasses.replace(repository, packages=asked), work / "specs")
        done = subprocess.run(["sh", str(HERE / "files/finish.sh"), str(work), repository.key], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return root


def repositories(archives: Path, names: tuple[str, ...], into: Path) -> None:
    into.mkdir(parents=True)
    for name in names:
        place = archives / name / "repository"
        for folder, known in ASKED[name].items():
            (into / f"{known}.repo").write_text(
                f"[{known}]\nname={known}\nbaseurl=file://{place}/{folder}\nenabled=1\nautorefresh=0\ngpgcheck=1\nrepo_gpgcheck=1\n"
                f"gpgkey=file://{place}/repository-key.asc\n")


@pytest.fixture(scope="module")
def dnf(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """What dnf would install, {name: version-release}."""
    root = tmp_path_factory.mktemp("dnf")
    repositories(archives, DNF, root / "repos")
    base = ("dnf", "--noplugins", f"--installroot={root}/root", f"--setopt=reposdir={root}/repos", f"--setopt=cachedir={root}/cache",
            "--releasever=9", "--forcearch=x86_64", "--setopt=install_weak_deps=0")
    made = run(*base, "--assumeyes", "makecache")  # and takes the keys
    assert "Metadata cache created." in made, made

    def ask(*words: str) -> dict[str, str]:
        told = run(*base, "--assumeno", "install", *words)
        assert "Operation aborted." in told, told
        return dict(re.findall(r"(?m)^ (\S+) +(?:x86_64|noarch) +(\S+) +\S+ ", told))

    return ask


@pytest.fixture(scope="module")
def zypper(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """What zypper would install, {name: version-release}."""
    root = tmp_path_factory.mktemp("zypper")
    repositories(archives, ZYPPER, root / "etc/zypp/repos.d")
    base = ("zypper", "--root", str(root), "--non-interactive", "--gpg-auto-import-keys")
    refreshed = run(*base, "refresh")
    assert "All repositories have been refreshed" in refreshed, refreshed

    def ask(*words: str) -> dict[str, str]:
        told = run(*base, "--xmlout", "install", "--dry-run", "--no-recommends", *words)
        return dict(re.findall(r'<solvable type="package" name="([^"]+)" edition="([^"]+)"', told))

    return ask


@pytest.mark.parametrize(("words", "expected"), [
    (["rocm-hip-runtime"], {
        "rocm-hip-runtime": "7.2.4.70204-93.el9", "rocm-core": "7.2.4.70204-93.el9", "hip-runtime-amd": "7.2.53211.70204-93.el9",
        "rocminfo": "1.0.0.70204-93.el9", "alternatives": "1.24-2.el9"}),
    (["rocm-hip-runtime6.4.3", "rocm-opencl-runtime7.2.4"], {
        "rocm-core6.4.3": "6.4.3.60403-128.el9", "rocm-core7.2.4": "7.2.4.70204-93.el9", "rocminfo6.4.3": "1.0.0.60403-128.el9",
        "rocm-opencl7.2.4": "2.0.0.70204-93.el9"}),
    (["rocm"], {"rocm": "7.2.4.70204-93.el9", "miopen-hip-devel": "3.5.1.70204-93.el9", "rocblas": "5.2.0.70204-93.el9"}),
    (["rocm-6.4.3.60403"], {"rocm": "6.4.3.60403-128.el9", "rocm-llvm": "19.0.0.25224.60403-128.el9"}),
    (["amdgpu-dkms"], {
        "amdgpu-dkms": "1:6.16.13.30300400-2341068.el9", "amdgpu-dkms-firmware": "30.30.4.0.30300400-2341068.el9", "dkms": "3.4.3-2.el9"}),
    (["amdrocm10.1-gfx942"], {
        "amdrocm-core10.1-gfx942": "10.1.0-1", "amdrocm-blas10.1-gfx942": "10.1.0-1", "amdrocm-base10.1": "10.1.0-1"}),
    (["amdrocm-opencl"], {"amdrocm-opencl10.1": "10.1.0-1", "amdrocm-runtime10.1": "10.1.0-1"}),
])
def test_dnf(dnf: Ask, words: list[str], expected: dict[str, str]) -> None:
    told = dnf(*words)
    assert {name: told.get(name) for name in expected} == expected


def test_dnf_takes_one_card_or_all(dnf: Ask) -> None:
    def cards(word: str) -> set[str]:
        return {name.rpartition("-")[2] for name in dnf(word) if "-gfx" in name}

    assert cards("amdrocm10.1-gfx1030") == {"gfx1030"}
    assert {"gfx90a", "gfx942", "gfx1030", "gfx1031", "gfx1151"} < cards("amdrocm10.1")


@pytest.mark.parametrize(("words", "expected"), [
    (["rocm-hip-runtime"], {
        "rocm-hip-runtime": "7.2.4.70204-sles156.93", "rocminfo": "1.0.0.70204-sles156.93",
        "update-alternatives": "1.19.0.4-150000.4.7.1"}),
    (["rocminfo7.2.4"], {"rocm-core7.2.4": "7.2.4.70204-sles156.93", "rocminfo7.2.4": "1.0.0.70204-sles156.93"}),
    (["amdgpu-dkms"], {"amdgpu-dkms": "1:6.16.13.30300400-2341068", "amdgpu-dkms-firmware": "30.30.4.0.30300400-2341068"}),
    (["amdrocm10.1-gfx1151"], {"amdrocm-core10.1-gfx1151": "10.1.0-1", "amdrocm-dnn10.1-gfx1151": "10.1.0-1"}),
])
def test_zypper(zypper: Ask, words: list[str], expected: dict[str, str]) -> None:
    told = zypper(*words)
    assert {name: told.get(name) for name in expected} == expected


@pytest.mark.parametrize(("profile", "options"), [
    ("rocky9-mi210-bare", {"version": "7.2", "components": ["hip", "opencl"], "driver": "dkms"}),
    ("rocky9-mi210-bare", {"version": "6.4.3", "driver": "inbox"}),
    ("rocky9-mi210-bare", {"version": "7.2", "side_by_side": True, "driver": "inbox"}),
    ("rocky9-mi210-bare", {"version": "10.1", "components": ["ml"], "driver": "inbox"}),
    ("sles15-mi210-bare", {"version": "7.2", "driver": "dkms"}),
    ("sles15-mi210-bare", {"version": "10.1", "components": ["opencl", "smi"], "driver": "inbox"}),
])
def test_they_do_what_a_plan_says(request: pytest.FixtureRequest, profile: str, options: dict[str, Any]) -> None:
    """The packages that a plan names, in its versions; headers are of the machine's own sources, which are not here."""
    found = RocmLaboratory(rocm_machine(profile, ()), rocm_order(**options)).select()
    named = {one.name: one.version for one in found.request.install if one.version and not one.name.startswith("kernel-")}
    manager, sign = ("dnf", "-") if profile.startswith("rocky") else ("zypper", "=")
    told = request.getfixturevalue(manager)(*(f"{name}{sign}{version}" for name, version in named.items()))
    assert named
    assert {name: told.get(name) for name in named} == named
