# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What package managers are asked, and what they answer: plain values, so that plans are pure and tests are tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class PackageError(Exception):
    """The package manager cannot be asked, or refuses. code: no_network, out_of_date, bad_signature, hash_mismatch, bad_key, locked,
    broken, no_space, unreadable or refused; the text holds its own words, shortened."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Repository(NamedTuple):
    """A package repository to add: a file in the manager's own format, and the key that signs it.

    path and content are those of the file (deb822 .sources, .repo); key_path and key (ASCII armour) are empty where the
    repository uses a key that the node has already. Until the key was fetched, key_url says where it lies and fingerprint which one
    it is to be (None: nobody reliable told it, or it is the operator's); then fingerprint is that of the key.
    """

    id: str
    path: str
    content: str
    key_path: str = ""
    key: str = ""
    key_url: str = ""
    fingerprint: str | None = None


class Candidate(NamedTuple):
    """One version of a package that a repository offers.

    version is as the manager writes it, with epoch and revision. origin is the id of a row of data/nvidia_packages.yml (or
    rocm_packages.yml), None for any other; repository is in the manager's own words. depends names packages, the alternatives
    of one relation joined by "|", each with its version relation as the manager writes it ("nvidia-kernel-dkms (=
    550.163.01-2)").
    """

    name: str
    version: str
    architecture: str
    origin: str | None
    repository: str
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    stream: str | None = None  # module stream of dnf


class Offer(NamedTuple):
    """What the configured and the wished repositories offer of the packages that were asked for."""

    manager: str  # apt | dnf | dnf5 | zypper
    candidates: tuple[Candidate, ...]
    problems: tuple[dict[str, str], ...] = ()  # {repository, code, message}: what could not be refreshed and does not matter


class Wanted(NamedTuple):
    """A package to install; version None: the one that the manager prefers."""

    name: str
    version: str | None = None


class Pin(NamedTuple):
    """Versions to prefer: name patterns and a version pattern ("550.163.01-2", "580.*"), such as a package of the request pins."""

    names: tuple[str, ...]
    version: str
    priority: int = 995


class Request(NamedTuple):
    """What to resolve as one transaction."""

    install: tuple[Wanted, ...]
    remove: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    streams: tuple[str, ...] = ()  # "nvidia-driver:580-open", to be enabled instead of others of the same module
    downgrade: bool = False
    erase: bool = False  # installed packages may be replaced by others (dnf --allowerasing)
    files: tuple[tuple[str, str | None], ...] = ()  # of preferences, by path: as they will be then, None: not there
    held: tuple[str, ...] = ()  # names that a hold by these files covers


class Change(NamedTuple):
    """One package of a transaction. action: install | upgrade | downgrade | reinstall | remove."""

    action: str
    name: str
    before: str | None
    after: str | None
    repository: str | None = None
    architecture: str | None = None


class Closure(NamedTuple):
    """The whole transaction as the package manager resolved it; error holds its words where it cannot be done."""

    changes: tuple[Change, ...]
    error: str | None = None
    download_kib: int | None = None
    disk_kib: int | None = None


class Installed(NamedTuple):
    """A package that is there. manual: the package manager's own mark that somebody asked for it, so that it is not there only
    because others need it; None where the manager cannot tell."""

    name: str
    version: str
    manual: bool | None = None


class Remover(Protocol):
    """What a removal asks a package manager; it needs no repository and no network."""

    name: str

    def installed(self, names: Iterable[str]) -> tuple[Installed, ...]:
        """Those of these packages that are on the disk, whole or not; several of a name where the manager keeps several."""

    def needs(self, names: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """For each of these installed packages (also "name-version" for rpm): those of them that it needs directly."""

    def resolve(self, request: Request) -> Closure:
        """The transaction; a request that only removes is asked of the node's own packages alone."""


class Manager(Remover, Protocol):
    """The node's package manager, reading only: everything happens in a folder of its own that goes with `close`.

    Every verb raises PackageError. Used as a context: `with Apt(host, folder) as manager`.
    """

    name: str

    def open(self, repositories: Sequence[Repository], refresh: bool = True, proxy: str | None = None) -> None:
        """Make the private state from the node's own repositories and these, and fetch their lists."""

    def offer(self, patterns: Iterable[str]) -> Offer:
        """All versions of the packages whose names match (fnmatch)."""

    def resolve(self, request: Request) -> Closure:
        """The transaction for a request, as the real one will be with the same repositories and pins."""

    def close(self) -> None:
        """Remove the private state."""


def as_plain(value: Any) -> Any:
    """Named tuples as dictionaries, tuples as lists: for JSON."""
    if hasattr(value, "_asdict"):
        return {key: as_plain(child) for key, child in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(child) for child in value]
    if isinstance(value, Mapping):
        return {key: as_plain(child) for key, child in value.items()}
    return value
