# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who delivers ROCm to whom: look-ups by distribution, repositories by release, components by name, releases by package version."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import delivery, rocm_delivery, rocm_releases

RHEL_LIKE = ("rhel", "centos", "fedora")
MINT = ("ubuntu", "debian")
RADEON = "https://repo.radeon.com/"
VENDORS = ("amd_classic_deb", "amd_classic_el", "amd_classic_suse", "amd_deb", "amd_el", "amd_suse")
ALL = ("debian", "ubuntu", "fedora", "epel", "opensuse", *VENDORS)


@pytest.mark.parametrize(
    ("arguments", "origins"),
    [
        (("debian", "12"), ["debian", "amd_classic_deb", "amd_deb"]),
        (("debian", "13"), ["debian", "amd_classic_deb", "amd_deb"]),
        (("debian", "13", (), "aarch64"), ["debian"]),
        (("debian", "11"), []),
        (("ubuntu", "22.04", ("debian",)), ["ubuntu", "amd_classic_deb", "amd_deb"]),
        (("ubuntu", "24.04", ("debian",)), ["ubuntu", "amd_classic_deb", "amd_deb"]),
        (("ubuntu", "25.10", ("debian",)), ["ubuntu"]),
        (("ubuntu", "26.04", ("debian",)), ["ubuntu", "amd_deb"]),
        (("linuxmint", "22", MINT, "x86_64", "noble"), ["ubuntu", "amd_classic_deb", "amd_deb"]),
        (("linuxmint", "22", MINT), []),
        (("rhel", "8.10", ("fedora",)), ["amd_classic_el", "amd_el"]),
        (("rocky", "9.7", RHEL_LIKE), ["amd_classic_el", "amd_el"]),
        (("eurolinux", "9.7", RHEL_LIKE), ["amd_classic_el", "amd_el"]),
        (("almalinux", "10.1", RHEL_LIKE), ["epel", "amd_classic_el", "amd_el"]),
        (("rhel", "7.9", ("fedora",)), []),
        (("fedora", "44"), ["fedora"]),
        (("fedora", "40"), []),
        (("sles", "15.7", ("suse",)), ["amd_classic_suse", "amd_suse"]),
        (("sles_sap", "16.0", ("suse",)), ["amd_suse"]),
        (("opensuse-tumbleweed", "20261101", ("opensuse", "suse")), ["opensuse"]),
        (("arch", "rolling"), []),
        (("", ""), []),
    ],
)
def test_deliverers(arguments: tuple[Any, ...], origins: list[str]) -> None:
    assert [one.id for one in rocm_delivery.deliverers(*arguments)] == origins


def test_deliverer_and_what_it_has_besides() -> None:
    classic = rocm_delivery.deliverer("amd_classic_deb")
    assert classic is not None
    assert (classic.maker, classic.kind, classic.manager, classic.hold) == ("amd", "vendor", "apt", "preferences")
    assert classic.headers == {"meta": "linux-headers-{kernel_flavour}", "exact": "linux-headers-{release}"}
    besides = rocm_delivery.delivery_of("amd_classic_deb")
    assert (besides.stream, besides.side_by_side, besides.gone_first) == ("legacy", "{name}{release}", ("amd_deb",))
    assert classic.hold_patterns == (*besides.hold_rocm, *besides.hold_driver)
    assert rocm_delivery.delivery_of("debian").stream is None
    assert "gfx1030" in rocm_delivery.delivery_of("debian").targets
    assert rocm_delivery.deliverer("nvidia_debian") is None
    with pytest.raises(KeyError):
        rocm_delivery.delivery_of("nvidia_debian")


def _urls(*arguments: Any, **words: Any) -> list[tuple[str, str, str | None]]:
    return [(place.id, place.url, place.suite) for place in rocm_delivery.repositories(*arguments, **words)]


