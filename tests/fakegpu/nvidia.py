# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA driver: modules on disk and loaded, /proc/driver/nvidia, libraries, device nodes, services, packages."""

from __future__ import annotations

from typing import Any

from . import modules, nvml
from .machine import Machine
from .node import library_folder
from .profile import Gpu, Profile, table, unknown_origin

LICENSES = {"open": "Dual MIT/GPL", "proprietary": "NVIDIA"}
_PARTS = ("nvidia_modeset", "nvidia_uvm", "nvidia_drm")


def packing(profile: Profile) -> dict[str, Any]:
    """The row of packaging.yml for the driver's origin."""
    rows = table("packaging")
    origin = profile.nvidia.get("origin", "nvidia-debian")
    if origin not in rows:
        raise unknown_origin(origin, rows, profile.name)
    return dict(rows[origin])


def render(machine: Machine, profile: Profile) -> None:
    """Everything of the driver but the outputs of nvidia-smi and NVML."""
    nvidia = profile.nvidia
    if not nvidia:
        return
    row = packing(profile)
    _files(machine, profile, row)
    if profile.about.get("wsl"):
        machine.node("/dev/dxg", major=10, minor=125)
    elif nvidia.get("loaded"):
        _loaded(machine, profile)
        if profile.about.get("container"):  # it sees the host's /sys and /proc, but no device that it was not given
            machine.nodes = {path: node for path, node in machine.nodes.items() if not path.startswith("/dev/nvidia")}
    if nvidia.get("library"):
        _libraries(machine, profile, row)
    _packages(profile, row)


def named(pattern: str, version: str, kernel: str = "") -> str:
    """A name of packaging.yml with branch, version and kernel filled in."""
    words = {"B": version.split(".")[0], "V": version, "K": kernel}
    return "-".join(words.get(word, word) for word in pattern.split("-"))


def _files(machine: Machine, profile: Profile, row: dict[str, Any]) -> None:
    """Module files of each kernel that has one, and what DKMS says. `built`: kernels; default all installed ones."""
    nvidia, kernels = profile.nvidia, profile.kernel["installed"]
    names = {"default": profile.system["kernel"], "older": profile.system["older_kernel"]}
    built = [names.get(release, release) for release in nvidia.get("built", kernels)]
    place = row["file"][nvidia["module"]]
    signer = nvidia.get("signer", row.get("signer"))
    for release in built if place else []:
        modules.module_file(
            machine,
            release,
            named(place, nvidia["version"]),
            {
                "name": "nvidia",
                "version": nvidia["version"],
                "license": LICENSES[nvidia["module"]],
                "signer": signer,
                "description": "NVIDIA core kernel module",
            },
        )
    if row.get("dkms") and "dkms" not in nvidia:
        nvidia["dkms"] = [{"kernel": release, "status": "installed"} for release in built]
    for entry in nvidia.get("dkms") or []:
        entry.setdefault("module", (row.get("dkms") or {"open": "nvidia", "proprietary": "nvidia"})[nvidia["module"]])
        entry.setdefault("version", nvidia["version"])
        entry["kernel"] = names.get(entry.get("kernel"), entry.get("kernel"))
        profile.dkms.append(entry)


def _loaded(machine: Machine, profile: Profile) -> None:
    nvidia = profile.nvidia
    version, kind = nvidia["loaded"], nvidia["module"]
    modules.loaded(machine, "nvidia", version, pci=True, holders=["nvidia_modeset", "nvidia_uvm"])
    machine.values("/sys/module/nvidia", taint="OE" if kind == "open" else "POE")
    for name in _PARTS:
        modules.loaded(machine, name, version, holders=["nvidia_drm"] if name == "nvidia_modeset" else [])
    spelled = (
        f"Open Kernel Module for {profile.about['architecture']}" if kind == "open" else f"{profile.about['architecture']} Kernel Module"
    )
    compiler = nvidia.get("compiler") or profile.system["build"].split("(", 2)[2].split(",")[0].rstrip(")")
    machine.write(
        "/proc/driver/nvidia/version",
        f"NVRM version: NVIDIA UNIX {spelled}  {version}  Release Build  (dvs-builder@U22-I3-AM27-20-3)  "
        f"Tue Sep 23 10:11:16 UTC 2025\nGCC version:  gcc version {compiler}) \n",
    )
    machine.write("/proc/driver/nvidia/params", "ResmanDebugLevel: 4294967295\nEnableMSI: 1\nEnableGpuFirmware: 18\n")
    machine.folder("/proc/driver/nvidia/gpus")
    for number, gpu in enumerate(profile.driven()):
        if not gpu.get("missing"):
            _card(machine, profile, gpu, number)
    for name, minor in (("nvidiactl", 255), ("nvidia-modeset", 254)):
        machine.node(f"/dev/{name}", major=195, minor=minor)
    for name, minor in (("nvidia-uvm", 0), ("nvidia-uvm-tools", 1)):
        machine.node(f"/dev/{name}", major=511, minor=minor)
    switches = [device for device in profile.devices if device.driver == "nvidia-nvswitch"]
    for number in range(len(switches)):
        machine.node(f"/dev/nvidia-nvswitch{number}", major=510, minor=number)


