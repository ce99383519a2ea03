# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about NVSwitch, Fabric Manager and the NVLink fabric (CUDA error 802)."""

from __future__ import annotations

from collections.abc import Iterator

from ._finding import finding
from ._node import Node, at, same_version
from ._report import Finding

_READY = ("completed", "success", "not_supported", "none")
_STARTING = ("in_progress", "in progress", "not_started", "not started")


def check(node: Node) -> Iterator[Finding]:
    fabric = node.get("nvidia.fabric") or {}
    if not fabric.get("required") or not node.nvidia:
        return
    if node.container or node.get("nvidia.driver.managed_by") == "operator":  # the manager runs elsewhere, the GPUs tell all the same
        yield from _state(node, str(fabric.get("state") or ""))
        return
    count = fabric.get("nvswitch_count") or 0
    switches = f"{count} NVSwitch chips on PCI" if count > 1 else "NVSwitch is here"
    service, manager = node.get("nvidia.services.fabricmanager"), fabric.get("manager_version") or _packaged(node)
    version = node.driver_version or "of unknown version"
    facts = {**fabric, "manager_version": manager, "service": service, "driver": node.driver_version}
    if service == "absent" or (service is None and not manager and node.get("packages.manager")):
        yield finding(node, "NV-FM-MISSING", "Fabric Manager", facts, switches=switches, version=version)
    elif manager and node.driver_version and not same_version(manager, node.driver_version):
        yield finding(node, "NV-FM-VERSION", "Fabric Manager", facts, manager=manager, version=version)
    elif service in ("inactive", "failed"):
        yield finding(node, "NV-FM-STOPPED", "Fabric Manager", facts, switches=switches, state=service)
    else:
        yield from _state(node, str(fabric.get("state") or ""))
    if not count and node.get("packages.manager") and "nvlsm" not in (node.get("packages.installed") or {}):
        yield finding(node, "NV-NVLSM-MISSING", "Fabric Manager", facts)


def _packaged(node: Node) -> str | None:
    """The version of Fabric Manager by its package, without epoch and package revision."""
    for package, row in (node.get("packages.installed") or {}).items():
        if str(package).startswith(("nvidia-fabricmanager", "nvidia-fabric-manager")) and "dev" not in str(package):
            return str(at(row, "version") or "").rpartition(":")[2].partition("-")[0] or None
    return None


def _state(node: Node, state: str) -> Iterator[Finding]:
    if state in _STARTING:
        yield finding(node, "NV-FABRIC-STARTING", "NVLink fabric", {"state": state}, state=state.replace("_", " "))
    elif state and state not in _READY:
        yield finding(node, "NV-FABRIC-STATE", "NVLink fabric", {"state": state}, state=state.replace("_", " "))
