# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which machine is looked at: this one, a file system mounted below another root, or a recorded one."""

from __future__ import annotations

import os

from ._host import Host

EVIDENCE_LIMIT = 256 << 20  # bytes; a recorded machine with 16 GPUs has about 2 MiB


class UsageError(ValueError):
    """What the caller asked for cannot be done. The message says what to do instead."""


def machine(root: str = "/", evidence: str | None = None) -> Host:
    """The machine to look at. `evidence` is the path of a recording, and then `root` must be "/"."""
    if evidence is not None:
        return _recorded(evidence, root)
    if not os.path.isabs(root) or not os.path.isdir(root):
        raise UsageError(f"root: {root} is not a directory with an absolute path; mount the file system and name its mount point")
    from ._inventory._probes import live

    return live(root)


def _recorded(path: str, root: str) -> Host:
    if root != "/":
        raise UsageError("root and evidence exclude each other: a recording holds a whole machine")
    from ._evidence import EvidenceError, load

    try:
        with open(path, "rb") as file:
            data = file.read(EVIDENCE_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"evidence: {path}: {error.strerror}; record a machine with: check_gpu.pyz record FILE") from None
    if len(data) > EVIDENCE_LIMIT:
        raise UsageError(f"evidence: {path} is larger than {EVIDENCE_LIMIT >> 20} MiB, no recording is")
    try:
        return load(data.decode("utf-8"), path)
    except UnicodeDecodeError:
        raise UsageError(f"evidence: {path} is not UTF-8 text; record a machine with: check_gpu.pyz record FILE") from None
    except EvidenceError as error:
        raise UsageError(str(error)) from None
