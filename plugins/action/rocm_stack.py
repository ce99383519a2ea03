# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enforce ROCm."""

from __future__ import annotations

from ansible_collections.gpufleet.node.plugins.module_utils._plan.rocm_order import ARGUMENTS, OrderError, RocmOrder
from ansible_collections.gpufleet.node.plugins.module_utils._plan.wish import WishError
from ansible_collections.gpufleet.node.plugins.plugin_utils._enforcing import Enforcing


class ActionModule(Enforcing):
    """The action of the module of this name."""

    own = RocmOrder.own
    arguments = ARGUMENTS
    parse = RocmOrder.parse
    faults = (OrderError, WishError)
