# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/sys as the kernel has it: PCI functions with their bridges and drivers, DRM, IOMMU, DMI, and what other tools look for."""

from __future__ import annotations

import struct
from typing import Any

from .machine import Machine
from .profile import Gpu, Profile

VENDOR_IDS = {"nvidia": "10de", "amd": "1002", "intel": "8086"}
SPEEDS = {1: "2.5 GT/s PCIe", 2: "5.0 GT/s PCIe", 3: "8.0 GT/s PCIe", 4: "16.0 GT/s PCIe", 5: "32.0 GT/s PCIe", 6: "64.0 GT/s PCIe"}
BUS = "/sys/bus/pci"
_OF_DRM = {"nvidia", "nouveau", "amdgpu", "i915", "ast"}


def render(machine: Machine, profile: Profile) -> None:
    """Everything below /sys that does not belong to one driver."""
    if not profile.about.get("wsl"):  # the host's cards have no PCI functions there
        for gpu in [*profile.gpus, *profile.devices]:
            _card(machine, profile, gpu)
        _iommu(machine, profile)
        _drm(machine, profile)


def vendor_id(gpu: Gpu) -> str:
    """The PCI vendor of a card, or of another device of models.yml."""
    return VENDOR_IDS.get(gpu.vendor, gpu.vendor)


def folder_of(machine: Machine, address: str) -> str:
    """Where the kernel has the device of this address."""
    return machine.target(f"{BUS}/devices/{address}")


def slot_of(gpu: Gpu) -> tuple[int | None, int | None]:
    """Generation and width of the port above the card: those of the card where the profile says nothing."""
    slot = gpu.get("slot") or {}
    return slot.get("generation", gpu.get("gen")), slot.get("width", gpu.get("width"))


def link_of(gpu: Gpu) -> dict[str, Any]:
    """The link as it runs: {generation, width}. An idle GeForce or Radeon board slows down to 2.5 GT/s."""
    generation, width = slot_of(gpu)
    fastest = min(generation, gpu.get("gen")) if generation and gpu.get("gen") else gpu.get("gen")
    widest = min(width, gpu.get("width")) if width and gpu.get("width") else gpu.get("width")
    idle = 1 if gpu.get("fan") and fastest else fastest
    return {"generation": idle, "width": widest, **(gpu.get("link") or {}), "generation_max": fastest, "width_max": widest}


def _card(machine: Machine, profile: Profile, gpu: Gpu) -> None:
    above = _ports(machine, gpu)
    link = link_of(gpu)
    function = {
        "vendor": vendor_id(gpu),
        "device": gpu.get("device"),
        "subsystem": gpu.get("subsystem"),
        "class": gpu.get("class"),
        "revision": gpu.get("revision"),
        "driver": gpu.driver,
        "numa": numa_node(profile, gpu),
    }
    folder = _function(machine, above, gpu.address, function)
    if gpu.get("gen"):
        _link_values(machine, folder, link["generation"], link["width"], gpu.get("gen"), gpu.get("width"))
    if gpu.get("unreadable"):
        machine.write(f"{folder}/config", b"\xff" * 64)
        machine.values(folder, current_link_speed="Unknown", current_link_width=63, max_link_speed="64.0 GT/s PCIe", max_link_width=63)
    for number, key, pci_class, driver in ((1, "audio", "040300", "snd_hda_intel"), (2, "usb", "0c0330", "xhci_hcd")):
        if gpu.get(key):
            _function(
                machine, above, f"{gpu.address[:-1]}{number}", {**function, "device": gpu.get(key), "class": pci_class, "driver": driver}
            )
    _virtual_functions(machine, above, gpu, function, folder)


def numa_node(profile: Profile, gpu: Gpu) -> int:
    if gpu.get("numa") is not None:
        return int(gpu.get("numa"))
    return gpu.number * 2 // len(profile.gpus) if len(profile.gpus) >= 4 else -1


def _ports(machine: Machine, gpu: Gpu) -> str:
    """The folder above the card: a root port, or the domain itself where a virtual machine has none."""
    domain, bus, _rest_of = gpu.address.split(":")
    number = int(bus, 16)
    if number == 0 or gpu.get("slot") is False:
        return f"/sys/devices/pci{domain}:{bus}"
    switch = 2 if gpu.get("switch") else 0
    root = f"{max(number - 1 - switch, 0):02x}"
    generation, width = slot_of(gpu)
    chain = [(f"{domain}:{root}:01.0", "8086", "352a", "pcieport")]
    if switch:
        chain += [
            (f"{domain}:{number - 2:02x}:00.0", "1002", "1478", "pcieport"),
            (f"{domain}:{number - 1:02x}:00.0", "1002", "1479", "pcieport"),
        ]
    folder = f"/sys/devices/pci{domain}:{root}"
    for place, (address, vendor, device, driver) in enumerate(chain):
        about = {
            "vendor": vendor,
            "device": device,
            "subsystem": "0000:0000",
            "class": "060400",
            "revision": "11",
            "driver": driver,
            "numa": -1,
        }
        folder = _function(machine, folder, address, about)
        inside = place == len(chain) - 1 and switch
        if generation:
            speed, lanes = (gpu.get("gen"), 16) if inside else (generation, width)
            _link_values(machine, folder, speed, lanes, speed, lanes)
    return folder


def _link_values(machine: Machine, folder: str, speed: Any, width: Any, max_speed: Any, max_width: Any) -> None:
    machine.values(
        folder,
        current_link_speed=SPEEDS.get(speed, "Unknown"),
        current_link_width=width,
        max_link_speed=SPEEDS[max_speed],
        max_link_width=max_width,
    )


