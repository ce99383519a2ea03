# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about container runtimes and the NVIDIA container toolkit, without starting a container."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._knowledge.thresholds import threshold
from ._finding import finding
from ._node import Node, at, join, older, same_version
from ._report import Finding

_SETUP = {  # how a runtime learns of the toolkit; podman has no service and knows GPUs by CDI alone
    "docker": "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
    "podman": "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
}
_NEED_TOOLKIT = tuple(_SETUP)


def runtimes(node: Node) -> list[str]:
    """The container runtimes that are installed and that people start GPUs in."""
    found = node.get("software.container_runtimes") or {}
    return [name for name in _NEED_TOOLKIT if found.get(name)]


def cdi_specs(node: Node) -> list[dict[str, Any]]:
    """The CDI specifications that name NVIDIA GPUs."""
    return [spec for spec in node.items("software.container_toolkit.cdi_specs") if str(spec.get("kind") or "nvidia").startswith("nvidia")]


def check(node: Node) -> Iterator[Finding]:
    found = runtimes(node)
    if not node.nvidia or not found or node.container:
        return
    toolkit = node.get("software.container_toolkit")
    if not toolkit:
        if node.get("nvidia.driver.managed_by") != "operator" and not node.get("software.container_runtimes.docker.nvidia_runtime"):
            yield finding(
                node,
                "CTR-TOOLKIT-MISSING",
                "container toolkit",
                {"runtimes": found, "container_toolkit": None},
                runtime=found[0],
                runtime_setup=_SETUP[found[0]],
            )
        return
    secure = threshold("container_toolkit_secure")
    if toolkit.get("version") and older(toolkit["version"], secure.value):
        yield finding(
            node,
            "CTR-TOOLKIT-OLD",
            "container toolkit",
            {"version": toolkit["version"], "threshold": secure.value, "origin": secure.origin},
            version=toolkit["version"],
            minimum=secure.value,
        )
    yield from _specs(node)
    docker = node.get("software.container_runtimes.docker") or {}
    if docker and docker.get("nvidia_runtime") is False and not cdi_specs(node):
        yield finding(node, "CTR-NOT-CONFIGURED", "docker", {"docker": docker, "cdi_specs": []})
    first_cdi = threshold("container_toolkit_cdi_default")
    legacy = toolkit.get("version") and older(toolkit["version"], first_cdi.value) and not cdi_specs(node)
    if docker.get("cgroup_driver") == "systemd" and docker.get("nvidia_runtime") and legacy:
        yield finding(
            node,
            "CTR-CGROUP-LOSS",
            "docker",
            {"docker": docker, "toolkit": toolkit.get("version"), "threshold": first_cdi.value, "origin": first_cdi.origin},
        )


def _specs(node: Node) -> Iterator[Finding]:
    driver = node.driver_version
    for spec in cdi_specs(node):
        path, version, missing = spec.get("path"), spec.get("driver_version"), spec.get("missing") or []
        why = []
        if version and driver and not same_version(version, driver):
            why.append(f"was written for driver {version}, here is {driver}")
        if missing:
            why.append(f"names files that are not there: {join(missing, 3)}")
        if why:
            yield finding(node, "CTR-CDI-STALE", "container toolkit", {**spec, "loaded_version": driver}, path=path, why=" and ".join(why))


def ready(node: Node) -> str:
    """How containers get NVIDIA GPUs, in words; empty where they do not as far as can be seen."""
    docker = node.get("software.container_runtimes.docker") or {}
    if at(docker, "nvidia_runtime"):
        return "docker knows the NVIDIA runtime"
    return f"CDI specification {cdi_specs(node)[0].get('path')}" if cdi_specs(node) else ""
