# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-test sanity` needs around it: a home of its own, real interpreters by name, a way to bootstrap pip."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from . import venvs
from .interpreters import best, found
from .places import BUILD

_SITE = "https://ci-files.testing.ansible.com/"
_SITE_WAIT_S = 5
_BOOTSTRAP = "import ensurepip\nensurepip.bootstrap()\n"
_PIP_VERSION = re.compile(r"\bpip='([\d.]+)'")
_LEFT_OUT = re.compile(r"(?m)^WARNING: (Skipping .+|Required program .+ not found.*)$")


def _reachable() -> bool:
    try:
        with urllib.request.urlopen(_SITE, timeout=_SITE_WAIT_S):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and Path(os.readlink(link)) != target:
        link.unlink()
    if not os.path.lexists(link):
        link.symlink_to(target)


def _provide_pip_bootstrap(venv: Path, cache: Path) -> None:
    """ansible-test downloads a pip bootstrap script for each pip that it wants. Where its site cannot be reached, Python's
    own ensurepip does the same from files that are here; ansible-test takes it for the cached download."""
    cache.mkdir(parents=True, exist_ok=True)
    missing = []
    for source in venv.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py"):
        versions = set(_PIP_VERSION.findall(source.read_text()))
        missing += [cache / f"get_pip_{version.replace('.', '_')}.py" for version in versions]
    missing = [path for path in missing if not path.exists()]
    if missing and not _reachable():
        for path in missing:
            path.write_text(_BOOTSTRAP)


def home(venv: Path, work: Path) -> Mapping[str, str]:
    """A home folder in the checkout with what ansible-test keeps, and pip's own settings and cache as they are."""
    folder = BUILD / "ansible-test"
    _provide_pip_bootstrap(venv, folder / ".ansible" / "test" / "cache")
    user = Path.home()
    (user / ".cache" / "pip").mkdir(parents=True, exist_ok=True)
    for name in (".cache/pip", ".config/pip", ".pip"):
        if (user / name).exists():
            _link(folder / name, user / name)
    for python in found().values():
        _link(folder / "bin" / f"python{python.version}", Path(python.path))
    _link(folder / "bin" / "shellcheck", venvs.ensure("lint", best()) / "bin" / "shellcheck")
    path = os.pathsep.join((str(venv / "bin"), str(folder / "bin"), os.environ.get("PATH", os.defpath)))
    return {"HOME": str(folder), "PATH": path}


def left_out(output: str) -> list[str]:
    """The tests that ansible-test says it skipped, and why."""
    return sorted(set(_LEFT_OUT.findall(output)))
