# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: CUDA toolkits and PyTorch on the disk. Nothing is imported and nothing is started for it."""

from __future__ import annotations

import json
import re
from typing import Any

from ._package_text import upstream_version
from ._source import Source
from ._versions import version_key

_OPT_LIMIT = 40  # folders below /opt that are looked into
_DIST_INFO = re.compile(r"torch-(\d[^-]*?)(?:\.dist-info|(?:-py[\d.]+)?\.egg-info)")
_BACKEND = re.compile(r"(.*)\+(cu\d{2,4}|rocm\d+(?:\.\d+){1,2}|cpu|xpu)(?:\..*)?")
_PYTHON = re.compile(r"python3(?:\.\d+)?")


def parse_toolkit_json(text: str) -> str:
    """The version of a CUDA toolkit from its version.json. ValueError where it has none."""
    try:
        version = json.loads(text)["cuda"]["version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("no cuda.version in version.json") from None
    if not isinstance(version, str) or not re.fullmatch(r"\d+(\.\d+)+", version):
        raise ValueError(f"no version: {str(version)[:40]!r}")
    return version


def parse_toolkit_text(text: str) -> str:
    """The version from the version.txt of toolkits before 11.1 ("CUDA Version 10.2.89"). ValueError where it has none."""
    match = re.match(r"CUDA Version (\d+(?:\.\d+)+)", text)
    if not match:
        raise ValueError("no version in version.txt")
    return match[1]


def parse_torch_version(text: str) -> dict[str, str | None]:
    """{version, backend} from torch/version.py; backend is cu130, rocm7.1 or cpu. ValueError where it is no such file."""
    fields = dict(re.findall(r"^(__version__|cuda|hip)(?:[ \t]*:[\w\[\]. \t]+)?[ \t]*=[ \t]*(\S.*)$", text, re.MULTILINE))
    version = re.match(r"""['"](\d[^'"]*)['"]""", fields.get("__version__", ""))
    if not version:
        raise ValueError("no __version__ in torch/version.py")
    cuda, hip = (re.match(r"""['"](\d+)\.(\d+)""", fields.get(name, "")) for name in ("cuda", "hip"))
    backend = f"cu{cuda[1]}{cuda[2]}" if cuda else f"rocm{hip[1]}.{hip[2]}" if hip else "cpu" if "cuda" in fields else None
    bare, named = split_torch_version(version[1])
    return {"version": bare, "backend": named or backend}


def split_torch_version(version: str) -> tuple[str, str | None]:
    """2.9.0+cu130 → (2.9.0, cu130); a version that names no backend stays whole."""
    match = _BACKEND.fullmatch(version)
    return (match[1], match[2]) if match else (version, None)


def read_toolkits(source: Source, packages: dict[str, Any]) -> list[dict[str, str | None]]:
    """[{version, path}] of CUDA toolkits, the oldest first."""
    names = source.names("/usr/local")
    versioned = [name for name in names if re.fullmatch(r"cuda-\d+(\.\d+)*", name)]
    folders = [f"/usr/local/{name}" for name in versioned or (["cuda"] if "cuda" in names else [])]
    folders += ["/opt/cuda"] if "cuda" in source.names("/opt") else []
    found: list[dict[str, str | None]] = []
    for folder in folders:
        inside = source.names(folder)
        version = _toolkit_version(source, folder, inside)
        if version is None and "bin" in inside and "nvcc" in source.names(f"{folder}/bin"):
            version = folder.partition("cuda-")[2] or None
        elif version is None:  # what is left of a removed toolkit, or a forward-compatibility package alone
            continue
        found.append({"version": version, "path": folder})
    debian = packages.get("nvidia-cuda-toolkit")
    if debian:
        match = re.match(r"[^~]+~(\d+(?:\.\d+)+)", debian["version"])
        version = match[1] if match else upstream_version(debian["version"])
        found.append({"version": version, "path": "/usr/lib/nvidia-cuda-toolkit"})
    return sorted(found, key=lambda toolkit: (version_key(toolkit["version"] or ""), toolkit["path"] or ""))


def _toolkit_version(source: Source, folder: str, inside: list[str]) -> str | None:
    for name, parse in (("version.json", parse_toolkit_json), ("version.txt", parse_toolkit_text)):
        if name in inside:
            try:
                return parse(source.text(f"{folder}/{name}") or "")
            except ValueError as error:
                source.problem("unreadable", f"{folder}/{name}: {error}")
    return None


def read_pytorch(source: Source) -> list[dict[str, str | None]]:
    """[{version, backend, path}] of PyTorch in the usual folders; path is the folder that holds the package."""
    found = []
    for folder in _package_folders(source):
        names = source.names(folder)
        if "torch" not in names:
            continue
        version = next((match[1] for match in map(_DIST_INFO.fullmatch, names) if match), None)
        bare, backend = split_torch_version(version) if version else (None, None)
        if backend is None:
            try:
                told = parse_torch_version(source.text(f"{folder}/torch/version.py", 1 << 14) or "")
                bare, backend = bare or told["version"], told["backend"]
            except ValueError as error:
                if bare is None:  # a folder of that name that is no PyTorch
                    continue
                source.problem("unreadable", f"{folder}/torch/version.py: {error}")
        found.append({"version": bare, "backend": backend, "path": folder})
    return found


def _package_folders(source: Source) -> list[str]:
    """Folders of installed Python packages: the system's, and those of environments below /opt."""
    found = []
    prefixes = ["/usr", "/usr/local", *(f"/opt/{name}" for name in source.names("/opt")[:_OPT_LIMIT])]
    for prefix in prefixes:
        for library in ("lib", "lib64"):
            for name in source.names(f"{prefix}/{library}"):
                if _PYTHON.fullmatch(name) and source.link(f"{prefix}/{library}") is None:
                    inside = source.names(f"{prefix}/{library}/{name}")
                    leaves = [leaf for leaf in ("dist-packages", "site-packages") if leaf in inside]
                    found += [f"{prefix}/{library}/{name}/{leaf}" for leaf in leaves]
    return found
