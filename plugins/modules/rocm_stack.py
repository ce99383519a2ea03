#!/usr/bin/python
# Copyright (c) 2026 gpufleet contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rocm_stack
short_description: Have the wanted ROCm installed and verified on a node, for the users that are to have it
version_added: 1.0.0
description:
  - Looks at the node, decides which release of ROCm and which C(amdgpu) driver serve every AMD GPU in it and your wish, shows the whole
    plan in check and diff mode, and has Ansible's own modules do it. Afterwards it looks again, as the named users. What is not
    verified is a failure that names the first broken link.
  - Support comes first. GPU, release, operating system, kernel and driver are looked up in AMD's own lists, by the release that
    began and ended each. A GPU that works outside them is named as such, with the override that it needs.
  - A release that is there, allowed by O(version) and right for all GPUs stays as it is, even when there is a newer one.
  - What stands in the way is found before the first change, and is told together with the nearest choice that would do.
    docs/refusals.md has a section for each code.
  - Never reboots a node and never changes its kernel. RV(reboot_required) and RV(reboot_reasons) say what is left to you, or to the
    role C(gpufleet.node.rocm_stack).
  - A run that was interrupted is finished or repaired by the next one.
extends_documentation_fragment:
  - gpufleet.node._rocm_order
  - gpufleet.node._order
requirements:
  - root on the node for a change. Check mode needs none, and says what it could not read.
  - community.general on the controller for SUSE
notes:
  - Steps that may take minutes run in the background on the node, where they outlive a lost connection. What they are doing is told
    on standard error every ten seconds, unless the task has C(no_log).
  - With C(async) and a C(poll) above 0 the seconds of C(async) limit each slow step. A C(poll) of 0 is refused.
  - One run changes a node at a time. Another one waits, see O(wait_for_lock).
  - Programs are run as the users of O(users) to see what they see. They are given nothing of root's environment.
attributes:
  action:
    description: Has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: partial
    details: Limits slow steps, the task stays in the foreground.
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  platform:
    description: Nodes that this works on.
    support: full
    platforms: Debian, Ubuntu, Enterprise Linux, Fedora, SLES and openSUSE
author:
  - gpufleet contributors (@gpufleet)
seealso:
  - module: gpufleet.node.rocm_stack_state
  - module: gpufleet.node.gpu_check
  - module: gpufleet.node.gpu_facts
"""

EXAMPLES = r"""
- name: Have a ROCm that serves every AMD GPU, for two accounts
  gpufleet.node.rocm_stack:
    users: [alice, svc-ml]
  become: true

# ansible-playbook site.yml --check --diff shows the plan of each host on one screen, and changes nothing
- name: Stay on one series of AMD's own packages
  gpufleet.node.rocm_stack:
    version: "7.2"
    origin: amd
    components: [runtime, hip, opencl, smi]
    users: [alice]
  become: true
  register: rocm

- name: Reboot where the driver needs it
  ansible.builtin.reboot:
  become: true
  when: rocm.reboot_required

- name: Move to the new stream of releases, whose packages replace the old ones in one go
  gpufleet.node.rocm_stack:
    version: "10.1"
    origin: amd
  become: true

- name: Keep two releases side by side
  gpufleet.node.rocm_stack:
    version: "6.4.3"
    origin: amd
    side_by_side: true
  become: true

- name: Let a card compute that works only as another one
  gpufleet.node.rocm_stack:
    allow_unsupported_gpu: true
    users: [alice]
  become: true

- name: Install from an internal copy of AMD's repositories, and leave the driver alone
  gpufleet.node.rocm_stack:
    version: "7.2.4"
    origin: amd
    driver: none
    mirror: https://mirror.example.com/amd
  become: true

- name: Remove what this collection has installed
  gpufleet.node.rocm_stack:
    state: absent
  become: true
