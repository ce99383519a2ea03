#!/usr/bin/python
# Copyright (c) 2026 gpufleet contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_facts
short_description: Gather facts about GPUs, their drivers and what stands on them
version_added: 1.0.0
description:
  - Finds every NVIDIA, AMD and Intel GPU of a node, driver or not, and what is known of driver, libraries, kernels, containers
    and toolkits.
  - Changes nothing, needs no root, and never fails because of the hardware.
    What could not be read is named in RV(ansible_facts.ansible_gpu.problems).
  - Looking loads no kernel module. NVML and C(nvidia-smi) are asked only where the driver is loaded already.
extends_documentation_fragment:
  - gpufleet.node._look
options:
  gather_subset:
    description:
      - Subsets to add to the default ones, which are V(devices), V(driver), V(software), V(kernel) and V(topology).
      - V(runtime) adds what changes while a job runs (memory in use, power draw, temperatures, clocks, utilisation), and
        V(processes) the processes on each GPU. V(all) is every subset.
      - A name with V(!) in front, such as V(!software), leaves out a default subset.
    type: list
    elements: str
    default: []
author:
  - gpufleet contributors (@gpufleet)
seealso:
  - module: gpufleet.node.gpu_check
notes:
  - The value is the same on each run of an unchanged node as long as neither V(runtime) nor V(processes) is asked for, so
    it can be kept in a fact cache.
  - Set the environment variable E(ANSIBLE_FACTS_MODULES) to V(ansible.builtin.setup,gpufleet.node.gpu_facts) to make it part of
    every C(gather_facts).
"""

EXAMPLES = r"""
- name: Gather facts about GPUs
  gpufleet.node.gpu_facts:

- name: Name the GPUs that stand in the way of an upgrade to a branch after 580
  ansible.builtin.debug:
    msg: "{{ ansible_facts.gpu.devices | selectattr('driver_support.status', 'defined')
      | selectattr('driver_support.status', 'equalto', 'ended') | map(attribute='name') }}"

- name: Gather power, temperatures and memory in use as well
  gpufleet.node.gpu_facts:
    gather_subset: [runtime]

- name: Look at a recorded machine
  gpufleet.node.gpu_facts:
    evidence: /tmp/node17.json
