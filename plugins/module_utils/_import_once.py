# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: import from an archive without compiling each module twice.

AnsiballZ and check_gpu.pyz carry sources in an archive. Since Python 3.10 `zipimport` compiles a module once to tell its file name
and once to run it; for a module that only looks, that is a third of its time on the node.
"""

from __future__ import annotations

import sys
import zipimport


class _Importer(zipimport.zipimporter):
    def get_filename(self, fullname: str) -> str:
        path = self.prefix + fullname.rpartition(".")[2]
        return f"{self.archive}/{path}{'/__init__.py' if self.is_package(fullname) else '.py'}"


def install() -> None:
    """Use this importer for everything that is imported from an archive from now on."""
    if _Importer not in sys.path_hooks:
        sys.path_hooks.insert(0, _Importer)
        sys.path_importer_cache.clear()
