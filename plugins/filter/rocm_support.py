# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.rocm_support."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import rocm, rocm_products
from ansible_collections.gpufleet.node.plugins.plugin_utils._device import device_of, only_vendor

DOCUMENTATION = r"""
name: rocm_support
short_description: ROCm releases that serve an AMD GPU
version_added: 1.0.0
author:
  - gpufleet contributors (@gpufleet)
description:
  - Says whether AMD supports a GPU in ROCm, since which release and until which, and which override makes it work otherwise.
  - With O(release) it says what that release makes of the GPU, which release to take instead, and with O(system) what AMD's list of
    that release says of the operating system.
  - AMD supports products, not chips, so the PCI revision counts too.
positional: revision, release, system
options:
  _input:
    description: A device of C(ansible_facts.gpu.devices), or its PCI device id in quotes.
    type: raw
    required: true
  revision:
    description: The PCI revision in hex, such as V(c1), where the input is a PCI device id.
    type: str
  release:
    description:
      - The release of ROCm to judge, such as V(7.2.4), or V(7.2) for the newest of that series.
      - Quote it. A number with a fraction is refused, since V(7.10) and V(7.1) are two releases and one number.
    type: str
  system:
    description:
      - The operating system to judge, for example C({'distribution':'ubuntu','version':'24.04'}).
      - C(distribution) and C(version) are C(ID) and C(VERSION_ID) of C(/etc/os-release). C(like), a list, is its C(ID_LIKE);
        C(kernel) is the kernel as C(uname -r) says it; C(architecture) is that of C(uname -m), by default V(x86_64).
      - Only with O(release).
    type: dict
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

- name: Would ROCm 7.2.4 do for these cards on this machine, and what would?
  ansible.builtin.debug:
    msg: "{{ answer.why }} {{ answer.system.why }} Take: {{ answer.nearest or '7.2.4' }}"
  loop: "{{ ansible_facts.gpu.devices | selectattr('vendor', 'eq', 'amd') }}"
  vars:
    answer: "{{ item | gpufleet.node.rocm_support(release='7.2.4', system=here) }}"
    here:
      distribution: "{{ ansible_facts.distribution | lower }}"
      version: "{{ ansible_facts.distribution_version }}"
      kernel: "{{ ansible_facts.kernel }}"
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
        - V(not_yet), only with O(release), is a card that a later release serves.
        - V(unsupported) is any other card that the tables know, V(unknown) one that they do not, or a release that they do not.
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
    why:
      description: The status in one sentence.
      returned: with O(release)
      type: str
    nearest:
      description: Release to take instead; null where this one will do, or where none would.
      returned: with O(release)
      type: str
    needs:
      description: What else must be so, in words.
      returned: with O(release)
      type: list
      elements: str
    gfx_target:
      description: The target of the libraries, such as V(gfx1030).
      returned: with O(release)
      type: str
    family:
      description: The list of AMD that the card is judged by, V(instinct), V(radeon) or V(ryzen).
      returned: with O(release)
      type: str
    apu:
      description: Whether it is the GPU of an APU.
      returned: with O(release)
      type: bool
    system:
      description: What AMD's list of the release says of the operating system.
      returned: with O(release)
      type: dict
      contains:
        status:
          description: V(supported), V(unlisted), or V(unknown) where no list was read or no O(system) given.
          type: str
        why:
          description: The status in one sentence.
          type: str
        releases:
          description: Newest release of each series whose list has this system for this card.
          type: list
          elements: str
        kernels:
          description: Kernels that the list names with the system.
          type: list
          elements: str
        kernel_listed:
          description: Whether the kernel of O(system) is one of them; null where that is not known.
          type: bool
        near:
          description: The listed system that this one is built from, where it is not listed itself.
          type: str
"""


def rocm_support(value: object, revision: str | None = None, release: object = None, system: object = None) -> dict[str, Any]:
    """ROCm releases that serve a GPU; with a release, what it makes of the GPU."""
    device = device_of("rocm_support", value, "amd")
    only_vendor("rocm_support", device, "amd")
    revision = device["revision"] or revision
    if release is None:
        if system is not None:
            raise AnsibleFilterError("rocm_support: system needs a release, such as release='7.2.4'")
        return rocm_products.support(device["device_id"], revision, device["gfx_target"])
    if not isinstance(release, str):
        raise AnsibleFilterError(f"rocm_support: release is {release!r} (allowed: a release in quotes, such as '7.2.4' or '7.2')")
    answer = rocm.verdict(rocm.Card(device["device_id"], revision, device["gfx_target"]), release, _system(system))
    return {**answer._asdict(), "needs": list(answer.needs), "system": _plain(answer.system)}


def _system(value: object) -> rocm.System | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(value.get(key), str) for key in ("distribution", "version")):
        raise AnsibleFilterError(f"rocm_support: system is {value!r} (allowed: distribution and version in quotes, beside them like, kernel"
                                 " and architecture)")
    return rocm.System(value["distribution"], value["version"], tuple(value.get("like") or ()), value.get("kernel"),
                       value.get("architecture") or "x86_64")


def _plain(standing: rocm.Standing) -> dict[str, Any]:
    return {key: list(item) if isinstance(item, tuple) else item for key, item in standing._asdict().items()}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Its name and function."""
        return {"rocm_support": rocm_support}
