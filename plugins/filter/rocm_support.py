# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.rocm_support."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import amd
from ansible_collections.gpufleet.node.plugins.plugin_utils._device import device_of, only_vendor

DOCUMENTATION = r"""
name: rocm_support
short_description: ROCm releases that serve an AMD GPU
version_added: 1.0.0
author:
  - gpufleet contributors (@gpufleet)
description:
  - Says whether AMD supports a GPU in ROCm, since which release and until which, and which override makes it work otherwise.
  - AMD supports products, not chips, so the PCI revision counts too.
positional: revision
options:
  _input:
    description: A device of C(ansible_facts.gpu.devices), or its PCI device id in quotes.
    type: raw
    required: true
  revision:
    description: The PCI revision in hex, such as V(c1), where the input is a PCI device id.
    type: str
seealso:
  - plugin: gpufleet.node.driver_support
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What ROCm says of each AMD card
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ (item | gpufleet.node.rocm_support).status }}"
  loop: "{{ ansible_facts.gpu.devices | selectattr('vendor', 'eq', 'amd') }}"

- name: Radeon RX 6800 XT, by PCI device id and revision
  ansible.builtin.debug:
    msg: "{{ '73bf' | gpufleet.node.rocm_support('c1') }}"
"""

RETURN = r"""
_value:
  description: What the tables say.
  type: dict
  contains:
    status:
      description:
        - V(supported) and V(ended) come from AMD's own lists.
        - V(unofficial) is a card that no list names but whose target the libraries are built for, or stand in for.
        - V(unsupported) is any other card that the tables know, V(unknown) one that they do not.
      type: str
    first_release:
      description: First ROCm release whose list names the product.
      type: str
    last_release:
      description: Last ROCm release whose list names the product; null where the newest does.
      type: str
    override:
      description: Value of C(HSA_OVERRIDE_GFX_VERSION) that makes the card pass for one that the libraries are built for.
      type: str
"""


def rocm_support(value: object, revision: str | None = None) -> dict[str, Any]:
    """ROCm releases that serve a GPU."""
    device = device_of("rocm_support", value, "amd")
    only_vendor("rocm_support", device, "amd")
    return amd.rocm_support(device["device_id"], device["revision"] or revision, device["gfx_target"])


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Its name and function."""
        return {"rocm_support": rocm_support}
