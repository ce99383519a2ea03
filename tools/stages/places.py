# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of the checkout, the environment that tools run in, locks, and copies of the tracked files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build"
COLLECTIONS = BUILD / "collections"
_OURS = ("ansible_collections", "gpufleet", "node")
_FOREIGN = ("ANSIBLE_", "PYTHON", "MOLECULE_", "VIRTUAL_ENV", "MAKE", "MFLAGS", "COV_")


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold a lock of this checkout: a second `make` waits here instead of working in the same folder."""
    folder = BUILD / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name.replace("/", "-")).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def link_checkout() -> Path:
    """Make the checkout importable and runnable under its full name below build/collections; returns that folder."""
    link = COLLECTIONS.joinpath(*_OURS)
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(os.path.relpath(CHECKOUT, link.parent))
    return COLLECTIONS


def environment(**more: str) -> dict[str, str]:
    """The caller's environment without what would steer Python or Ansible; caches of Ansible stay in the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    ansible_home = str(BUILD / "ansible")
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "ANSIBLE_HOME": ansible_home,
        "ANSIBLE_REMOTE_TMP": f"{ansible_home}/tmp",
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        **more,
    }


def tracked() -> list[str]:
    """Names of the tracked files that are there."""
    done = subprocess.run(["git", "-C", str(CHECKOUT), "ls-files", "-z"], capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and os.path.lexists(CHECKOUT / name)]


def copy_tracked(root: Path) -> Path:
    """Copy the tracked files to a fresh `root`/ansible_collections/gpufleet/node, which becomes a repository of its own:
    ansible-test asks git for the files, and the checkout's answer would be that all of build/ is ignored."""
    shutil.rmtree(root, ignore_errors=True)
    target = root.joinpath(*_OURS)
    for name in tracked():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, target / name, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet", str(target)], check=True, stdin=subprocess.DEVNULL)
    return target