@pytest.mark.parametrize(
    ("arguments", "places"),
    [
        (
            ("amd_classic_deb", "ubuntu", "24.04", "7.2.4", "30.30.4"),
            [
                ("rocm", f"{RADEON}rocm/apt/7.2.4", "noble"),
                ("amdgpu", f"{RADEON}amdgpu/30.30.4/ubuntu", "noble"),
                ("amdgraphics", f"{RADEON}graphics/7.2.4/ubuntu", "noble"),
            ],
        ),
        (
            ("amd_classic_deb", "ubuntu", "22.04", "7.2.0"),
            [("rocm", f"{RADEON}rocm/apt/7.2", "jammy"), ("amdgraphics", f"{RADEON}graphics/7.2/ubuntu", "jammy")],
        ),
        (
            ("amd_classic_deb", "debian", "13", "6.4.3", "6.4.3"),
            [("rocm", f"{RADEON}rocm/apt/6.4.3", "noble"), ("amdgpu", f"{RADEON}amdgpu/6.4.3/ubuntu", "noble")],
        ),
        (("amd_classic_deb", "debian", "12", "7.0.0"), [("rocm", f"{RADEON}rocm/apt/7.0", "jammy")]),
        (("amd_classic_deb", "ubuntu", "26.04", "7.2.4", "30.30.4"), []),
        (
            ("amd_classic_el", "rocky", "9.7", "7.2.4", "30.30.4"),
            [
                ("rocm", f"{RADEON}rocm/el9/7.2.4/main", None),
                ("amdgpu", f"{RADEON}amdgpu/30.30.4/el/9.7/main/x86_64", None),
                ("amdgraphics", f"{RADEON}graphics/7.2.4/el/9.7/main/x86_64", None),
            ],
        ),
        (
            ("amd_classic_el", "rhel", "10.1", "7.2.0", "30.30.0"),
            [
                ("rocm", f"{RADEON}rocm/el10/7.2/main", None),
                ("amdgpu", f"{RADEON}amdgpu/30.30/el/10/main/x86_64", None),
                ("amdgraphics", f"{RADEON}graphics/7.2/el/10/main/x86_64", None),
            ],
        ),
        (
            ("amd_classic_suse", "sles", "15.7", "7.0.2", "30.10.2"),
            [("rocm", f"{RADEON}rocm/zyp/7.0.2/main", None), ("amdgpu", f"{RADEON}amdgpu/30.10.2/sle/15.7/main/x86_64", None)],
        ),
        (("amd_deb", "ubuntu", "24.04", "7.14.1"), [("rocm", "https://repo.amd.com/rocm/packages-multi-arch/ubuntu2404", "stable")]),
        (
            ("amd_deb", "ubuntu", "26.04", "10.1.0", "31.50"),
            [
                ("amdgpu", f"{RADEON}amdgpu/31.50/ubuntu", "resolute"),
                ("amdrocm-stable", "https://stable.repo.amd.com/rocm/core/packages/ubuntu2604", "stable"),
            ],
        ),
        (("amd_deb", "debian", "13", "10.0.0"), [("amdrocm-stable", "https://stable.repo.amd.com/rocm/core/packages/debian13", "stable")]),
        (("amd_el", "rhel", "9.7", "10.1"), [("amdrocm-stable", "https://stable.repo.amd.com/rocm/core/packages/rhel9/x86_64", None)]),
        (("amd_suse", "sles", "16.0", "7.14"), [("rocm", "https://repo.amd.com/rocm/packages-multi-arch/sles16/x86_64", None)]),
        (("amd_suse", "debian", "13", "10.1"), []),
        (("debian", "debian", "13", "7.2.4", "30.30.4"), []),
    ],
)
def test_repositories(arguments: tuple[Any, ...], places: list[tuple[str, str, str | None]]) -> None:
    assert _urls(*arguments) == places


