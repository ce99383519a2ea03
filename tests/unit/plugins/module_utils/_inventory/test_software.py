# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._software import (
    parse_toolkit_json,
    parse_toolkit_text,
    parse_torch_version,
    read_pytorch,
    read_toolkits,
    split_torch_version,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import node

JSON = '{"cuda": {"name": "CUDA SDK", "version": "13.0.1"}, "cuda_cccl": {"version": "13.0.85"}}'


def version_py(version: str, cuda: str = "None", hip: str = "None") -> str:
    return (
        f"from typing import Optional\n\n__all__ = ['__version__', 'cuda', 'hip']\n__version__ = '{version}'\n"
        f"debug = False\ncuda: Optional[str] = {cuda}\ngit_version = '0fab'\nhip: Optional[str] = {hip}\n"
    )


def test_toolkit_versions() -> None:
    assert parse_toolkit_json(JSON) == "13.0.1"
    assert parse_toolkit_text("CUDA Version 10.2.89\n") == "10.2.89"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cuda": 1}', '{"cuda": {"version": "x"}}', '{"cuda": {"version": 13}}', "[" * 99999])
def test_toolkit_versions_refuse(text: str) -> None:
    with pytest.raises(ValueError, match=r"no (cuda\.)?version"):
        parse_toolkit_json(text)
    with pytest.raises(ValueError, match="no version"):
        parse_toolkit_text(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (version_py("2.9.0+cu130", "'13.0'"), {"version": "2.9.0", "backend": "cu130"}),
        (version_py("2.9.0", "'12.8'"), {"version": "2.9.0", "backend": "cu128"}),
        (version_py("2.9.0+rocm7.1", hip="'7.1.25424-5e3b4c1'"), {"version": "2.9.0", "backend": "rocm7.1"}),
        (version_py("2.8.0a0+gitba56102", hip="'6.4.43483'"), {"version": "2.8.0a0+gitba56102", "backend": "rocm6.4"}),
        (version_py("2.9.0+cpu"), {"version": "2.9.0", "backend": "cpu"}),
        (version_py("2.6.0+debian"), {"version": "2.6.0+debian", "backend": "cpu"}),
        ("__version__ = '1.2.0'\ncuda = '10.0.130'\n", {"version": "1.2.0", "backend": "cu100"}),
        ("__version__ = '1.2.0'\n", {"version": "1.2.0", "backend": None}),
    ],
)
def test_torch_version(text: str, told: dict[str, str | None]) -> None:
    assert parse_torch_version(text) == told


def test_torch_version_refuses() -> None:
    with pytest.raises(ValueError, match="no __version__"):
        parse_torch_version("version = 1")


@pytest.mark.parametrize(
    ("version", "parts"),
    [
        ("2.9.0+cu130", ("2.9.0", "cu130")),
        ("2.9.0+rocm7.1", ("2.9.0", "rocm7.1")),
        ("2.9.0+rocm6.2.4", ("2.9.0", "rocm6.2.4")),
        ("2.9.0+cu126.with.pypi.cudnn", ("2.9.0", "cu126")),
        ("2.9.0", ("2.9.0", None)),
        ("2.6.0+debian", ("2.6.0+debian", None)),
    ],
)
def test_split(version: str, parts: tuple[str, str | None]) -> None:
    assert split_torch_version(version) == parts


@pytest.mark.parametrize(
    ("machine", "packages", "toolkits"),
    [
        ({}, {}, []),
        (
            {
                "files": {
                    "/usr/local/cuda-13.0/version.json": JSON,
                    "/usr/local/cuda-9.2/version.txt": "CUDA Version 9.2.148\n",
                    "/usr/local/cuda-12.4/bin/nvcc": "",
                    "/usr/local/cuda-11.8/compat/libcuda.so.1": "",
                },
                "links": {"/usr/local/cuda": "cuda-13.0"},
            },
            {},
            [("9.2.148", "/usr/local/cuda-9.2"), ("12.4", "/usr/local/cuda-12.4"), ("13.0.1", "/usr/local/cuda-13.0")],
        ),
        ({"files": {"/usr/local/cuda/version.json": JSON}}, {}, [("13.0.1", "/usr/local/cuda")]),
        ({"files": {"/opt/cuda/bin/nvcc": ""}}, {}, [(None, "/opt/cuda")]),
        ({}, {"nvidia-cuda-toolkit": {"version": "12.4.131~12.4.1-2"}}, [("12.4.1", "/usr/lib/nvidia-cuda-toolkit")]),
        ({}, {"nvidia-cuda-toolkit": {"version": "9.2-1"}}, [("9.2", "/usr/lib/nvidia-cuda-toolkit")]),
    ],
)
def test_toolkits(machine: dict[str, Any], packages: dict[str, Any], toolkits: list[tuple[str, str]]) -> None:
    source, problems = node(**machine)
    assert [(found["version"], found["path"]) for found in read_toolkits(source, packages)] == toolkits
    assert problems == []


