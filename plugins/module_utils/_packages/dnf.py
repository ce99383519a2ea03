# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dnf offers and would do, asked in a state of our own: repositories, cache, logs and plugin files lie in a private folder.

Only the rpm database, dnf's variables and its enabled module streams are the node's own, and only read. Module streams are enabled
in `dnf shell`, whose transaction is shown and never confirmed, so that /etc/dnf/modules.d is not written: a `dnf module enable`
always writes there, and its place depends on nothing but --installroot.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Callable

from .._host import Host
from .._inventory._own import NVIDIA, Own
from ._dnf_request import changes_of, do_arguments, downgrades, ignored, is_version, shell_script, validate
from ._dnf_text import (
    QUERY_FORMAT,
    Row,
    Transaction,
    is_lock_of,
    locks_in_the_way,
    parse_module_provides,
    parse_repoquery,
    parse_transaction,
    trouble,
)
from ._installed import rpm_needs, rpm_versions
from ._private import PrivateFolder
from ._rpm_private import (
    ask,
    checked,
    configuration,
    fits_any,
    installed,
    is_dnf5,
    known_origin,
    names_in,
    own_locks,
    patterns_of,
    read_text,
    seed,
    write_repositories,
)
from ._rpm_text import code_of, shortened
from .types import Candidate, Closure, Installed, Offer, PackageError, Pin, Repository, Request

__all__ = ["Dnf"]

_REFRESH_S = 600.0
_CONF = "/etc/dnf/dnf.conf"
_REPOS = {"dnf": ("/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d"),
          "dnf5": ("/etc/yum.repos.d", "/etc/distro.repos.d", "/usr/share/dnf5/repos.d")}
_CACHE = {"dnf": "/var/cache/dnf", "dnf5": "/var/cache/libdnf5"}
_PERSIST = "/var/lib/dnf"
_PLUGINS = "/etc/dnf/plugins"
_LOCKS5 = "/etc/dnf/versionlock.toml"
_DROP_INS5 = ("/usr/share/dnf5/libdnf.conf.d", "/etc/dnf/libdnf5.conf.d")
# Plugins that write on the node by themselves. Others (versionlock, vendors' access to their repositories) stay.
_WRITING_PLUGINS = ("local", "generate_completion_cache", "subscription-manager", "product-id", "upload-profile", "etckeeper", "snapper",
                    "post-transaction-actions", "pre-transaction-actions", "system_upgrade", "actions")
_PROXY = re.compile(r"(?:https?|socks5h?)://[A-Za-z0-9.\[\]:@_~%/+-]{1,400}", re.ASCII)
# What the real run is told as well, or what keeps a closure readable. Nothing is removed but what is in the way.
_OWN = {"install_weak_deps": "0", "best": "1", "strict": "1", "clean_requirements_on_remove": "0", "module_stream_switch": "1",
        "keepcache": "0", "color": "never", "assumeyes": "0", "tsflags": "", "metadata_timer_sync": "0", "debug_solver": "0"}


