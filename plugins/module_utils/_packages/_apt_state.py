# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: apt's private state: lists, cache, sources and preferences in a folder of our own.

Only dpkg's status, apt's marks of automatic packages, keys, credentials and proxies are the node's own, and only read.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from .._host import Host, HostError, Output
from ._apt_text import code_of, first_words, parse_config_names, parse_shell
from ._apt_update import SourceLine, parse_sources
from ._openpgp import KeyFormatError, fingerprint
from ._private import PrivateFolder, told_disk_errors
from .types import PackageError, Pin, Repository

__all__ = ["AptState"]

ASK_S = 60.0  # for one question to lists that are here

# Programs of the node that would be told of our own update as if it were the node's.
_HOOKS = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success", "DPkg::Pre-Invoke",
          "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs", "AptCli::Hooks")
_BINARIES = ("apt-get", "apt-cache")
_SHELL = ("LISTS", "Dir::State::lists/d", "FILE", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d",
          "PINS", "Dir::Etc::preferences/f", "PINPARTS", "Dir::Etc::preferencesparts/d")
_PINS = "gpufleet-nvidia.pref"  # after the files of plans, which are called gpufleet-nvidia-…, and before those of packages
_NO_FILES: Mapping[str, str | None] = MappingProxyType({})
_SCHEMES = ("http", "https", "ftp")
_LIST_FILE = re.compile(r"\S+_(?:InRelease|Release|Release\.gpg|Packages(?:\.[a-z0-9]+)?)", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)  # apt.conf(5): others are ignored
_PROXY = re.compile(r"(?:https?|socks5h)://[A-Za-z0-9.\[\]:@_~%/+-]{1,400}|DIRECT", re.ASCII)
_PATTERN = re.compile(r"[A-Za-z0-9.+*?\[\]!~:-]{1,256}", re.ASCII)


