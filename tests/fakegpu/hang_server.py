# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system whose server never answers: `hang_server.py MOUNT_POINT` mounts it and stays.

Whoever touches a name below MOUNT_POINT sleeps uninterruptibly, SIGKILL or not, like a process that waits for a stuck GPU
driver. It ends when this server ends: the kernel then aborts all requests. Needs Linux, /dev/fuse and CAP_SYS_ADMIN, and
speaks the FUSE protocol itself (include/uapi/linux/fuse.h), so no libfuse is needed.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Sequence

_FUSE_INIT = 26
_PROTOCOL = (7, 26)
_IN_HEADER = struct.Struct("=IIQQIIIHH")  # length, opcode, unique, node, uid, gid, pid, extensions, padding
_OUT_HEADER = struct.Struct("=IiQ")  # length, error, unique
_INIT_OUT = struct.Struct("=IIIIHHIIHH8I")  # major, minor, readahead, flags, background, congestion, write, ticks, pages, …
_BUFFER = 1 << 20
_MS_NOSUID_NODEV = 2 | 4


def mount(device: int, target: str) -> None:
    """Mount the connection behind an open /dev/fuse; OSError says why not."""
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"never", target.encode(), b"fuse", ctypes.c_ulong(_MS_NOSUID_NODEV), options.encode()):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)


def serve(device: int) -> None:
    """Answer the greeting; read every other request, which makes its sender unkillable, and answer none."""
    while True:
        request = os.read(device, _BUFFER)
        _length, opcode, unique, *_rest = _IN_HEADER.unpack_from(request)
        if opcode == _FUSE_INIT:
            body = _INIT_OUT.pack(*_PROTOCOL, 0, 0, 1, 1, 4096, 1, 0, 0, *[0] * 8)
            os.write(device, _OUT_HEADER.pack(_OUT_HEADER.size + len(body), 0, unique) + body)


def main(argv: Sequence[str]) -> int:
    """Mount on the folder given, which is made where it is missing, and never return."""
    if len(argv) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    os.makedirs(argv[0], exist_ok=True)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    mount(device, argv[0])
    serve(device)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
