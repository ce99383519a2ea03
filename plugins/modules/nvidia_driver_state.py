#!/usr/bin/python
# Copyright (c) 2026 gpufleet contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_driver_state
short_description: Tell whether a node has the wanted NVIDIA driver, installed, loaded and verified
version_added: 1.0.0
description:
  - Takes the order of M(gpufleet.node.nvidia_driver) and says whether the node has what it asks for. It never asks the package manager
    and never changes anything.
  - M(gpufleet.node.nvidia_driver) begins with it, since on most days most nodes need nothing. You need it only where such a look is all
    that you want, in a monitoring job for example.
extends_documentation_fragment:
  - gpufleet.node._nvidia_order
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
    platforms: Debian, Ubuntu, Enterprise Linux, Fedora, Amazon Linux, SLES and openSUSE
author:
  - gpufleet contributors (@gpufleet)
seealso:
  - module: gpufleet.node.nvidia_driver
  - module: gpufleet.node.gpu_check
"""

EXAMPLES = r"""
- name: See whether the node has a driver of branch 580 that works
  gpufleet.node.nvidia_driver_state:
    version: "580"
  register: driver

- name: Keep jobs away from a node that has not
  ansible.builtin.debug:
    msg: drain this node
  when: driver.status == 'undecided'
"""

RETURN = r"""
status:
  description:
    - V(nothing_to_do) where the node has what is ordered and it works, V(skipped) where it has no NVIDIA GPU, and V(undecided) where
      something may have to be done or to be told, which M(gpufleet.node.nvidia_driver) finds out in check mode.
  returned: always
  type: str
plan:
  description: As M(gpufleet.node.nvidia_driver) returns it, a plan without steps.
  returned: when RV(status) is not V(undecided)
  type: dict
before:
  description: The driver, in the form of C(ansible_facts.gpu.nvidia.driver) of M(gpufleet.node.gpu_facts).
  returned: when RV(status) is not V(undecided)
  type: dict
after:
  description: The same as RV(before).
  returned: when RV(status) is not V(undecided)
  type: dict
verification:
  description: The links of the driver that were verified, as M(gpufleet.node.nvidia_driver) returns them.
  returned: when RV(status) is not V(undecided)
  type: dict
findings:
  description: Always empty, since the driver is as ordered.
  returned: when RV(status) is not V(undecided)
  type: list
  elements: dict
reboot_required:
  description: Always false, since the driver is as ordered.
  returned: when RV(status) is not V(undecided)
  type: bool
reboot_reasons:
  description: Always empty, since the driver is as ordered.
  returned: when RV(status) is not V(undecided)
  type: list
  elements: str
text:
  description: The same for people, line by line, at most 100 columns.
  returned: when RV(status) is not V(undecided)
  type: list
  elements: str
node:
  description: What M(gpufleet.node.nvidia_driver) wants to know besides, for its own use.
  returned: when RV(status) is not V(undecided)
  type: dict
"""

import datetime  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

from ..module_utils._inventory._probes import live  # noqa: E402
from ..module_utils._inventory._survey import begin  # noqa: E402
from ..module_utils._plan.order import ARGUMENTS, Order, OrderError  # noqa: E402
from ..module_utils._plan.wish import WishError  # noqa: E402


def main() -> None:
    """Look and answer."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    asked = module.params
    try:
        order, host = Order.parse(asked), live()
        begin(host)
        from ..module_utils._inventory import _ask_nvidia  # these take as long as nvidia-smi
        from ..module_utils._look import Look, look
        from ..module_utils._plan._satisfied import satisfied
        from ..module_utils._plan.answer import answer
        from ..module_utils._plan.verify import verify

        told = look(host, order, Look((_ask_nvidia.ask,), satisfied, verify, answer), asked["timeout"], datetime.date.today().isoformat())
    except (OrderError, WishError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**told)


if __name__ == "__main__":
    main()
