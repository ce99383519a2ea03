# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the inventory of a machine by all readers that fit it, with what checks or changes read besides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._host import DEFAULT_TIMEOUT, Host
from . import _ask_amd, _ask_deeper, _ask_for_a_change, _ask_for_rocm, _ask_nvidia, _ask_software
from ._inventory import Inventory
from ._own import NVIDIA, ROCM
from ._survey import ALL_SOURCES, SUBSETS, Ask, survey, wanted_subsets

__all__ = ["gather"]


def gather(host: Host, subsets: Iterable[str] = (), timeout: float = DEFAULT_TIMEOUT, sources: Sequence[str] = ALL_SOURCES,
           deep: bool = False, change: bool = False, users: Sequence[str] | None = None) -> Inventory:
    """The inventory of a machine. `timeout` is each source's own deadline in seconds; `deep` adds what only checks read, `change`
    what only a plan and its verification do. `users`, not None, adds what those of ROCm do: what these users see, or we do where none
    is named; the record and the files are those of ROCm then."""
    wanted = wanted_subsets(subsets) | (frozenset(("deep", *SUBSETS)) if deep else frozenset())
    wanted |= frozenset(("change", "processes")) if change else frozenset()
    first: list[Ask] = [_ask_nvidia.ask, _ask_amd.ask]
    first += [_ask_for_rocm.ask] if change and users is not None else []
    then: list[Ask] = [_ask_software.ask]
    then += [_ask_deeper.ask] if deep else []
    then += [_ask_for_a_change.ask] if change else []
    return survey(host, [*first, _ask_software.ask_names], then, wanted, timeout, sources, users, NVIDIA if users is None else ROCM)
