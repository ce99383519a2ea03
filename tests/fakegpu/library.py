# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the fake libraries with the compiler in the `ziglang` wheel: `python3 -m fakegpu.library FILE …`.

The name of a FILE says which one it is: libnvidia-ml.so.1 (from c/), or libfakekfd.so (from kfd/), which is preloaded into
AMD's real tools. No compiler of the machine is used, and the results run in every container of the tests.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
# Folder of the sources and the oldest C library that they run with; the second one stands in for a function of 2.33.
LIBRARIES = {"libnvidia-ml.so.1": ("c", "x86_64-linux-gnu.2.28"), "libfakekfd.so": ("kfd", "x86_64-linux-gnu.2.34")}
FLAGS = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-s")


class BuildError(RuntimeError):
    """The library cannot be built; the message says what to do."""


def available() -> bool:
    """Whether this interpreter has the compiler."""
    return importlib.util.find_spec("ziglang") is not None


def _digest(name: str) -> str:
    folder, target = LIBRARIES[name]
    digest = hashlib.sha256(repr((target, FLAGS)).encode())
    for path in sorted((HERE / folder).iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build(target: Path) -> Path:
    """The library at target; built only where the sources have changed since, and put in place in one step."""
    if target.name not in LIBRARIES:
        raise BuildError(f"no library is called {target.name}, there are {', '.join(LIBRARIES)}")
    stamp = target.with_name(target.name + ".sha256")
    digest = _digest(target.name)
    if target.is_file() and stamp.is_file() and stamp.read_text() == digest:
        return target
    if not available():
        raise BuildError(f"{sys.executable} has no module ziglang: run 'pip install ziglang' with it")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    folder, platform = LIBRARIES[target.name]
    argv = [sys.executable, "-m", "ziglang", "cc", "-target", platform, *FLAGS, f"-Wl,-soname,{target.name}"]
    argv += ["-o", str(partial)]
    argv += map(str, sorted((HERE / folder).glob("*.c")))
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise BuildError(f"building {target.name} failed:\n{done.stderr}")
    partial.replace(target)
    stamp.write_text(digest)
    return target


def main(argv: Sequence[str]) -> int:
    """Build the files and print their paths."""
    if not argv:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        for name in argv:
            print(build(Path(name)))
    except BuildError as error:
        print(f"library: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
