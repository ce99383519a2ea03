# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who delivers drivers to whom: look-ups by distribution, origins by metadata, names by template."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import delivery

BASE = "https://developer.download.nvidia.com/compute/cuda/repos/"
RHEL_LIKE = ("rhel", "centos", "fedora")
MINT = ("ubuntu", "debian")


@pytest.mark.parametrize(
    ("arguments", "origins"),
    [
        (("debian", "12"), ["debian", "debian_backports", "nvidia_debian"]),
        (("debian", "13"), ["debian", "debian_backports", "nvidia_debian"]),
        (("debian", "13", (), "aarch64"), ["debian", "debian_backports"]),
        (("debian", "11"), []),
        (("debian", ""), []),
        (("ubuntu", "22.04", ("debian",)), ["ubuntu", "nvidia_ubuntu"]),
        (("ubuntu", "24.04", ("debian",), "aarch64"), ["ubuntu", "nvidia_ubuntu"]),
        (("ubuntu", "25.10", ("debian",)), ["ubuntu"]),
        (("ubuntu", "26.04", ("debian",)), ["ubuntu", "nvidia_ubuntu"]),
        (("ubuntu", "20.04", ("debian",)), []),
        (("linuxmint", "22", MINT, "x86_64", "noble"), ["ubuntu", "nvidia_ubuntu"]),
        (("linuxmint", "22", MINT), []),
        (("linuxmint", "22", MINT, "x86_64", "focal"), []),
        (("pop", "22.04", MINT), []),
        (("raspbian", "12", ("debian",)), []),
        (("rhel", "8.10", ("fedora",)), ["nvidia_el"]),
        (("rocky", "9.4", RHEL_LIKE), ["nvidia_el"]),
        (("almalinux", "9.6", RHEL_LIKE), ["nvidia_el"]),
        (("centos", "9", ("rhel", "fedora")), ["nvidia_el"]),
        (("ol", "9.5", ("fedora",)), ["nvidia_el"]),
        (("eurolinux", "9.4", RHEL_LIKE), ["nvidia_el"]),
        (("rhel", "10.0", ("fedora",)), ["nvidia_dnf"]),
        (("rhel", "7.9", ("fedora",)), []),
        (("rhel", "90", ("fedora",)), []),
        (("amzn", "2023", ("fedora",), "aarch64"), ["nvidia_el"]),
        (("fedora", "44"), ["nvidia_dnf"]),
        (("fedora", "44", (), "aarch64"), []),
        (("nobara", "44", ("fedora",)), []),
        (("sles", "15.7", ("suse",)), ["nvidia_suse"]),
        (("sles_sap", "16.0", ("suse",)), ["nvidia_suse"]),
        (("opensuse-leap", "15.6", ("suse", "opensuse")), ["nvidia_suse"]),
        (("opensuse-leap", "15.6", ("suse", "opensuse"), "aarch64"), []),
        (("opensuse-tumbleweed", "20261101", ("opensuse", "suse")), ["nvidia_suse"]),
        (("arch", "rolling"), []),
        (("debian", "13", (), "riscv64"), []),
        (("", ""), []),
    ],
)
def test_deliverers(arguments: tuple[Any, ...], origins: list[str]) -> None:
    assert [one.id for one in delivery.deliverers(*arguments)] == origins


