# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: ask the readers in their order of precedence and make one inventory of what they saw."""

from __future__ import annotations

import importlib
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, NamedTuple, Tuple

from .._host import DEFAULT_TIMEOUT, Host
from . import pci
from ._inventory import Inventory
from ._source import Source

# What does not change while a job runs, so that cached facts stay valid; the others come on request.
DEFAULT_SUBSETS = ("devices", "driver", "software", "kernel", "topology")
SUBSETS = (*DEFAULT_SUBSETS, "runtime", "processes")

Timeouts = Dict[str, float]
