# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: software on a node that needs a newer driver than the chosen one: CUDA toolkits, PyTorch, the container toolkit."""

from __future__ import annotations

from collections.abc import Iterator

from .._check._node import Node, version_key
from .._knowledge import nvidia
from .._knowledge.versions import at_least
from ._refuse import refuse
from .steps import Chosen, Refusal


def check(node: Node, chosen: Chosen) -> Iterator[Refusal]:
    """A warning each; nothing where it is not known what something needs."""
    for toolkit in node.items("software.cuda_toolkits"):
        version = str(toolkit.get("version") or "")
        yield from _cuda(node, chosen, "CUDA toolkit", f"CUDA toolkit {version} in {toolkit.get('path')}", version)
    for installation in node.items("software.pytorch"):
        backend = str(installation.get("backend") or "")
        version = f"{backend[2:-1]}.{backend[-1]}" if backend.startswith("cu") and backend[2:].isdecimal() else ""
        what = f"PyTorch {installation.get('version')} ({backend}) in {installation.get('path')}"
        yield from _cuda(node, chosen, "PyTorch", what, version)
    toolkit_version, minimum = node.get("software.container_toolkit.version"), nvidia.container_driver("container_toolkit")
    if toolkit_version and at_least(chosen.version, minimum) is False:
        yield refuse(node, "ND-CONTAINER-NEWER", "container toolkit", toolkit=toolkit_version, minimum=minimum, version=chosen.version,
                     branch=nvidia.branch_of(minimum))


def _cuda(node: Node, chosen: Chosen, subject: str, what: str, version: str) -> Iterator[Refusal]:
    """Of what was made with a version of CUDA; one that our table does not know needs more than a branch of an older major."""
    minimum, served = nvidia.minimum_driver(version), nvidia.cuda_of_branch(chosen.branch)
    if minimum is not None:
        needs, branch = f"driver {minimum} or newer", nvidia.branch_of(minimum)
        short = at_least(chosen.version, minimum) is False
    else:
        made, limit = version_key(version), version_key(served)
        needs, branch = f"a driver for CUDA {version}", nvidia.branches()[-1].number
        short = bool(made and limit and made[0] > limit[0])
    if short:
        yield refuse(node, "ND-CUDA-NEWER", subject, what=what, needs=needs, version=chosen.version, branch=branch,
                     cuda=served or "of an unknown version")
