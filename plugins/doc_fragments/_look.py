# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection: documentation shared by the modules that only look."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes of modules that look at a machine and change nothing."""

    DOCUMENTATION = r"""
options:
  timeout:
    description:
      - Deadline of each source in seconds. A source that does not answer in time becomes a problem and is not waited for.
      - Where GPUs run without persistence mode, NVML and C(nvidia-smi) are given more time, since each GPU is initialised first.
    type: float
    default: 10.0
  root:
    description:
      - Root of the file system to look at, for example of an offline image or of a host that is mounted in a container.
      - With another root than V(/) no command is run, since it would speak of the running system.
    type: path
    default: /
  evidence:
    description:
      - Path on the node of a recording made with C(check_gpu.pyz record FILE). The recorded machine is looked at instead of the node.
      - Mutually exclusive with another O(root) than V(/).
    type: path
  sources:
    description:
      - Ask only these sources. The default is to ask every one that fits the hardware.
    type: list
    elements: str
    choices:
      - pci
      - kernel
      - packages
      - dkms
      - nvidia_driver
      - nvidia_proc
      - nvml
      - nvidia_smi
      - kfd
      - amdgpu
      - amd_smi
      - rocminfo
      - rocm
      - vendor_lists
      - containers
      - logs
      - holders
attributes:
  check_mode:
    description: Can run in C(check_mode) and predict changes, which there are none of.
    support: full
  diff_mode:
    description: Will return details on what has changed, which nothing has.
    support: none
  platform:
    description: Nodes that this works on.
    support: full
    platforms: posix
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
"""