def _card(machine: Machine, profile: Profile, gpu: Gpu, number: int) -> None:
    machine.node(f"/dev/nvidia{number}", major=195, minor=number)
    rows = [
        ("Model", nvml.product_name(gpu, profile.nvidia["loaded"])),
        ("IRQ", 140 + number),
        ("GPU UUID", gpu.uuid),
        ("Video BIOS", str(gpu.get("vbios")).lower()),
        ("Bus Type", "PCIe"),
        ("DMA Size", "47 bits"),
        ("DMA Mask", "0x7fffffffffff"),
        ("Bus Location", gpu.address),
        ("Device Minor", number),
    ]
    if profile.nvidia["module"] == "open":
        rows.append(("GPU Firmware", profile.nvidia["loaded"]))
    rows.append(("GPU Excluded", "No"))
    text = "".join(f"{name + ':':<16}\t {value}\n" for name, value in rows)
    folder = f"/proc/driver/nvidia/gpus/{gpu.address}"
    machine.write(f"{folder}/information", text)
    machine.write(f"{folder}/registry", 'Binary: ""\n')
    for part in nvml.mig_instances(gpu):
        place = f"/proc/driver/nvidia/capabilities/gpu{number}/mig/gi{part['gpu_instance_id']}"
        machine.write(f"{place}/access", "DeviceFileMinor: 3\nDeviceFileMode: 292\nDeviceFileModify: 1\n")
        machine.write(f"{place}/ci{part['compute_instance_id']}/access", "DeviceFileMinor: 4\nDeviceFileMode: 292\nDeviceFileModify: 1\n")


def _libraries(machine: Machine, profile: Profile, row: dict[str, Any]) -> None:
    version = profile.nvidia["library"]
    folder = library_folder(profile)
    if profile.about.get("wsl"):
        for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
            machine.write(f"/usr/lib/wsl/lib/{name}", "")
        machine.write("/usr/lib/wsl/lib/nvidia-smi", "")
        return
    inside = f"{folder}/{row['library']}" if row.get("library") else folder
    if profile.nvidia.get("managed_by") == "operator":
        inside = f"/run/nvidia/driver{folder}"
    for name in ("libnvidia-ml", "libcuda", "libnvidia-ptxjitcompiler"):
        machine.write(f"{inside}/{name}.so.{version}", "")
        machine.links[f"{inside}/{name}.so.1"] = f"{name}.so.{version}"
        if inside != folder and not inside.startswith("/run"):
            machine.links[f"{folder}/{name}.so.1"] = f"/etc/alternatives/nvidia--{name}.so.1-{profile.about['architecture']}-linux-gnu"
            machine.links[f"/etc/alternatives/nvidia--{name}.so.1-{profile.about['architecture']}-linux-gnu"] = f"{inside}/{name}.so.1"
    if inside.startswith("/run"):
        machine.write("/run/nvidia/driver/usr/bin/nvidia-smi", "")
        return
    machine.write("/usr/bin/nvidia-smi", "")
    for firmware in ("gsp_ga10x.bin", "gsp_tu10x.bin"):
        machine.write(f"/usr/lib/firmware/nvidia/{version}/{firmware}", "")


def _packages(profile: Profile, row: dict[str, Any]) -> None:
    """The packages of the driver, at the version that is on disk."""
    nvidia = profile.nvidia
    version = nvidia["version"]
    revision = row.get("revision", "").replace("elN", "el" + profile.system["os_release"]["VERSION_ID"].split(".")[0])
    names: list[str] = [*row["packages"], *row["kmod"][nvidia["module"]]]
    names += [row["persistenced"]] if row.get("persistenced") else []
    if nvidia.get("fabric_manager") and row.get("fabricmanager"):
        names.append(row["fabricmanager"])
    for pattern in names:
        name = named(pattern, version, profile.kernel["next_boot"])
        own = nvidia["fabric_manager"] if pattern == row.get("fabricmanager") and isinstance(nvidia["fabric_manager"], str) else version
        profile.packages[name] = {
            "version": f"{row.get('epoch', '')}{own}{revision}",
            "vendor": row["vendor"],
            "held": bool(nvidia.get("held")),
            "source": named(row["source"], version),
        }
    for name, about in (nvidia.get("packages") or {}).items():
        profile.packages[name] = {"vendor": row.get("vendor", "NVIDIA"), "held": False, "source": name, **about}


def services(machine: Machine, profile: Profile) -> None:
    """systemd units: what is active has an invocation; the rest is told by systemctl."""
    told = {f"{name}.service": state for name, state in (profile.about.get("services") or {}).items() if state != "absent"}
    if profile.about.get("container"):
        return
    machine.folder("/run/systemd/system")
    states = {"ssh.service": "active", "cron.service": "active", **told}
    for unit, state in states.items():
        machine.write(f"/usr/lib/systemd/system/{unit}", f"[Unit]\nDescription={unit}\n[Service]\nExecStart=/usr/bin/true\n")
        if state == "active":
            machine.links[f"/run/systemd/units/invocation:{unit}"] = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
            machine.write(f"/sys/fs/cgroup/system.slice/{unit}/cgroup.procs", "1042\n")
        machine.command(f"systemctl is-active {unit[:-8]}", f"{state}\n", rc=0 if state == "active" else 3)
    asleep = sorted(unit for unit, state in told.items() if state != "active")
    for size in range(1, 1 << len(asleep)):
        chosen = [unit for number, unit in enumerate(asleep) if size >> number & 1]
        text = "\n".join(f"Id={unit}\nActiveState={states[unit]}\n" for unit in chosen)
        machine.outcome(["systemctl", "show", "-p", "Id,ActiveState", *chosen], rc=0, stdout=text, stderr="")