def test_repositories_of_a_derivative_are_those_of_its_model() -> None:
    mint = _urls("amd_classic_deb", "linuxmint", "22", "7.2.4", like=MINT, ubuntu_codename="noble")
    assert mint == _urls("amd_classic_deb", "ubuntu", "24.04", "7.2.4")
    assert mint


def test_keys_and_pins() -> None:
    rocm, *_others = rocm_delivery.repositories("amd_classic_deb", "ubuntu", "24.04", "7.2.4", "30.30.4")
    assert (rocm.key, rocm.keyring, rocm.priority) == (f"{RADEON}rocm/rocm.gpg.key", "/etc/apt/keyrings/rocm.gpg", 600)
    assert (rocm.fingerprint, rocm.components) == ("CA8BB4727A47B4D09B4EE8969386B48A1A693C5C", ("main",))
    (core,) = rocm_delivery.repositories("amd_deb", "ubuntu", "24.04", "10.1.0")
    assert (core.key, core.fingerprint) == ("https://stable.repo.amd.com/rocm/gpg/packages.gpg", None)


@pytest.mark.parametrize("word", ["../../evil", "7.2/..", "7.2 ", "7.2\n", "", "7{rocm}", "7.2\N{ARABIC-INDIC DIGIT FOUR}"])
def test_no_word_leads_out_of_a_repository(word: str) -> None:
    with pytest.raises(ValueError, match="no part of a repository's address"):
        rocm_delivery.repositories("amd_classic_deb", "ubuntu", "24.04", "7.2.4", f"3{word}" if word else "")
    for origin, system in (("amd_classic_el", ("rhel", f"9.{word}")), ("amd_classic_deb", ("ubuntu", f"24.04{word}"))):
        try:
            places = rocm_delivery.repositories(origin, *system, "7.2.4", "30.30.4")
        except ValueError:
            continue
        assert not word or places == []


@pytest.mark.parametrize(
    ("origin", "release", "version", "names"),
    [
        ("amd_classic_deb", "7.2.4", "24.04", "runtime hip opencl ml developer smi all dkms firmware"),
        ("amd_classic_deb", "5.7.1", None, "runtime hip opencl ml developer smi dkms firmware"),
        ("amd_deb", "10.1", "26.04", "runtime hip opencl ml developer smi all dkms firmware"),
        ("debian", None, "12", "runtime hip developer smi firmware"),
        ("debian", None, "13", "runtime hip opencl ml developer smi firmware"),
        ("ubuntu", None, "22.04", "runtime firmware"),
        ("ubuntu", None, "24.04", "runtime hip developer smi firmware"),
        ("ubuntu", None, "26.04", "runtime hip opencl ml developer smi all firmware"),
        ("fedora", None, "44", "runtime hip opencl ml developer smi firmware"),
        ("epel", None, "10", "runtime hip ml developer smi"),
        ("nobody", None, None, ""),
    ],
)
def test_components(origin: str, release: str | None, version: str | None, names: str) -> None:
    assert rocm_delivery.components(origin, release, version) == names.split()
    for name in rocm_delivery.COMPONENTS:
        assert (rocm_delivery.component(origin, name, release, version) is not None) == (name in names.split())


