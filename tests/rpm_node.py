# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes with rpm for tests: one that answers with recorded outputs of dnf and zypper, and signed repositories for the real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._host import Host, HostError, Output
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Repository

OUTPUTS = Path(__file__).parent / "unit/plugins/module_utils/_packages"
PUBLIC_KEY: str = yaml.safe_load((OUTPUTS / "openpgp_keys.yml").read_text(encoding="utf-8"))[0]["armour"]
BUILDERS = ("rpm", "rpmbuild", "createrepo_c", "modifyrepo_c", "gpg")


def outputs(manager: str) -> dict[str, dict[str, Any]]:
    """{case: {rc, stdout, stderr}} that a manager printed."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((OUTPUTS / f"{manager}_outputs.yml").read_text(encoding="utf-8"))
    return found


def missing(*programs: str) -> list[str]:
    """What the real thing needs and this machine lacks."""
    lacking = [program for program in programs if not shutil.which(program)]
    return lacking if os.geteuid() == 0 else [*lacking, "root"]


class Told(Host):
    """A node that has these files and gives these answers: {word of the argv: Output}, the first word that is there."""

    def __init__(self, answers: Mapping[str, Output], files: Mapping[str, str] | None = None) -> None:
        self.answers, self.files = dict(answers), dict(files or {})
        self.asked: list[list[str]] = []

    def read(self, path: str, limit: int = 1 << 20, deadline: float | None = None) -> bytes:
        if path not in self.files:
            raise HostError("not_found", f"{path}: not there")
        return self.files[path].encode()

    def list(self, path: str) -> list[str]:
        names = [name.rpartition("/")[2] for name in self.files if name.rpartition("/")[0] == path]
        if not names:
            raise HostError("not_found", f"{path}: not there")
        return sorted(names)

    def link(self, path: str) -> str:
        if path not in self.files:
            raise HostError("not_found", f"{path}: not there")
        return self.files[path]

    def run(self, argv: Sequence[str], timeout: float = 10.0, user: str | None = None) -> Output:
        self.asked.append([str(word) for word in argv])
        for word, output in self.answers.items():
            if word in argv or word == argv[0]:
                return output
        return Output(0, "", "")


def answer(case: Mapping[str, Any]) -> Output:
    """A recorded output."""
    return Output(case["rc"], case["stdout"], case.get("stderr", ""))


# --- Real repositories -----------------------------------------------------------------------------------------------------


def _run(*argv: str, **environment: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}{done.stdout}"
    return done.stdout


class Packages:
    """A folder that becomes a repository; keys lie beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder / "repository", folder / "work"
        self.folder.mkdir(parents=True)
        self.work.mkdir()

    def add(self, name: str, evr: str, *lines: str) -> None:
        """A package without files; lines are those of its spec ("Requires: gcc")."""
        epoch, _colon, rest = evr.rpartition(":")
        version, release = rest.split("-")
        head = [f"Name: {name}", f"Version: {version}", f"Release: {release}", "Summary: test", "License: none", *lines]
        head += [f"Epoch: {epoch}"] if epoch else []
        spec = self.work / f"{name}-{rest}.spec"
        spec.write_text("\n".join([*head, "%description", "test", "%files", ""]))
        _run("rpmbuild", "--quiet", "-bb", "--define", f"_topdir {self.work}", "--define", f"_rpmdir {self.folder}", str(spec))

    def finish(self, streams: Mapping[str, Iterable[str]] | None = None) -> None:
        """Make the index; streams are {"nvidia-driver:580-open": NEVRAs}."""
        _run("createrepo_c", "--quiet", str(self.folder))
        if streams:
            text = "".join(_module(name, nevras) for name, nevras in streams.items())
            (self.work / "modules.yaml").write_text(text)
            _run("modifyrepo_c", "--mdtype=modules", str(self.work / "modules.yaml"), str(self.folder / "repodata"))

    def sign(self, name: str = "maker") -> str:
        """Sign the index with a new key; the key as ASCII armour."""
        home = self.work / f"gpg-{name}"
        home.mkdir(mode=0o700)
        environment = {"GNUPGHOME": str(home)}
        mail = f"{name}@example.com"
        _run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", mail, "rsa2048", "sign", "never", **environment)
        index = self.folder / "repodata/repomd.xml"
        _run("gpg", "--batch", "--yes", "--armor", "--detach-sign", "-u", mail, str(index), **environment)
        key = _run("gpg", "--armor", "--export", mail, **environment)
        _run("gpgconf", "--kill", "all", **environment)
        (self.folder / "repodata/repomd.xml.key").write_text(key)  # as NVIDIA and SUSE have it
        return key

    def wished(self, folder: str, key: str, url: str = "") -> Repository:
        """The repository as a wish: a .repo file for this folder of the manager."""
        path = "/etc/pki/rpm-gpg/RPM-GPG-KEY-wished"
        checks = f"gpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://{path}\n" if key else "gpgcheck=0\n"
        content = f"[wished]\nname=wished\nbaseurl={url or self.folder.as_uri()}\nenabled=1\n{checks}"
        return Repository("wished", f"{folder}/wished.repo", content, path if key else "", key)


def _module(spec: str, nevras: Iterable[str]) -> str:
    name, stream = spec.split(":")
    artifacts = "".join(f"    - {nevra}\n" for nevra in nevras)
    return (
        f'---\ndocument: modulemd\nversion: 2\ndata:\n  name: {name}\n  stream: "{stream}"\n  version: 1\n  context: c0ffee\n'
        f"  arch: {os.uname().machine}\n  summary: test\n  description: test\n  license:\n    module: [MIT]\n"
        f"  artifacts:\n    rpms:\n{artifacts}...\n"
    )


def traces(*folders: str) -> dict[str, tuple[int, int]]:
    """{path: (size, time of change)} of all below these folders. What sqlite maps to read a database is no content."""
    found = {}
    for folder in folders:
        for root, _folders, names in os.walk(folder):
            for path in [root, *(f"{root}/{name}" for name in names)]:
                status = os.lstat(path)
                if not path.endswith(("-shm", "-wal")):
                    found[path] = (status.st_size, status.st_mtime_ns)
    return found
