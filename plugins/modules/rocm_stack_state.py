#!/usr/bin/python
# Copyright (c) 2026 gpufleet contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rocm_stack_state
short_description: Tell whether a node has the wanted ROCm, installed, usable and verified
version_added: 1.0.0
description:
  - Takes the order of M(gpufleet.node.rocm_stack) and says whether the node has what it asks for. It never asks the package manager
    and never changes anything.
  - M(gpufleet.node.rocm_stack) begins with it, since on most days most nodes need nothing. You need it only where such a look is all
    that you want, in a monitoring job for example.
extends_documentation_fragment:
  - gpufleet.node._rocm_order
  - gpufleet.node._order
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  platform:
    description: Nodes that this works on.
    support: full
    platforms: Debian, Ubuntu, Enterprise Linux, Fedora, SLES and openSUSE
author:
  - gpufleet contributors (@gpufleet)
seealso:
  - module: gpufleet.node.rocm_stack
  - module: gpufleet.node.gpu_check
"""

EXAMPLES = r"""
- name: See whether alice can use a ROCm of series 7.2 here
  gpufleet.node.rocm_stack_state:
    version: "7.2"
    users: [alice]
  become: true
  register: rocm

- name: Keep jobs away from a node where that is not so
  ansible.builtin.debug:
    msg: drain this node
  when: rocm.status == 'undecided'
"""

RETURN = r"""
status:
  description:
    - V(nothing_to_do) where the node has what is ordered and it works, V(skipped) where it has no AMD GPU, and V(undecided) where
      something may have to be done or to be told, which M(gpufleet.node.rocm_stack) finds out in check mode.
  returned: always
  type: str
plan:
  description: As M(gpufleet.node.rocm_stack) returns it, a plan without steps.
  returned: when RV(status) is not V(undecided)
  type: dict
before:
  description: C(rocm) and C(driver), in the form of C(ansible_facts.gpu.amd) of M(gpufleet.node.gpu_facts).
  returned: when RV(status) is not V(undecided)
  type: dict
after:
  description: The same as RV(before).
  returned: when RV(status) is not V(undecided)
  type: dict
verification:
  description: The links that were verified, as M(gpufleet.node.rocm_stack) returns them.
  returned: when RV(status) is not V(undecided)
  type: dict
findings:
  description: Always empty, since ROCm is as ordered.
  returned: when RV(status) is not V(undecided)
  type: list
  elements: dict
reboot_required:
  description: Always false, since ROCm is as ordered.
  returned: when RV(status) is not V(undecided)
  type: bool
reboot_reasons:
  description: Always empty, since ROCm is as ordered.
  returned: when RV(status) is not V(undecided)
  type: list
  elements: str
text:
  description: The same for people, line by line, at most 100 columns.
  returned: when RV(status) is not V(undecided)
  type: list
  elements: str
node:
  description: What M(gpufleet.node.rocm_stack) wants to know besides, for its own use.
  returned: when RV(status) is not V(undecided)
  type: dict
"""

import datetime  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

from ..module_utils._inventory._probes import live  # noqa: E402
from ..module_utils._plan.rocm_order import ARGUMENTS, OrderError, RocmOrder  # noqa: E402
from ..module_utils._plan.wish import WishError  # noqa: E402


def main() -> None:
    """Look and answer."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    asked = module.params
    try:
        order, host = RocmOrder.parse(asked), live()
        from ..module_utils._inventory import _ask_amd, _ask_for_rocm  # an option that nobody can serve is told before these are loaded
        from ..module_utils._look import Look, look
        from ..module_utils._plan._rocm_satisfied import satisfied
        from ..module_utils._plan._rocm_text import answer
        from ..module_utils._plan.verify_rocm import verify

        way = Look((_ask_amd.ask, _ask_for_rocm.ask), satisfied, verify, answer)
        told = look(host, order, way, asked["timeout"], datetime.date.today().isoformat())
    except (OrderError, WishError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**told)


if __name__ == "__main__":
    main()