"""

RETURN = r"""
plan:
  description: What was to be done when the task began. A second run on the result has nothing to do.
  returned: when the node could be inspected
  type: dict
  contains:
    status:
      description:
        - V(nothing_to_do), V(change), V(refused) where something stands in the way, or V(skipped) where there is no AMD GPU.
      returned: always
      type: str
    steps:
      description:
        - The steps in their order. What each works with is in C(step['values']), whose keys depend on RV(plan.steps[].kind), such as
          C(path) and C(content) for a file.
      returned: always
      type: list
      elements: dict
      contains:
        kind:
          description:
            - One of V(packages), V(packages_absent), V(repair), V(file), V(file_absent), V(key), V(command), V(service),
              V(group), V(user).
          returned: always
          type: str
        what:
          description: The step in a line.
          returned: always
          type: str
        reason:
          description: Why.
          returned: always
          type: str
        disruptive:
          description: Whether it is not done while jobs run.
          returned: always
          type: bool
        slow:
          description: Whether it may take minutes.
          returned: always
          type: bool
        undo:
          description: How a person goes back once it is done, empty where nothing is to be undone.
          returned: always
          type: str
    reasons:
      description: Why this release and this driver, in sentences.
      returned: always
      type: list
      elements: str
    refusals:
      description: What stands in the way, or is only to be known.
      returned: always
      type: list
      elements: dict
      contains:
        code:
          description: Stable code, such as V(RS-BUSY).
          returned: always
          type: str
        severity:
          description: V(critical) stops before the first change, V(warning) does not.
          returned: always
          type: str
        message:
          description: What it is, in a sentence.
          returned: always
          type: str
        remedy:
          description: The command to type or the option to set in the first line, advice in the others.
          returned: always
          type: str
        subject:
          description: What it is about, the PCI address where it is one GPU.
          returned: always
          type: str
        use:
          description: Options that would do, with their values.
          returned: always
          type: list
          elements: dict
    chosen:
      description: The ROCm that the plan leads to, null where none could be chosen or it is to be removed.
      returned: always
      type: dict
      contains:
        version:
          description: The release, such as V(7.2.4); of a distribution that of the first component that was asked for.
          returned: always
          type: str
        origin:
          description: Who delivers it, as in docs/refusals.md and the tables of this collection, such as V(debian).
          returned: always
          type: str
        stream:
          description: AMD's stream of releases, V(legacy) up to 7.2 or V(therock) from 7.9 on; null for a distribution's.
          returned: always
          type: str
        driver:
          description: V(inbox), V(dkms) or V(none).
          returned: always
          type: str
        driver_version:
          description: Version of AMD's driver in its own numbering, null where the kernel's own drives the GPUs.
          returned: always
          type: str
        gfx_targets:
          description: The targets of the node's GPUs, such as V(gfx942).
          returned: always
          type: list
          elements: str
        support:
          description: What the release makes of the GPUs, the worst of them, V(supported), V(unofficial) or V(unknown).
          returned: always
          type: str
        components:
          description: The components and the release of each, as pairs.
          returned: always
          type: list
          elements: list
        override:
          description: The value of C(HSA_OVERRIDE_GFX_VERSION) that the GPUs need, null for none.
          returned: always
          type: str
        notes:
          description: Why another release was not taken.
          returned: always
          type: list
          elements: str
        offered:
          description: The releases that its origin has for these GPUs, empty where nobody had to be asked.
          returned: always
          type: list
          elements: str
    packages:
      description: The whole transaction as the node's package manager resolved it.
      returned: always
      type: list
      elements: dict
      contains:
        action:
          description: V(install), V(upgrade), V(downgrade), V(reinstall) or V(remove).
          returned: always
          type: str
        name:
          description: Name of the package.
          returned: always
          type: str
        before:
          description: Installed version, null where there is none.
          returned: always
          type: str
        after:
          description: Version afterwards, null where it is removed.
          returned: always
          type: str
        repository:
          description: Where it comes from, in the package manager's words.
          returned: always
          type: str
        architecture:
          description: Its architecture.
          returned: always
          type: str
    reboot_reasons:
      description: Why a reboot is needed after the plan, empty where it is not.
      returned: always
      type: list
      elements: str
    touches:
      description: What the plan touches besides packages and files.
      returned: always
      type: dict
      contains:
        services:
          description: Services that are stopped, started or restarted.
          returned: when there are any
          type: list
          elements: str
        processes:
          description: Processes that use the GPUs.
          returned: when there are any
          type: list
          elements: str
        kernels:
          description: Kernels that get a module.
          returned: when there are any
          type: list
          elements: str