class Dnf:
    """`Manager` for dnf; folder is an absolute path for the private state, refresh_timeout is in seconds.

    name is dnf or dnf5; `open` makes dnf a dnf5 where the command is one.

    origin_of(manager, fields) names the row of data/nvidia_packages.yml for {repo, vendor, url} of a package.
    """

    def __init__(self, host: Host, folder: str, name: str = "dnf", refresh_timeout: float = _REFRESH_S,
                 origin_of: Callable[[str, Mapping[str, str]], str | None] | None = None, own: Own = NVIDIA) -> None:
        if name not in _REPOS:
            raise PackageError("refused", f"{name!r} is neither dnf nor dnf5")
        self.name, self._own = name, own
        self._host, self._folder, self._timeout = host, PrivateFolder(folder), refresh_timeout
        self._origin_of = origin_of or known_origin
        self._open = False
        self._locks: list[str] = []
        self._lock_path = ""
        self._problems: list[dict[str, str]] = []
        self._urls: dict[str, str] = {}
        self._no_excludes = False

    def __enter__(self) -> Dnf:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the private state."""
        self._folder.close()
        self._open = False

    # --- The private state ---

    def open(self, repositories: Sequence[Repository], refresh: bool = True, proxy: str | None = None) -> None:
        """Make the private state and fetch the metadata. Without `refresh` what the node has in its cache is not asked again."""
        try:
            if not self._open:
                self._folder.__enter__()
                self._open = True
            self._problems, self._no_excludes = [], False
            if self.name == "dnf" and is_dnf5(self._host):
                self.name = "dnf5"
            main = self._write_configuration(refresh, proxy)
            reposdir = re.split(r"[,\s]+", main["reposdir"].strip()) if main.get("reposdir") else _REPOS[self.name]
            # A wished repository that does not answer must not be passed over in silence.
            wished, self._urls = write_repositories(self._host, self._folder, reposdir, repositories, ("skip_if_unavailable=0",))
            self._write_plugins(main)
            self._seed(main, wished)
            if refresh or repositories:
                self._refresh(refresh)
        except BaseException:
            self.close()
            raise

    def _write_configuration(self, refresh: bool, proxy: str | None) -> dict[str, str]:
        own = {**_OWN, **{key: self._folder.folder(name) for key, name in (
            ("cachedir", "cache"), ("logdir", "log"), ("persistdir", "persist"), ("reposdir", "repos.d"), ("pluginconfpath", "plugins"))}}
        if self.name == "dnf5":
            own = {key: value for key, value in own.items() if key not in ("persistdir", "pluginconfpath", "color", "metadata_timer_sync")}
            own["system_cachedir"] = own["cachedir"]
        if proxy:
            if not _PROXY.fullmatch(proxy):
                raise PackageError("refused", "proxy: not a URL that dnf knows (http, https or socks5)")
            own["proxy"] = proxy
        if not refresh:
            own["metadata_expire"] = "-1"
        paths = [f"{folder}/{name}" for folder in _DROP_INS5 for name in names_in(self._host, folder) if name.endswith(".conf")]
        texts = [(path, read_text(self._host, path) or "") for path in ([*paths, _CONF] if self.name == "dnf5" else [_CONF])]
        main, text = configuration(texts, own)
        self._folder.write("dnf.conf", text)
        return main

    def _write_plugins(self, main: Mapping[str, str]) -> None:
        """The node's files for plugins; the list of version locks without our own entries: these follow what is asked for."""
        if self.name == "dnf5":
            from .._inventory._package_locks import parse_versionlock_toml

            self._lock_path = _LOCKS5
            with contextlib.suppress(ValueError):
                self._locks = parse_versionlock_toml(read_text(self._host, _LOCKS5) or "")
            own = own_locks(self._host, self._own.record)
            others = [lock for lock in self._locks if not any(is_lock_of(pattern, lock.partition(" ")[0]) for pattern in own)]
            # No option leads dnf 5 to another file: our own locks can be left out only together with all other excludes.
            self._no_excludes = bool(self._locks) and not others and not self._has_excludes(main)
            return
        for folder in [main["pluginconfpath"].strip()] if main.get("pluginconfpath") else [_PLUGINS]:
            for name in [name for name in names_in(self._host, folder) if name.endswith(".conf")]:
                text = read_text(self._host, f"{folder}/{name}") or ""
                if name == "versionlock.conf":
                    text = self._private_locks(f"{folder}/{name}", text)
                self._folder.write(f"plugins/{name}", text)

    def _has_excludes(self, main: Mapping[str, str]) -> bool:
        keys = ("exclude", "excludepkgs", "includepkgs")
        repos = self._folder.path("repos.d")
        texts = [read_text(self._host, f"{repos}/{name}") or "" for name in names_in(self._host, repos)]
        return any(main.get(key) for key in keys) or any(re.search(rf"(?m)^(?:{'|'.join(keys)})\s*=", text) for text in texts)

    def _private_locks(self, path: str, text: str) -> str:
        main, _whole = configuration([(path, text)], {})
        self._lock_path = main.get("locklist", "").strip()
        lines = (read_text(self._host, self._lock_path) or "").splitlines() if self._lock_path else []
        own = own_locks(self._host, self._own.record)
        kept = [line.strip() for line in lines if line.strip() not in own]
        self._locks = [line for line in kept if line and not line.startswith("#")]
        private = self._folder.write("versionlock.list", "\n".join(kept) + "\n")
        return configuration([(path, text)], {"locklist": private})[1]

    def _seed(self, main: Mapping[str, str], wished: Sequence[str]) -> None:
        cache = self._folder.path("cache")
        # Metadata of a wished repository must have passed its own signature, which nobody looks at again once it is cached.
        seed(main.get("cachedir", "").strip() or _CACHE[self.name], cache,
             lambda name: not any(re.fullmatch(rf"{re.escape(one)}(?:-[0-9a-f]{{16}}|[-.].*\.?solvx?|\.solv)", name) for one in wished)
             and not name.endswith((".pid", ".db", ".json")))
        if self.name == "dnf":
            persist = main.get("persistdir", "").strip() or _PERSIST
            # The history tells which packages somebody asked for.
            seed(persist, self._folder.path("persist"), lambda name: name == "modulefailsafe" or name.startswith("history.sqlite"))

    def _refresh(self, refresh: bool) -> None:
        # "yes" is for keys of repositories, which go into our cache; this command has nothing else to confirm.
        argv = [*self._argv(cached=False), "--assumeyes", *(["--refresh"] if refresh else []), "makecache"]
        status, stdout, stderr = ask(self._host, argv, self.name, self._timeout)
        if status:
            reasons = re.findall(r"^ +- (.+)$", f"{stderr}\n{stdout}", re.MULTILINE)
            words = shortened("\n".join([trouble(stdout, stderr) or stderr or f"exit status {status}", *reasons]))
            raise PackageError(code_of(f"{stderr}\n{stdout}"), f"{self.name}: {words}")
        for repository, reason in ignored(stderr + stdout):
            self._problems.append({"repository": repository, "code": code_of(stderr), "message": reason})

    def _argv(self, cached: bool = True) -> list[str]:
        argv = [self.name, f"--config={self._folder.path('dnf.conf')}", "--setopt=*.countme=0"]
        if self.name == "dnf":
            argv.append(f"--disableplugin={','.join(_WRITING_PLUGINS)}")
        elif self._no_excludes:
            argv.append("--setopt=disable_excludes=*")
        return [*argv, "--cacheonly"] if cached else argv

    # --- What is offered ---

    def offer(self, patterns: Iterable[str]) -> Offer:
        """All versions of the packages whose names match (fnmatch); one candidate for each module stream that holds a package."""
        wanted = patterns_of(patterns)
        rows, problems = self._query(wanted)
        streams = self._streams({row.name for row in rows})
        found = [self._candidate(row, stream) for row in rows for stream in streams.get(row.nevra, [None])]
        return Offer(self.name, tuple(found), (*self._problems, *problems))

    def _query(self, patterns: Sequence[str]) -> tuple[list[Row], list[dict[str, str]]]:
        if not patterns:
            return [], []
        argv = [*self._argv(), "--quiet", "repoquery", "--available", f"--arch={os.uname().machine},noarch", f"--qf={QUERY_FORMAT}"]
        argv += ["--disable-modular-filtering"] if self.name == "dnf" else []
        try:
            rows, problems = parse_repoquery(checked(self._host, [*argv, *patterns], self.name))
        except ValueError as error:
            raise PackageError("unreadable", f"{self.name}: {error}") from None
        return [row for row in rows if fits_any(row.name, patterns)], problems

    def _streams(self, names: set[str]) -> dict[str, list[str]]:
        if self.name != "dnf" or not names:  # distributions with dnf 5 have no modules
            return {}
        status, stdout, _stderr = ask(self._host, [*self._argv(), "--quiet", "module", "provides", *sorted(names)], self.name)
        return {} if status else parse_module_provides(stdout)

    def _candidate(self, row: Row, stream: str | None) -> Candidate:
        origin = self._origin_of(self.name, {"repo": row.repository, "vendor": row.vendor, "url": self._urls.get(row.repository, "")})
        return Candidate(row.name, row.evr, row.architecture, origin, row.repository, row.requires, row.provides, stream)

    # --- What would be done ---

    def resolve(self, request: Request) -> Closure:
        """The transaction for a request, as the real one will be with the same repositories and streams.

        Of names that pins cover, other versions are left out, unless a repository has none that fits.
        """
        validate(request)
        argv = [*self._argv(), "--assumeno", *(["--allowerasing"] if request.erase and self.name == "dnf" else [])]
        excluded = self._excluded(request.pins)
        argv += [f"--exclude={','.join(excluded)}"] if excluded else []
        if not request.install and not request.streams:
            argv += ["--disablerepo=*", "remove", *request.remove]
        elif self.name == "dnf":
            argv += ["shell", self._folder.write("transaction", shell_script(request))]
        else:
            argv += do_arguments(request)
        _status, stdout, stderr = ask(self._host, argv, self.name)
        try:
            # dnf 5 tells the sizes beside the table
            transaction = parse_transaction(f"{stdout}\n{stderr}" if self.name == "dnf5" else stdout)
        except ValueError as error:
            raise PackageError("unreadable", f"{self.name}: {error}") from None
        words = trouble(stdout, stderr)
        if words and code_of(words) in ("broken", "no_space", "locked"):
            raise PackageError(code_of(words), f"{self.name}: {words}")
        return self._closure(request, transaction, words)

    def installed(self, names: Iterable[str]) -> tuple[Installed, ...]:
        """Those of these packages that are there."""
        found = rpm_versions(self._host, names)
        if not found:
            return ()
        argv = [*self._argv(), "--quiet", "--disablerepo=*", "repoquery", "--userinstalled", "--qf=%{name}\\n"]
        manual = checked(self._host, [*argv, *sorted({name for name, _evr in found})], self.name).split()
        return tuple(Installed(name, evr, name in manual) for name, evr in found)

    def needs(self, names: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """For each of these packages: those of them that it needs directly."""
        return rpm_needs(self._host, names)

    def _excluded(self, pins: Sequence[Pin]) -> list[str]:
        names = patterns_of(name for pin in pins for name in pin.names)
        rows = self._query(names)[0]
        excluded: dict[str, None] = {}
        for pin in pins:
            covered = [row for row in rows if fits_any(row.name, pin.names)]
            served = {row.name for row in covered if is_version(row.evr, pin.version)}
            excluded.update((row.nevra, None) for row in covered if row.name in served and not is_version(row.evr, pin.version))
        return list(excluded)

    def _closure(self, request: Request, transaction: Transaction, words: str | None) -> Closure:
        before = installed(self._host, (item.name for item in transaction.items))
        changes = tuple(change for item in transaction.items for change in changes_of(item, before))
        locks = locks_in_the_way(words or "", self._locks)
        if locks:
            words = f"held packages in the way: {', '.join(locks)} ({self._lock_path})\n{words}"
        if not words and transaction.skipped:
            words = f"{self.name} leaves out {', '.join(transaction.skipped)}"
        if not words and not request.downgrade:
            words = downgrades(changes)
        return Closure(changes, words, transaction.download_kib, transaction.disk_kib)
