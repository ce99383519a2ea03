# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages and their indexes, written without any tool: the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import module_file
from .description import File, Package, Repository

FIELDS = {"depends": "Depends", "recommends": "Recommends", "suggests": "Suggests", "provides": "Provides", "conflicts": "Conflicts",
          "replaces": "Replaces", "breaks": "Breaks"}
ARCHITECTURE = "amd64"
# Not in the future of any machine, or apt says that the file is not valid yet.
DATE = "Sat, 01 Nov 2025 00:00:00 UTC"


def write(repository: Repository, root: Path) -> list[Path]:
    """All packages and indexes below root; the Release files, which wait for their signature."""
    return [release for folder in sorted({package.folder for package in repository.packages})
            for release in _folder(repository, root / folder, folder)]


def _folder(repository: Repository, root: Path, name: str) -> Iterable[Path]:
    """What one archive of the repository holds."""
    stanzas: dict[tuple[str, str], list[str]] = {}
    for package in repository.packages:
        if package.folder != name:
            continue
        place = Path("pool", package.component, file_name(package)) if repository.layout == "suites" else Path(file_name(package))
        content = binary(package)
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(content)
        tail = f"Filename: {place}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
        stanzas.setdefault((package.suite, package.component), []).append(control(package) + tail)
    return _indexes(repository, {**repository.release, **repository.folders.get(name, {})}, root, stanzas)


def file_name(package: Package) -> str:
    """NAME_VERSION_ARCHITECTURE.deb; the epoch is not part of it."""
    return f"{package.name}_{package.version.partition(':')[2] or package.version}_{package.architecture}.deb"


def control(package: Package) -> str:
    """The stanza of dpkg, without what only an index has."""
    size = sum(len(_bytes(file)) for file in package.files.values()) // 1024 + 1
    lines = [f"Package: {package.name}", f"Source: {package.source}" if package.source else "", f"Version: {package.version}",
             f"Architecture: {package.architecture}", f"Section: {package.section}", "Priority: optional",
             f"Multi-Arch: {package.multi_arch}" if package.multi_arch else "",
             f"Maintainer: {package.vendor or 'gpufleet tests <nobody@example.org>'}", f"Installed-Size: {size}"]
    lines += [f"{FIELDS[name]}: {', '.join(values)}" for name, values in package.relations.items() if name in FIELDS]
    return "".join(f"{line}\n" for line in [*lines, f"Description: {package.summary}"] if line)


def binary(package: Package) -> bytes:
    """The package file: an ar archive of two tar archives."""
    meta = {"control": File(text=control(package))}
    meta |= {name: File(text=text, mode=0o755) for name, text in package.scripts.items()}
    settings = [path for path in package.files if path.startswith("/etc/")]
    if settings:
        meta["conffiles"] = File(text="".join(f"{path}\n" for path in settings))
    # dpkg drops a package all whose files another one has taken over; every real package has this one of its own.
    files = {**package.files, f"/usr/share/doc/{package.name}/copyright": File(text="stand-in\n")}
    members = (("debian-binary", b"2.0\n"), ("control.tar.gz", _tar(meta)), ("data.tar.gz", _tar(files)))
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2) for name, data in members)


def _bytes(file: File) -> bytes:
    return module_file.content(dict(file.module)) if file.module else file.text.encode()


def _tar(files: Mapping[str, File]) -> bytes:
    """Files with all their folders, as dpkg wants them: it makes none by itself."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive:
        folders: set[str] = set()
        for path, file in sorted(files.items()):
            for folder in [*reversed(Path(path.lstrip("/")).parents)]:
                name = "./" if str(folder) == "." else f"./{folder}/"
                if name not in folders:
                    folders.add(name)
                    entry = tarfile.TarInfo(name)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(entry)
            entry = tarfile.TarInfo(f"./{path.lstrip('/')}")
            content = b"" if file.link else _bytes(file)
            entry.type, entry.linkname = (tarfile.SYMTYPE, file.link) if file.link else (tarfile.REGTYPE, "")
            entry.mode, entry.size = 0o777 if file.link else file.mode, len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), 1, mtime=0)


def _indexes(repository: Repository, told: Mapping[str, str], root: Path, stanzas: Mapping[tuple[str, str], list[str]]) -> Iterable[Path]:
    components = sorted({component for _suite, component in stanzas})
    for suite in sorted({suite for suite, _component in stanzas}):
        base = root if repository.layout == "flat" else root / "dists" / suite
        for component in components:
            folder = base if repository.layout == "flat" else base / component / f"binary-{ARCHITECTURE}"
            folder.mkdir(parents=True, exist_ok=True)
            text = "\n".join(stanzas.get((suite, component), [])).encode()
            (folder / "Packages").write_bytes(text)
            (folder / "Packages.gz").write_bytes(gzip.compress(text, 1, mtime=0))
        yield _release(repository, told, base, suite, components)


def _release(repository: Repository, told: Mapping[str, str], base: Path, suite: str, components: list[str]) -> Path:
    # Metadata of a flat repository names neither suite nor components, as NVIDIA's does.
    fields = dict(told)
    if repository.layout == "suites":
        fields |= {"Suite": suite, "Codename": fields.get("Codename", suite), "Components": " ".join(components)}
    fields |= {"Architectures": ARCHITECTURE, "Date": DATE}
    lines = [f"{key}: {value}" for key, value in fields.items()] + ["SHA256:"]
    for path in sorted(base.rglob("Packages*")):
        content = path.read_bytes()
        lines.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {path.relative_to(base)}")
    release = base / "Release"
    release.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return release