status:
  description: The same as RV(plan.status).
  returned: when the node could be inspected
  type: str
before:
  description:
    - C(rocm) and C(driver) before anything was done, in the form of C(ansible_facts.gpu.amd) of M(gpufleet.node.gpu_facts), null where
      there is nothing of AMD.
  returned: when the node could be inspected
  type: dict
after:
  description:
    - Both afterwards, in the same form. In check mode it is what the plan leads to, as far as that can be known before.
  returned: when the node could be inspected
  type: dict
verification:
  description: Whether the node has the wanted ROCm and its users can use it, as it was seen last. Check mode speaks of the node as it is.
  returned: when the node could be inspected
  type: dict
  contains:
    status:
      description: V(verified), V(after_reboot) where only a reboot is left, or V(failed).
      returned: always
      type: str
    broken_link:
      description: The first broken link, null where none is.
      returned: always
      type: str
    links:
      description: The links in their order.
      returned: always
      type: list
      elements: dict
      contains:
        link:
          description:
            - One of V(packages), V(lock), V(driver), V(next_boot), V(module_loaded), V(kfd), V(access), V(rocminfo), V(clinfo),
              V(amd_smi).
          returned: always
          type: str
        state:
          description: V(ok), V(broken), V(after_reboot), V(unknown) or V(not_applicable).
          returned: always
          type: str
        reason:
          description: Why.
          returned: always
          type: str
reboot_required:
  description: Whether the node has to be rebooted before ROCm is as wanted.
  returned: when the node could be inspected
  type: bool
reboot_reasons:
  description: Why.
  returned: when the node could be inspected
  type: list
  elements: str
findings:
  description:
    - What M(gpufleet.node.gpu_check) has to say about the node as it was seen last, critical findings first; none where ROCm is
      as ordered and works, and none where the plan is refused.
  returned: when the node could be inspected
  type: list
  elements: dict
text:
  description: The plan for people, line by line, at most 100 columns. It is what diff mode shows.
  returned: when the node could be inspected
  type: list
  elements: str
failed_step:
  description: The step that failed.
  returned: when a step failed
  type: str
done_steps:
  description: The steps that were done before.
  returned: when a step failed
  type: list
  elements: str
open_steps:
  description: The steps that were not begun.
  returned: when a step failed
  type: list
  elements: str
undo:
  description: What takes the node back, in this order, to what it was before the change; what earlier runs began of it is included.
  returned: when a step failed
  type: list
  elements: str
"""

import datetime  # noqa: E402
import getpass  # noqa: E402
import os  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

from ..module_utils._inventory._probes import live  # noqa: E402
from ..module_utils._plan.rocm_order import ARGUMENTS, OrderError, RocmOrder  # noqa: E402
from ..module_utils._plan.wish import WishError  # noqa: E402

_BARE = (
    "rocm_stack runs here without its action plugin, which does the work on the controller: call it as gpufleet.node.rocm_stack"
    " from a playbook, or set library and action_plugins in ansible.cfg together. Nothing was changed."
)


def _fetch(url: str, proxy: str | None) -> bytes:
    from ..module_utils._packages._fetch import fetch  # most runs fetch nothing

    return fetch(url, proxy)


def main() -> None:
    """Inspect and answer; the action plugin does the rest."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if not module.check_mode:
        module.fail_json(msg=_BARE)
    asked = module.params
    try:
        order, host = RocmOrder.parse(asked), live()
        from ..module_utils._enforce import inspect  # an option that nobody can serve is told before these are loaded
        from ..module_utils._rocm import PLANNER

        user = "root" if os.geteuid() == 0 else getpass.getuser()
        today = datetime.date.today().isoformat()
        answer = inspect(host, order, PLANNER, asked["timeout"], module.tmpdir, _fetch, today, user)
    except (OrderError, WishError) as error:
        module.fail_json(msg=str(error))
    if answer.get("failed"):
        module.fail_json(**answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
