# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports from an archive: each module is compiled once, and keeps its file name, its source and its package."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[4] / "plugins" / "module_utils" / "_import_once.py"
CODE = """
import builtins, sys
sys.path.insert(0, {archive!r})
compiled = []
original = builtins.compile
builtins.compile = lambda source, name, *rest, **more: compiled.append(name) or original(source, name, *rest, **more)
import import_once
import_once.install()
import_once.install()
compiled.clear()
import package.part
print(len(sys.path_hooks) - len(set(sys.path_hooks)), len(compiled), package.__file__, package.part.__file__, package.part.VALUE)
try:
    package.part.fail()
except ZeroDivisionError as error:
    import traceback
    print(traceback.extract_tb(error.__traceback__)[-1].line)
"""


@pytest.mark.skipif(sys.version_info < (3, 10), reason="before Python 3.10 zipimport compiles by other means")
def test_each_module_is_compiled_once(tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("import_once.py", HOOK.read_text(encoding="utf-8"))
        file.writestr("package/__init__.py", "from . import part\n")
        file.writestr("package/part.py", "VALUE = 7\n\n\ndef fail():\n    return 1 / 0  # here\n")
    done = subprocess.run([sys.executable, "-I", "-c", CODE.format(archive=str(archive))], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == f"0 2 {archive}/package/__init__.py {archive}/package/part.py 7"
    assert second == "return 1 / 0  # here"
