# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.gpu_fitness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.module_utils._check import _fitness, _node
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.plugin_utils._device import device_of, positive

DOCUMENTATION = r"""
name: gpu_fitness
short_description: What a GPU is good for in AI work
version_added: 1.0.0
author:
  - gpufleet contributors (@gpufleet)
description:
  - Grades a GPU by its memory, the bandwidth of that memory, the number formats that it computes in, and what serves it.
  - It is the same grade that M(gpufleet.node.gpu_check) prints. The rules stand in C(data/fitness.yml).
positional: machine_memory_mib
options:
  _input:
    description: A device of C(ansible_facts.gpu.devices).
    type: dict
    required: true
  machine_memory_mib:
    description:
      - Memory of the machine in MiB, such as C(ansible_facts.memtotal_mb).
      - An APU is graded by it, since it has no memory of its own.
    type: int
"""

EXAMPLES = r"""
- name: What each card is good for
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ (item | gpufleet.node.gpu_fitness).grade }}"
  loop: "{{ ansible_facts.gpu.devices }}"
"""

RETURN = r"""
_value:
  description: The grade and why.
  type: dict
  contains:
    grade:
      description:
        - One of V(ideal), V(excellent), V(good), V(quantised models only), V(works with a known workaround), V(not supported)
          and V(unknown).
      type: str
    reason:
      description: Why, in one line.
      type: str
"""


def gpu_fitness(value: object, machine_memory_mib: object = None) -> dict[str, Any]:
    """What a GPU is good for in AI work."""
    if not isinstance(value, Mapping):
        got = f"{type(value).__name__} {value!r}"
        raise AnsibleFilterError(f"gpu_fitness: wanted a device of ansible_facts.gpu.devices; got {got}")
    device_of("gpu_fitness", value, "nvidia")
    inventory = Inventory()
    inventory.devices = [dict(value)]
    if machine_memory_mib is not None:
        inventory.health = {"memory_total_mib": positive("gpu_fitness", "machine_memory_mib", machine_memory_mib)}
    grade, reason = _fitness.grade(_node.Node(inventory), inventory.devices[0])
    return {"grade": grade, "reason": reason}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Its name and function."""
        return {"gpu_fitness": gpu_fitness}
