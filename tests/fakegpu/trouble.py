# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named troubles. One that changes what is rendered takes the profile; one that changes what was rendered takes the machine too.

A profile lists them as `trouble: [nouveau_bound, {library_mismatch: {library: "580.126.09"}}]`. `gpu` is a number, a list of
numbers or absent (all NVIDIA cards).
"""

from __future__ import annotations

from typing import Any, Callable

from . import modules
from .errors import unknown
from .machine import Machine
from .node import library_folder
from .profile import Gpu, Profile

Before = Callable[..., None]
# Troubles that are nothing but a state of cards: the words of the trouble become the value of this key.
STATES = {
    "remapped_rows": "remapped_rows",
    "retired_pages": "retired_pages",
    "ecc_errors": "ecc_errors",
    "mig": "mig_state",
    "narrow_link": "link",
    "fabric_state": "fabric_state",
    "slot": "slot",
    "ras_errors": "ras",
}


def before(profile: Profile) -> None:
    """Apply the troubles that the rendering has to know of."""
    for name, words in profile.trouble.items():
        if name in STATES:
            told = dict(words)
            for gpu in _cards(profile, told.pop("gpu", None)):
                gpu.state[STATES[name]] = told
        elif name in BEFORE:
            _call(BEFORE[name], profile, name, words, profile)
        elif name not in AFTER:
            raise unknown("trouble", name, [*STATES, *BEFORE, *AFTER], profile.name)


def after(machine: Machine, profile: Profile) -> None:
    """Apply the troubles that change what was rendered."""
    for name, words in profile.trouble.items():
        if name in AFTER:
            _call(AFTER[name], profile, name, words, machine, profile)


def _call(function: Before, profile: Profile, name: str, words: dict[str, Any], *arguments: Any) -> None:
    import inspect

    known = list(inspect.signature(function).parameters)[len(arguments) :]
    for word in words:
        if word not in known:
            raise unknown(f"word of the trouble {name}", word, known, profile.name)
    function(*arguments, **words)


def _cards(profile: Profile, numbers: Any) -> list[Gpu]:
    if numbers is None:
        return profile.of("nvidia") or profile.gpus
    wanted = numbers if isinstance(numbers, list) else [numbers]
    return [profile.gpus[number] for number in wanted]


def _unload(profile: Profile) -> None:
    profile.nvidia["loaded"] = None
    for gpu in profile.of("nvidia"):
        gpu.driver = None


# --- what the rendering has to know of


def no_driver(profile: Profile) -> None:
    """No NVIDIA software at all."""
    profile.nvidia.clear()
    for gpu in profile.of("nvidia"):
        gpu.driver = None


def not_loaded(profile: Profile) -> None:
    """The driver is installed, nobody loaded its module."""
    _unload(profile)


def nouveau_bound(profile: Profile, blacklisted: bool = False, initramfs: bool = True) -> None:
    """The kernel's own driver took the cards; with `blacklisted` the initramfs was not built again."""
    if profile.nvidia:
        profile.nvidia["loaded"] = None
    profile.kernel.update(blacklist_nouveau=blacklisted, nouveau_in_initramfs=initramfs)
    for gpu in profile.of("nvidia"):
        gpu.driver = "nouveau"
        profile.log.append((2.1, f"nouveau {gpu.address}: NVIDIA {gpu.get('architecture')} (166000a1)"))
        profile.log.append((3.4, f"nouveau {gpu.address}: fb: {gpu.get('memory_mib')} MiB GDDR6"))


def library_mismatch(profile: Profile, library: str) -> None:
    """Packages were upgraded, the old module is still loaded."""
    profile.nvidia.update(library=library, version=library)
    profile.log.append(
        (
            7200.0,
            f"NVRM: API mismatch: the client has the version {library}, but\nNVRM: this kernel module has the version "
            f"{profile.nvidia['loaded']}.  Please\nNVRM: make sure that this kernel module and all NVIDIA driver\n"
            "NVRM: components have the same version.",
        )
    )


def off_the_bus(profile: Profile, gpu: int = 0, at: float = 5000.0) -> None:
    """A card that answers ffff to everything; the driver knows since Xid 79."""
    card = profile.gpus[gpu]
    card.state.update(unreadable=True, handle_error=15)
    xid(profile, 79, gpu, text="pid='<unknown>', name=<unknown>, GPU has fallen off the bus.", at=at)
    profile.log.append((at, f"NVRM: GPU {card.address}: GPU has fallen off the bus."))