@pytest.mark.parametrize(
    ("arguments", "path", "key", "fingerprint"),
    [
        (("debian", "12"), "debian12/x86_64/", "3bf863cc.pub", "EB693B3035CD5710E231E123A4B469963BF863CC"),
        (("debian", "13"), "debian13/x86_64/", "8793F200.pub", "02182E60104FCDC26EAE1B8597A5D4CB8793F200"),
        (("ubuntu", "24.04", (), "aarch64"), "ubuntu2404/sbsa/", "3bf863cc.pub", "EB693B3035CD5710E231E123A4B469963BF863CC"),
        (("ubuntu", "26.04"), "ubuntu2604/x86_64/", None, None),
        (("rhel", "8.10", (), "aarch64"), "rhel8/sbsa/", "D42D0685.pub", "610C7B14E068A878070DA4E99CD0A493D42D0685"),
        (("rocky", "10.0", RHEL_LIKE), "rhel10/x86_64/", "CDF6BA43.pub", None),
        (("amzn", "2023"), "amzn2023/x86_64/", "D42D0685.pub", "610C7B14E068A878070DA4E99CD0A493D42D0685"),
        (("fedora", "44"), "fedora44/x86_64/", None, None),
        (("sles", "16.0", (), "aarch64"), "suse16/sbsa/", "3A8B5622.pub", "CF65941A859D4B4E6870F188736A284B3A8B5622"),
    ],
)
def test_repository_of_nvidia(arguments: tuple[Any, ...], path: str, key: str | None, fingerprint: str | None) -> None:
    found = delivery.deliverers(*arguments)[-1]
    folder, arch, _end = path.split("/")
    row = found.repository
    assert (found.kind, found.maker) == ("vendor", "nvidia")
    assert (row["url"], row["path"], row["folder"], row["id"]) == (BASE + path, path, folder, f"cuda-{folder}-{arch}")
    assert (row["key"], row["fingerprint"]) == (key, fingerprint)


def test_repositories_of_the_distribution() -> None:
    main, backports = delivery.deliverers("debian", "12")[:2]
    assert main.repository == {"components": ["contrib", "non-free", "non-free-firmware"]}
    assert backports.repository["suite"] == "bookworm-backports"
    assert delivery.deliverers("ubuntu", "24.04")[0].repository == {"components": ["restricted", "multiverse"]}


def test_deliverer_by_id() -> None:
    found = delivery.deliverer("nvidia_el")
    assert found is not None
    assert (found.hold, found.manager, found.repository["path"]) == ("stream", "dnf", "{folder}/{arch}/")
    assert delivery.deliverer("rpmfusion") is None


@pytest.mark.parametrize(
    ("manager", "fields", "among", "origin"),
    [
        ("apt", {"o": "Debian", "l": "Debian", "a": "stable", "n": "trixie"}, None, "debian"),
        ("apt", {"o": "Debian", "l": "Debian-Security", "a": "stable-security"}, None, "debian"),
        ("apt", {"o": "Debian Backports", "l": "Debian Backports", "n": "trixie-backports"}, None, "debian_backports"),
        ("apt", {"o": "Ubuntu", "l": "Ubuntu", "a": "noble-updates"}, None, "ubuntu"),
        ("apt", {"o": "NVIDIA", "l": "NVIDIA CUDA", "site": "mirror.example.com"}, ("debian", "nvidia_debian"), "nvidia_debian"),
        ("apt", {"o": "NVIDIA", "l": "NVIDIA CUDA"}, ("ubuntu", "nvidia_ubuntu"), "nvidia_ubuntu"),
        ("apt", {"o": "LP-PPA-graphics-drivers", "l": "Proprietary GPU Drivers"}, None, None),
        ("apt", {"o": "NVIDIA"}, None, None),
        ("apt", {}, None, None),
        ("apt", {"o": "Debian", "l": "Debian"}, (), None),
        ("dnf", {"repo": "cuda-rhel9-x86_64"}, ("nvidia_el",), "nvidia_el"),
        ("dnf5", {"repo": "cuda-fedora44-x86_64"}, ("nvidia_dnf",), "nvidia_dnf"),
        ("dnf", {"repo": "local", "url": f"{BASE}rhel9/x86_64"}, ("nvidia_el",), "nvidia_el"),
        ("dnf", {"repo": "rpmfusion-nonfree", "vendor": "RPM Fusion"}, None, None),
        ("zypper", {"repo": "cuda", "vendor": "NVIDIA Corporation"}, ("nvidia_suse",), "nvidia_suse"),
        ("apt", {"repo": "cuda-rhel9-x86_64"}, None, None),
    ],
)
def test_origin_of(manager: str, fields: dict[str, str], among: tuple[str, ...] | None, origin: str | None) -> None:
    assert delivery.origin_of(manager, fields, among) == origin


