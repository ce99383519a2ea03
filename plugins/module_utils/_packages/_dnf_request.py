# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: requests in the words of dnf, and its rows as changes. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence

from ._dnf_text import Item
from ._rpm_text import Installed, evr_of, shortened, valid_name
from .types import Change, PackageError, Request, Wanted

_STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,100}:[A-Za-z0-9][A-Za-z0-9._+-]{0,100}", re.ASCII)


def validate(request: Request) -> None:
    """Nothing may reach the script but names, versions and streams."""
    for wanted in request.install:
        if not valid_name(wanted.name) or (wanted.version is not None and not evr_of(wanted.version)):
            raise PackageError("refused", f"no name and version of a package: {wanted.name!r} {wanted.version!r}")
    for name in request.remove:
        if not valid_name(name):
            raise PackageError("refused", f"no name of a package: {name!r}")
    for stream in request.streams:
        if not _STREAM.fullmatch(stream):
            raise PackageError("refused", f"no module stream: {stream!r}")


def spec(wanted: Wanted) -> str:
    return wanted.name if wanted.version is None else f"{wanted.name}-{wanted.version}"


def do_arguments(request: Request) -> list[str]:
    """Of dnf 5, which takes these options after the command only."""
    options = [*(["--allow-downgrade"] if request.downgrade else []), *(["--allowerasing"] if request.erase else [])]
    if not request.remove:
        return ["install", *options, *map(spec, request.install)]
    more = ["--action=install", *map(spec, request.install)] if request.install else []
    return ["do", *options, "--action=remove", *request.remove, *more]


def is_version(evr: str, pattern: str) -> bool:
    plain = evr.partition(":")[2] if ":" in evr else evr
    return any(fnmatch.fnmatchcase(text, pattern) for text in (evr, plain, plain.partition("-")[0]))


def changes_of(item: Item, before: Sequence[Installed]) -> Iterable[Change]:
    """The change of a row, and the removals of what it replaces under other names."""
    if item.action == "remove":
        yield Change("remove", item.name, item.evr, None, None, item.architecture)
        return
    old = [package for package in before if package.name == item.name]
    known = next((package.evr for package in old if package.architecture == item.architecture), old[0].evr if old else None)
    yield Change(item.action, item.name, None if item.action == "install" else known, item.evr, item.repository, item.architecture)
    for name, evr in item.replaces:
        if name != item.name:
            yield Change("remove", name, evr, None)


def downgrades(changes: Iterable[Change]) -> str | None:
    found = [f"{one.name} {one.before} → {one.after}" for one in changes if one.action == "downgrade"]
    return f"this would be a downgrade: {', '.join(found)}" if found else None


def ignored(text: str) -> list[tuple[str, str]]:
    """(repository, words) of repositories that were passed over (skip_if_unavailable)."""
    listed = re.search(r"Ignoring repositories: (.+)", text)
    reasons = re.findall(r"Failed to download metadata for repo ['\"]([^'\"\n]+)['\"]: (.+)", text)
    known = dict(re.findall(r"Errors during downloading metadata for repository ['\"]([^'\"\n]+)['\"]:\n\s*- (.+)", text))
    names = [name.strip() for name in listed[1].split(",")] if listed else [name for name, _reason in reasons]
    return [(name, shortened(known.get(name) or dict(reasons).get(name) or "was passed over")) for name in names]


def shell_script(request: Request) -> str:
    """A script for `dnf shell`: one transaction of streams, removals and installations."""
    lines = [f"module enable {stream}" for stream in request.streams]
    lines += [f"remove {' '.join(request.remove)}"] if request.remove else []
    lines += [f"install {' '.join(map(spec, request.install))}"] if request.install else []
    return "\n".join([*lines, "run", ""])
