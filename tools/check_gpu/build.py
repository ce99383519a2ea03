# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build check_gpu.pyz: the collection's module_utils and the command line in one file that any Python >= 3.9 runs.

usage: build.py OUTPUT

The build is reproducible: same sources, same bytes. Nothing is rewritten, so a traceback in a bug report names real lines.
"""

from __future__ import annotations

import io
import os
import re
import sys
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections/gpufleet/node/plugins/module_utils"
LIMIT = 400 * 1024  # bytes; design section 7
_NOT_SHIPPED = {"__pycache__", "_plan"}  # the program only looks
EPOCH = (2026, 1, 1, 0, 0, 0)  # of every member: the build must not depend on the clock

MAIN = """\
# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
import sys

if sys.version_info < (3, 9):
    sys.exit("check_gpu needs Python 3.9 or later, this is %d.%d; try: python3.9 check_gpu.pyz" % sys.version_info[:2])

from ansible_collections.gpufleet.node.plugins.module_utils._import_once import install

install()

from check_gpu_command_line import main  # noqa: E402

sys.exit(main({version!r}))
"""


def members(checkout: Path) -> dict[str, bytes]:
    """Name in the archive → content."""
    version = re.search(r"^version:\s*[\"']?([\w.+-]+)", (checkout / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
    if not version:
        raise SystemExit("build.py: galaxy.yml names no version")
    found = {"__main__.py": MAIN.format(version=version[1]).encode(),
             "check_gpu_command_line.py": (checkout / "tools/check_gpu/command_line.py").read_bytes()}
    folder = checkout / "plugins" / "module_utils"
    for path in sorted(folder.rglob("*.py")):
        if not _NOT_SHIPPED & set(path.parts):
            found[f"{PACKAGE}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    for name in list(found):
        while "/" in name:
            name = name.rpartition("/")[0]
            found.setdefault(f"{name}/__init__.py", b"")
    return found


def build(checkout: Path) -> bytes:
    """The program's bytes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as pyz:
        for name, content in sorted(members(checkout).items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            pyz.writestr(entry, content)
    return b"#!/usr/bin/env python3\n" + archive.getvalue()


def main(output: str) -> int:
    """Write the program and say its size."""
    program, path = build(CHECKOUT), Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.part")
    fresh.write_bytes(program)
    fresh.chmod(0o755)
    fresh.replace(path)
    print(f"{path}: {len(program) / 1024:.0f} KiB")
    if len(program) > LIMIT:
        print(f"{path}: larger than {LIMIT // 1024} KiB", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1]))
