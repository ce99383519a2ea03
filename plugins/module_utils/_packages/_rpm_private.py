# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what the private states of dnf and zypper have in common: repository files, keys, cached metadata, configuration."""

from __future__ import annotations

import configparser
import contextlib
import fnmatch
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from .._host import Host, HostError
from ._openpgp import KeyFormatError, fingerprint
from ._private import PrivateFolder
from ._rpm_text import RPM_FORMAT, Installed, code_of, parse_installed, shortened, valid_pattern
from .types import PackageError, Repository

Origins = Callable[[str, Mapping[str, str]], "str | None"]

_ASK_S = 120.0
_SECTION = re.compile(r"^[ \t]*\[([^\]\n]+)\][ \t]*(?:[#;].*)?$", re.MULTILINE)


def known_origin(manager: str, fields: Mapping[str, str]) -> str | None:
    """The row of data/nvidia_packages.yml for {repo, vendor, url} of a package."""
    from .._knowledge.delivery import origin_of  # only where packages are needed: its table is large

    return origin_of(manager, fields)


def read_text(host: Host, path: str) -> str | None:
    """A file of the node, None where there is none; PackageError("unreadable") for one that cannot be read."""
    try:
        return host.read(path).decode("utf-8", "surrogateescape")
    except HostError as error:
        if error.code == "not_found":
            return None
        raise PackageError("unreadable", str(error)) from None


def names_in(host: Host, folder: str) -> list[str]:
    """Names in a folder, none where it is not there."""
    try:
        return host.list(folder)
    except HostError as error:
        if error.code == "not_found":
            return []
        raise PackageError("unreadable", str(error)) from None


def ask(host: Host, argv: Sequence[str], program: str, timeout: float = _ASK_S) -> tuple[int, str, str]:
    """Exit status, standard output and error of a command; PackageError where it cannot be had."""
    try:
        output = host.run(argv, timeout)
    except HostError as error:
        code = "unreadable" if error.code == "not_found" else "refused"
        raise PackageError(code, f"{program}: {'is not installed' if error.code == 'not_found' else error}") from None
    if output.error == "timeout":
        raise PackageError("no_network", f"{program}: no answer within {timeout:g} s")
    if output.rc is None:
        raise PackageError("broken", f"{program}: {output.error} (signal {output.signal})")
    if output.rc == 127 and argv[0] == "env":
        raise PackageError("unreadable", f"{program}: is not installed")
    return output.rc, output.stdout, output.stderr


def checked(host: Host, argv: Sequence[str], program: str, timeout: float = _ASK_S) -> str:
    """Standard output; PackageError with the program's own words where its exit status is not 0."""
    status, stdout, stderr = ask(host, argv, program, timeout)
    if status:
        words = shortened(stderr) or shortened(stdout) or f"exit status {status}"
        raise PackageError(code_of(f"{stderr}\n{stdout}"), f"{program}: {words}")
    return stdout


def installed(host: Host, names: Iterable[str]) -> list[Installed]:
    """Which of these packages the rpm database has."""
    wanted = sorted(set(names))
    return parse_installed(ask(host, ["rpm", "-q", "--qf", RPM_FORMAT, "--", *wanted], "rpm")[1]) if wanted else []


def is_dnf5(host: Host) -> bool:
    """Whether the command dnf is dnf 5, as on Fedora since 41."""
    with contextlib.suppress(HostError):
        return host.link("/usr/bin/dnf").rpartition("/")[2] == "dnf5"
    return False


def own_locks(host: Host, path: str) -> set[str]:
    """Entries of version locks in the record at this path, which we made ourselves: not in the way of what is asked for next."""
    with contextlib.suppress(ValueError):
        record: Any = json.loads(read_text(host, path) or "{}")
        locks = record.get("locks", []) if isinstance(record, dict) else []
        return {str(pattern) for lock in locks if isinstance(lock, dict) for pattern in lock.get("patterns") or ()}
    return set()


