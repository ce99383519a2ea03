# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enforce the NVIDIA driver."""

from __future__ import annotations

from ansible_collections.gpufleet.node.plugins.module_utils._plan.order import ARGUMENTS, Order, OrderError
from ansible_collections.gpufleet.node.plugins.module_utils._plan.wish import WishError
from ansible_collections.gpufleet.node.plugins.plugin_utils._enforcing import Enforcing


class ActionModule(Enforcing):
    """The action of the module of this name."""

    own = Order.own
    arguments = ARGUMENTS
    parse = Order.parse
    faults = (OrderError, WishError)
