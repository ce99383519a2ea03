# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.gpu_fitness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.module_utils._check import _fitness
from ansible_collections.gpufleet.node.plugins.plugin_utils._device import device_of

DOCUMENTATION = r"""
name: gpu_fitness
short_description: What a GPU is good for in AI work
version_added: 1.0.0
author:
  - gpufleet contributors (@gpufleet)
description:
  - Grades a GPU by its memory, the bandwidth of that memory, the number formats that it computes in, and what serves it.
  - It is the same grade that M(gpufleet.node.gpu_check) prints. The rules stand in C(data/fitness.yml).
options:
  _input:
    description: A device of C(ansible_facts.gpu.devices).
    type: dict
    required: true
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


def gpu_fitness(value: object) -> dict[str, Any]:
    """What a GPU is good for in AI work."""
    if not isinstance(value, Mapping):
        raise AnsibleFilterError(
            f"gpu_fitness: wanted a device of ansible_facts.gpu.devices; got {type(value).__name__} {value!r}"
        )
    device_of("gpu_fitness", value, "nvidia")
    grade, reason = _fitness.grade(dict(value))
    return {"grade": grade, "reason": reason}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Its name and function."""
        return {"gpu_fitness": gpu_fitness}
