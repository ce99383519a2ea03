# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection: documentation shared by the module that has ROCm installed and the one that only looks for it."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that order ROCm."""

    DOCUMENTATION = r"""
options:
  version:
    description:
      - A release (V(7.2.4)), a series of releases (V(7.2)), or a range (V(>=6.0), V(>=6.4,<7)). V(7.10) follows V(7.2).
      - Quote it. A number with a fraction is refused, since YAML turns 7.10 into 7.1, which is another release.
      - A release that is there, allowed and right for all GPUs stays. Where none is, it is the newest one that the origin offers
        for all of them.
      - A distribution's ROCm is a set of components of different releases. The wish is judged by each component that is asked for.
    type: raw
    default: '>=6.0'
  state:
    description:
      - V(present) keeps what is allowed, and installs where nothing is.
      - V(latest) goes to the newest release that O(version) allows and the origin offers.
      - V(absent) removes what this module has installed, written and locked on the node, and nothing else. Packages that others need
        by now stay, and the plan names them. Users stay in their groups. What O(version) and the options beside it wish for does not
        count then.
    type: str
    choices: [present, latest, absent]
    default: present
  driver:
    description:
      - The kernel module C(amdgpu). V(inbox) is the kernel's own, V(dkms) is AMD's C(amdgpu-dkms), built for each kernel that boots.
      - V(auto) takes the kernel's own where it is enough for the GPUs and the release, and says why.
      - V(none) leaves the driver to somebody else, as in containers.
    type: str
    choices: [auto, inbox, dkms, none]
    default: auto
  driver_version:
    description:
      - Version of AMD's driver in its own numbering, such as V(30.30.4), a series or a range. V(auto) is the one that AMD documents
        for the release. Quote it.
    type: raw
  origin:
    description:
      - Whose packages. V(auto) keeps to whoever made the installed ones. Where there are none it is the distribution, and AMD's
        repository where the distribution cannot serve the wish.
      - V(amd) adds AMD's repositories where they are missing, with keys that are pinned by their fingerprints.
    type: str
    choices: [auto, distribution, amd]
    default: auto
  components:
    description:
      - What to install, each with what it needs. V(runtime) is what lists and opens the devices (C(rocminfo) and the HSA runtime),
        V(hip) the HIP runtime, V(opencl) the OpenCL runtime and C(clinfo), V(ml) the libraries that machine learning uses,
        V(developer) compilers and headers, V(smi) the management tools, V(all) everything.
    type: list
    elements: str
    choices: [runtime, hip, opencl, ml, developer, smi, all]
    default: [runtime]
  users:
    description:
      - Accounts that may use the devices. They are added to the groups of C(/dev/kfd) and C(/dev/dri/renderD*) and keep all others.
      - What C(rocminfo) and C(clinfo) list is verified as each of these users. A session that is open gets the groups with the next
        login, and the result says so.
    type: list
    elements: str
    default: []
  allow_unsupported_gpu:
    description:
      - Whether to go on where a GPU is outside AMD's list for the release and works only as another one, by
        C(HSA_OVERRIDE_GFX_VERSION). The override is written to a file for services and login shells then. Without this it is named
        in the refusal.
    type: bool
    default: false
  side_by_side:
    description:
      - Whether a release is installed beside those that are there, below C(/opt/rocm-X.Y.Z), instead of in their place. The default
        of the node is chosen by the distribution's alternatives. Only AMD's repositories have such packages.
    type: bool
    default: false
  hold:
    description:
      - Keep C(apt upgrade), unattended-upgrades, C(dnf update) and C(zypper update) from moving ROCm to another release.
    type: bool
    default: true
  when_no_gpu:
    description:
      - What to do on a node without an AMD GPU that ROCm could use.
    type: str
    choices: [skip, fail]
    default: skip
  update_initramfs:
    description:
      - Whether to rebuild the initial RAM file system where the module C(amdgpu) or its firmware changes.
    type: bool
    default: true
  mirror:
    description:
      - URL of your copy of AMD's package server. It takes the place of C(https://repo.radeon.com), and of C(https://repo.amd.com) for
        the newer releases, so it has the same folders below it, C(rocm/apt/7.2.4) for example.
    type: str
  repository_key:
    description:
      - URL (V(file:///root/key.asc) for a file of the node) or text of the OpenPGP key of the repositories at O(mirror), where they
        are signed with another key than AMD's.
      - It takes the place of the keys whose fingerprints this collection knows, so it must be one that you trust.
    type: str
  repository_priority:
    description:
      - Priority of AMD's repositories, in the package manager's own order. The default is AMD's own, 600 for apt.
    type: int
"""
