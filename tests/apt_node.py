# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node for the real apt, as an ordinary user: its configuration, dpkg database and archives lie in a folder of the test."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

from ansible_collections.gpufleet.node.plugins.module_utils._host import FILE_LIMIT, LiveHost

PROGRAMS = ("apt-get", "apt-cache", "apt-config", "apt-mark")
MISSING = [program for program in (*PROGRAMS, "dpkg", "dpkg-query", "gpg") if not shutil.which(program)]

_CONFIGURATION = """\
Dir::Etc "{root}/etc/apt";
Dir::Etc::trusted "{root}/etc/apt/trusted.gpg";
Dir::Etc::trustedparts "{root}/etc/apt/trusted.gpg.d";
Dir::State "{root}/var/lib/apt";
Dir::State::status "{root}/var/lib/dpkg/status";
Dir::Cache "{root}/var/cache/apt";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
"""


class Node(LiveHost):
    """This machine with another apt configuration: programs of the same name before the real ones on PATH set APT_CONFIG."""

    def __init__(self, folder: Path, os_release: str) -> None:
        super().__init__()
        self.folder, self.programs, self._os_release = folder, folder / "bin", os_release
        for name in ("etc/apt/sources.list.d", "etc/apt/preferences.d", "etc/apt/apt.conf.d", "etc/apt/trusted.gpg.d", "keys", "bin",
                     "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"):
            (folder / name).mkdir(parents=True)
        self.status.write_text("")
        (folder / "apt.conf").write_text(_CONFIGURATION.format(root=folder))
        for program in PROGRAMS:
            wrapper = self.programs / program
            wrapper.write_text(f'#!/bin/sh\nAPT_CONFIG="{folder}/apt.conf" exec {shutil.which(program)} "$@"\n')
            wrapper.chmod(0o755)
        wrapper = self.programs / "dpkg-query"
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("dpkg-query")} --admindir="{self.status.parent}" "$@"\n')
        wrapper.chmod(0o755)

    @property
    def status(self) -> Path:
        return self.folder / "var/lib/dpkg/status"

    def read(self, path: str, limit: int = FILE_LIMIT, deadline: float | None = None) -> bytes:
        if path == "/etc/os-release":
            return self._os_release.encode()
        return super().read(path, limit, deadline)

    def etc(self, name: str, text: str) -> Path:
        """Write a file below /etc/apt."""
        path = self.folder / "etc/apt" / name
        path.write_text(text)
        return path

    def install(self, name: str, version: str, wish: str = "install", state: str = "installed", **fields: str) -> None:
        """Put a package into dpkg's database, the same as `package` makes; state in dpkg's words."""
        name_line, rest = package(name, version, **fields).split("\n", 1)
        rest = re.sub(r"(?m)^(?:Filename|Size|SHA256): .*\n", "", rest)  # which dpkg does not know
        with self.status.open("a") as file:
            file.write(f"{name_line}\nStatus: {wish} ok {state}\n{rest}\n")

    def automatic(self, *names: str) -> None:
        """Mark packages as there only because others need them."""
        text = "".join(f"Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n\n" for name in names)
        (self.folder / "var/lib/apt/extended_states").write_text(text)

    def several_architectures(self) -> None:
        """Let the node have packages of i386 too."""
        path = self.folder / "apt.conf"
        path.write_text(path.read_text().replace('{ "amd64"; }', '{ "amd64"; "i386"; }'))

    def update(self) -> None:
        """The node's own `apt-get update`."""
        subprocess.run([str(self.programs / "apt-get"), "-q", "update"], check=True, capture_output=True)


def package(name: str, version: str, **fields: str) -> str:
    """A paragraph of a Packages file."""
    given = {"Package": name, "Version": version, "Architecture": "amd64", "Maintainer": "a <a@example.com>", "Installed-Size": "2048",
             "Filename": f"pool/{name}.deb", "Size": "1048577", "SHA256": hashlib.sha256(f"{name}{version}{fields}".encode()).hexdigest(),
             "Description": "a", **{key.replace("_", "-"): value for key, value in fields.items()}}
    return "".join(f"{key}: {value}\n" for key, value in given.items())