def test_damaged_toolkit_is_a_problem() -> None:
    source, problems = node(files={"/usr/local/cuda-13.0/version.json": "{", "/usr/local/cuda-13.0/bin/nvcc": ""})
    assert read_toolkits(source, {}) == [{"version": "13.0", "path": "/usr/local/cuda-13.0"}]
    assert [problem["message"] for problem in problems] == ["/usr/local/cuda-13.0/version.json: no cuda.version in version.json"]


SITE = "/usr/local/lib/python3.12/dist-packages"


@pytest.mark.parametrize(
    ("files", "links", "found"),
    [
        (
            {
                f"{SITE}/torch/version.py": version_py("2.9.0+cu130", "'13.0'"),
                f"{SITE}/torch-2.9.0+cu130.dist-info/METADATA": "",
            },
            {},
            [("2.9.0", "cu130", SITE)],
        ),
        (
            {f"{SITE}/torch/version.py": version_py("2.9.0", "'12.8'"), f"{SITE}/torch-2.9.0.dist-info/METADATA": ""},
            {},
            [("2.9.0", "cu128", SITE)],
        ),
        (
            {
                "/usr/lib/python3/dist-packages/torch/version.py": version_py("2.6.0+debian"),
                "/usr/lib/python3/dist-packages/torch-2.6.0+debian.egg-info/x": "",
            },
            {},
            [("2.6.0+debian", "cpu", "/usr/lib/python3/dist-packages")],
        ),
        (
            {"/opt/conda/lib/python3.11/site-packages/torch/version.py": version_py("2.8.0+rocm6.4", hip="'6.4.1'")},
            {},
            [("2.8.0", "rocm6.4", "/opt/conda/lib/python3.11/site-packages")],
        ),
        (
            {"/opt/v/lib/python3.11/site-packages/torch/version.py": version_py("2.9.0+cpu")},
            {"/opt/v/lib64": "lib"},
            [("2.9.0", "cpu", "/opt/v/lib/python3.11/site-packages")],
        ),
        ({f"{SITE}/torch/readme": "", f"{SITE}/torchvision-0.24.0.dist-info/METADATA": ""}, {}, []),
        ({f"{SITE}/torch-2.9.0+cu130.dist-info/METADATA": ""}, {}, []),
        ({}, {}, []),
    ],
)
def test_pytorch(files: dict[str, str], links: dict[str, str], found: list[tuple[str, str, str]]) -> None:
    source, problems = node(files=files, links=links)
    assert [(entry["version"], entry["backend"], entry["path"]) for entry in read_pytorch(source)] == found
    assert problems == []


def test_damaged_pytorch_is_a_problem() -> None:
    source, problems = node(files={f"{SITE}/torch/version.py": "???", f"{SITE}/torch-2.9.0.dist-info/METADATA": ""})
    assert read_pytorch(source) == [{"version": "2.9.0", "backend": None, "path": SITE}]
    assert [problem["message"] for problem in problems] == [f"{SITE}/torch/version.py: no __version__ in torch/version.py"]


@given(st.text(alphabet="__version__='2.9+cu130\ncuda: Optional[str] None{\"}"))
def test_only_value_errors_leave(text: str) -> None:
    for parse in (parse_toolkit_json, parse_toolkit_text, parse_torch_version):
        with contextlib.suppress(ValueError):
            parse(text)
    split_torch_version(text)
