# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.model_fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import catalog, models
from ansible_collections.gpufleet.node.plugins.plugin_utils._device import device_of, one_of, positive

DOCUMENTATION = r"""
name: model_fit
short_description: Whether a language model fits into the memory of GPUs
version_added: 1.0.0
author:
  - gpufleet contributors (@gpufleet)
description:
  - Compares the memory of a GPU, or of several together, with what a model needs, which is its parameters times the bytes of a
    weight times a factor of the use.
  - The figures and where they come from stand in C(data/model_memory.yml). They are a rule of thumb; a long context needs more.
positional: parameters, format
options:
  _input:
    description: A device of C(ansible_facts.gpu.devices), a list of devices among which the model is split, or GiB as a number.
    type: raw
    required: true
  parameters:
    description: Parameters of the model in billions, such as V(7) or V(70.6).
    type: float
    required: true
  format:
    description: Number format or quantisation of the weights.
    type: str
    choices: [fp32, bf16, fp16, fp8, int8, mxfp4, awq, gptq, q8_0, q6_k, q5_k_m, q4_k_m, q4_0, q3_k_m, q2_k]
    default: fp16
  use:
    description: What the model is wanted for. V(training) is full training with Adam.
    type: str
    choices: [inference, training]
    default: inference
"""

EXAMPLES = r"""
- name: Does an 8 billion parameter model run on the first card?
  ansible.builtin.debug:
    msg: "{{ ansible_facts.gpu.devices[0] | gpufleet.node.model_fit(8) }}"

- name: A 70 billion parameter model with 4 bits, split among all cards
  ansible.builtin.assert:
    that: (ansible_facts.gpu.devices | gpufleet.node.model_fit(70, 'q4_k_m')).fits
"""

RETURN = r"""
_value:
  description: The comparison.
  type: dict
  contains:
    fits:
      description: Whether the memory suffices; null where the memory of a card is not known.
      type: bool
    needed_gib:
      description: GiB that the model needs.
      type: float
    memory_gib:
      description: GiB that the cards have together; null where that of one is not known.
      type: float
    largest_parameters:
      description: Parameters, in billions, of the largest model of this format that fits.
      type: float
    formats:
      description: Formats in which the model fits, the widest first.
      type: list
      elements: str
    native:
      description:
        - Whether every card computes in the number format that the weights ask for.
        - Null where the catalogue does not have a card.
      type: bool
"""

_MIB_OF_GIB = 1024


def model_fit(value: object, parameters: object, format: str = "fp16", use: str = "inference") -> dict[str, Any]:
    """Whether a language model fits into the memory of GPUs."""
    billions = positive("model_fit", "parameters", parameters)
    one_of("model_fit", "format", format, models.formats())
    one_of("model_fit", "use", use, models.uses())
    memory, native = _memory(value), _native(value, models.precision_of(format))
    needed = models.needed_gib(billions, format, use)
    return {
        "fits": None if memory is None else needed <= memory,
        "needed_gib": round(needed, 1),
        "memory_gib": None if memory is None else round(memory, 1),
        "largest_parameters": None if memory is None else round(models.largest_billion(memory, format, use), 1),
        "formats": [f for f in models.formats() if memory is not None and models.needed_gib(billions, f, use) <= memory],
        "native": native,
    }


def _devices(value: object) -> list[Any] | None:
    if isinstance(value, Mapping):
        return [value]
    return list(value) if isinstance(value, (list, tuple)) else None


def _memory(value: object) -> float | None:
    """GiB of the devices together; what the tables say of a card where the node said nothing."""
    devices = _devices(value)
    if devices is None:
        return positive("model_fit", "the input", value)
    if not devices:
        raise AnsibleFilterError("model_fit: the input is an empty list (wanted: a device, a list of devices or a number of GiB)")
    sizes = [_size(device) for device in devices]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _size(value: object) -> float | None:
    device = device_of("model_fit", value, "nvidia")
    memory = value.get("memory") if isinstance(value, Mapping) else None
    total = (memory or {}).get("total_mib")
    if total is not None:
        return positive("model_fit", "memory.total_mib", total) / _MIB_OF_GIB
    card = catalog.card(device["vendor"], device["device_id"], device["revision"], device["name"])
    return float(card.vram_gib) if card and card.vram_gib else None


def _native(value: object, precision: str) -> bool | None:
    answers = []
    for entry in _devices(value) or []:
        device = device_of("model_fit", entry, "nvidia")
        card = catalog.card(device["vendor"], device["device_id"], device["revision"], device["name"])
        answers.append(precision in card.native_precisions if card and card.native_precisions else None)
    if not answers or None in answers:
        return None
    return all(answers)


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Its name and function."""
        return {"model_fit": model_fit}
