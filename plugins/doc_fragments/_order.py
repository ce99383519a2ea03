# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection: documentation shared by all modules that have something installed, and those that only look for it."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that every order has."""

    DOCUMENTATION = r"""
options:
  when_busy:
    description:
      - What to do while jobs use the GPUs, MIG instances of NVIDIA GPUs are in use, or a kubelet or slurmd is not drained.
      - V(refuse) fails. V(wait) looks again until they have ended, at most O(busy_timeout) seconds. V(proceed) warns and goes on.
    type: str
    choices: [refuse, wait, proceed]
    default: refuse
  busy_timeout:
    description:
      - Seconds to wait for jobs with O(when_busy=wait).
    type: int
    default: 1800
  allow_downgrade:
    description:
      - Whether what is installed may be replaced by an older version.
    type: bool
    default: false
  extra_packages:
    description:
      - Names of more packages to install in the same transaction.
    type: list
    elements: str
    default: []
  proxy:
    description:
      - URL of the HTTP proxy for what packages are fetched through by this module.
      - A name and a password in it are taken out of what is returned.
    type: str
  wait_for_lock:
    description:
      - Seconds to wait for another package manager, or for another run of this module, that is at work on the node.
    type: int
    default: 300
  acknowledge:
    description:
      - Codes of refusals that somebody knows of and lives with. They become warnings.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Deadline in seconds of each source that is asked about the node, see M(gpufleet.node.gpu_facts).
    type: float
    default: 10.0
"""
