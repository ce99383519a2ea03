# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the folder in which a package manager works for us, so that nothing of the node's own is written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from types import TracebackType

from .types import PackageError

__all__ = ["PrivateFolder", "told_disk_errors"]

# The path goes into configuration files of package managers, whose ways of quoting differ or are missing.
_PLAIN = re.compile(r"/[A-Za-z0-9_@%+=:,./~-]*", re.ASCII)


def parent_for(folder: str) -> str | None:
    """A folder that private ones can be made in: this one, or None (the system's own for temporary files) where package managers
    could not quote its path, as below a remote_tmp with a blank in it."""
    return folder if _PLAIN.fullmatch(os.path.normpath(folder)) else None


class PrivateFolder:
    """A folder of mode 0700 that goes with `close` and all that is in it; a context, so that it goes after errors too.

    path is absolute. The folder may be there already where it is empty and ours alone (`mkdtemp`). PackageError("refused") for
    any other folder and for a path that configuration files cannot name; "no_space" and "unreadable" as the disk says.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.normpath(path)
        self._made = False

    def __enter__(self) -> PrivateFolder:
        if not _PLAIN.fullmatch(self._path):
            raise PackageError("refused", f"{self._path!r}: a path with blanks or signs that package managers cannot quote")
        with told_disk_errors(self._path):
            try:
                os.mkdir(self._path, 0o700)
            except FileExistsError:
                self._refuse_foreign()
            self._made = True
            os.chmod(self._path, 0o700)  # whatever the umask took
        return self

    def _refuse_foreign(self) -> None:
        status = os.lstat(self._path)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077 or os.listdir(self._path):
            raise PackageError("refused", f"{self._path}: is there already, and is not an empty folder of our own with mode 0700")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def path(self, *parts: str) -> str:
        """The absolute path of something in the folder, there or not."""
        path = os.path.normpath(os.path.join(self._path, *parts))
        if path != self._path and not path.startswith(self._path + "/"):
            raise PackageError("refused", f"{'/'.join(parts)}: leads out of {self._path}")
        return path

    def folder(self, relative: str) -> str:
        """Make a folder, with those above it; its absolute path."""
        path = self.path(relative)
        with told_disk_errors(path):
            os.makedirs(path, mode=0o700, exist_ok=True)
        return path

    def write(self, relative: str, text: str) -> str:
        """Write a file, with the folders above it; its absolute path."""
        path = self.path(relative)
        self.folder(os.path.dirname(relative))
        with told_disk_errors(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                file.write(text)
        return path

    def remove(self, relative: str) -> None:
        """Remove a file; one that is not there is no error."""
        path = self.path(relative)
        with told_disk_errors(path), contextlib.suppress(FileNotFoundError):
            os.remove(path)

    def close(self) -> None:
        """Remove the folder; again is no error. What cannot be removed now (a child that still writes) is tried twice."""
        for _attempt in range(2) if self._made else ():
            shutil.rmtree(self._path, ignore_errors=True)
        self._made = False


@contextlib.contextmanager
def told_disk_errors(path: str) -> Iterator[None]:
    """Turns what the disk refuses into PackageError, code no_space or unreadable."""
    try:
        yield
    except OSError as error:
        code = "no_space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "unreadable"
        raise PackageError(code, f"{error.filename or path}: {error.strerror}") from None
