# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A described repository as a folder that apt, dnf or zypper can use. What was built once is kept below build/."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from . import deb, rpm
from .description import HERE, Repository, load
from .errors import RepositoryError
from .relations import twins, unresolved

CHECKOUT = HERE.parent.parent
CACHE = CHECKOUT / "build" / "packagerepo"
IMAGE = "packages"


def build(name: str, folder: Path) -> Path:
    """The repository in a folder, which is replaced. RepositoryError where that is not possible."""
    kept = ensure(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(kept, folder, copy_function=_same, symlinks=True)
    return folder


def ensure(name: str) -> Path:
    """The repository in the cache: built now if its description, our code or the key is new."""
    repository = load(name)
    with _alone(name):
        kept = CACHE / f"{name}-{_recipe(repository)}"
        if not (kept / ".complete").exists():
            _make(repository, kept)
        return kept


def _recipe(repository: Repository) -> str:
    """A hash of all that a repository is made from."""
    found = hashlib.sha256(repr(repository).encode())
    for path in sorted([*HERE.glob("*.py"), HERE / "files" / "finish.sh"]):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def _make(repository: Repository, kept: Path) -> None:
    problems = twins(repository) + unresolved(repository, [load(name) for name in repository.beside])
    if problems:
        raise RepositoryError("\n".join(problems))
    work = CACHE / f"work-{repository.name}"
    shutil.rmtree(work, ignore_errors=True)
    (work / "repository").mkdir(parents=True)
    if repository.kind == "deb":
        deb.write(repository, work / "repository")
    else:
        (work / "specs").mkdir()
        rpm.write(repository, work / "specs")
    # One key for all repositories of a maker: they are made one after the other.
    with _alone(f"key-{repository.key}"):
        _in_image(work, repository.key)
    for old in CACHE.glob(f"{repository.name}-????????????"):
        shutil.rmtree(old)
    (work / "repository" / ".complete").touch()
    (work / "repository").rename(kept)
    shutil.rmtree(work)


def _in_image(work: Path, key: str) -> None:
    keys = CACHE / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    argv = ["docker", "run", "--rm", "--network=none", f"--user={os.getuid()}:{os.getgid()}", f"--volume={work}:/work",
            f"--volume={keys}:/work/keys", f"--volume={HERE}/files/finish.sh:/finish.sh:ro", "--env=SOURCE_DATE_EPOCH=1761955200",
            _image(), "sh", "/finish.sh", "/work", key]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RepositoryError(f"building in the image failed ({done.returncode}): {(done.stdout + done.stderr).strip()[-2000:]}")


def _image() -> str:
    """The tag of the image with rpm, createrepo_c and gpg, which is made if needed."""
    done = subprocess.run([sys.executable, str(CHECKOUT / "tools" / "images.py"), IMAGE], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        raise RepositoryError("the image that builds packages cannot be made, see above")
    return done.stdout.strip()


def _same(source: str, target: str) -> None:
    """A hard link where that works: nobody writes into a repository, and some are copied for each scenario."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Two runs at the same time build a repository once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
