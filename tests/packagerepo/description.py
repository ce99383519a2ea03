# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A description (repos/NAME.yml, parts/PART.yml) as a list of packages. Pure apart from reading these files; README.md tells the form."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .errors import RepositoryError

HERE = Path(__file__).parent
RELATIONS = ("depends", "recommends", "suggests", "provides", "conflicts", "replaces", "breaks", "obsoletes", "supplements")
PACKAGE_KEYS = {"name", "version", "architecture", "section", "multi_arch", "summary", "vendor", "source", "each", "files", "scripts",
                "streams", *RELATIONS}
REPOSITORY_KEYS = {"kind", "key", "layout", "with", "outside", "release", "folders", "defaults", "variables", "streams", "contents"}
ENTRY_KEYS = {"part", "rows", "packages", "folder", "suite", "component", "streams"}
PART_KEYS = {"packages", "variables"}
FILE_KEYS = {"text", "file", "link", "module", "mode"}
SCRIPTS = {"deb": {"preinst", "postinst", "prerm", "postrm"}, "rpm": {"pre", "post", "preun", "postun", "posttrans"}}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


@dataclasses.dataclass(frozen=True)
class File:
    """What a package puts at a path: text, a link, or a kernel module ({name, version, flavour, kernel, signer})."""

    text: str = ""
    link: str = ""
    module: tuple[tuple[str, str], ...] = ()
    mode: int = 0o644


@dataclasses.dataclass(frozen=True)
class Package:
    """One package. version is the whole one, as its manager writes it ("3:580.95.05-1.el9")."""

    name: str
    version: str
    architecture: str
    summary: str
    relations: Mapping[str, tuple[str, ...]]
    files: Mapping[str, File]
    scripts: Mapping[str, str]
    folder: str = ""
    suite: str = ""
    component: str = ""
    section: str = "misc"
    multi_arch: str = ""
    vendor: str = ""
    source: str = ""
    streams: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Repository:
    """A whole repository. kind: deb | rpm; layout: suites | flat (deb); beside: repositories that machines have with this one;
    outside: names that their roots have anyway; release: fields of the Release file, folders: those that a folder has besides;
    streams: names of module streams."""

    name: str
    kind: str
    layout: str
    key: str
    beside: tuple[str, ...]
    outside: tuple[str, ...]
    release: Mapping[str, str]
    folders: Mapping[str, Mapping[str, str]]
    streams: Mapping[str, Any]
    packages: tuple[Package, ...]


def names() -> list[str]:
    """All repositories that are described."""
    return sorted(path.stem for path in (HERE / "repos").glob("*.yml"))


