# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: ordered steps with their reasons, what stands in the way, and what was verified. Plain values, JSON by `as_plain`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

KINDS = ("packages", "packages_absent", "repair", "file", "file_absent", "key", "command", "service", "group", "user")
STATUSES = ("nothing_to_do", "change", "refused", "skipped")
LINKS = ("packages", "lock", "nouveau", "module_built", "next_boot", "module_loaded", "versions", "device_nodes", "nvml", "fabric",
         "persistence")


class Step(NamedTuple):
    """One thing to do. what is a line for people ("install nvidia-kernel-dkms 550.163.01-2 and 14 more"), values depend on kind
    (docs/architecture.md). disruptive: not while jobs run. slow: may take minutes, so progress is shown. undo: how a person goes
    back once this is done, empty where there is nothing to undo."""

    kind: str
    what: str
    reason: str
    values: dict[str, Any]
    disruptive: bool = False
    slow: bool = False
    undo: str = ""


class Refusal(NamedTuple):
    """What stands in the way, or is only to be known: a row of data/refusals.yml with its words.

    severity: critical stops before the first change, warning does not. use: values of options that would do ({version: "580"}).
    """

    code: str
    severity: str
    message: str
    remedy: str
    subject: str = "node"
    use: tuple[dict[str, str], ...] = ()


class Chosen(NamedTuple):
    """The driver to have: what the plan leads to. build: dkms | prebuilt. version is NVIDIA's ("550.163.01"), revision the
    package's whole version ("550.163.01-2"). notes: why another one was not taken. offered: the branches that the origin has for these
    GPUs, empty where nobody was asked."""

    version: str
    branch: int
    flavour: str | None
    origin: str | None
    build: str | None
    revision: str | None = None
    notes: tuple[str, ...] = ()
    offered: tuple[int, ...] = ()


class Plan(NamedTuple):
    """What to do to a node. chosen is None where nothing could be chosen. touches: what a person wants to know before
    ({services: [...], processes: [...], kernels: [...]})."""

    status: str
    steps: tuple[Step, ...] = ()
    reasons: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    chosen: Any = None  # Chosen; of ROCm RocmChosen of rocm_steps.py
    packages: tuple[Any, ...] = ()  # Change of _packages.types: the whole transaction
    reboot_reasons: tuple[str, ...] = ()  # empty: no reboot is needed
    touches: Mapping[str, list[str]] = MappingProxyType({})


class Link(NamedTuple):
    """One link of the verification. state: ok | broken | after_reboot | unknown | not_applicable."""

    link: str
    state: str
    reason: str


class Verification(NamedTuple):
    """status: verified | after_reboot | failed. broken_link is the first one that is broken."""

    status: str
    links: tuple[Link, ...]
    broken_link: str | None = None