class AptState:
    """The folder and what lies in it, and the door to apt's programs that use it. Every verb raises PackageError.

    sources are the archives of all files, wished those of the wished files, problems what of the node could not be read.
    """

    def __init__(self, host: Host, folder: str) -> None:
        self.host, self._folder = host, PrivateFolder(folder)
        self._open = False
        self._places: dict[str, str] = {}
        self.wished: list[SourceLine] = []
        self.sources: list[SourceLine] = []
        self.problems: list[dict[str, str]] = []

    def open(self, repositories: Sequence[Repository], proxy: str | None, timeout: float) -> None:
        """Make the state or make it anew; timeout (seconds) is that of a whole refresh."""
        if not self._open:
            self._folder.__enter__()
            self._open = True
        self.problems = []
        self._places = parse_shell(self.ask("apt-config", "shell", *_SHELL))
        self._write_sources(repositories)
        self.write_preferences(())
        self._seed_lists()
        self._write_configuration(proxy, timeout)

    def close(self) -> None:
        """Remove it."""
        self._folder.close()
        self._open = False

    def _write_sources(self, repositories: Sequence[Repository]) -> None:
        """The node's files and the wished ones, which replace those of the same path. Keys that are wished are read from our
        folder, also where a file of the node names one: apt refuses an archive with two keyrings."""
        keys = {one.key_path: self._write_key(number, one) for number, one in enumerate(repositories) if one.key}
        wished = {os.path.normpath(one.path): one.content for one in repositories}
        texts = {path: text for path, text in self._node_files("FILE", "PARTS", (".list", ".sources")).items() if path not in wished}
        self.sources, self.wished = [], []
        self._folder.folder("etc/sources.list.d")
        self._folder.write("etc/sources.list", "")
        for path, text in {**texts, **wished}.items():
            lines = parse_sources(text, path)
            self.sources += lines
            self.wished += lines if path in wished else []
            for key_path, private in keys.items():
                text = re.sub(rf"(?<![\w./-]){re.escape(key_path)}(?![\w./-])", private, text)
            main = path == os.path.normpath(self._places.get("FILE", ""))
            self._folder.write("etc/sources.list" if main else f"etc/sources.list.d/{os.path.basename(path)}", text)

    def _write_key(self, number: int, repository: Repository) -> str:
        try:
            fingerprint(repository.key.encode("utf-8", "replace"))
        except KeyFormatError as error:
            raise PackageError("bad_key", f"{repository.id}: its key cannot be used: {error}") from None
        if not repository.key_path.startswith("/") or repository.key_path not in repository.content:
            raise PackageError("bad_key", f"{repository.id}: {repository.path} does not name its key {repository.key_path!r}")
        return self._folder.write(f"keys/{number}.asc", repository.key)

    def write_preferences(self, pins: Iterable[Pin], files: Mapping[str, str | None] = _NO_FILES) -> None:
        """The node's own, but files (by path) as a plan will have left them, and the pins that packages of the request will bring.
        The name counts: of several records that fit a version the first one is valid (apt_preferences(5))."""
        own = []
        for pin in pins:
            if not all(map(_PATTERN.fullmatch, (*pin.names, pin.version))):
                raise PackageError("refused", f"a pin that apt cannot read: {first_words(' '.join((*pin.names, pin.version)))!r}")
            own.append(f"Package: {' '.join(pin.names)}\nPin: version {pin.version}\nPin-Priority: {pin.priority}\n")
        main = os.path.normpath(self._places.get("PINS", ""))
        self._folder.write("etc/preferences", "")
        texts: dict[str, str | None] = {}
        for path, text in self._node_files("PINS", "PINPARTS", ("", ".pref")).items():
            name = os.path.basename(path)
            if path == main:
                self._folder.write("etc/preferences", text)
            else:
                texts[name] = text
        texts.update({os.path.basename(path): text for path, text in files.items()})
        texts[_PINS] = "\n".join(own)
        for name, content in texts.items():
            if content is not None:
                self._folder.write(f"etc/preferences.d/{name}", content)
            else:
                self._folder.remove(f"etc/preferences.d/{name}")

    def _node_files(self, file: str, parts: str, endings: tuple[str, ...]) -> dict[str, str]:
        """{path: text} of a configuration file of the node and of those in its folder that apt reads."""
        paths = [self._places[file]] if self._places.get(file) else []
        folder = self._places.get(parts, "")
        with contextlib.suppress(HostError):
            paths += [os.path.join(folder, name) for name in (self.host.list(folder) if folder else [])
                      if _PART.fullmatch(name) and os.path.splitext(name)[1] in endings]
        texts = {}
        for path in map(os.path.normpath, paths):
            text = self._text(path)
            if text is not None:
                texts[path] = text
        return texts

    def _text(self, path: str) -> str | None:
        try:
            return self.host.read(path).decode("utf-8", "surrogateescape")
        except HostError as error:
            if error.code != "not_found":
                self.problems.append({"repository": path, "code": "unreadable", "message": str(error)})
            return None

    def _seed_lists(self) -> None:
        """The lists that the node has, so that only what changed is fetched. A link to a file of ours costs nothing, and apt never
        writes into a list, it replaces it; the lists of others cannot be linked."""
        source, target = self._places.get("LISTS", ""), self._folder.folder("lists")
        self._folder.folder("lists/partial")
        self._folder.folder("cache/archives/partial")
        with contextlib.suppress(FileNotFoundError), told_disk_errors(source):
            names = os.listdir(source) if os.path.isdir(source) else []
            for name in filter(_LIST_FILE.fullmatch, names):
                _link_or_copy(os.path.join(source, name), os.path.join(target, name))

    def _write_configuration(self, proxy: str | None, timeout: float) -> None:
        """Read after the node's own configuration, of which all stays that is not named here: proxies, credentials, Valid-Until."""
        if proxy is not None and not _PROXY.fullmatch(proxy):
            raise PackageError("refused", f"proxy is {proxy!r} (allowed: a URL such as http://proxy.example.com:3128)")
        values = {**self._paths(), "Debug::NoLocking": "true", "APT::Update::Error-Mode": "any", "Acquire::Retries": "1",
                  "APT::Sandbox::User": "root",  # _apt cannot enter a folder that is ours alone
                  "APT::Get::Show-User-Simulation-Note": "false", "Acquire::Languages": "none"}
        values.update({f"Acquire::{scheme}::Timeout": str(int(min(30, max(3, timeout / 20)))) for scheme in _SCHEMES})
        dump = self.ask("apt-config", "dump")
        for tree in ("Acquire::IndexTargets::deb", "Acquire::IndexTargets::deb-src"):
            unused = [name for name in parse_config_names(dump, tree) if name != "Packages"]
            values.update({f"{tree}::{name}::DefaultEnabled": "false" for name in unused})
        if proxy is not None:
            values.update({f"Acquire::{scheme}::Proxy": proxy for scheme in _SCHEMES})
        cleared = [f"{prefix}{hook}" for prefix in ("", *(f"Binary::{name}::" for name in _BINARIES)) for hook in _HOOKS]
        lines = [*(f"#clear {name};" for name in [*cleared, "Acquire::Languages"]),
                 *(f'{name} "{value}";' for name, value in values.items())]
        self._folder.write("apt.conf", "\n".join(lines) + "\n")

    def _paths(self) -> dict[str, str]:
        path = self._folder.path
        return {"Dir::State::lists": path("lists") + "/", "Dir::Cache": path("cache") + "/", "Dir::Cache::archives": "archives/",
                "Dir::Cache::pkgcache": "pkgcache.bin", "Dir::Cache::srcpkgcache": "", "Dir::Log": self._folder.folder("log"),
                "Dir::Etc::sourcelist": path("etc/sources.list"), "Dir::Etc::sourceparts": path("etc/sources.list.d"),
                "Dir::Etc::preferences": path("etc/preferences"), "Dir::Etc::preferencesparts": path("etc/preferences.d")}

    # --- Questions ---

    def own_paths(self, text: str) -> str:
        """Words of apt with the node's paths in the place of ours."""
        for private, real in (("etc/sources.list.d", "PARTS"), ("etc/sources.list", "FILE"), ("lists", "LISTS"),
                              ("etc/preferences.d", "PINPARTS"), ("etc/preferences", "PINS")):
            text = text.replace(self._folder.path(private), self._places.get(real, "").rstrip("/"))
        return text

    def node_release(self, source: SourceLine) -> str:
        """The beginning of the release file that the node has of an archive; empty where it has none."""
        for ending in ("InRelease", "Release"):
            with contextlib.suppress(HostError):
                path = os.path.join(self._places.get("LISTS", ""), source.list_file(ending))
                return self.host.read(path, limit=1 << 14).decode("utf-8", "replace")
        return ""

    def run(self, program: str, *arguments: str, timeout: float = ASK_S) -> Output:
        """Run one of apt's programs in the private state."""
        if not self._open:
            raise PackageError("refused", "the private state of apt is not open")
        private = [] if program == "apt-config" else ["-c", self._folder.path("apt.conf")]
        try:
            return self.host.run([program, *private, *arguments], timeout=timeout)
        except HostError as error:
            raise PackageError("unreadable" if error.code == "not_found" else "broken", f"{program}: {error}") from None

    def ask(self, program: str, *arguments: str) -> str:
        """What it prints; its failure is a PackageError."""
        output = self.run(program, *arguments)
        if output.error or output.rc:
            words = first_words(self.own_paths(output.stderr)) or output.error or f"exit status {output.rc}"
            raise PackageError(code_of(output.stderr), f"{program} {arguments[0]}: {words}")
        return output.stdout


def _link_or_copy(old: str, new: str) -> None:
    if os.path.islink(old) or not os.path.isfile(old) or os.path.lexists(new):
        return
    try:
        os.link(old, new)
    except OSError:
        with contextlib.suppress(FileNotFoundError):  # the node's own update replaced it just now
            shutil.copy2(old, new)
