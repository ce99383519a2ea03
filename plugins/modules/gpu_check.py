#!/usr/bin/python
# Copyright (c) 2026 gpufleet contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_check
short_description: Say whether a node's GPUs are ready for AI work, and where the chain breaks
version_added: 1.0.0
description:
  - Looks at PCI, kernel driver, module, device files, NVML or KFD, CUDA or HIP, container runtime and PyTorch of a node, and
    names the first broken link and the next command. Reports what else it found, such as Xid errors, bad memory or narrow PCI
    Express links.
  - Changes nothing, starts nothing on a GPU, needs no root, and never fails because of the hardware. Decide with
    RV(verdict.status) or RV(exit_status) what shall fail a play.
  - What could not be read is reported as V(unknown), it is not a pass.
extends_documentation_fragment:
  - gpufleet.node._look
options:
  acknowledge:
    description:
      - Codes of findings that somebody knows of and lives with. They stay in RV(findings) as V(info), with
        RV(findings[].acknowledged=true), break no link, and no longer count in RV(exit_status).
    type: list
    elements: str
    default: []
attributes:
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: none
author:
  - gpufleet contributors (@gpufleet)
seealso:
  - module: gpufleet.node.gpu_facts
"""

EXAMPLES = r"""
- name: Check the GPUs
  gpufleet.node.gpu_check:
  register: gpu

- name: Show where the chain breaks
  ansible.builtin.debug:
    msg: "{{ gpu.text }}"

- name: Stop where the GPUs cannot work
  ansible.builtin.assert:
    that: gpu.verdict.status in ['ready', 'degraded']
    fail_msg: "{{ gpu.verdict.summary }}. Next: {{ gpu.verdict.next_command }}"

- name: Check a node whose owner knows that its cards stay on an old branch
  gpufleet.node.gpu_check:
    acknowledge: [NV-BRANCH-ENDED, NV-NOT-HELD]

- name: Check a recorded machine
  gpufleet.node.gpu_check:
    evidence: /tmp/node17.json
"""

RETURN = r"""
findings:
  description: Everything worth saying, critical findings first. docs/findings.md has a section for each code.
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description: Stable code, such as V(NV-LIB-MISMATCH).
      returned: always
      type: str
    severity:
      description: One of V(info), V(warning), V(critical), V(unknown).
      returned: always
      type: str
    subject:
      description: What it is about, the PCI address where it is one GPU.
      returned: always
      type: str
    message:
      description: The finding in a sentence.
      returned: always
      type: str
    evidence:
      description: The values that it rests on. Its keys depend on the code, such as C(xid) for the number of an Xid error.
      returned: always
      type: dict
    remedy:
      description: The command to type or the variable to set in the first line, advice in the others.
      returned: always
      type: str
    reference:
      description: Where to read more.
      returned: always
      type: str
    acknowledged:
      description: Whether O(acknowledge) names it.
      returned: always
      type: bool
verdict:
  description: The findings as one verdict.
  returned: always
  type: dict
  contains:
    status:
      description:
        - V(ready), or V(degraded) where something should be done but GPUs work, V(not_ready) where no GPU can work.
        - V(no_gpu) where there is none, V(unknown) where too little could be read.
      returned: always
      type: str
    summary:
      description: The verdict in a sentence.
      returned: always
      type: str
    chain:
      description: The links from PCI to PyTorch, in this order.
      returned: always
      type: list
      elements: dict
      contains:
        link:
          description:
            - One of V(pci), V(kernel_driver), V(module), V(device_nodes), V(nvml_kfd), V(cuda_hip), V(container), V(pytorch).
          returned: always
          type: str
        state:
          description: One of V(ok), V(broken), V(unknown), V(not_applicable).
          returned: always
          type: str
        reason:
          description: Why.
          returned: always
          type: str
    broken_link:
      description: The first broken link, null where none is.
      returned: always
      type: str
    next_command:
      description: What to do first, null where nothing is to be done.
      returned: always
      type: str
    devices:
      description: What each card is good for.
      returned: always
      type: list
      elements: dict
      contains:
        index:
          description: Position of the card, as in the facts.
          returned: always
          type: int
        name:
          description: Name of the card.
          returned: always
          type: str
        fitness:
          description:
            - V(ideal), V(excellent), V(good), V(quantised models only), V(works with a known workaround), V(not supported) or
              V(unknown).
          returned: always
          type: str
        reason:
          description: Why.
          returned: always
          type: str
    fallback:
      description: What runs on the processor, where there is no GPU.
      returned: always
      type: list
      elements: dict
      contains:
        what:
          description: What runs.
          returned: always
          type: str
        command:
          description: How to start or install it.
          returned: always
          type: str
exit_status:
  description:
    - What C(check_gpu.pyz) would exit with, 0 pass, 1 warning, 2 critical, 3 unknown.
    - Critical counts before unknown, unknown before warning.
  returned: always
  type: int
gpu:
  description: The machine in a few words. M(gpufleet.node.gpu_facts) tells all.
  returned: always
  type: dict
  contains:
    count:
      description: Number of GPUs.
      returned: always
      type: int
    vendors:
      description: Their vendors, sorted.
      returned: always
      type: list
      elements: str
    devices:
      description: One entry for each GPU, in the order of PCI addresses.
      returned: always
      type: list
      elements: dict
      contains:
        index:
          description: Position in this list.
          returned: always
          type: int
        name:
          description: Name of the card.
          returned: always
          type: str
        address:
          description: PCI address, null where there is none.
          returned: always
          type: str
        kernel_driver:
          description: Kernel driver that is bound to it.
          returned: always
          type: str
        memory_mib:
          description: Memory in MiB.
          returned: always
          type: int
    driver_version:
      description: Version of the NVIDIA driver.
      returned: always
      type: str
    cuda_version:
      description: Newest CUDA that the driver serves.
      returned: always
      type: str
    rocm_version:
      description: Version of ROCm.
      returned: always
      type: str
text:
  description: The report for people, line by line, at most 100 columns.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

from ..module_utils._check.report_text import render  # noqa: E402
from ..module_utils._check.run import check  # noqa: E402
from ..module_utils._check.seen import known_codes, seen  # noqa: E402
from ..module_utils._inventory._gather import gather  # noqa: E402
from ..module_utils._inventory._survey import SOURCES  # noqa: E402
from ..module_utils._machine import machine  # noqa: E402


def main() -> None:
    """Look, check and return the report."""
    module = AnsibleModule(
        argument_spec={
            "acknowledge": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float", "default": 10.0},
            "root": {"type": "path", "default": "/"},
            "evidence": {"type": "path"},
            "sources": {"type": "list", "elements": "str", "choices": list(SOURCES)},
        },
        supports_check_mode=True,
    )
    asked = module.params
    if not 0 < asked["timeout"] <= 3600:
        module.fail_json(msg=f"timeout: {asked['timeout']:g} is not a number of seconds between 0 and 3600")
    try:
        accepted = known_codes(asked["acknowledge"])
        host = machine(asked["root"], asked["evidence"])
        inventory = gather(host, ("all",), asked["timeout"], asked["sources"] or SOURCES, deep=True)
    except ValueError as error:
        module.fail_json(msg=str(error))
    report = check(inventory, accepted)
    module.exit_json(changed=False, gpu=seen(inventory), text=render(report).split("\n"), **report.as_dict())


if __name__ == "__main__":
    main()