def missing(profile: Profile, gpu: int = 0) -> None:
    """A card that is bound and that the driver could not initialise: on PCI, not in NVML."""
    profile.gpus[gpu].state["missing"] = True
    profile.log.append((12.0, f"NVRM: GPU {profile.gpus[gpu].address}: RmInitAdapter failed! (0x62:0xffff:2477)"))
    profile.log.append((12.0, f"NVRM: GPU {profile.gpus[gpu].address}: rm_init_adapter failed, device minor number {gpu}"))


def xid(
    profile: Profile, code: int, gpu: int = 0, text: str = "pid=4242, name=python3, Ch 00000008", count: int = 1, at: float = 6000.0
) -> None:
    """Lines of an Xid in the kernel log, a minute apart."""
    address = profile.gpus[gpu].address.rpartition(".")[0]
    for number in range(count):
        profile.log.append((at + 60 * number, f"NVRM: Xid (PCI:{address}): {code}, {text}"))


def fabric_manager_stopped(profile: Profile, state: str = "failed") -> None:
    """Fabric Manager is installed and does not run: cards wait for their fabric."""
    profile.about.setdefault("services", {})["nvidia-fabricmanager"] = state
    for gpu in profile.of("nvidia"):
        gpu.state["fabric_state"] = {"state": 1}


def fabric_manager_version(profile: Profile, version: str) -> None:
    """Fabric Manager of another version than the driver refuses to start."""
    profile.nvidia["fabric_manager"] = version
    fabric_manager_stopped(profile)


def secure_boot_unsigned(profile: Profile) -> None:
    """Secure Boot refuses a module without signature."""
    profile.kernel.update(secure_boot=True, mok=[])
    profile.nvidia["signer"] = None
    _unload(profile)
    profile.log.append((9.0, "Loading of unsigned module is rejected"))


def secure_boot_not_enrolled(profile: Profile, signer: str = "DKMS module signing key") -> None:
    """Secure Boot refuses a module whose key the owner has not enrolled."""
    profile.kernel.update(secure_boot=True, mok=["Some other key"])
    profile.nvidia["signer"] = signer
    _unload(profile)
    profile.log.append((9.0, "Loading of module with unavailable key is rejected"))


def dkms_old_kernel_only(profile: Profile) -> None:
    """A new kernel runs, DKMS has built for the old one."""
    default, older = profile.system["kernel"], profile.system["older_kernel"]
    profile.kernel.update(running=default, installed=[older, default], next_boot=default, headers=[older])
    profile.nvidia["built"] = ["older"]
    _unload(profile)


def next_kernel_without_module(profile: Profile) -> None:
    """The old kernel runs with its driver; the newer one, next to boot, has no module."""
    default, older = profile.system["kernel"], profile.system["older_kernel"]
    profile.kernel.update(running=older, installed=[older, default], next_boot=default, headers=[older])
    profile.nvidia["built"] = ["older"]


def vfio(profile: Profile, gpu: Any = None) -> None:
    """Cards that are passed through to a virtual machine."""
    for card in _cards(profile, gpu):
        card.driver = "vfio-pci"


def throttled(profile: Profile, reasons: str, gpu: Any = None, celsius: int = 60) -> None:
    """The hardware slows the cards down; reasons: the bit mask of NVML."""
    for card in _cards(profile, gpu):
        card.state.update(throttle=reasons, busy=98, celsius=celsius)


def nvlink_down(profile: Profile, gpu: int, active: int) -> None:
    """Some links of a card are not up."""
    profile.gpus[gpu].state["nvlink_active"] = active


def leftover_memory(profile: Profile, gpu: int, used_mib: int) -> None:
    """Memory in use without a process."""
    profile.gpus[gpu].state["used_mib"] = used_mib


def mixed_vbios(profile: Profile, gpu: int, vbios: str) -> None:
    """One card has another VBIOS than its neighbours."""
    profile.gpus[gpu].state["vbios"] = vbios


def recovery_needed(profile: Profile, action: str, gpu: int = 0) -> None:
    """The driver asks for a reset or a reboot, and says so with Xid 154."""
    profile.gpus[gpu].state["recovery_action"] = action
    xid(profile, 154, gpu, text=f"GPU recovery action changed from 0x0 (None) to 0x1 (GPU {action.capitalize()} Required)")


def kernel_log(profile: Profile, lines: list[str], at: float = 30.0) -> None:
    """Lines of the kernel log."""
    profile.log += [(at, line) for line in lines]


# --- what changes what was rendered


