# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rpmbuild and createrepo_c need: spec files with the trees of their files, and the document of module streams."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

from . import module_file
from .description import Package, Repository

TAGS = {"depends": "Requires", "recommends": "Recommends", "suggests": "Suggests", "provides": "Provides", "conflicts": "Conflicts",
        "obsoletes": "Obsoletes", "supplements": "Supplements"}
# Nothing is compiled and nobody waits for a small file.
HEAD = """%define debug_package %{{nil}}
%define __os_install_post %{{nil}}
%define __check_files %{{nil}}
%define _build_id_links none
%define _binary_payload w1.gzdio
%define _unpackaged_files_terminate_build 0
Name: stand-ins-{number}
Version: 1
Release: 1
License: GPL-3.0-or-later
Summary: stand-ins
{vendor}
%description
Stand-ins.
%install
cp -a %{{_sourcedir}}/tree-{number}/. %{{buildroot}}/
"""
MODULE_VERSION = 20251101000000


def write(repository: Repository, work: Path) -> list[Path]:
    """Spec files and trees below work, the folders of packages in `places`, and modules.yaml where the repository has streams;
    the specs."""
    specs = []
    for number, layer in enumerate(_layers(repository.packages)):
        tree = work / f"tree-{number}"
        tree.mkdir(parents=True)
        for package in layer:
            _lay(package, tree)
        spec = work / f"stand-ins-{number}.spec"
        vendor = next((f"Vendor: {package.vendor}" for package in layer if package.vendor), "")
        spec.write_text(HEAD.format(number=number, vendor=vendor) + "".join(map(_section, layer)), encoding="utf-8")
        specs.append(spec)
    places = (f"{package.folder} {file_name(package)}\n" for package in repository.packages if package.folder)
    (work / "places").write_text("".join(places), encoding="utf-8")
    if repository.streams:
        (work / "modules.yaml").write_text(modules(repository), encoding="utf-8")
    return specs


def evr(version: str) -> tuple[str, str, str]:
    """(epoch, version, release) of "3:580.95.05-1.el9"; the epoch is empty where there is none."""
    epoch, colon, rest = version.partition(":")
    upstream, _dash, release = (rest if colon else version).rpartition("-")
    return epoch if colon else "", upstream, release


def file_name(package: Package) -> str:
    """NAME-VERSION-RELEASE.ARCHITECTURE.rpm; the epoch is not part of it."""
    _epoch, version, release = evr(package.version)
    return f"{package.name}-{version}-{release}.{package.architecture}.rpm"


def nevra(package: Package) -> str:
    """As documents of module streams name packages."""
    epoch, version, release = evr(package.version)
    return f"{package.name}-{epoch or 0}:{version}-{release}.{package.architecture}"


def modules(repository: Repository) -> str:
    """modules.yaml: one document a stream, as fedora-modularity's specification version 2 has them."""
    name, about = repository.streams["module"], repository.streams
    documents = []
    for stream, row in about["streams"].items():
        members = sorted(package.name for package in repository.packages if stream in package.streams)
        context = hashlib.md5(f"{name}{stream}".encode(), usedforsecurity=False).hexdigest()[:10]
        data = {"name": name, "stream": stream, "version": MODULE_VERSION, "context": context, "arch": "x86_64",
                "summary": f"Nvidia driver for {stream} branch", "description": f"Stand-in for the stream {stream}.",
                "license": {"module": ["MIT"]},
                "profiles": {profile: {"rpms": [rpm for rpm in rpms if rpm in members]} for profile, rpms in row["profiles"].items()},
                "artifacts": {"rpms": sorted(nevra(package) for package in repository.packages if stream in package.streams)}}
        documents.append({"document": "modulemd", "version": 2, "data": data})
    if about.get("default"):
        documents.append({"document": "modulemd-defaults", "version": 1, "data": {
            "module": name, "stream": about["default"], "profiles": {stream: ["default"] for stream in about["streams"]}}})
    return str(yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True, explicit_end=True))


def _layers(packages: tuple[Package, ...]) -> list[list[Package]]:
    """Packages that one spec can hold: no name and no path twice."""
    layers: list[tuple[set[str], list[Package]]] = []
    for package in packages:
        taken = {package.name, *package.files}
        for used, layer in layers:
            if not used & taken and {one.vendor for one in layer} == {package.vendor}:
                used |= taken
                layer.append(package)
                break
        else:
            layers.append((taken, [package]))
    return [layer for _used, layer in layers]


def _lay(package: Package, tree: Path) -> None:
    for path, file in package.files.items():
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.link:
            target.symlink_to(file.link)
        else:
            target.write_bytes(module_file.content(dict(file.module)) if file.module else file.text.encode())
            target.chmod(file.mode)


def _section(package: Package) -> str:
    epoch, version, release = evr(package.version)
    lines = [f"\n%package -n {package.name}", f"Summary: {package.summary}", f"Version: {version}", f"Release: {release}",
             "AutoReqProv: no"]
    lines += [f"Epoch: {epoch}"] if epoch else []
    lines += ["BuildArch: noarch"] if package.architecture == "noarch" else []
    lines += [f"{TAGS[name]}: {value}" for name, values in package.relations.items() if name in TAGS for value in values]
    lines += [f"%description -n {package.name}", f"{package.summary}."]
    for name, text in package.scripts.items():
        lines += [f"%{name} -n {package.name}", text.replace("%", "%%").rstrip("\n")]
    lines += [f"%files -n {package.name}", *(f'"{path}"' for path in package.files)]
    return "\n".join(lines) + "\n"