@pytest.mark.parametrize(
    ("arguments", "words", "install", "core"),
    [
        (("amd_classic_deb", "hip", "7.2.4"), {}, ("rocm-hip-runtime",), "rocm-hip-runtime"),
        (("amd_classic_deb", "hip", "7.2.0"), {"beside": True}, ("rocm-hip-runtime7.2.0",), "rocm-hip-runtime7.2.0"),
        (("amd_classic_el", "runtime", "7.2.4"), {"beside": True}, ("rocm-language-runtime7.2.4", "rocminfo7.2.4"), "rocm-core7.2.4"),
        (("amd_classic_deb", "dkms", "7.2.4"), {"beside": True}, ("amdgpu-dkms",), "amdgpu-dkms"),
        (("amd_deb", "ml", "10.1.0"), {"gfx_target": "gfx942"}, ("amdrocm10.1-gfx942",), "amdrocm10.1-gfx942"),
        (("amd_deb", "ml", "10.1.0"), {}, ("amdrocm10.1-{gfx}",), "amdrocm10.1-{gfx}"),
        (("amd_deb", "ml"), {}, ("amdrocm{xy}-{gfx}",), "amdrocm{xy}-{gfx}"),
        (("amd_el", "opencl", "7.14.1"), {"beside": True}, ("amdrocm-opencl7.14",), "amdrocm-opencl7.14"),
        (("ubuntu", "hip", None, "24.04"), {}, ("libamdhip64-5",), "libamdhip64-5"),
        (("ubuntu", "hip", None, "26.04"), {}, ("libamdhip64-7",), "libamdhip64-7"),
        (("debian", "smi", None, "13"), {"beside": True}, ("amd-smi",), "amd-smi"),
    ],
)
def test_component(arguments: tuple[Any, ...], words: dict[str, Any], install: tuple[str, ...], core: str) -> None:
    found = rocm_delivery.component(*arguments, **words)
    assert found is not None
    assert (found.install, found.core) == (install, core)


@pytest.mark.parametrize(
    ("origin", "text", "release"),
    [
        ("amd_classic_deb", "7.2.4.70204-93~24.04", "7.2.4"),
        ("amd_classic_deb", "7.2.53211.70204-93~24.04", "7.2.4"),
        ("amd_classic_deb", "1.0.0.60403-128~22.04", "6.4.3"),
        ("amd_classic_deb", "3.5.1.70200-43~24.04", "7.2.0"),
        ("amd_classic_el", "1.0.0.60403-128.el9", "6.4.3"),
        ("amd_classic_suse", "7.2.4.70204-sles156.93", "7.2.4"),
        ("amd_classic_deb", "5.7.1-3", None),
        ("amd_classic_deb", "1:6.14.14.30300400-2303411.24.04", None),
        ("amd_classic_deb", "", None),
        ("amd_deb", "10.0.0-4", "10.0.0"),
        ("amd_deb", "7.14.1-1~24.04", "7.14.1"),
        ("amd_el", "10.1.0-2.el9", "10.1.0"),
        ("debian", "5.7.1-6+deb13u1", "5.7.1"),
        ("debian", "6.1.2+ds-2", "6.1.2"),
        ("debian", "5.5.1+dfsg-7", "5.5.1"),
        ("ubuntu", "7.1.0+dfsg-0ubuntu9", "7.1.0"),
        ("fedora", "7.1.1-4.fc44", "7.1.1"),
        ("fedora", "20-13.rocm7.1.1.fc44", "7.1.1"),
        ("epel", "7.2.2-1.el10_3", "7.2.2"),
        ("debian", "20250410-2", None),
        ("debian", "trixie", None),
        ("debian", "\N{ARABIC-INDIC DIGIT FIVE}.7.1-6", None),
    ],
)
def test_release_of_package(origin: str, text: str, release: str | None) -> None:
    assert rocm_delivery.release_of_package(origin, text) == release


CLASSIC_APT = {"o": "repo.radeon.com", "l": "repo.radeon.com", "a": "noble", "n": "noble", "c": "main", "site": "repo.radeon.com"}


