# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is asked for a driver, in which order, with which repositories besides the node's own."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._plan._repositories import attempts
from planlab import order_of

DEBIAN = {"distribution": "debian", "distribution_version": "13", "architecture": "x86_64"}
UBUNTU = {"distribution": "ubuntu", "distribution_version": "24.04", "architecture": "x86_64"}
MINT = {"distribution": "linuxmint", "distribution_version": "22", "distribution_like": ["ubuntu", "debian"],
        "architecture": "x86_64", "ubuntu_codename": "noble"}
ROCKY = {"distribution": "rocky", "distribution_version": "9.6", "distribution_like": ["rhel"], "architecture": "x86_64"}
CUDA = "https://developer.download.nvidia.com/compute/cuda/repos"


def source(uri: str, suites: str, components: str, **more: Any) -> dict[str, Any]:
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    return {"id": uri, "uris": [uri], "suites": suites.split(), "components": components.split(), "enabled": True, "signed_by": key,
            "path": "/etc/apt/sources.list.d/debian.sources", **more}


MAIN = source("http://mirror.example.com/debian", "trixie trixie-updates", "main")


def node(system: dict[str, Any], *repositories: dict[str, Any], origin: str | None = None) -> Inventory:
    inventory = Inventory()
    inventory.system.update(system)
    inventory.packages["repositories"] = list(repositories)
    if origin:
        inventory.nvidia["driver"] = {"origin": origin, "packages": {"libcuda1": "550.163.01-2"}}
    return inventory


@pytest.mark.parametrize(("system", "origin", "there", "expected"), [
    (DEBIAN, "auto", None, ["debian", "debian_backports", "nvidia_debian if unserved"]),
    (DEBIAN, "auto", "debian", ["debian", "debian_backports", "nvidia_debian if unserved"]),
    (DEBIAN, "auto", "nvidia", ["nvidia_debian"]),
    (DEBIAN, "distribution", "nvidia", ["debian", "debian_backports"]),
    (DEBIAN, "nvidia", None, ["nvidia_debian"]),
    (UBUNTU, "auto", None, ["ubuntu", "nvidia_ubuntu if unserved"]),
    (MINT, "auto", None, ["ubuntu", "nvidia_ubuntu if unserved"]),
    ({**MINT, "ubuntu_codename": None}, "auto", None, []),
    (ROCKY, "auto", None, ["nvidia_el"]),  # nobody else delivers there
    (ROCKY, "distribution", None, []),
    ({"distribution": "plan9", "distribution_version": "4"}, "auto", None, []),
])
def test_who_is_asked(system: dict[str, Any], origin: str, there: str | None, expected: list[str]) -> None:
    found = attempts(node(system, MAIN, origin=there), order_of(origin=origin))
    assert [one.deliverer.id + (" if unserved" if one.unserved_only else "") for one in found] == expected


def test_a_runfile_is_no_repository() -> None:
    inventory = node(DEBIAN, MAIN)
    inventory.nvidia["driver"] = {"origin": "nvidia", "installed_version": "580.95.05"}
    assert next(one.deliverer.id for one in attempts(inventory, order_of())) == "debian"


def files(inventory: Inventory, deliverer: str, **options: Any) -> dict[str, str]:
    found = next(one for one in attempts(inventory, order_of(**options)) if one.deliverer.id == deliverer)
    return {one.path: one.content for one in found.repositories}


