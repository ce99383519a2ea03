# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: software above the driver: container engines, NVIDIA's container toolkit, CDI specifications, CUDA, PyTorch."""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING, Any

from ._inventory import Inventory
from ._package_text import upstream_version
from ._software import read_pytorch, read_toolkits
from ._source import Source

if TYPE_CHECKING:
    from ._cdi import Specification

_PACKAGES = {
    "docker": ("docker-ce", "docker.io", "moby-engine", "docker-engine", "docker"),
    "podman": ("podman",),
    "containerd": ("containerd.io", "containerd", "moby-containerd"),
}
_PROGRAMS = {"docker": "dockerd", "podman": "podman", "containerd": "containerd"}
_VERSION = re.compile(r"\b(\d+\.\d+\.\d+(?:-[a-z]+\.?\d*)?)")
_CDI_FOLDERS = ("/etc/cdi", "/run/cdi", "/var/run/cdi")
_CDI_KINDS = ("nvidia.com/", "amd.com/")
_TOOLKIT = ("nvidia-container-toolkit-base", "nvidia-container-toolkit")


def parse_docker_settings(text: str) -> dict[str, Any]:
    """{nvidia_runtime, cgroup_driver} from daemon.json; cgroup_driver is None where not set. ValueError for other text."""
    try:
        settings = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(settings, dict):
        raise ValueError("no JSON object")
    runtimes, options = settings.get("runtimes"), settings.get("exec-opts")
    drivers = [match[1] for option in (options if isinstance(options, list) else [])
               for match in [re.fullmatch(r"native\.cgroupdriver=(\w+)", str(option))] if match]
    return {"nvidia_runtime": isinstance(runtimes, dict) and "nvidia" in runtimes,
            "cgroup_driver": drivers[-1] if drivers else None}


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """The section `software`."""
    packages = known.packages.get("installed") or {}
    engines = {name: _engine(source, name, packages) for name in _PACKAGES}
    if engines["docker"]:
        engines["docker"].update(_docker(source, known))
    return {"software": {
        "cuda_toolkits": read_toolkits(source, packages),
        "container_runtimes": engines,
        "container_toolkit": _toolkit(source, known, packages),
        "pytorch": read_pytorch(source),
    }}


def _there(source: Source, program: str) -> bool:
    return any(source.data(f"{folder}/{program}", 1) is not None for folder in ("/usr/bin", "/usr/local/bin"))


def _engine(source: Source, name: str, packages: dict[str, Any]) -> dict[str, Any] | None:
    """{version} of an engine; None where it is not installed. Packages know it; the program is asked where none brought it."""
    package = next((package for package in _PACKAGES[name] if package in packages), None)
    if package:
        return {"version": upstream_version(packages[package]["version"])}
    if not _there(source, _PROGRAMS[name]):
        return None
    output = source.run(_PROGRAMS[name], "--version")
    match = _VERSION.search(output.stdout) if output and output.ok else None
    return {"version": match[1] if match else None}


def _docker(source: Source, known: Inventory) -> dict[str, Any]:
    """What Docker is told. Where it is not told, it takes systemd's control groups on version 2 under systemd, else its own
    (docs.docker.com, dockerd, option native.cgroupdriver)."""
    path, unknown = "/etc/docker/daemon.json", {"nvidia_runtime": None, "cgroup_driver": None}
    text = source.text(path)
    if text is None and "daemon.json" in source.names("/etc/docker"):
        return unknown
    try:
        settings = parse_docker_settings(text or "")
    except ValueError as error:
        source.problem("unreadable", f"{path}: {error}; Docker does not start with it")
        return unknown
    version = known.kernel.get("cgroup_version")
    if settings["cgroup_driver"] is None and version:
        systemd = "system" in source.names("/run/systemd")
        settings["cgroup_driver"] = "systemd" if version == 2 and systemd else "cgroupfs"
    return settings


def _toolkit(source: Source, known: Inventory, packages: dict[str, Any]) -> dict[str, Any] | None:
    specifications = _specifications(source, known)
    package = next((name for name in _TOOLKIT if name in packages), None)
    if package:
        return {"version": upstream_version(packages[package]["version"]), "cdi_specs": specifications}
    if _there(source, "nvidia-ctk"):
        output = source.run("nvidia-ctk", "--version")
        match = _VERSION.search(output.stdout) if output and output.ok else None
        return {"version": match[1] if match else None, "cdi_specs": specifications}
    return {"version": None, "cdi_specs": specifications} if specifications else None


def _specifications(source: Source, known: Inventory) -> list[dict[str, Any]]:
    """CDI specifications for GPUs. Whether their paths exist only a check asks, and not in a container: they are the host's."""
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    presence = _Presence(source) if source.wants("deep") and not known.system.get("container") else None
    for folder in _CDI_FOLDERS:
        if folder.startswith("/var") and "/run/cdi" in seen:
            continue
        for name in source.names(folder):
            if not name.endswith((".yaml", ".yml", ".json")):
                continue
            seen.add(folder)
            path = f"{folder}/{name}"
            text = source.text(path)
            if text is None:
                continue
            from ._cdi import parse_cdi

            try:
                specification = parse_cdi(text)
            except ValueError as error:
                source.problem("unreadable", f"{path}: {error}")
                continue
            if specification.kind.startswith(_CDI_KINDS):
                found.append(_described(path, specification, presence))
    return found


def _described(path: str, specification: Specification, presence: _Presence | None) -> dict[str, Any]:
    described = {"path": path, "kind": specification.kind, "devices": len(specification.devices),
                 "driver_version": specification.driver_version}
    if presence:
        described["missing"] = [needed for needed in specification.paths if presence.missing(needed)]
    return described


class _Presence:
    """Whether paths exist, by listings of their folders; each is listed once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._listed: dict[str, list[str]] = {}

    def _names(self, folder: str) -> list[str]:
        if folder not in self._listed:
            self._listed[folder] = self._source.names(folder)
        return self._listed[folder]

    def missing(self, path: str) -> bool:
        """False also where a folder on the way shows nothing: it may be one that we must not list."""
        folder, name = posixpath.split(path.rstrip("/"))
        if not name:
            return False
        names = self._names(folder)
        return name not in names if names else self.missing(folder)
