# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: take away what NVIDIA's .run installer left, by its own uninstaller, with a copy of what only it knows."""

from __future__ import annotations

import posixpath

from .._check._node import Node, at
from .order import Order
from .steps import Step

UNINSTALLER = "/usr/bin/nvidia-uninstall"


def runfile_steps(node: Node, order: Order) -> list[Step]:
    """Copy its records and the modules that it built, then let it remove itself. The libraries come back with the .run file."""
    runfile = node.get("packages.runfile") or {}
    if not order.replace_runfile or UNINSTALLER not in (runfile.get("paths") or ()):
        return []
    version = runfile.get("version") or "unknown"
    backup = f"{posixpath.dirname(order.own.record)}/runfile-{version}.tar.gz"
    modules = [str(at(entry, "modules.nvidia.path")) for entry in node.items("kernel.installed") if at(entry, "modules.nvidia.path")]
    kept = ["/var/lib/nvidia", *(path for path in modules if "/kernel/drivers/video/" in path)]
    copy = ["tar", "--create", "--gzip", "--absolute-names", "--ignore-failed-read", f"--file={backup}", "--", *kept]
    return [
        Step("command", f"keep a copy in {backup}", "the .run installer's records go with it", {"argv": copy}),
        Step(
            "command",
            f"remove the driver {version} of the .run installer",
            "its files and those of packages exclude each other",
            {"argv": [UNINSTALLER, "--silent"]},
            disruptive=True,
            slow=True,
            undo=f"run NVIDIA-Linux-*-{version}.run again; {backup} has its records",
        ),
    ]