@pytest.mark.parametrize(
    ("origin", "branch", "expected"),
    [
        ("debian", 550, {"persistenced": ("nvidia-persistenced",)}),
        ("ubuntu", 580, {"fabricmanager": ("nvidia-fabricmanager-580",), "nscq": ("libnvidia-nscq-580",), "imex": ("nvidia-imex-580",)}),
        ("nvidia_el", 535, {"persistenced": ("nvidia-persistenced",), "fabricmanager": ("nvidia-fabric-manager",),
                            "nscq": ("libnvidia-nscq-535",)}),
        ("nvidia_el", 570, {"persistenced": ("nvidia-persistenced",), "fabricmanager": ("nvidia-fabric-manager",),
                            "nscq": ("libnvidia-nscq-570",), "imex": ("nvidia-imex-570",), "nvlink5": ("nvlsm", "infiniband-diags")}),
        ("nvidia_ubuntu", 580, {"fabricmanager": ("nvidia-fabricmanager",), "nscq": ("libnvidia-nscq",), "imex": ("nvidia-imex",),
                                "nvlink5": ("nvlsm", "infiniband-diags")}),
        ("nvidia_ubuntu", 595, {"persistenced": ("nvidia-persistenced",), "fabricmanager": ("nvidia-fabricmanager",),
                                "nscq": ("libnvidia-nscq",), "imex": ("nvidia-imex",), "nvlink5": ("nvlsm", "infiniband-diags")}),
        ("nobody", 580, {}),
    ],
)
def test_extras(origin: str, branch: int, expected: dict[str, tuple[str, ...]]) -> None:
    assert delivery.extras(origin, branch) == expected


def _install(origin: str, version: str, branch: int, **wanted: object) -> tuple[str, ...]:
    fits = [one for one in delivery.package_sets(origin, version)
            if (one.first or 0) <= branch <= (one.last or 9999) and all(getattr(one, key) == value for key, value in wanted.items())]
    return tuple(delivery.fill(name, branch=branch, kernel_flavour="generic") for name in fits[0].install) if fits else ()


@pytest.mark.parametrize(
    ("origin", "version", "branch", "wanted", "install"),
    [
        ("debian", "12", 535, {"flavour": "proprietary", "components": "compute"}, ("nvidia-kernel-dkms", "libcuda1", "nvidia-smi")),
        ("debian", "12", 535, {"flavour": "open"}, ()),
        ("debian", "13", 550, {"flavour": "open", "components": "compute"}, ("nvidia-open-kernel-dkms", "libcuda1", "nvidia-smi")),
        ("debian", "13", 470, {"core": "libnvidia-tesla-{branch}-cuda1"}, ()),
        ("debian", "12", 470, {"core": "libnvidia-tesla-{branch}-cuda1"},
         ("nvidia-tesla-470-kernel-dkms", "libnvidia-tesla-470-cuda1", "nvidia-tesla-470-smi", "libnvidia-tesla-470-cfg1")),
        ("debian_backports", "12", 535, {"flavour": "open"}, ()),
        ("ubuntu", "24.04", 580, {"build": "prebuilt", "flavour": "open", "server": True, "components": "compute"},
         ("linux-modules-nvidia-580-server-open-generic", "nvidia-headless-no-dkms-580-server-open", "nvidia-utils-580-server",
          "nvidia-compute-utils-580-server")),
        ("ubuntu", "24.04", 580, {"build": "dkms", "flavour": "proprietary", "server": False, "components": "compute"},
         ("nvidia-headless-580", "nvidia-utils-580", "nvidia-compute-utils-580")),
        ("nvidia_ubuntu", "24.04", 580, {"flavour": "open", "components": "compute"},
         ("libnvidia-compute-580", "nvidia-dkms-580-open", "nvidia-utils-580", "nvidia-compute-utils-580")),
        ("nvidia_ubuntu", "24.04", 595, {"flavour": "open", "components": "compute"}, ("libnvidia-compute", "nvidia-dkms-open")),
        ("nvidia_ubuntu", "24.04", 615, {"flavour": "proprietary"}, ()),
        ("nvidia_el", "9.4", 580, {"flavour": "open", "components": "compute"}, ("nvidia-driver-cuda", "kmod-nvidia-open-dkms")),
        ("nvidia_suse", "15.7", 580, {"build": "prebuilt", "components": "compute"},
         ("nvidia-open-driver-G06-signed-cuda-kmp-generic", "nvidia-compute-G06", "nvidia-compute-utils-G06")),
        ("nvidia_suse", "16.0", 595, {"build": "dkms", "components": "compute"},
         ("nvidia-open-driver-G07", "nvidia-compute-G07", "nvidia-compute-utils-G07")),
    ],
)
def test_package_sets(origin: str, version: str, branch: int, wanted: dict[str, object], install: tuple[str, ...]) -> None:
    assert _install(origin, version, branch, **wanted) == install