def _function(machine: Machine, above: str, address: str, about: dict[str, Any]) -> str:
    folder = f"{above}/{address}"
    vendor, device, pci_class = (str(about[key]) for key in ("vendor", "device", "class"))
    board_vendor, board = about["subsystem"].split(":")
    modalias = _modalias(vendor, device, board_vendor, board, pci_class)
    machine.values(
        folder,
        vendor=f"0x{vendor}",
        device=f"0x{device}",
        subsystem_vendor=f"0x{board_vendor}",
        subsystem_device=f"0x{board}",
        revision=f"0x{about['revision']}",
        numa_node=about["numa"],
        modalias=modalias,
        enable=1,
        irq=16,
        power_state="D0",
        local_cpulist="0-15",
        **{"class": f"0x{pci_class}"},
    )
    lines = [f"DRIVER={about['driver']}"] if about["driver"] else []
    lines += [
        f"PCI_CLASS={int(pci_class, 16):X}",
        f"PCI_ID={vendor}:{device}".upper(),
        f"PCI_SUBSYS_ID={board_vendor}:{board}".upper(),
        f"PCI_SLOT_NAME={address}",
        f"MODALIAS={modalias}",
    ]
    machine.write(f"{folder}/uevent", "\n".join(lines) + "\n")
    machine.write(f"{folder}/config", _config(vendor, device, board_vendor, board, pci_class, str(about["revision"])))
    machine.link(f"{BUS}/devices/{address}", folder)
    machine.link(f"{folder}/subsystem", BUS)
    if about["driver"]:
        machine.link(f"{folder}/driver", f"{BUS}/drivers/{about['driver']}")
        machine.link(f"{BUS}/drivers/{about['driver']}/{address}", folder)
    return folder


def _modalias(vendor: str, device: str, board_vendor: str, board: str, pci_class: str) -> str:
    """The modalias: tags in lower case, numbers in upper case, ids with eight digits."""
    ids = [f"{tag}{number.upper():0>8}" for tag, number in (("v", vendor), ("d", device), ("sv", board_vendor), ("sd", board))]
    return (
        "pci:"
        + "".join(ids)
        + "".join(f"{tag}{number.upper()}" for tag, number in (("bc", pci_class[:2]), ("sc", pci_class[2:4]), ("i", pci_class[4:])))
    )


def _config(vendor: str, device: str, board_vendor: str, board: str, pci_class: str, revision: str) -> bytes:
    """The first 64 bytes of the configuration space (PCI 3.0, type 0 header; type 1 for bridges)."""
    code = int(pci_class, 16)
    header = struct.pack(
        "<HHHHBBBBBBBB",
        int(vendor, 16),
        int(device, 16),
        0x0406,
        0x0010,
        int(revision, 16),
        code & 0xFF,
        code >> 8 & 0xFF,
        code >> 16,
        0x10,
        0,
        1 if pci_class.startswith("0604") else 0,
        0,
    )
    rest = bytearray(48)
    if not pci_class.startswith("0604"):
        struct.pack_into("<HH", rest, 0x2C - 16, int(board_vendor, 16), int(board, 16))
    return header + bytes(rest)


def _virtual_functions(machine: Machine, above: str, gpu: Gpu, function: dict[str, Any], folder: str) -> None:
    virtual = gpu.get("virtual_functions")
    if not virtual:
        return
    machine.values(folder, sriov_totalvfs=virtual.get("total", virtual["count"]), sriov_numvfs=virtual["count"])
    for number in range(virtual["count"]):
        address = f"{gpu.address[:-4]}{2 + number // 8:02x}.{number % 8}"
        about = {**function, "device": virtual.get("device", gpu.get("device")), "driver": virtual.get("driver")}
        below = _function(machine, above, address, about)
        machine.link(f"{below}/physfn", folder)
        machine.link(f"{folder}/virtfn{number}", below)


def _iommu(machine: Machine, profile: Profile) -> None:
    if not profile.kernel["iommu"]:
        machine.folder("/sys/kernel/iommu_groups")
        machine.folder("/sys/class/iommu")
        return
    machine.folder("/sys/devices/virtual/iommu/dmar0")
    machine.link("/sys/class/iommu/dmar0", "/sys/devices/virtual/iommu/dmar0")
    for number, gpu in enumerate(profile.gpus, start=15):
        group = f"/sys/kernel/iommu_groups/{number}"
        machine.link(f"{folder_of(machine, gpu.address)}/iommu_group", group)
        machine.link(f"{group}/devices/{gpu.address}", folder_of(machine, gpu.address))
        machine.values(group, type="DMA-FQ")


def _drm(machine: Machine, profile: Profile) -> None:
    """DRM devices in the order of the bus; a console chip has a card but nothing to render with."""
    cards: list[Gpu] = sorted([*profile.gpus, *profile.devices], key=lambda gpu: (len(gpu.address), gpu.address))
    render_minor = 128
    for number, gpu in enumerate(gpu for gpu in cards if gpu.driver in _OF_DRM):
        folder = folder_of(machine, gpu.address)
        names = [(f"card{number}", number)]
        if gpu.driver != "ast":
            names.append((f"renderD{render_minor}", render_minor))
            gpu.state["render_minor"] = render_minor
            render_minor += 1
        for name, minor in names:
            place = f"{folder}/drm/{name}"
            machine.values(place, dev=f"226:{minor}")
            machine.write(f"{place}/uevent", f"MAJOR=226\nMINOR={minor}\nDEVNAME=dri/{name}\nDEVTYPE=drm_minor\n")
            machine.link(f"{place}/device", folder)
            machine.link(f"/sys/class/drm/{name}", place)
            machine.link(f"/sys/dev/char/226:{minor}", place)
            machine.node(f"/dev/dri/{name}", major=226, minor=minor, mode="0660", group="render" if name.startswith("render") else "video")
        gpu.state["card"] = number