def write_repositories(host: Host, private: PrivateFolder, folders: Iterable[str], wished: Sequence[Repository],
                       lines: Sequence[str] = (), tell_keys: bool = True) -> tuple[list[str], dict[str, str]]:
    """Copy the node's .repo files into repos.d of the private folder, the wished ones in place of those of their path, their keys
    read from there. lines go into each wished section; without tell_keys their gpgkey is left out. Returns the ids of the wished
    sections, and the URL of every section."""
    target = private.folder("repos.d")
    urls: dict[str, str] = {}
    replaced = {os.path.normpath(repository.path) for repository in wished}
    for number, folder in enumerate(folders):
        for name in names_in(host, folder):
            path = os.path.normpath(f"{folder}/{name}")
            text = read_text(host, path) if name.endswith(".repo") and path not in replaced else None
            if text is not None:
                private.write(f"{target}/{number}-{name}" if number else f"{target}/{name}", text)
                urls.update(_urls(text))
    ids: list[str] = []
    for repository in wished:
        text, key = repository.content, key_path(private, repository)
        if repository.key:
            private.write(key, _checked_key(repository))
            if f"file://{repository.key_path}" not in text:
                raise PackageError("bad_key", f"{repository.id}: {repository.path} has no gpgkey=file://{repository.key_path}")
            text = text.replace(f"file://{repository.key_path}", f"file://{key}")
            text = text if tell_keys else re.sub(r"(?m)^gpgkey\s*=.*\n?", "", text)
        if _SECTION.findall(text) != [repository.id]:
            raise PackageError("refused", f"{repository.path}: has not the one section [{repository.id}]")
        ids.append(repository.id)
        text = _SECTION.sub(lambda match: "\n".join((match[0], *lines)), text)
        private.write(f"{target}/{os.path.basename(repository.path)}", text)
        urls.update(_urls(text))
    return ids, urls


def _checked_key(repository: Repository) -> str:
    try:
        fingerprint(repository.key.encode())
    except KeyFormatError as error:
        raise PackageError("bad_key", f"{repository.id}: {repository.key_path}: {error}") from None
    return repository.key


def _urls(text: str) -> dict[str, str]:
    """{id: URL} of the sections of a .repo file."""
    parts = _SECTION.split(text)[1:]
    found = {}
    for name, body in zip(parts[::2], parts[1::2]):
        match = re.search(r"^(?:baseurl|metalink|mirrorlist)\s*=\s*(\S+)", body, re.MULTILINE)
        found[name] = match[1] if match else ""
    return found


def key_path(private: PrivateFolder, repository: Repository) -> str:
    """Where the key of a wished repository lies in the private folder."""
    return private.path("keys", re.sub(r"[^A-Za-z0-9._-]", "_", repository.id) + ".asc")


def seed(source: str, target: str, fits: Callable[[str], bool]) -> None:
    """Copy cached metadata of the node, so that only what changed is fetched. It is a help: what cannot be copied is fetched."""
    with contextlib.suppress(OSError, shutil.Error):
        for name in os.listdir(source) if os.path.isdir(source) else ():
            origin, copy = os.path.join(source, name), os.path.join(target, name)
            if not fits(name) or os.path.islink(origin):
                continue
            try:
                if os.path.isdir(origin):
                    shutil.copytree(origin, copy, symlinks=True, ignore=shutil.ignore_patterns("packages", "*.rpm"))
                else:
                    shutil.copy2(origin, copy)
            except (OSError, shutil.Error):
                with contextlib.suppress(OSError):
                    shutil.rmtree(copy) if os.path.isdir(copy) else os.remove(copy)
                raise


def configuration(texts: Iterable[tuple[str, str]], own: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """[main] of these files ({key: value}, later ones win, then ours), and the whole as text. texts are pairs of path and content."""
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",), default_section="\0", allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        for path, text in texts:
            parser.read_string(text, path)
    except (configparser.Error, UnicodeError) as error:  # its text names the file
        raise PackageError("unreadable", " ".join(str(error).split())[:300]) from None
    if not parser.has_section("main"):
        parser.add_section("main")
    main = {key: value or "" for key, value in parser["main"].items()}
    for key, value in own.items():
        parser["main"][key] = value
    written: list[str] = []
    for section in parser.sections():
        written.append(f"[{section}]")
        written += [f"{key}={(value or '').strip()}".replace("\n", "\n ") for key, value in parser[section].items()]
    return main, "\n".join(written) + "\n"


def patterns_of(patterns: Iterable[str]) -> list[str]:
    """Patterns that a manager may be asked for, each once. PackageError for another one."""
    found = list(dict.fromkeys(patterns))
    for pattern in found:
        if not valid_pattern(pattern):
            raise PackageError("refused", f"{pattern!r} is no pattern of package names")
    return found


def fits_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of the patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