@pytest.mark.parametrize(
    ("origin", "version", "architecture", "installs"),
    [
        ("debian", "13", "aarch64", {("compute", "open")}),
        ("debian", "13", "x86_64", {("compute", "open"), ("full", "open"), ("compute", "proprietary"), ("full", "proprietary")}),
        ("debian", "12", "aarch64", {("compute", "proprietary"), ("full", "proprietary")}),
        ("debian_backports", "13", "aarch64", {("compute", "open"), ("full", "open"), ("compute", "proprietary"), ("full", "proprietary")}),
    ],
)
def test_package_sets_of_an_architecture(origin: str, version: str, architecture: str, installs: set[tuple[str, str]]) -> None:
    assert {(one.components, one.flavour) for one in delivery.package_sets(origin, version, architecture)} == installs


def test_streams() -> None:
    streams = {one.flavour: one.stream for one in delivery.package_sets("nvidia_el")}
    assert streams == {"open": "{branch}-open", "proprietary": "{branch}-dkms"}
    assert {one.stream for one in delivery.package_sets("nvidia_dnf")} == {None}


@pytest.mark.parametrize(
    ("release", "flavour", "version"),
    [
        ("6.12.48+deb13-amd64", "amd64", "6.12.48+deb13"),
        ("6.12.48+deb13-cloud-amd64", "cloud-amd64", "6.12.48+deb13"),
        ("6.12.9+bpo-rt-arm64", "rt-arm64", "6.12.9+bpo"),
        ("6.1.0-39-amd64", "amd64", "6.1.0-39"),
        ("6.8.0-45-generic", "generic", "6.8.0-45"),
        ("6.8.0-1015-aws", "aws", "6.8.0-1015"),
        ("6.11.0-1004-nvidia-64k", "nvidia-64k", "6.11.0-1004"),
        ("6.4.0-150600.23.25-default", "default", "6.4.0-150600.23.25"),
        ("6.4.0-150600.23.25-64kb", "64kb", "6.4.0-150600.23.25"),
        ("5.14.0-503.el9.x86_64", None, "5.14.0-503.el9"),
        ("5.14.0-570.el9.aarch64+64k", None, "5.14.0-570.el9"),
        ("6.17.4-200.fc44.x86_64", None, "6.17.4-200.fc44"),
        ("", None, ""),
    ],
)
def test_kernel(release: str, flavour: str | None, version: str) -> None:
    assert (delivery.kernel_flavour(release), delivery.kernel_version(release)) == (flavour, version)


def test_fill() -> None:
    assert delivery.fill("linux-modules-nvidia-{branch}-{kernel_flavour}", branch=580, kernel_flavour="aws").endswith("-nvidia-580-aws")
    assert delivery.fill("nvidia-driver-pinning-{version}", version="580.95.05") == "nvidia-driver-pinning-580.95.05"
    with pytest.raises(KeyError, match="branch"):
        delivery.fill("nvidia-dkms-{branch}", version="580")


@pytest.mark.parametrize("word", ["580;reboot", "-580", "", "5 80", "../x", "५८०", "580\n", "x" * 200])
def test_fill_refuses_what_is_no_part_of_a_name(word: str) -> None:
    with pytest.raises(ValueError, match=r"branch is .* which is no part of a package's name"):
        delivery.fill("nvidia-dkms-{branch}", branch=word)


def test_codename() -> None:
    releases = (("debian", "13"), ("ubuntu", "24.04"), ("debian", "99"), ("fedora", "44"))
    assert [delivery.codename(*release) for release in releases] == ["trixie", "noble", None, None]
