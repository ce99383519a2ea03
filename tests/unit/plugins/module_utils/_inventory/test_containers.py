# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.containers import parse_docker_settings, read
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import command, known, node

LIBRARY = "/usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05"
CDI = f"""kind: nvidia.com/gpu
devices:
- name: all
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
containerEdits:
  mounts:
  - hostPath: {LIBRARY}
"""


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", (False, None)),
        ("{}", (False, None)),
        ('{"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}', (True, None)),
        (
            '{"exec-opts": ["native.cgroupdriver=cgroupfs"], "default-runtime": "nvidia", "runtimes": {"nvidia": {}}}',
            (True, "cgroupfs"),
        ),
        ('{"exec-opts": "x", "runtimes": []}', (False, None)),
        ('{"exec-opts": [1, "native.cgroupdriver=systemd"]}', (False, "systemd")),
    ],
)
def test_docker_settings(text: str, settings: tuple[bool, str | None]) -> None:
    assert parse_docker_settings(text) == {"nvidia_runtime": settings[0], "cgroup_driver": settings[1]}


@pytest.mark.parametrize("text", ["{", "[]", '{"runtimes": {},}', "[" * 99999])
def test_docker_settings_refuse(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON"):
        parse_docker_settings(text)


def package(version: str) -> dict[str, Any]:
    return {"version": version, "origin": None, "held": False}


def look(
    installed: dict[str, Any] | None = None, cgroup: int | None = 2, container: bool = False, **machine: Any
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    source, problems = node("containers", **machine)
    inventory = known("nvidia", packages={"installed": installed or {}}, kernel={"cgroup_version": cgroup}, system={"container": container})
    return read(source, inventory)["software"], problems


def test_nothing() -> None:
    assert look() == (
        {
            "cuda_toolkits": [],
            "container_toolkit": None,
            "pytorch": [],
            "container_runtimes": {"docker": None, "podman": None, "containerd": None},
        },
        [],
    )


@pytest.mark.parametrize(
    ("installed", "machine", "engines"),
    [
        (
            {"docker-ce": package("5:27.3.1-1~ubuntu.24.04~noble"), "containerd.io": package("1.7.22-1")},
            {},
            {"docker": "27.3.1", "podman": None, "containerd": "1.7.22"},
        ),
        (
            {"docker.io": package("20.10.24+dfsg1-1+deb12u1"), "podman": package("4.3.1+ds1-8+deb12u1")},
            {},
            {"docker": "20.10.24", "podman": "4.3.1", "containerd": None},
        ),
        (
            {},
            {
                "files": {"/usr/local/bin/dockerd": ""},
                "commands": [command("dockerd --version", "Docker version 27.3.1, build ce12230\n")],
            },
            {"docker": "27.3.1", "podman": None, "containerd": None},
        ),
        (
            {},
            {
                "files": {"/usr/bin/containerd": ""},
                "commands": [command("containerd --version", "containerd github.com/containerd/containerd/v2 2.0.1 88aa2f5\n")],
            },
            {"docker": None, "podman": None, "containerd": "2.0.1"},
        ),
        (
            {},
            {"files": {"/usr/bin/podman": ""}, "commands": [command("podman --version", "podman version 5.4.0-rc1\n")]},
            {"docker": None, "podman": "5.4.0-rc1", "containerd": None},
        ),
    ],
)
def test_versions(installed: dict[str, Any], machine: dict[str, Any], engines: dict[str, str | None]) -> None:
    found, _unused = look(installed, **machine)
    assert {name: engine and engine["version"] for name, engine in found["container_runtimes"].items()} == engines


def test_a_program_that_does_not_answer_is_still_there() -> None:
    found, _unused = look(files={"/usr/bin/podman": ""})
    assert found["container_runtimes"]["podman"] == {"version": None}


DOCKER = {"docker-ce": package("5:27.3.1-1")}


@pytest.mark.parametrize(
    ("cgroup", "machine", "runtime", "driver"),
    [
        (2, {"dirs": {"/run/systemd": ["system"]}}, False, "systemd"),
        (2, {}, False, "cgroupfs"),
        (1, {"dirs": {"/run/systemd": ["system"]}}, False, "cgroupfs"),
        (None, {}, False, None),
        (1, {"files": {"/etc/docker/daemon.json": '{"exec-opts": ["native.cgroupdriver=systemd"]}'}}, False, "systemd"),
        (2, {"files": {"/etc/docker/daemon.json": '{"runtimes": {"nvidia": {}}}'}}, True, "cgroupfs"),
        (2, {"files": {"/etc/docker/daemon.json": {"error": "EACCES"}}}, None, None),
    ],
)
def test_docker(cgroup: int | None, machine: dict[str, Any], runtime: bool | None, driver: str | None) -> None:
    found, _unused = look(DOCKER, cgroup, **machine)
    assert found["container_runtimes"]["docker"] == {"version": "27.3.1", "nvidia_runtime": runtime, "cgroup_driver": driver}


def test_settings_that_docker_refuses_are_a_problem() -> None:
    found, problems = look(DOCKER, files={"/etc/docker/daemon.json": "{"})
    assert found["container_runtimes"]["docker"]["nvidia_runtime"] is None
    assert [(problem["code"], problem["message"].startswith("/etc/docker/daemon.json: no JSON")) for problem in problems] == [
        ("unreadable", True)
    ]


SPECIFICATION = {"path": "/etc/cdi/nvidia.yaml", "kind": "nvidia.com/gpu", "devices": 1, "driver_version": "580.95.05"}


@pytest.mark.parametrize(
    ("installed", "machine", "toolkit"),
    [
        (
            {"nvidia-container-toolkit-base": package("1.18.0-1"), "nvidia-container-toolkit": package("1.18.0-1")},
            {},
            {"version": "1.18.0", "cdi_specs": []},
        ),
        (
            {},
            {
                "files": {"/usr/bin/nvidia-ctk": ""},
                "commands": [command("nvidia-ctk --version", "NVIDIA Container Toolkit CLI version 1.17.8\ncommit: f202b80\n")],
            },
            {"version": "1.17.8", "cdi_specs": []},
        ),
        ({}, {"files": {"/etc/cdi/nvidia.yaml": CDI}}, {"version": None, "cdi_specs": [SPECIFICATION]}),
        (
            {},
            {"files": {"/var/run/cdi/nvidia.yaml": CDI}},
            {"version": None, "cdi_specs": [{**SPECIFICATION, "path": "/var/run/cdi/nvidia.yaml"}]},
        ),
        (
            {},
            {"files": {"/run/cdi/nvidia.yaml": CDI}, "links": {"/var/run": "/run"}},
            {"version": None, "cdi_specs": [{**SPECIFICATION, "path": "/run/cdi/nvidia.yaml"}]},
        ),
        ({}, {"files": {"/etc/cdi/vendor.yaml": "kind: vendor.com/net\n", "/etc/cdi/readme.txt": CDI}}, None),
    ],
)
def test_toolkit(installed: dict[str, Any], machine: dict[str, Any], toolkit: dict[str, Any] | None) -> None:
    found, problems = look(installed, **machine)
    assert found["container_toolkit"] == toolkit
    assert problems == []


@pytest.mark.parametrize(
    ("machine", "missing"),
    [
        ({"dirs": {"/dev": ["nvidia0"], "/usr/lib/x86_64-linux-gnu": ["libcuda.so.580.95.05"]}}, []),
        ({"dirs": {"/dev": ["nvidia0"], "/usr/lib/x86_64-linux-gnu": ["libcuda.so.590.44.01"]}}, [LIBRARY]),
        ({"dirs": {"/dev": ["null"], "/usr/lib": ["python3"]}}, ["/dev/nvidia0", LIBRARY]),
        (
            {"dirs": {"/dev": ["nvidia0"], "/usr/lib": ["x86_64-linux-gnu"], "/usr/lib/x86_64-linux-gnu": {"error": "EACCES"}}},
            [],
        ),
    ],
)
def test_missing_paths(machine: dict[str, Any], missing: list[str]) -> None:
    found, _unused = look(files={"/etc/cdi/nvidia.yaml": CDI}, wanted=("deep",), **machine)
    assert found["container_toolkit"]["cdi_specs"] == [{**SPECIFICATION, "missing": missing}]


def test_paths_of_the_host_are_not_looked_for_in_a_container() -> None:
    found, _unused = look(container=True, files={"/etc/cdi/nvidia.yaml": CDI}, wanted=("deep",))
    assert found["container_toolkit"]["cdi_specs"] == [SPECIFICATION]


def test_damaged_specification_is_a_problem() -> None:
    found, problems = look(files={"/etc/cdi/nvidia.yaml": "???", "/etc/cdi/secret.yaml": {"error": "EACCES"}})
    assert found["container_toolkit"] is None
    assert [(problem["code"], problem["message"]) for problem in problems] == [
        ("unreadable", "/etc/cdi/nvidia.yaml: no kind in the CDI specification"),
        ("not_permitted", "/etc/cdi/secret.yaml: permission denied; read as root to see it"),
    ]


@given(st.text(alphabet='{"runtimes":[]}nvidia, exec-opts'))
def test_only_value_errors_leave(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert set(parse_docker_settings(text)) == {"nvidia_runtime", "cgroup_driver"}


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "/etc/docker/daemon.json",
                "/etc/cdi/nvidia.yaml",
                "/run/cdi/a.json",
                "/usr/local/cuda-13.0/version.json",
                "/usr/local/cuda-9.0/version.txt",
                "/usr/local/lib/python3.12/dist-packages/torch/version.py",
                "/usr/bin/nvidia-ctk",
                "/usr/bin/podman",
            ]
        ),
        st.one_of(st.text(), st.just({"error": "EACCES"}), st.just({"error": "EIO"})),
    ),
    st.text(),
)
def test_reading_never_fails(files: dict[str, Any], stdout: str) -> None:
    commands = [command("podman --version", stdout), command("nvidia-ctk --version", stdout)]
    found, _unused = look(DOCKER, files=files, commands=commands, wanted=("deep",))
    assert set(found) == {"cuda_toolkits", "container_runtimes", "container_toolkit", "pytorch"}
