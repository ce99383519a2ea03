# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.gpu_architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import amd, nvidia
from ansible_collections.gpufleet.node.plugins.plugin_utils._device import device_of, one_of

DOCUMENTATION = r"""
name: gpu_architecture
short_description: Architecture of a GPU
version_added: 1.0.0
author:
  - gpufleet contributors (@gpufleet)
description:
  - Names the architecture of a GPU, such as V(hopper) or V(cdna3), from its PCI device id or its gfx target.
positional: vendor
options:
  _input:
    description: A device of C(ansible_facts.gpu.devices), its PCI device id in quotes, or a gfx target such as V(gfx942).
    type: raw
    required: true
  vendor:
    description: Whose PCI device id it is, where the input is one.
    type: str
    choices: [nvidia, amd]
    default: nvidia
"""

EXAMPLES = r"""
- name: Architectures of this node
  ansible.builtin.debug:
    msg: "{{ ansible_facts.gpu.devices | map('gpufleet.node.gpu_architecture') | unique }}"

- name: By PCI device id, and by gfx target
  ansible.builtin.debug:
    msg: "{{ '2330' | gpufleet.node.gpu_architecture }} and {{ 'gfx942' | gpufleet.node.gpu_architecture }}"
"""

RETURN = r"""
_value:
  description: The architecture in lower case; null where the tables do not know the GPU.
  type: str
"""


def gpu_architecture(value: object, vendor: str = "nvidia") -> str | None:
    """Architecture of a GPU."""
    if isinstance(value, str) and value.startswith("gfx"):
        return amd.architecture_of_gfx(value)
    device = device_of("gpu_architecture", value, one_of("gpu_architecture", "vendor", vendor, ("nvidia", "amd")))
    if device["vendor"] == "amd":
        by_id = amd.chip(device["device_id"] or "", device["revision"])
        by_target = amd.architecture_of_gfx(device["gfx_target"]) if device["gfx_target"] else None
        return by_target or (by_id.architecture if by_id else None)
    chip = nvidia.chip(device["device_id"] or "") if device["vendor"] == "nvidia" else None
    return chip.architecture if chip else None


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Its name and function."""
        return {"gpu_architecture": gpu_architecture}