"""

RETURN = r"""
ansible_facts:
  description: Facts to add to the host.
  returned: always
  type: dict
  contains:
    ansible_gpu:
      description: Everything that is known of the node's GPUs. Unknown values are null.
      returned: always
      type: dict
      contains:
        schema_version:
          description: Version of the form of these facts. docs/gpu_facts.schema.json is its JSON schema.
          returned: always
          type: int
        count:
          description: Number of GPUs that are physically present, driver or not. Boards are counted, not partitions.
          returned: always
          type: int
        vendors:
          description: Vendors of these GPUs, sorted.
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
              description: Position in this list, stable between runs.
              returned: always
              type: int
            vendor:
              description: One of V(nvidia), V(amd), V(intel).
              returned: always
              type: str
            name:
              description: Marketing name as the vendor writes it.
              returned: always
              type: str
            architecture:
              description: Generation in lower case, such as V(hopper) or V(cdna3).
              returned: always
              type: str
            compute_capability:
              description: CUDA compute capability, NVIDIA only.
              returned: always
              type: str
            gfx_target:
              description: LLVM target of the instruction set, AMD only, such as V(gfx942).
              returned: always
              type: str
            uuid:
              description: UUID that the driver gives, null where no driver runs.
              returned: always
              type: str
            serial:
              description: Serial number of the board.
              returned: always
              type: str
            vbios_version:
              description: Version of the video BIOS.
              returned: always
              type: str
            pci:
              description: What the PCI bus shows. Null where there is no PCI device, as in WSL.
              returned: always
              type: dict
              contains:
                address:
                  description: Domain, bus, device and function in lower case, with four or more digits of the domain.
                  returned: always
                  type: str
                vendor_id:
                  description: Vendor id, four hexadecimal digits.
                  returned: always
                  type: str
                device_id:
                  description: Device id, four hexadecimal digits.
                  returned: always
                  type: str
                subsystem_vendor_id:
                  description: Vendor of the board, four hexadecimal digits.
                  returned: always
                  type: str
                subsystem_device_id:
                  description: Id of the board, four hexadecimal digits.
                  returned: always
                  type: str
                revision:
                  description: Revision, two hexadecimal digits.
                  returned: always
                  type: str
                class:
                  description: Class and subclass, four hexadecimal digits, such as V(0302).
                  returned: always
                  type: str
                kernel_driver:
                  description: Kernel driver that is bound to it, null if there is none.
                  returned: always
                  type: str
                numa_node:
                  description: NUMA node that it is attached to.
                  returned: always
                  type: int
                readable:
                  description: Whether the device answers to reads of its configuration space, false where it fell off the bus.
                  returned: always
                  type: bool
                link:
                  description: State of the PCI Express link.
                  returned: always
                  type: dict
                  contains:
                    generation:
                      description: PCI Express generation.
                      returned: always
                      type: dict
                      contains:
                        current:
                          description: Generation in use, only with the subset V(runtime), since an idle link slows down.
                          returned: always
                          type: int
                        max:
                          description: Highest generation of the card.
                          returned: always
                          type: int
                    width:
                      description: Number of lanes.
                      returned: always
                      type: dict
                      contains:
                        current:
                          description: Lanes in use.
                          returned: always
                          type: int
                        max:
                          description: Lanes of the card.
                          returned: always
                          type: int
                bridge:
                  description: The port above the card.
                  returned: always
                  type: dict
                  contains:
                    address:
                      description: PCI address of that port.
                      returned: always
                      type: str
                    generation_max:
                      description: Highest generation of that port.
                      returned: always
                      type: int
                    width_max:
                      description: Lanes of that port.
                      returned: always
                      type: int
            memory:
              description: Memory of the GPU.
              returned: always
              type: dict
              contains:
                total_mib:
                  description: Size in MiB as the driver reports it, of the whole board where it is partitioned.
                  returned: always
                  type: int
                used_mib:
                  description: Memory in use in MiB.
                  returned: when O(gather_subset) has V(runtime)
                  type: int
                kind:
                  description: V(dedicated), or V(unified) where it is shared with the processor.
                  returned: always
                  type: str
                ecc:
                  description: Error correction. Null where the card has none.
                  returned: always
                  type: dict
                  contains:
                    enabled:
                      description: Whether ECC is on.
                      returned: always
                      type: bool
                    pending:
                      description: Whether ECC will be on after the next reset.
                      returned: always
                      type: bool
                    volatile_corrected:
                      description: Corrected errors since the driver was loaded.
                      returned: always
                      type: int
                    volatile_uncorrected:
                      description: Uncorrected errors since the driver was loaded.
                      returned: always
                      type: int
                    aggregate_corrected:
                      description: Corrected errors in the life of the card.
                      returned: always
                      type: int
                    aggregate_uncorrected:
                      description: Uncorrected errors in the life of the card.
                      returned: always
                      type: int
                remapped_rows:
                  description: Row remapping, Ampere and later.
                  returned: always
                  type: dict
                  contains:
                    corrected:
                      description: Rows remapped because of corrected errors.
                      returned: always
                      type: int
                    uncorrected:
                      description: Rows remapped because of uncorrected errors.
                      returned: always
                      type: int
                    pending:
                      description: Whether a remapping waits for a reset.
                      returned: always
                      type: bool
                    failure:
                      description: Whether a remapping failed.
                      returned: always
                      type: bool
                retired_pages:
                  description: Page retirement, before Ampere.
                  returned: always
                  type: dict
                  contains:
                    single_bit:
                      description: Pages retired because of repeated single-bit errors.
                      returned: always
                      type: int
                    double_bit:
                      description: Pages retired because of double-bit errors.
                      returned: always
                      type: int
                    pending:
                      description: Whether a retirement waits for a reboot.
                      returned: always
                      type: bool
            power:
              description: Power of the card.
              returned: always
              type: dict
              contains:
                limit_w:
                  description: Limit in force in W.
                  returned: always
                  type: float
                default_limit_w:
                  description: Default limit in W.
                  returned: always
                  type: float
                max_limit_w:
                  description: Highest limit in W.
                  returned: always
                  type: float
                draw_w:
                  description: Power draw in W.
                  returned: when O(gather_subset) has V(runtime)
                  type: float
            temperature_c:
              description: Temperatures in degrees Celsius.
              returned: always
              type: dict
              contains:
                slowdown:
                  description: Temperature at which the hardware slows down.
                  returned: always
                  type: float
                shutdown:
                  description: Temperature at which the hardware shuts down.
                  returned: always
                  type: float
                gpu:
                  description: Temperature of the GPU.
                  returned: when O(gather_subset) has V(runtime)
                  type: float
                memory:
                  description: Temperature of the memory.
                  returned: when O(gather_subset) has V(runtime)
                  type: float
            clocks_mhz:
              description: Clocks in MHz.
              returned: always
              type: dict
              contains:
                max_sm:
                  description: Highest clock of the multiprocessors, or of the shader engines.
                  returned: always
                  type: int
                max_memory:
                  description: Highest clock of the memory.
                  returned: always
                  type: int
                sm:
                  description: Clock of the multiprocessors, or of the shader engines.
                  returned: when O(gather_subset) has V(runtime)
                  type: int
                memory:
                  description: Clock of the memory.
                  returned: when O(gather_subset) has V(runtime)
                  type: int
            utilization_percent:
              description: Utilisation over the driver's last sample period.
              returned: when O(gather_subset) has V(runtime)
              type: dict
              contains:
                gpu:
                  description: Time in which a kernel was running.
                  returned: always
                  type: float
                memory:
                  description: Time in which memory was read or written.
                  returned: always
                  type: float
            throttle_reasons:
              description: Why the clocks are below what they could be.
              returned: when O(gather_subset) has V(runtime)
              type: list
              elements: str
            performance_state:
              description: Performance state, V(P0) is the fastest.
              returned: when O(gather_subset) has V(runtime)
              type: str
            persistence_mode:
              description: Whether the driver keeps the GPU initialised, NVIDIA only.
              returned: always
              type: bool
            compute_mode:
              description: Compute mode, such as V(default) or V(exclusive_process).
              returned: always
              type: str
            recovery_action:
              description: >-
                What the driver asks for to recover, one of V(none), V(reset), V(reboot), V(drain_p2p), V(drain_and_reset).
              returned: always
              type: str
            lost:
              description: Whether the driver reports the GPU as lost.
              returned: always
              type: bool
            mig:
              description: Multi-Instance GPU. Null where the card has none.
              returned: always
              type: dict
              contains:
                enabled:
                  description: Whether MIG mode is on.
                  returned: always
                  type: bool
                pending:
                  description: Whether MIG mode will be on after the next reset.
                  returned: always
                  type: bool
                instances:
                  description: MIG devices, one for each compute instance.
                  returned: always
                  type: list
                  elements: dict
                  contains:
                    uuid:
                      description: UUID of the MIG device.
                      returned: always
                      type: str
                    profile:
                      description: Profile, such as V(1g.10gb).
                      returned: always
                      type: str
                    memory_mib:
                      description: Memory in MiB.
                      returned: always
                      type: int
                    gpu_instance_id:
                      description: Id of the GPU instance.
                      returned: always
                      type: int
                    compute_instance_id:
                      description: Id of the compute instance.
                      returned: always
                      type: int
            partitioning:
              description: Compute and memory partitioning, AMD Instinct only.
              returned: always
              type: dict
              contains:
                compute:
                  description: Compute partition mode, such as V(SPX) or V(CPX).
                  returned: always
                  type: str
                memory:
                  description: Memory partition mode, such as V(NPS1).
                  returned: always
                  type: str
                partitions:
                  description: Number of partitions that the board shows.
                  returned: always
                  type: int
            apu:
              description: Whether the GPU is part of a processor, AMD only.
              returned: always
              type: bool
            virtualization:
              description: One of V(none), V(passthrough), V(vgpu), V(sriov_vf).
              returned: always
              type: str
            nvlink:
              description: NVLink. Null where the card has none or nothing was told.
              returned: always
              type: dict
              contains:
                links_total:
                  description: Number of links.
                  returned: always
                  type: int
                links_active:
                  description: Number of active links.
                  returned: always
                  type: int
            xgmi:
              description: Infinity Fabric links to other GPUs, AMD only.
              returned: always
              type: dict
              contains:
                links_total:
                  description: Number of links.
                  returned: always
                  type: int
                links_active:
                  description: Number of active links.
                  returned: always
                  type: int
            minor_number:
              description: Number of the device node C(/dev/nvidiaN).
              returned: always
              type: int
            processes:
              description: Processes that use the GPU.
              returned: when O(gather_subset) has V(processes)
              type: list
              elements: dict
              contains:
                pid:
                  description: Process id.
                  returned: always
                  type: int
                name:
                  description: Name of the program.
                  returned: always
                  type: str
                kind:
                  description: V(compute) or V(graphics).
                  returned: always
                  type: str
                used_memory_mib:
                  description: Memory that it uses in MiB.
                  returned: always
                  type: int
            driver_support:
              description: Which driver branches serve the card, NVIDIA only.
              returned: always
              type: dict
              contains:
                status:
                  description: V(served) by current branches, V(ended) where newer branches dropped it, or V(unknown).
                  returned: always
                  type: str
                first_branch:
                  description: First branch that serves it.
                  returned: always
                  type: int
                last_branch:
                  description: Last branch that serves it, null while there is none.
                  returned: always
                  type: int
                open_module:
                  description: Whether the open kernel module is V(required), V(supported) or V(unsupported).
                  returned: always
                  type: str
            rocm_support:
              description: Which ROCm releases support the card, AMD only.
              returned: always
              type: dict
              contains:
                status:
                  description: >-
                    V(supported), V(unofficial) where it works without AMD's support, V(unsupported), V(ended) or V(unknown).
                  returned: always
                  type: str
                first_release:
                  description: First release that supports it.
                  returned: always
                  type: str
                last_release:
                  description: Last release that supports it, null while there is none.
                  returned: always
                  type: str
                override:
                  description: Value of E(HSA_OVERRIDE_GFX_VERSION) that is known to make it work.
                  returned: always
                  type: str
            source:
              description: Sources that contributed.
              returned: always
              type: list
              elements: str
        nvidia:
          description: NVIDIA software of the node. Absent where neither an NVIDIA device nor NVIDIA software is found.
          returned: when such a device or its software is found
          type: dict
          contains:
            driver:
              description: The driver.
              returned: always
              type: dict
              contains:
                installed_version:
                  description: Version of the installed packages.
                  returned: always
                  type: str
                loaded_version:
                  description: Version of the kernel module that is loaded.
                  returned: always
                  type: str
                library_version:
                  description: Version of the user-space libraries on disk.
                  returned: always
                  type: str
                branch:
                  description: Branch, such as 580.
                  returned: always
                  type: int
                kernel_module:
                  description: Flavour of the kernel module, V(open) or V(proprietary).
                  returned: always
                  type: str
                managed_by:
                  description: >-
                    Who owns the driver, one of V(packages), V(runfile), V(operator), V(jetpack), V(dgx_os), V(image),
                    V(vgpu), V(wsl), V(none).
                  returned: always
                  type: str
                origin:
                  description: Where the packages come from, such as V(debian), V(ubuntu), V(nvidia).
                  returned: always
                  type: str
                packages:
                  description: Installed driver packages with their versions.
                  returned: always
                  type: dict
                held:
                  description: Whether something keeps the driver from moving to another version.
                  returned: always
                  type: bool
                dkms:
                  description: DKMS builds.
                  returned: always
                  type: list
                  elements: dict
                  contains:
                    module:
                      description: Name of the DKMS module.
                      returned: always
                      type: str
                    version:
                      description: Version of its sources.
                      returned: always
                      type: str
                    kernel:
                      description: Kernel that it was built for, null where it was only added.
                      returned: always
                      type: str
                    status:
                      description: V(added), V(built), V(installed) or another word of DKMS.
                      returned: always
                      type: str
                next_boot_ready:
                  description: Whether the kernel that boots next has a kernel module.
                  returned: always
                  type: bool
            fabric:
              description: NVSwitch fabric.
              returned: always
              type: dict
              contains:
                required:
                  description: Whether the machine needs Fabric Manager.
                  returned: always
                  type: bool
                manager_version:
                  description: Version of Fabric Manager.
                  returned: always
                  type: str
                state:
                  description: State of the fabric as the driver reports it.
                  returned: always
                  type: str
                nvswitch_count:
                  description: Number of NVSwitches on PCI.
                  returned: always
                  type: int
            cuda_driver_version:
              description: Newest CUDA version that the driver serves, as the driver says.
              returned: always
              type: str
            nvml:
              description: The management library.
              returned: always
              type: dict
              contains:
                usable:
                  description: Whether NVML answered.
                  returned: always
                  type: bool
                error:
                  description: What NVML said where it did not work.
                  returned: always
                  type: str
                version:
                  description: Version of NVML.
                  returned: always
                  type: str
            services:
              description: States of the services, each one of V(active), V(inactive), V(failed), V(absent) or null.
              returned: always
              type: dict
              contains:
                persistenced:
                  description: NVIDIA persistence daemon.
                  returned: always
                  type: str
                fabricmanager:
                  description: Fabric Manager.
                  returned: always
                  type: str
                imex:
                  description: IMEX daemon.
                  returned: always
                  type: str
                dcgm:
                  description: Data Center GPU Manager.
                  returned: always
                  type: str
            device_nodes:
              description: Device nodes below C(/dev).
              returned: always
              type: list
              elements: str
        amd:
          description: AMD software of the node. Absent where neither an AMD device nor ROCm is found.
          returned: when such a device or its software is found
          type: dict
          contains:
            driver:
              description: The kernel driver amdgpu.
              returned: always
              type: dict
              contains:
                loaded:
                  description: Whether amdgpu is loaded.
                  returned: always
                  type: bool
                version:
                  description: Version of the driver where it tells one.
                  returned: always
                  type: str
                method:
                  description: V(inbox) for the kernel's own driver, V(dkms) for AMD's.
                  returned: always
                  type: str
                kfd:
                  description: Whether the compute interface KFD is there.
                  returned: always
                  type: bool
                dkms:
                  description: DKMS builds.
                  returned: always
                  type: list
                  elements: dict
                  contains:
                    module:
                      description: Name of the DKMS module.
                      returned: always
                      type: str
                    version:
                      description: Version of its sources.
                      returned: always
                      type: str
                    kernel:
                      description: Kernel that it was built for, null where it was only added.
                      returned: always
                      type: str
                    status:
                      description: V(added), V(built), V(installed) or another word of DKMS.
                      returned: always
                      type: str
            rocm:
              description: The ROCm user space.
              returned: always
              type: dict
              contains:
                version:
                  description: Version of ROCm.
                  returned: always
                  type: str
                path:
                  description: Where it is installed.
                  returned: always
                  type: str
                packages:
                  description: Installed ROCm packages with their versions.
                  returned: always
                  type: dict
                origin:
                  description: Where the packages come from, such as V(amd) or V(debian).
                  returned: always
                  type: str
            device_access:
              description: Who may use the compute device.
              returned: always
              type: dict
              contains:
                kfd_mode:
                  description: Mode of C(/dev/kfd), octal.
                  returned: always
                  type: str
                kfd_group:
                  description: Group of C(/dev/kfd).
                  returned: always
                  type: str
                groups:
                  description: Groups that own the device nodes.
                  returned: always
                  type: list
                  elements: str
                accessible:
                  description: Whether the user who looked may open C(/dev/kfd).
                  returned: always
                  type: bool
        software:
          description: What stands on the driver.
          returned: always
          type: dict
          contains:
            cuda_toolkits:
              description: CUDA toolkits.
              returned: always
              type: list
              elements: dict
              contains:
                version:
                  description: Version of the toolkit.
                  returned: always
                  type: str
                path:
                  description: Where it is installed.
                  returned: always
                  type: str
            container_runtimes:
              description: Container engines, null where absent.
              returned: always
              type: dict
              contains:
                docker:
                  description: Docker Engine.
                  returned: always
                  type: dict
                  contains:
                    version:
                      description: Version of Docker Engine.
                      returned: always
                      type: str
                    nvidia_runtime:
                      description: Whether the NVIDIA runtime is configured.
                      returned: always
                      type: bool
                    cgroup_driver:
                      description: Cgroup driver as configured, V(systemd) or V(cgroupfs).
                      returned: always
                      type: str
                podman:
                  description: Podman.
                  returned: always
                  type: dict
                  contains:
                    version:
                      description: Version of Podman.
                      returned: always
                      type: str
                containerd:
                  description: Containerd.
                  returned: always
                  type: dict
                  contains:
                    version:
                      description: Version of containerd.
                      returned: always
                      type: str
            container_toolkit:
              description: NVIDIA Container Toolkit, null where absent.
              returned: always
              type: dict
              contains:
                version:
                  description: Version of the toolkit.
                  returned: always
                  type: str
                cdi_specs:
                  description: CDI specifications of GPUs.
                  returned: always
                  type: list
                  elements: dict
                  contains:
                    path:
                      description: File of the specification.
                      returned: always
                      type: str
                    kind:
                      description: Kind, such as V(nvidia.com/gpu).
                      returned: always
                      type: str
                    devices:
                      description: Number of devices in it.
                      returned: always
                      type: int
                    driver_version:
                      description: Driver version that its library paths name.
                      returned: always
                      type: str
                    missing:
                      description: Paths that it mounts and that are not there.
                      returned: always
                      type: list
                      elements: str
            pytorch:
              description: Installations of PyTorch that were found without starting Python.
              returned: always
              type: list
              elements: dict
              contains:
                version:
                  description: Version of PyTorch.
                  returned: always
                  type: str
                backend:
                  description: Build, such as V(cu130), V(rocm7.1) or V(cpu).
                  returned: always
                  type: str
                path:
                  description: Folder of the package.
                  returned: always
                  type: str
        kernel:
          description: Kernels and what decides whether a driver loads.
          returned: always
          type: dict
          contains:
            release:
              description: Running kernel.
              returned: always
              type: str
            next_boot_release:
              description: Kernel that boots next, as far as the boot loader tells.
              returned: always
              type: str
            secure_boot:
              description: Whether Secure Boot is enforced.
              returned: always
              type: bool
            iommu:
              description: V(enabled) or V(disabled).
              returned: always
              type: str
            cgroup_version:
              description: Version of the control group hierarchy.
              returned: always
              type: int
            nouveau_loaded:
              description: Whether nouveau is loaded.
              returned: always
              type: bool
            nouveau_blacklisted:
              description: Whether nouveau is kept from loading.
              returned: always
              type: bool
            nouveau_in_initramfs:
              description: Whether the initial RAM file system would load nouveau, only known to gpu_check.
              returned: always
              type: bool
            compiler:
              description: Version of the compiler that built the running kernel.
              returned: always
              type: str
            installed:
              description: Installed kernels.
              returned: always
              type: list
              elements: dict
              contains:
                release:
                  description: Release of the kernel.
                  returned: always
                  type: str
                next_boot:
                  description: Whether it boots next.
                  returned: always
                  type: bool
                headers:
                  description: Whether its headers are installed.
                  returned: always
                  type: bool
                modules:
                  description: Driver modules that are built for it.
                  returned: always
                  type: dict
                  contains:
                    nvidia:
                      description: Module file of nvidia, null where there is none.
                      returned: always
                      type: dict
                      contains:
                        version:
                          description: Version of the module.
                          returned: always
                          type: str
                        flavour:
                          description: V(open) or V(proprietary).
                          returned: always
                          type: str
                        signer:
                          description: Who signed it, null where it is not signed.
                          returned: always
                          type: str
                        path:
                          description: Module file.
                          returned: always
                          type: str
                    amdgpu:
                      description: Module file of amdgpu, null where there is none.
                      returned: always
                      type: dict
                      contains:
                        version:
                          description: Version of the module.
                          returned: always
                          type: str
                        flavour:
                          description: V(open) or V(proprietary).
                          returned: always
                          type: str
                        signer:
                          description: Who signed it, null where it is not signed.
                          returned: always
                          type: str
                        path:
                          description: Module file.
                          returned: always
                          type: str
        system:
          description: The node.
          returned: always
          type: dict
          contains:
            distribution:
              description: Distribution as in C(ID) of C(os-release).
              returned: always
              type: str
            distribution_version:
              description: Its C(VERSION_ID).
              returned: always
              type: str
            distribution_like:
              description: Its C(ID_LIKE).
              returned: always
              type: list
              elements: str
            architecture:
              description: Machine architecture.
              returned: always
              type: str
            container:
              description: Whether this is inside a container, where the driver belongs to the host.
              returned: always
              type: bool
            wsl:
              description: Whether this is the Windows Subsystem for Linux.
              returned: always
              type: bool
            hypervisor:
              description: Hypervisor that the node runs on, null on bare metal.
              returned: always
              type: str
        problems:
          description: Sources that are there and failed. A source that is missing is no problem.
          returned: always
          type: list
          elements: dict
          contains:
            source:
              description: Source that failed.
              returned: always
              type: str
            code:
              description: One of V(timeout), V(crashed), V(not_permitted), V(unreadable), V(refused).
              returned: always
              type: str
            message:
              description: What went wrong, in the words of the source where it said something.
              returned: always
              type: str
"""

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

from ..module_utils._inventory import _ask_amd, _ask_nvidia, _ask_software  # noqa: E402
from ..module_utils._inventory._facts import facts  # noqa: E402
from ..module_utils._inventory._survey import SOURCES, survey, wanted_subsets  # noqa: E402
from ..module_utils._machine import machine  # noqa: E402


def main() -> None:
    """Gather and return the facts."""
    module = AnsibleModule(
        argument_spec={
            "gather_subset": {"type": "list", "elements": "str", "default": []},
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
        wanted = wanted_subsets(asked["gather_subset"])
        host = machine(asked["root"], asked["evidence"])
        first = [_ask_nvidia.ask, _ask_amd.ask, _ask_software.ask_names]
        found = facts(survey(host, first, [_ask_software.ask], wanted, asked["timeout"], asked["sources"] or SOURCES), wanted)
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, ansible_facts={"ansible_gpu": found})


if __name__ == "__main__":
    main()
