# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: Container Device Interface specifications (github.com/cncf-tags/container-device-interface, SPEC.md), in JSON or in
YAML as tools write it. Nodes have no YAML parser: the few keys that count are read line by line."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_KEY = re.compile(r"""^(?P<indent>[ ]*(?:- +)*)(?P<key>[A-Za-z]\w*):"""
                  r"""(?:[ ]+(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s#"'][^#]*?)))?\s*(?:\#.*)?$""")
_LINE_LIMIT = 5000  # characters; PATH_MAX is 4096
_LIBRARY = re.compile(r"/lib(?:cuda|nvidia-ml)\.so\.(\d{3}(?:\.\d+)+)$")


class Specification(NamedTuple):
    """kind: nvidia.com/gpu; devices: their names; paths: what the host must have; driver_version: of the libraries named."""

    kind: str
    devices: list[str]
    paths: list[str]
    driver_version: str | None


def parse_cdi(text: str) -> Specification:
    """One specification. ValueError for a text that is none."""
    if text.lstrip().startswith("{"):
        kind, devices, paths = _from_json(text)
    else:
        kind, devices, paths = _from_yaml(text)
    if not kind:
        raise ValueError("no kind in the CDI specification")
    versions = [match[1] for match in map(_LIBRARY.search, paths) if match]
    return Specification(kind, devices, sorted(set(paths)), versions[0] if versions else None)


def _from_json(text: str) -> tuple[str, list[str], list[str]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    listed = document.get("devices")
    devices = [str(device["name"]) for device in (listed if isinstance(listed, list) else [])
               if isinstance(device, dict) and "name" in device]
    paths: list[str] = []
    pending: list[Any] = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            own = value.get("hostPath") or value.get("path")
            paths += [own] if isinstance(own, str) and own.startswith("/") else []
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return str(document.get("kind") or ""), devices, paths


def _from_yaml(text: str) -> tuple[str, list[str], list[str]]:
    kind, section = "", ""
    devices: list[str] = []
    paths: list[str] = []
    depth: int | None = None
    for line in text.splitlines():
        match = _KEY.match(line) if len(line) <= _LINE_LIMIT else None
        if not match:
            continue
        key, indent = match["key"], len(match["indent"])
        value = next((match[form] for form in ("double", "single", "bare") if match[form] is not None), None)
        if not match["indent"]:
            section, depth = key, None
            kind = value or kind if key == "kind" else kind
        elif value and value.startswith("/") and key in ("hostPath", "path"):
            paths.append(value)
        if section == "devices" and match["indent"]:
            depth = indent if depth is None else depth  # keys of a device stand where those of the first one do
            if key == "name" and indent == depth and value:
                devices.append(value)
    return kind, devices, paths
