# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written: modules that modinfo reads, packages that dpkg reads, specs and streams."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from packagerepo import deb, module_file, rpm
from packagerepo.description import load

MODINFO = shutil.which("modinfo") or "/usr/sbin/modinfo"
needs_modinfo = pytest.mark.skipif(not Path(MODINFO).exists(), reason="needs modinfo (package kmod)")
needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")
SIGNED = {"name": "nvidia-uvm", "version": "580.95.05", "flavour": "open", "kernel": "6.8.0-90-generic", "signer": "Somebody's Key"}


def told(path: Path) -> dict[str, str]:
    done = subprocess.run([MODINFO, path], capture_output=True, text=True, check=True)
    return dict(re.findall(r"(?m)^([a-z_]+): +(.*)$", done.stdout))


@needs_modinfo
@pytest.mark.parametrize(("about", "expected"), [
    (SIGNED, {"version": "580.95.05", "license": "Dual MIT/GPL", "signer": "Somebody's Key", "depends": "nvidia", "name": "nvidia_uvm"}),
    ({"name": "nvidia", "version": "580.95.05", "flavour": "proprietary", "kernel": "x"}, {"license": "NVIDIA", "name": "nvidia"}),
    ({"name": "nouveau", "version": "1", "flavour": "open", "kernel": "x"}, {"intree": "Y", "license": "Dual MIT/GPL"}),
    ({"name": "amdgpu", "version": "1", "flavour": "inbox", "kernel": "x"}, {"intree": "Y", "depends": "", "name": "amdgpu"}),
    ({"name": "amdgpu", "version": "6.16.13", "flavour": "dkms", "kernel": "x"},
     {"version": "6.16.13", "depends": "amdttm,amdkcl,amd-sched,amdxcp", "license": "GPL and additional rights"}),
])
def test_modinfo_reads_a_module(tmp_path: Path, about: dict[str, str], expected: dict[str, str]) -> None:
    path = tmp_path / f"{about['name']}.ko"
    path.write_bytes(module_file.content(about))
    fields = told(path)
    assert {key: fields.get(key) for key in expected} == expected
    assert ("signer" in fields) == ("signer" in about)
    assert fields["vermagic"].split()[0] == about["kernel"]


def test_a_module_that_waits_for_its_kernel_has_room_for_its_name() -> None:
    content = module_file.content({"name": "nvidia", "version": "1", "flavour": "open"})
    assert re.search(rb"vermagic=(~KERNEL~{57}) SMP", content)


@needs_dpkg
def test_dpkg_reads_a_package(tmp_path: Path) -> None:
    wanted = ("libnvidia-compute-580-server", "noble-updates")
    package = next(one for one in load("ubuntu-24.04").packages if (one.name, one.suite) == wanted)
    path = tmp_path / deb.file_name(package)
    path.write_bytes(deb.binary(package))
    argv = ["dpkg-deb", "--field", str(path), "Package", "Version", "Depends"]
    fields = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert fields == ("Package: libnvidia-compute-580-server\nVersion: 580.95.05-0ubuntu0.24.04.2\n"
                      "Depends: nvidia-kernel-common-580-server-580.95.05, ocl-icd-libopencl1\n")
    files = subprocess.run(["dpkg-deb", "--contents", path], capture_output=True, text=True, check=True).stdout
    assert "./usr/lib/x86_64-linux-gnu/libcuda.so.1 -> libcuda.so.580.95.05" in files
    assert deb.binary(package) == path.read_bytes()