def test_components_come_beside_the_nodes_own_source_and_key() -> None:
    third = source("https://packages.example.org/debian", "stable", "main")
    assert files(node(DEBIAN, MAIN, third), "debian") == {"/etc/apt/sources.list.d/gpufleet-debian.sources": """\
# Written by gpufleet.node.nvidia_driver.
Types: deb
URIs: http://mirror.example.com/debian
Suites: trixie
Components: contrib non-free non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.com/debian
Suites: trixie-updates
Components: contrib non-free non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""}


def test_only_what_is_missing_is_added() -> None:
    whole = source("http://mirror.example.com/debian/", "trixie trixie-updates", "main contrib non-free non-free-firmware")
    assert files(node(DEBIAN, whole), "debian") == {}
    firmware = source("http://mirror.example.com/debian", "trixie", "main non-free-firmware")
    assert "Components: contrib non-free\n" in files(node(DEBIAN, firmware), "debian")["/etc/apt/sources.list.d/gpufleet-debian.sources"]
    off = source("http://mirror.example.com/debian", "trixie", "contrib non-free non-free-firmware", enabled=False)
    assert files(node(DEBIAN, MAIN, off), "debian") != {}


def test_backports_come_from_the_same_mirror_with_the_components_of_the_release() -> None:
    content = files(node(DEBIAN, MAIN), "debian_backports")["/etc/apt/sources.list.d/gpufleet-debian-backports.sources"]
    assert content.splitlines()[1:5] == ["Types: deb", "URIs: http://mirror.example.com/debian", "Suites: trixie-backports",
                                         "Components: main contrib non-free non-free-firmware"]
    assert "Suites: trixie\nComponents: contrib non-free non-free-firmware\n" in content


@pytest.mark.parametrize(("mirror", "url"), [
    (None, f"{CUDA}/ubuntu2404/x86_64/"),
    ("https://mirror.example.com/nvidia", "https://mirror.example.com/nvidia/compute/cuda/repos/ubuntu2404/x86_64/"),
    ("https://mirror.example.com/nvidia/", "https://mirror.example.com/nvidia/compute/cuda/repos/ubuntu2404/x86_64/"),
])
def test_nvidias_repository_for_apt(mirror: str | None, url: str) -> None:
    inventory = node(UBUNTU, source("http://archive.ubuntu.com/ubuntu", "noble", "main restricted universe multiverse"))
    assert files(inventory, "nvidia_ubuntu", origin="nvidia", mirror=mirror) == {
        "/etc/apt/sources.list.d/gpufleet-nvidia-ubuntu.sources": f"# Written by gpufleet.node.nvidia_driver.\nTypes: deb\nURIs: {url}\n"
        "Suites: /\nSigned-By: /usr/share/keyrings/gpufleet-nvidia-ubuntu.asc\n"}
    inventory.packages["repositories"].append(source(url.rstrip("/"), "/", ""))
    assert files(inventory, "nvidia_ubuntu", origin="nvidia", mirror=mirror) == {}


@pytest.mark.parametrize(("system", "deliverer", "entry", "mirror", "added"), [
    (UBUNTU, "nvidia_ubuntu", source("http://apt.example.org/nvidia/ubuntu2404/x86_64", "/", ""), None, 0),
    (UBUNTU, "nvidia_ubuntu", source("http://apt.example.org/nvidia/ubuntu2204/x86_64/", "/", ""), None, 1),  # of another release
    (UBUNTU, "nvidia_ubuntu", source("http://apt.example.org/nvidia/ubuntu2404/x86_64/", "/", "", enabled=False), None, 1),
    (UBUNTU, "nvidia_ubuntu", source("http://apt.example.org/nvidia/ubuntu2404/x86_64/", "/", ""), "https://other.example.org", 1),
    (ROCKY, "nvidia_el", source("file:///srv/mirror/cuda/rhel9/x86_64/", "", ""), None, 0),
    (ROCKY, "nvidia_el", {**source("https://satellite.example.org/pulp/gpu", "", ""), "id": "cuda-rhel9-x86_64"}, None, 0),
    (ROCKY, "nvidia_el", {**source("https://satellite.example.org/pulp/gpu", "", ""), "id": "gpu"}, None, 1),
])
def test_a_mirror_that_the_node_has_is_nvidias_repository(
    system: dict[str, Any], deliverer: str, entry: dict[str, Any], mirror: str | None, added: int
) -> None:
    found = files(node(system, entry), deliverer, origin="nvidia", mirror=mirror)
    assert len([path for path in found if deliverer.replace("_", "-") in path and "components" not in path]) == added


def test_a_derivative_of_ubuntu_gets_components_of_its_own_base() -> None:
    mint = source("http://packages.linuxmint.com", "wilma", "main upstream import backport")
    base = source("http://archive.ubuntu.com/ubuntu", "noble", "main universe")
    assert "Suites: noble\nComponents: restricted multiverse\n" in files(node(MINT, mint, base), "ubuntu")[
        "/etc/apt/sources.list.d/gpufleet-ubuntu.sources"]


def test_nvidias_repository_for_dnf() -> None:
    assert files(node(ROCKY), "nvidia_el", repository_priority=10) == {"/etc/yum.repos.d/gpufleet-nvidia-el.repo": f"""\
# Written by gpufleet.node.nvidia_driver.
[gpufleet-nvidia-el]
name=gpufleet-nvidia-el
baseurl={CUDA}/rhel9/x86_64/
enabled=1
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-gpufleet-nvidia-el
priority=10
"""}


def test_words_of_a_nodes_own_sources_cannot_start_lines_of_ours() -> None:
    bad = source("http://mirror.example.com/debian", "trixie", "main", signed_by="/key\nTrusted: yes")
    assert "Trusted" not in files(node(DEBIAN, bad), "debian")["/etc/apt/sources.list.d/gpufleet-debian.sources"]