def load(name: str) -> Repository:
    """The repository of that name. RepositoryError where there is none, or its description is wrong."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f", did you mean {near[0]!r}?" if near else f"; there are: {', '.join(names())}"
        raise RepositoryError(f"no repository {name!r}{hint}")
    where = f"repos/{name}.yml"
    raw = _read(where)
    _known(raw, REPOSITORY_KEYS, where)
    kind = raw.get("kind")
    if kind not in SCRIPTS:
        raise RepositoryError(f"{where}: kind is {kind!r}, not deb or rpm")
    packages: list[Package] = []
    for at, entry in enumerate(raw.get("contents", [])):
        packages += _entry(raw, entry, f"{where}: contents[{at}]")
    return Repository(name=name, kind=kind, layout=raw.get("layout", "suites" if kind == "deb" else "flat"), key=raw.get("key", "vendor"),
                      beside=tuple(raw.get("with", ())), outside=tuple(raw.get("outside", ())), release=raw.get("release", {}),
                      folders=raw.get("folders", {}), streams=raw.get("streams", {}), packages=tuple(packages))


def _read(where: str) -> dict[str, Any]:
    try:
        raw = yaml.safe_load((HERE / where).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RepositoryError(f"{where}: {error}") from error
    if not isinstance(raw, dict):
        raise RepositoryError(f"{where}: not a mapping")
    return raw


def _known(given: Mapping[str, Any], allowed: set[str], where: str) -> None:
    for key in given:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, 1)
            raise RepositoryError(f"{where}: unknown key {key!r}" + (f", did you mean {near[0]!r}?" if near else ""))


def _entry(raw: Mapping[str, Any], entry: Mapping[str, Any], where: str) -> Iterator[Package]:
    """Packages of one entry of contents: those of a part for each row, or its own."""
    _known(entry, ENTRY_KEYS, where)
    if "part" in entry:
        where = f"parts/{entry['part']}.yml"
    part = _read(where) if "part" in entry else {"packages": entry.get("packages", [])}
    _known(part, PART_KEYS, where)
    for row in entry.get("rows", [{}]):
        words = {**raw.get("variables", {}), **part.get("variables", {}), **row}
        for template in part.get("packages", []):
            given = {**raw.get("defaults", {}), **template}
            for each in given.get("each", [{}]):
                streams = row.get("streams", entry.get("streams", ()))
                yield _package(raw["kind"], given, {**words, **each}, entry, tuple(streams), f"{where}: {given.get('name')}")


def _package(kind: str, given: Mapping[str, Any], words: Mapping[str, Any], entry: Mapping[str, Any], streams: tuple[str, ...],
             where: str) -> Package:
    _known(given, PACKAGE_KEYS, where)

    def fill(text: Any) -> str:
        def one(found: re.Match[str]) -> str:
            if found.group(1) not in words:
                raise RepositoryError(f"{where}: no value for {found.group(0)} in {text!r}")
            return str(words[found.group(1)])

        # Twice: a value may itself hold a placeholder ("{version}-{revision}").
        return PLACEHOLDER.sub(one, PLACEHOLDER.sub(one, str(text)))

    scripts = {fill(key): text for key, text in given.get("scripts", {}).items()}
    _known(scripts, SCRIPTS[kind], f"{where}: scripts")
    name = fill(given.get("name", ""))
    if not NAME.fullmatch(name):
        raise RepositoryError(f"{where}: {name!r} is not a name of a package")
    relations = {relation: tuple(filter(None, map(fill, given[relation]))) for relation in RELATIONS if given.get(relation)}
    files = {fill(path): _file(spec, fill, f"{where}: {path}") for path, spec in given.get("files", {}).items()}
    own = tuple(fill(stream) for stream in given["streams"]) if "streams" in given else streams
    return Package(name=name, version=fill(given.get("version", "{full}")), architecture=fill(given.get("architecture", "all")),
                   summary=fill(given.get("summary", "small stand-in for tests")), relations=relations, files=files,
                   scripts={key: _text(text, fill, where) for key, text in scripts.items()},
                   folder=entry.get("folder", ""), suite=entry.get("suite", ""), component=entry.get("component", ""),
                   section=fill(given.get("section", "misc")), multi_arch=fill(given.get("multi_arch", "")),
                   vendor=fill(given.get("vendor", "")), source=fill(given.get("source", "")), streams=own)


def _file(spec: Any, fill: Any, where: str) -> File:
    """A string is the text itself; a mapping says what it is."""
    if isinstance(spec, str):
        return File(text=fill(spec))
    _known(spec, FILE_KEYS, where)
    mode = int(str(spec.get("mode", "0644")), 8)
    if "module" in spec:
        return File(module=tuple((key, fill(value)) for key, value in spec["module"].items()), mode=mode)
    if "link" in spec:
        return File(link=fill(spec["link"]))
    return File(text=_text(spec if "file" in spec else spec.get("text", ""), fill, where), mode=mode)


def _text(spec: Any, fill: Any, where: str) -> str:
    """A text, or that of a file below files/, where @NAME@ stands for a value since braces are the shell's own there."""
    if isinstance(spec, str):
        return str(fill(spec))
    try:
        name = fill(spec["file"])
        text = (HERE / "files" / name).read_text(encoding="utf-8")
    except OSError as error:
        raise RepositoryError(f"{where}: {error}") from error
    if name.endswith(".py"):  # not in the file itself: ansible-test takes none but modules with it
        text = f"#!/usr/bin/python3\n{text}"
    return re.sub(r"@([A-Z_]+)@", lambda found: str(fill(f"{{{found.group(1).lower()}}}")), text)
