# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: who holds the package manager's locks on this machine. They are tested, never taken; runs in a child."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import Any

# Files that their programs lock by fcntl(2), and the lock to ask for: readers of the rpm database are no hindrance.
_LOCKED = (
    ("/var/lib/dpkg/lock-frontend", fcntl.F_WRLCK),
    ("/var/lib/dpkg/lock", fcntl.F_WRLCK),
    ("/var/lib/apt/lists/lock", fcntl.F_WRLCK),
    ("/var/cache/apt/archives/lock", fcntl.F_WRLCK),
    ("/run/dnf/rpmtransaction.lock", fcntl.F_WRLCK),
    ("/usr/lib/sysimage/rpm/.rpm.lock", fcntl.F_RDLCK),
    ("/var/lib/rpm/.rpm.lock", fcntl.F_RDLCK),
)
# Files with the number of the process that is at work, left behind by one that was killed: dnf 4 and libzypp.
_NUMBERED = ("/var/lib/dnf/rpmdb_lock.pid", "/var/cache/dnf/metadata_lock.pid", "/var/cache/dnf/download_lock.pid", "/run/zypp.pid")
_WORKERS = ("dnf", "yum", "zypp", "python", "platform-python", "packagekit", "microdnf", "y2", "ruby")
_FLOCK = "hhqqi"  # struct flock of 64-bit Linux: type, whence, start, length, process


def probe_package_lock(argument: Any) -> dict[str, Any]:
    """{holder: {pid, name} or None}; pid is None where the process is not of this PID namespace. argument: a folder to look below
    instead of "/", for tests."""
    root = str(argument or "")
    for path, kind in _LOCKED:
        pid = locked_by(root + path, kind)
        if pid is not None:
            return {"holder": {"pid": pid if pid > 0 else None, "name": _name(pid) or os.path.basename(os.path.dirname(path))}}
    for path in _NUMBERED:
        pid = numbered(root + path)
        name = _name(pid) if pid else None
        if name and name.startswith(_WORKERS):
            return {"holder": {"pid": pid, "name": name}}
    return {"holder": None}


def locked_by(path: str, kind: int) -> int | None:
    """The process that keeps this lock of a file from being had; None where nobody does. 0 or less: one that cannot be named."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0))
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOLCK, errno.ENOSYS):  # a file system without locks
            return None
        raise
    finally:
        os.close(descriptor)
    found, _whence, _start, _length, pid = struct.unpack(_FLOCK, answer[: struct.calcsize(_FLOCK)])
    return None if found == fcntl.F_UNLCK else int(pid)


def numbered(path: str) -> int | None:
    """The process number in a file; None where there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(32).strip()
    except OSError:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _name(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read(64).strip() or None
    except OSError:
        return None
