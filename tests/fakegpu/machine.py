# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be seen of a machine: a file system in memory, commands with their outcomes, probes."""

from __future__ import annotations

import base64
import posixpath
from dataclasses import dataclass, field
from typing import Any, Union

Content = Union[str, bytes]


@dataclass
class Node:
    """A device node: the kernel's type (c or b), numbers, access."""

    kind: str = "c"
    major: int = 195
    minor: int = 0
    mode: str = "0666"
    group: str = "root"


@dataclass
class Machine:
    """Paths are absolute and canonical: a file lies where the kernel has it, and links lead to it."""

    files: dict[str, Content] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    denied: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    commands: list[dict[str, Any]] = field(default_factory=list)
    probes: dict[str, Any] = field(default_factory=dict)
    euid: int = 0

    def write(self, path: str, content: Content) -> None:
        """A file with exactly this content."""
        self.files[path] = content

    def values(self, folder: str, **values: Any) -> None:
        """Attributes as sysfs shows them: one value and a line end. None leaves the attribute out."""
        for name, value in values.items():
            if value is not None:
                self.files[f"{folder}/{name}"] = f"{value}\n"

    def link(self, path: str, target: str) -> None:
        """A relative link to an absolute target, as the kernel makes them."""
        self.links[path] = posixpath.relpath(target, posixpath.dirname(path))

    def folder(self, path: str) -> None:
        """A directory that may stay empty."""
        self.folders.add(path)

    def node(self, path: str, **about: Any) -> None:
        """A device node."""
        self.nodes[path] = Node(**about)

    def command(self, argv: str, stdout: str = "", rc: int = 0, stderr: str = "") -> None:
        """A command line (words separated by blanks) that runs to its end."""
        self.outcome(argv.split(), rc=rc, stdout=stdout, stderr=stderr)

    def outcome(self, argv: list[str], **outcome: Any) -> None:
        """A command with any outcome of the evidence; a later one for the same words (as the same user) replaces it."""
        same = (argv, outcome.get("user"))
        self.commands = [one for one in self.commands if (one["argv"], one.get("user")) != same]
        self.commands.append({"argv": argv, **outcome})

    def target(self, path: str) -> str:
        """Where the link at this path leads."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(path), self.links[path]))

    def names(self) -> set[str]:
        """All paths that exist, with the folders above them."""
        found: set[str] = set()
        for path in (*self.files, *self.links, *self.folders, *self.denied, *self.nodes):
            while path not in found and path != "/":
                found.add(path)
                path = posixpath.dirname(path)
        return found

    def evidence(self) -> dict[str, Any]:
        """The document that `check_gpu.pyz record` would write here, were everything there is looked at."""
        dirs: dict[str, list[str]] = {path: [] for path in self.folders}
        for path in self.names():
            parent = posixpath.dirname(path)
            if path in self.nodes or parent in dirs:
                dirs.setdefault(parent, [])
        for path in self.names():
            parent = posixpath.dirname(path)
            if parent in dirs:
                dirs[parent].append(posixpath.basename(path))
        files: dict[str, Any] = {path: _told(content) for path, content in self.files.items()}
        files.update({path: {"error": error} for path, error in self.denied.items()})
        return {
            "evidence": 1,
            "recorded": {"at": "2026-11-23T10:00:00Z", "by": "fakegpu 1", "euid": self.euid},
            "files": dict(sorted(files.items())),
            "dirs": {path: sorted(dirs[path]) for path in sorted(dirs)},
            "links": dict(sorted(self.links.items())),
            "commands": self.commands,
            "probes": self.probes,
        }


def _told(content: Content) -> str | dict[str, str]:
    if isinstance(content, str):
        return content
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def relative(path: str, root: str) -> str | None:
    """The path below root, or None where it lies elsewhere."""
    return path[len(root) :].lstrip("/") if path == root or path.startswith(root.rstrip("/") + "/") else None