class Key:
    """A key of our own in a GnuPG folder of its own, whose path must be short (sockets)."""

    def __init__(self, home: str, name: str) -> None:
        self._gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        self._user = f"{name}@example.com"
        subprocess.run([*self._gpg, "--quick-gen-key", self._user, "rsa3072", "sign", "never"], check=True, capture_output=True)
        self.public = subprocess.run([*self._gpg, "--armor", "--export", self._user], check=True, capture_output=True, text=True).stdout

    def sign(self, source: Path, target: Path) -> None:
        subprocess.run([*self._gpg, "--yes", "--local-user", self._user, "--digest-algo", "SHA512", "--clearsign", "--output", str(target),
                        str(source)], check=True, capture_output=True)


@contextmanager
def keys() -> Iterator[tuple[Key, Key]]:
    """Two keys."""
    home = tempfile.mkdtemp(prefix="gpg.")
    try:
        yield Key(home, "one"), Key(home, "two")
    finally:
        if shutil.which("gpgconf"):
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


class Archive:
    """An archive below a folder that is served by HTTP."""

    def __init__(self, folder: Path, url: str, key: Key | None) -> None:
        self.folder, self.url, self.key = folder, url, key
        self._published = 0

    def publish(self, suite: str, *packages: str, origin: str = "Example", valid: float | None = None, flat: bool = False,
                label: str | None = None) -> Path:
        """Write a suite of one component, main, that was made two days ago and is valid for so many seconds; its Packages file
        (of amd64). A flat one lies in the folder of that name."""
        place = self.folder / (suite if flat else f"dists/{suite}")
        now = time.time() - 2 * 86400
        lines = [f"Origin: {origin}", f"Label: {label or origin}", f"Suite: {suite}", f"Codename: {suite}",
                 f"Date: {formatdate(now, usegmt=True)}",
                 *([] if flat else ["Components: main"]), "Architectures: amd64 i386"]
        if valid is not None:
            lines.append(f"Valid-Until: {formatdate(now + valid, usegmt=True)}")
        lines.append("SHA256:")
        for architecture in ("amd64",) if flat else ("i386", "amd64"):
            index = place / ("Packages" if flat else f"main/binary-{architecture}/Packages")
            index.parent.mkdir(parents=True, exist_ok=True)
            index.write_text("\n".join(one for one in packages if f"\nArchitecture: {architecture}\n" in one))
            content = index.read_bytes()
            lines.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {index.relative_to(place)}")
        release = place / "Release"
        release.write_text("\n".join(lines) + "\n")
        if self.key:
            self.key.sign(release, place / "InRelease")
            release.unlink()
            release = place / "InRelease"
        self._published += 10  # seconds: two that are made within one are the same to HTTP
        os.utime(release, (now + self._published,) * 2)
        return index

    def sources(self, suite: str, signed_by: Path | str, components: str = "main") -> str:
        """A file in the format of .sources."""
        tail = f"Components: {components}\n" if components else ""
        return f"Types: deb\nURIs: {self.url}\nSuites: {suite}\n{tail}Signed-By: {signed_by}\n"


class Server:
    """A folder served by HTTP on this machine, by a process of its own: our own must stay one that may fork."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            argv = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
            self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=file, text=True)
        assert self.process.stdout
        port = re.search(r"port (\d+)", self.process.stdout.readline())
        assert port, log.read_text()
        self.url = f"http://127.0.0.1:{port[1]}"

    def requests(self) -> list[tuple[str, int]]:
        """(path, status) of the requests so far."""
        return [(path, int(status)) for path, status in re.findall(r'"GET (\S+) [^"]*" (\d+)', self._log.read_text())]

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate()