def smi_hangs(machine: Machine, profile: Profile) -> None:
    """nvidia-smi and NVML never answer: their process sleeps in the kernel."""
    for command in machine.commands:
        if command["argv"][0] == "nvidia-smi":
            for key in ("rc", "stdout", "stderr"):
                command.pop(key, None)
            command["error"] = "timeout"
    if "nvml" in machine.probes:
        machine.probes["nvml"] = {"error": "timeout"}
    profile.nvidia["faults"] = {"hang_in": "nvmlInit_v2", "hang_file": "/run/fakegpu/hang"}


def smi_crashes(machine: Machine, profile: Profile, after_part: float = 0.6) -> None:
    """nvidia-smi dies of SIGSEGV while it writes its XML."""
    for command in machine.commands:
        if command["argv"] == ["nvidia-smi", "-q", "-x"]:
            command["stdout"] = command["stdout"][: int(len(command["stdout"]) * after_part)]
            command["signal"] = 11
            command.pop("rc")
    profile.nvidia["faults"] = {"crash_in": "nvmlDeviceGetPowerUsage"}


def runfile_leftovers(machine: Machine, profile: Profile, version: str) -> None:
    """An earlier .run left its libraries, its uninstaller and a second module."""
    folder = library_folder(profile)
    for name in ("libnvidia-ml", "libcuda", "libGLX_nvidia"):
        machine.write(f"{folder}/{name}.so.{version}", "")
    for path, text in (
        ("/usr/bin/nvidia-uninstall", ""),
        ("/usr/bin/nvidia-installer", ""),
        ("/var/lib/nvidia/log", f"1.2\n{version}\nNVIDIA Accelerated Graphics Driver\n"),
        (
            "/var/log/nvidia-installer.log",
            f"nvidia-installer log file '/var/log/nvidia-installer.log'\nnvidia-installer version: {version}\n",
        ),
    ):
        machine.write(path, text)
    modules.module_file(
        machine,
        profile.kernel["running"],
        "kernel/drivers/video/nvidia.ko",
        {"name": "nvidia", "version": version, "license": "NVIDIA", "signer": None, "description": "NVIDIA core kernel module"},
    )


def kfd_without_group(machine: Machine, profile: Profile, user: str = "worker") -> None:
    """The caller is an ordinary user outside of render and video."""
    machine.probes["device_access"] = {"kfd_mode": "0660", "kfd_group": "render", "groups": [], "accessible": False}


def kfd_missing(machine: Machine, profile: Profile) -> None:
    """amdgpu runs without its compute part: no /dev/kfd, no topology."""
    machine.nodes.pop("/dev/kfd", None)
    for table in (machine.files, machine.links):
        for path in [path for path in table if path.startswith(("/sys/class/kfd", "/sys/devices/virtual/kfd"))]:
            table.pop(path)
    machine.probes["device_access"] = {"kfd_mode": None, "kfd_group": None, "groups": [], "accessible": False}


def no_device_nodes(machine: Machine, profile: Profile, names: list[str]) -> None:
    """Nobody made these device files of the NVIDIA driver, so that its tools find no device."""
    for name in names:
        machine.nodes.pop(f"/dev/{name}")
    for argv in (["nvidia-smi", "-q", "-x"], ["nvidia-smi", "-L"]):
        machine.outcome(argv, rc=6, stdout="No devices were found\n", stderr="")


def log_unreadable(machine: Machine, profile: Profile) -> None:
    """The kernel log is not for this user."""
    machine.outcome(
        ["journalctl", "-k", "-b", "-o", "short-iso", "--no-pager"],
        rc=1,
        stdout="",
        stderr=(
            "Hint: You are currently not seeing messages from other users and the system.\n"
            "No journal files were opened due to insufficient permissions.\n"
        ),
    )
    machine.outcome(["dmesg"], rc=1, stdout="", stderr="dmesg: read kernel buffer failed: Operation not permitted\n")


def denied(machine: Machine, profile: Profile, paths: list[str]) -> None:
    """Files that this user may not read."""
    for path in paths:
        machine.files.pop(path, None)
        machine.denied[path] = "EACCES"


def stale_cdi(machine: Machine, profile: Profile, version: str) -> None:
    """The CDI specification names files of a driver that is gone."""
    path = "/etc/cdi/nvidia.yaml"
    text = machine.files[path]
    assert isinstance(text, str)
    machine.write(path, text.replace(profile.nvidia["library"], version))


_ALL = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == __name__
}
AFTER = {
    name: function
    for name, function in _ALL.items()
    if name
    in (
        "smi_hangs",
        "smi_crashes",
        "runfile_leftovers",
        "kfd_without_group",
        "kfd_missing",
        "no_device_nodes",
        "log_unreadable",
        "denied",
        "stale_cdi",
    )
}
BEFORE = {name: function for name, function in _ALL.items() if name not in AFTER and name not in ("before", "after", "Before")}
