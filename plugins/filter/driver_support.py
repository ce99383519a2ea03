# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.driver_support."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import nvidia
from ansible_collections.gpufleet.node.plugins.plugin_utils._device import device_of, only_vendor

DOCUMENTATION = r"""
name: driver_support
short_description: Driver branches that serve an NVIDIA GPU
version_added: 1.0.0
author:
  - gpufleet contributors (@gpufleet)
description:
  - Says which driver branches serve an NVIDIA GPU, and whether its open kernel module does.
  - The answer comes from the tables of this collection, so it needs no driver on the node.
positional: branch
options:
  _input:
    description: A device of C(ansible_facts.gpu.devices), or its PCI device id in quotes.
    type: raw
    required: true
  branch:
    description: A driver branch, such as V(595). The answer then says in RV(_value.branch_serves) whether it serves the GPU.
    type: int
seealso:
  - plugin: gpufleet.node.rocm_support
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Which cards stand in the way of branch 595?
  ansible.builtin.debug:
    msg: "{{ item.name }} ends with branch {{ (item | gpufleet.node.driver_support).last_branch }}"
  loop: "{{ ansible_facts.gpu.devices | selectattr('vendor', 'eq', 'nvidia') }}"
  when: not (item | gpufleet.node.driver_support(595)).branch_serves

- name: By PCI device id, without any node
  ansible.builtin.debug:
    msg: "{{ '1db1' | gpufleet.node.driver_support }}"
"""

RETURN = r"""
_value:
  description: What the tables say.
  type: dict
  contains:
    status:
      description: V(served) by the newest branches, V(ended) where those no longer drive the GPU, or V(unknown).
      type: str
    first_branch:
      description: First branch whose list names the GPU; for older GPUs the first that knows the chip.
      type: int
    last_branch:
      description: Last branch that drives the GPU; null where the newest does.
      type: int
    open_module:
      description: Whether the open kernel module is V(required), V(supported) or V(unsupported).
      type: str
    note:
      description: Why nothing, or only the family, is known of the PCI device id; null otherwise.
      type: str
    branch_serves:
      description: Whether the branch asked for serves the GPU; null where that is not known.
      type: bool
      returned: if a branch was given
"""


def driver_support(value: object, branch: object = None) -> dict[str, Any]:
    """Driver branches that serve a GPU."""
    device = device_of("driver_support", value, "nvidia")
    only_vendor("driver_support", device, "nvidia")
    device_id = device["device_id"] or ""
    answer = {**nvidia.driver_support(device_id), "note": nvidia.unknown_id_note(device_id)}
    if branch is not None:
        answer["branch_serves"] = _serves(answer, _branch(branch))
    return answer


def _branch(value: object) -> int:
    number = nvidia.branch_of(str(value)) if not isinstance(value, (bool, float)) else None
    if number is None:
        raise AnsibleFilterError(f"driver_support: branch is {value!r} (allowed: a whole number, such as 580)")
    return number


def _serves(answer: dict[str, Any], branch: int) -> bool | None:
    if answer["status"] == "unknown":
        return None
    if answer["last_branch"] is not None and branch > answer["last_branch"]:
        return False
    if answer["first_branch"] is None:
        return None
    return bool(branch >= answer["first_branch"])


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Its name and function."""
        return {"driver_support": driver_support}