@pytest.mark.parametrize(
    ("manager", "fields", "among", "origin"),
    [
        ("apt", CLASSIC_APT, ("ubuntu", "amd_classic_deb"), "amd_classic_deb"),
        ("apt", CLASSIC_APT, ("ubuntu", "amd_deb"), "amd_deb"),  # the driver's repository, of one stream or the other
        ("apt", {"o": "AMD ROCm", "site": "mirror.example.com"}, ("ubuntu", "amd_deb"), "amd_deb"),
        ("apt", {"o": "AMD ROCm"}, ("ubuntu", "amd_classic_deb"), None),
        ("apt", {"o": "Debian", "l": "Debian", "n": "trixie"}, None, "debian"),
        ("apt", {"o": "Debian Backports", "l": "Debian Backports"}, None, "debian"),
        ("apt", {"o": "Ubuntu", "l": "Ubuntu", "a": "noble-updates"}, None, "ubuntu"),
        ("apt", {"o": "LP-PPA-someone-rocm"}, None, None),
        ("apt", {}, None, None),
        ("dnf", {"repo": "rocm", "url": f"{RADEON}rocm/el9/7.2.4/main"}, ("amd_classic_el",), "amd_classic_el"),
        ("dnf", {"repo": "rocm", "url": "https://mirror.example.com/rocm/el9/7.2.4/main/"}, ("amd_classic_el",), "amd_classic_el"),
        ("dnf", {"repo": "mirror", "url": "https://repo.amd.com/rocm/packages-multi-arch/rhel9/x86_64"}, ("amd_el",), "amd_el"),
        ("dnf", {"repo": "amdrocm-stable", "url": "https://mirror.example.com/x"}, ("amd_el",), "amd_el"),
        ("dnf5", {"repo": "updates", "vendor": "Fedora Project"}, ("fedora",), "fedora"),
        ("dnf", {"repo": "epel", "vendor": "Fedora Project"}, ("epel", "amd_el"), "epel"),
        ("zypper", {"repo": "rocm", "url": f"{RADEON}rocm/zyp/7.2.4/main"}, ("amd_classic_suse", "amd_suse"), "amd_classic_suse"),
        ("zypper", {"repo": "stable", "url": "https://stable.repo.amd.com/rocm/core/packages/sles15/x86_64"}, ("amd_suse",), "amd_suse"),
        ("dnf", {"repo": "baseos", "vendor": "Rocky Enterprise Software Foundation"}, None, None),
    ],
)
def test_origin_of(manager: str, fields: dict[str, str], among: tuple[str, ...] | None, origin: str | None) -> None:
    assert rocm_delivery.origin_of(manager, fields, among) == origin


def test_every_release_of_a_stream_has_repositories_where_its_deliverer_serves() -> None:
    systems = {"deb": [("ubuntu", "24.04"), ("debian", "13")], "el": [("rhel", "9.7"), ("rhel", "10.1")], "suse": [("sles", "15.7")]}
    for origin, release in itertools.product(VENDORS, rocm_releases.releases()):
        stream = rocm_delivery.delivery_of(origin).stream
        for system in systems[origin.rpartition("_")[2]]:
            places = rocm_delivery.repositories(origin, *system, release.version, "30.30.4")
            assert {place.use for place in places} <= {"rocm", "amdgpu", "graphics"}
            if release.stream == stream:
                assert [place.use for place in places].count("rocm") == 1, (origin, release)
            assert all(place.url.startswith("https://") and "{" not in place.url for place in places)


def test_every_component_has_names() -> None:
    for origin, name, release in itertools.product(ALL, rocm_delivery.COMPONENTS, ("6.4.3", "7.2.4", "7.14.1", "10.1.0")):
        found = rocm_delivery.component(origin, name, release, None, "gfx1100", beside=True)
        if found is not None:
            assert found.install
            assert not [one for one in (*found.install, found.core) if "{" in one or "}" in one]


def test_deliverers_of_both_makers_agree_on_the_distribution() -> None:
    """One table of distributions for both, so Mint is Ubuntu to NVIDIA and to AMD alike."""
    for system in (("linuxmint", "22", MINT, "x86_64", "noble"), ("ubuntu", "24.04"), ("debian", "13"), ("rocky", "9.7", RHEL_LIKE)):
        rocm, nvidia = (module.deliverers(*system) for module in (rocm_delivery, delivery))
        assert (rocm[0].manager, rocm[0].headers) == (nvidia[0].manager, nvidia[0].headers)
    assert rocm_delivery.Deliverer is delivery.Deliverer
