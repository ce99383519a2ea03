# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection: documentation shared by the module that has a driver installed and the one that only looks for it."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that order an NVIDIA driver."""

    DOCUMENTATION = r"""
options:
  version:
    description:
      - A branch (V(580)), an exact version (V(580.95.05)), a package revision (V(550.163.01-4~bpo13+1)), a range
        (V(>=535,<590)), or a channel, one of V(lts), V(production) and V(new_feature).
      - Quote it. A number with a fraction is refused, since YAML turns 550.100 into 550.1, which is another version.
      - Where no driver is installed, a range means the newest supported long-term branch in it that serves all GPUs, else the
        newest production branch.
    type: raw
    default: '>=530'
  state:
    description:
      - V(present) keeps what is allowed, and installs where nothing is.
      - V(latest) goes to the newest that O(version) allows and the packages sources offer.
      - V(absent) removes what this module has installed, written and locked on the node, and nothing else. Packages that
        others need by now stay, and the plan names them; while they need the driver itself, nothing is removed. What O(version) and
        the options beside it wish for a driver does not count then; a module that is loaded stays so until the next boot.
    type: str
    choices: [present, latest, absent]
    default: present
  flavour:
    description:
      - The kernel module. V(auto) takes the one that all GPUs and the branch need, else NVIDIA's recommendation for the GPUs.
    type: str
    choices: [auto, open, proprietary]
    default: auto
  origin:
    description:
      - Whose packages. V(auto) keeps to whoever made the installed ones. Where there are none it is the distribution, and NVIDIA's
        repository only where the distribution cannot serve the GPUs at all.
      - V(nvidia) adds NVIDIA's repository where it is missing, with a key that is pinned by its fingerprint.
    type: str
    choices: [auto, distribution, nvidia]
    default: auto
  components:
    description:
      - V(compute) is CUDA, C(nvidia-smi) and the kernel module. V(full) has OpenGL and display too.
      - Fabric Manager, NSCQ and IMEX follow the hardware in both cases.
    type: str
    choices: [compute, full]
    default: compute
  precompiled:
    description:
      - Kernel modules that the distribution has built and signed. V(auto) takes them where every kernel has one, else modules are
        built on the node with DKMS.
      - V(always) refuses where there are none, V(never) always builds.
    type: str
    choices: [auto, always, never]
    default: auto
  hold:
    description:
      - Keep C(apt upgrade), unattended-upgrades, C(dnf update) and C(zypper update) from moving the driver to another branch.
      - Kernels get their modules nevertheless, also those to come.
    type: bool
    default: true
  when_no_gpu:
    description:
      - What to do on a node without an NVIDIA GPU.
    type: str
    choices: [skip, fail]
    default: skip
  reload:
    description:
      - V(if_idle) replaces a loaded kernel module at once where nothing uses the GPUs. V(never) leaves that to a reboot.
    type: str
    choices: [never, if_idle]
    default: never
  replace_runfile:
    description:
      - Whether a driver that was installed by a C(.run) file may be removed, with a copy of its files kept, to make room for
        packages. It is refused otherwise.
    type: bool
    default: false
  update_initramfs:
    description:
      - Whether to rebuild the initial RAM file system, without which nouveau may come back at the next boot.
    type: bool
    default: true
  restore_nouveau:
    description:
      - With O(state=absent), whether nouveau may be loaded again.
    type: bool
    default: false
  persistence:
    description:
      - Whether the persistence daemon is enabled, which keeps GPUs initialised while nobody uses them.
    type: bool
    default: true
  module_parameters:
    description:
      - Parameters of the kernel module, such as C(NVreg_EnableGpuFirmware). They count when the module is loaded next.
    type: dict
    default: {}
  mirror:
    description:
      - URL of your copy of NVIDIA's package server. It takes the place of C(https://developer.download.nvidia.com), so it has the same
        folders below it, C(compute/cuda/repos/rhel9/x86_64) for example.
    type: str
  repository_key:
    description:
      - URL (V(file:///root/key.asc) for a file of the node) or text of the OpenPGP key of the repository at O(mirror), where it is
        signed with another key than NVIDIA's.
      - It takes the place of the key whose fingerprint this collection knows, so it must be one that you trust.
    type: str
  repository_priority:
    description:
      - Priority of NVIDIA's repository, in the package manager's own order.
    type: int
"""
