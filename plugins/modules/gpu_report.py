#!/usr/bin/python
# Copyright (c) 2026 gpufleet contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_report
short_description: Show what gpu_check found, aligned, for people
version_added: 1.0.0
description:
  - Prints the reports of M(gpufleet.node.gpu_check) as text or JSON instead of as one long result.
  - Runs on the controller and asks no node, so it also speaks of hosts that are unreachable.
  - Where the standard output belongs to a callback for machines, such as C(ansible.posix.json), it prints to standard error.
    What is printed is in RV(lines) in any case.
options:
  results:
    description:
      - What M(gpufleet.node.gpu_check) returned for each host, as a dictionary with the names of the hosts as keys.
      - A host whose task failed or that was unreachable is shown with its message, one with an empty result as not asked.
    type: dict
    required: true
  style:
    description:
      - V(full) is the whole report of each host, V(table) one line for each host, V(json) the results as a JSON document.
    type: str
    choices: [full, table, json]
    default: full
attributes:
  action:
    description: Runs on the controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
  check_mode:
    description: Can run in C(check_mode) and predict changes, which there are none of.
    support: full
  diff_mode:
    description: Will return details on what has changed, which nothing has.
    support: none
author:
  - gpufleet contributors (@gpufleet)
seealso:
  - module: gpufleet.node.gpu_check
"""

EXAMPLES = r"""
- name: Check the GPUs
  gpufleet.node.gpu_check:
  register: gpu

- name: Show the report of this host
  gpufleet.node.gpu_report:
    results: "{{ {inventory_hostname: gpu} }}"

- name: Show one line for each host of the play
  gpufleet.node.gpu_report:
    results: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars)
      | map(attribute='gpu', default={}))) }}"
    style: table
  run_once: true
"""

RETURN = r"""
lines:
  description: The lines that were printed.
  returned: always
  type: list
  elements: str
"""
