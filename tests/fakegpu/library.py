# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the fake libnvidia-ml.so.1 from c/ with the compiler in the `ziglang` wheel: `python3 -m fakegpu.library FILE`.

No compiler of the machine is used. The result needs glibc 2.28, so it runs in every container of the tests.
"""
from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).parent / "c"
TARGET = "x86_64-linux-gnu.2.28"
FLAGS = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-s",
         "-Wl,-soname,libnvidia-ml.so.1")


class BuildError(RuntimeError):
    """The library cannot be built; the message says what to do."""


def available() -> bool:
    """Whether this interpreter has the compiler."""
    return importlib.util.find_spec("ziglang") is not None


def _digest() -> str:
    digest = hashlib.sha256(repr((TARGET, FLAGS)).encode())
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build(target: Path) -> Path:
    """The library at target; built only where the sources have changed since, and put in place in one step."""
    stamp = target.with_name(target.name + ".sha256")
    digest = _digest()
    if target.is_file() and stamp.is_file() and stamp.read_text() == digest:
        return target
    if not available():
        raise BuildError(f"{sys.executable} has no module ziglang: run 'pip install ziglang' with it")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    files = map(str, sorted(SOURCES.glob("*.c")))
    argv = [sys.executable, "-m", "ziglang", "cc", "-target", TARGET, *FLAGS, "-o", str(partial), *files]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise BuildError(f"building {target.name} failed:\n{done.stderr}")
    partial.replace(target)
    stamp.write_text(digest)
    return target


def main(argv: Sequence[str]) -> int:
    """Build one file and print its path."""
    if len(argv) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(build(Path(argv[0])))
    except BuildError as error:
        print(f"library: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
