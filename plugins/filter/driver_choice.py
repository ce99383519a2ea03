# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.driver_choice."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import catalog, nvidia
from ansible_collections.gpufleet.node.plugins.module_utils._plan.branch import Installed, choose_branch
from ansible_collections.gpufleet.node.plugins.module_utils._plan.wish import Wish, WishError
from ansible_collections.gpufleet.node.plugins.plugin_utils._device import device_of

DOCUMENTATION = r"""
name: driver_choice
short_description: NVIDIA driver branch that a version wish means on a machine
version_added: 1.0.0
author:
  - gpufleet contributors (@gpufleet)
description:
  - Says which driver branch and which kernel module serve a wish on all NVIDIA GPUs of a machine, why, and where none does, which
    GPUs stand in the way and which wish would do.
  - An installed driver that the wish allows and that serves every GPU stays. Otherwise it is the newest supported long-term
    branch, else the newest supported production branch, else the newest of those whose support has ended. A new-feature branch is
    taken only where the wish names it or asks for its channel.
  - The answer comes from the facts and from the tables of this collection. Nothing is asked of the node.
positional: version
options:
  _input:
    description:
      - C(ansible_facts.gpu), its C(devices), or a list of PCI device ids in quotes.
      - Only C(ansible_facts.gpu) says which driver is installed.
    type: raw
    required: true
  version:
    description:
      - A branch such as V(580), an exact version such as V(580.95.05), one with its package revision such as
        V(550.163.01-4~bpo13+1), or ranges such as V(>=530) and V(>=535,<590) with the operators C(>=), C(>), C(<=), C(<), C(==)
        and C(!=).
      - A channel, which is V(lts), V(production) or V(new_feature), means its supported branches.
      - Quote it. A number with a fraction is refused, since it loses its last zeros.
    type: raw
    required: true
  offered:
    description: The branches that a package source offers. By default every branch is taken to be at hand.
    type: list
    elements: int
  today:
    description: The day for which support is judged, such as V(2027-04-01). By default it is today on the controller.
    type: str
seealso:
  - plugin: gpufleet.node.driver_support
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What would this wish mean here?
  ansible.builtin.debug:
    msg: "{{ ansible_facts.gpu | gpufleet.node.driver_choice('>=530') }}"

- name: Which cards of the fleet stand in the way of branch 595?
  ansible.builtin.debug:
    msg: "{{ (ansible_facts.gpu | gpufleet.node.driver_choice('595')).refused | map(attribute='message') }}"

- name: By PCI device id, without any node, from a source that offers two branches
  ansible.builtin.debug:
    msg: "{{ ['1db1', '1eb8'] | gpufleet.node.driver_choice('>=530', offered=[535, 550]) }}"
"""

RETURN = r"""
_value:
  description: The choice.
  type: dict
  contains:
    branch:
      description: The driver branch; null where none can be chosen, and where there is no NVIDIA GPU.
      type: int
    flavour:
      description: The kernel module, V(open) or V(proprietary); null where no branch is chosen, or where it is not known.
      type: str
    reasons:
      description: Why this branch and this kernel module, in sentences.
      type: list
      elements: str
    refused:
      description: What stands in the way, empty where a branch was chosen or there is no NVIDIA GPU.
      type: list
      elements: dict
      contains:
        gpu:
          description: Name of the GPU that stands in the way; null where none does, or where it has no name.
          type: str
        architecture:
          description: Its architecture.
          type: str
        addresses:
          description: PCI addresses of the GPUs of this model.
          type: list
          elements: str
        message:
          description: What stands in the way, and what to wish for instead.
          type: str
        use:
          description: Wishes that would do, the best one first; empty where no driver serves all GPUs of the machine.
          type: list
          elements: str
"""


def driver_choice(value: object, version: object, offered: object = None, today: object = None) -> dict[str, Any]:
    """The driver branch that a wish means on a machine."""
    try:
        wish = Wish.parse(version)
    except WishError as error:
        raise AnsibleFilterError(f"driver_choice: {error}") from error
    facts = value if isinstance(value, Mapping) else {"devices": value}
    devices = facts.get("devices")
    if not isinstance(devices, (list, tuple)):
        raise AnsibleFilterError(
            "driver_choice: wanted ansible_facts.gpu, its devices, or a list of PCI device ids in quotes;"
            f" got {type(value).__name__}{' without devices' if isinstance(value, Mapping) else f' {value!r}'}"
        )
    cards = [_device(device) for device in devices]
    return choose_branch(wish, cards, _branches(offered), _installed(facts), _day(today))._asdict()


def _device(value: object) -> Mapping[str, Any]:
    known = device_of("driver_choice", value, "nvidia")
    if isinstance(value, Mapping):
        return value
    name = catalog.name("nvidia", known["device_id"])
    return {"vendor": "nvidia", "name": name, "pci": {"device_id": known["device_id"]}}


def _installed(facts: Mapping[str, Any]) -> Installed | None:
    driver = (facts.get("nvidia") or {}).get("driver") or {}
    version = driver.get("installed_version") or driver.get("loaded_version")
    if not version:
        return None
    # Package versions may begin with an epoch; the packages of one driver version may be of more than one revision.
    packages = [str(text).rpartition(":")[2].partition("-") for text in (driver.get("packages") or {}).values()]
    revisions = {revision for upstream, _dash, revision in packages if upstream == version and revision}
    return Installed(str(version), revisions.pop() if len(revisions) == 1 else None, driver.get("kernel_module"))


def _branches(offered: object) -> list[int] | None:
    if offered is None:
        return None
    values = offered if isinstance(offered, (list, tuple)) else [offered]
    numbers = [nvidia.branch_of(str(value)) if not isinstance(value, (bool, float)) else None for value in values]
    found = [number for number in numbers if number is not None]
    if len(found) < len(values):
        raise AnsibleFilterError(f"driver_choice: offered is {offered!r} (allowed: a list of whole numbers, such as [535, 580])")
    return found


def _day(today: object) -> str:
    if today is None:
        return datetime.date.today().isoformat()
    try:
        return datetime.date.fromisoformat(str(today)).isoformat()
    except ValueError as error:
        raise AnsibleFilterError(f"driver_choice: today is {today!r} (allowed: a day such as '2027-04-01')") from error


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Its name and function."""
        return {"driver_choice": driver_choice}
