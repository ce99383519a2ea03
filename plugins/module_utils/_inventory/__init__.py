# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: readers, one a source, and the inventory that they fill."""

from __future__ import annotations

if type(globals().get("__loader__")).__name__ == "zipimporter":  # on a node, or in check_gpu.pyz: the readers come next
    from .._import_once import install

    install()
