# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/sys beside PCI: processors, network, firmware, InfiniBand, control groups."""

from __future__ import annotations

from .machine import Machine
from .profile import Profile
from .sysfs import folder_of, numa_node

_MAKERS = {
    "physical": ("Supermicro", "SYS-821GE-TNHR"),
    "kvm": ("QEMU", "Standard PC (Q35 + ICH9, 2009)"),
    "azure": ("Microsoft Corporation", "Virtual Machine"),
    "xen": ("Xen", "HVM domU"),
    "vmware": ("VMware, Inc.", "VMware7,1"),
    "desktop": ("ASUS", "System Product Name"),
    "dgx-spark": ("NVIDIA", "NVIDIA_DGX_Spark"),
    "aws": ("Amazon EC2", "p5.48xlarge"),
    "laptop": ("LENOVO", "21K5CTO1WW"),
}


def _infiniband(machine: Machine, profile: Profile) -> None:
    """Adapters, with the vendor's marks in their vital product data."""
    for name, about in (profile.about.get("infiniband") or {}).items():
        folder = folder_of(machine, about["address"])
        machine.values(f"{folder}/infiniband/{name}", node_type="1: CA", fw_ver="28.43.2026")
        machine.link(f"{folder}/infiniband/{name}/device", folder)
        machine.link(f"/sys/class/infiniband/{name}", f"{folder}/infiniband/{name}")
        text = f"Nvidia ConnectX-7 mezz for HGX B200 {about['vpd']}".encode()
        machine.write(f"{folder}/vpd", b"\x82" + len(text).to_bytes(2, "little") + text + b"\x78")


def _rest(machine: Machine, profile: Profile) -> None:
    """What `setup` and others look for: processors, network, DMI, an empty place for the cgroup mount."""
    machine.values("/sys/devices/system/cpu", online="0-15", present="0-15", possible="0-15")
    for number in sorted({max(numa_node(profile, gpu), 0) for gpu in profile.gpus} | {0}):
        machine.values(f"/sys/devices/system/node/node{number}", cpulist="0-15")
    machine.folder("/sys/bus/pci/devices")
    for name in ("ext4", "nvme", "nvme_core"):
        machine.values(f"/sys/module/{name}", initstate="live", refcnt=1)
    machine.folder("/sys/fs/cgroup")
    if profile.kernel["cgroup"] == 2:
        machine.write("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n")
    else:
        machine.folder("/sys/fs/cgroup/devices")
    for name, kind in (("lo", 772), ("eth0", 1)):
        place = f"/sys/devices/virtual/net/{name}"
        machine.values(
            place,
            address="02:00:00:00:00:01" if kind == 1 else "00:00:00:00:00:00",
            mtu=1500 if kind == 1 else 65536,
            type=kind,
            operstate="up" if kind == 1 else "unknown",
            flags="0x1003" if kind == 1 else "0x9",
        )
        machine.link(f"/sys/class/net/{name}", place)
    hypervisor = profile.about.get("hypervisor")
    maker, product = _MAKERS[profile.about.get("machine") or hypervisor or "physical"]
    machine.values("/sys/devices/virtual/dmi/id", sys_vendor=maker, product_name=product, board_vendor=maker, chassis_type=23)
    machine.link("/sys/class/dmi/id", "/sys/devices/virtual/dmi/id")
    if hypervisor == "xen":
        machine.values("/sys/hypervisor", type="xen")


def render(machine: Machine, profile: Profile) -> None:
    """Everything below /sys that is no PCI function and no driver."""
    _infiniband(machine, profile)
    _rest(machine, profile)