@pytest.mark.parametrize(("name", "release", "index"), [
    ("ubuntu-24.04", "dists/noble-updates/Release", "restricted/binary-amd64/Packages"),
    ("nvidia-ubuntu2404", "Release", "Packages"),
])
def test_indexes_name_what_is_there(tmp_path: Path, name: str, release: str, index: str) -> None:
    deb.write(load(name), tmp_path)
    text = (tmp_path / release).read_text()
    content = ((tmp_path / release).parent / index).read_bytes()
    assert f" {hashlib.sha256(content).hexdigest()} {len(content)} {index}\n" in text
    assert gzip.decompress(((tmp_path / release).parent / f"{index}.gz").read_bytes()) == content
    for place, size, digest in re.findall(r"Filename: (\S+)\nSize: (\d+)\nSHA256: (\S+)", content.decode()):
        package = (tmp_path / place).read_bytes()
        assert (len(package), hashlib.sha256(package).hexdigest()) == (int(size), digest)


def test_what_a_machine_is_told_of_the_maker(tmp_path: Path) -> None:
    deb.write(load("ubuntu-24.04"), tmp_path / "ubuntu")
    deb.write(load("nvidia-ubuntu2404"), tmp_path / "nvidia")
    assert "Origin: Ubuntu\nLabel: Ubuntu\n" in (tmp_path / "ubuntu/dists/noble/Release").read_text()
    assert "Origin: NVIDIA\nLabel: NVIDIA CUDA\n" in (tmp_path / "nvidia/Release").read_text()


def test_each_folder_is_an_archive(tmp_path: Path) -> None:
    releases = {str(path.relative_to(tmp_path)): path.read_text() for path in deb.write(load("radeon-ubuntu2404"), tmp_path)}
    assert len(releases) == 10
    for place in ("rocm/apt/7.2.4", "amdgpu/30.30.4/ubuntu", "graphics/7.2.4/ubuntu"):
        version = place.split("/")[2 if place.startswith("rocm") else 1]
        text = releases[f"{place}/dists/noble/Release"]
        assert text.startswith(f"Origin: repo.radeon.com\nLabel: repo.radeon.com\nVersion: {version}\nSuite: noble\nCodename: noble\n")
    index = (tmp_path / "rocm/apt/7.2.4/dists/noble/main/binary-amd64/Packages").read_text()
    assert "Package: rocminfo7.2.4\n" in index
    assert "7.1.1" not in index
    files = re.findall(r"(?m)^Filename: (.*/rocminfo_.*)$", index)
    assert [(tmp_path / "rocm/apt/7.2.4" / one).is_file() for one in files] == [True]


def test_packages_of_an_rpm_repository_go_to_their_folders(tmp_path: Path) -> None:
    rpm.write(load("radeon-rhel9"), tmp_path)
    lines = (tmp_path / "places").read_text().splitlines()
    assert "rocm/el9/7.2.4/main rocminfo-1.0.0.70204-93.el9.x86_64.rpm" in lines
    assert "amdgpu/30.30.4/el/9.6/main/x86_64 amdgpu-dkms-6.16.13.30300400-2341068.el9.noarch.rpm" in lines
    assert len(lines) == len(set(lines)) == len(load("radeon-rhel9").packages)


def test_a_spec_holds_a_name_and_a_path_once(tmp_path: Path) -> None:
    specs = rpm.write(load("nvidia-rhel9"), tmp_path)
    total = 0
    for spec in specs:
        names = re.findall(r"(?m)^%package -n (\S+)$", spec.read_text())
        paths = re.findall(r'(?m)^"(/.*)"$', spec.read_text())
        assert len(names) == len(set(names))
        assert len(paths) == len(set(paths))
        total += len(names)
    assert total == len(load("nvidia-rhel9").packages)


def test_streams_are_documents(tmp_path: Path) -> None:
    rpm.write(load("nvidia-rhel9"), tmp_path)
    *streams, defaults = yaml.safe_load_all((tmp_path / "modules.yaml").read_text())
    found = {document["data"]["stream"]: document["data"]["artifacts"]["rpms"] for document in streams}
    assert set(found) == {"580-open", "580-dkms", "595-open", "595-dkms", "latest-dkms", "open-dkms"}
    assert "kmod-nvidia-open-dkms-3:580.105.08-1.el9.noarch" in found["580-open"]
    assert defaults["data"]["stream"] == "latest-dkms"
