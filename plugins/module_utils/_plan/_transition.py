# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: how the wanted kernel module comes into the kernel: it is there, it is loaded, it replaces another, or at a reboot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .._check._node import Node, address, at, join, name, same_version
from .._inventory._own import MODPROBE
from ._modprobe import options_text
from ._node_state import MODULES, SERVICES, changed_names, has_program, headers_come, key_enrolled, secure, stoppable, users
from .order import Order
from .steps import Chosen, Step


class Transition(NamedTuple):
    """kind: unchanged | load | reload | reboot. reasons: why it is a reboot, or why something is to be loaded."""

    kind: str
    reasons: tuple[str, ...]


def transition(inventory: Any, order: Order, chosen: Chosen, changes: Sequence[Any]) -> Transition:
    """The row of the decision table that a node is in.

    | loaded                       | in the way                                    | then      |
    | the wanted one               |                                               | unchanged |
    | none                         | nothing                                       | load      |
    | another                      | nothing, nobody uses a GPU, reload: if_idle   | reload    |
    | none, another                | nouveau, no module for this kernel, users …   | reboot    |
    """
    node = Node(inventory)
    loaded = node.get("nvidia.driver.loaded_version")
    why = list(_differs(node, order, chosen)) if loaded else [f"no NVIDIA module is loaded, {chosen.version} is wanted"]
    if loaded and not why:
        return Transition("unchanged", ())
    blocked = list(_blocked(node, chosen, changes))
    if not loaded:
        return Transition("reboot", tuple(blocked)) if blocked else Transition("load", tuple(why))
    if order.reload == "never":
        return Transition("reboot", (*why, *blocked))
    blocked += _used(node)
    return Transition("reboot", (*why, *blocked)) if blocked else Transition("reload", tuple(why))


def _differs(node: Node, order: Order, chosen: Chosen) -> Iterable[str]:
    """What the loaded module has not of the wanted one."""
    loaded, flavour = node.get("nvidia.driver.loaded_version"), node.get("nvidia.driver.kernel_module")
    if not same_version(loaded, chosen.version):
        yield f"module {loaded} is loaded, {chosen.version} is wanted"
    elif chosen.flavour and flavour and flavour != chosen.flavour:
        yield f"the {flavour} module is loaded, the {chosen.flavour} one is wanted"
    kept = (node.get("packages.own_files") or {}).get(MODPROBE) or ""
    if sorted(options_text(kept)) != sorted(f"{key}={value}" for key, value in order.module_parameters):
        yield "the module's parameters change, and they count when it is loaded"


def _blocked(node: Node, chosen: Chosen, changes: Sequence[Any]) -> Iterable[str]:
    """What keeps the wanted module from being loaded into the kernel that runs, whoever uses it."""
    with_nouveau = [device for device in node.nvidia if at(device, "pci.kernel_driver") == "nouveau"]
    if len(with_nouveau) == 1:
        yield f"nouveau drives {name(with_nouveau[0])} at {address(with_nouveau[0])} until the next boot"
    elif with_nouveau:
        yield f"nouveau drives {len(with_nouveau)} GPUs until the next boot"
    elif node.get("kernel.nouveau_loaded"):
        yield "nouveau is loaded until the next boot"
    if secure(node) and chosen.build == "dkms" and not key_enrolled(node):
        yield "the key that signs the module has to be enrolled at the next boot"
    running = node.get("kernel.release")
    entry = node.installed_kernel(running)
    if running and node.items("kernel.installed") and not _module_for(entry, str(running), chosen, changes):
        following = node.get("kernel.next_boot_release")
        gone = "is no longer installed" if entry is None else "gets no module of this driver"
        start = f": kernel {following} has to start" if following and following != running else ""
        yield f"kernel {running}, which runs, {gone}{start}"


def _module_for(entry: Any, release: str, chosen: Chosen, changes: Sequence[Any]) -> bool:
    """Whether the running kernel has the wanted module, or gets it by this transaction."""
    if entry is None:
        return False
    version = at(entry, "modules.nvidia.version")
    if at(entry, "modules.nvidia") and (version is None or same_version(version, chosen.version)):
        return True
    names = changed_names(changes)
    prebuilt = any(one.endswith(release) and ("nvidia" in one or "kmod" in one or "kmp" in one) for one in names)
    if chosen.build == "prebuilt":
        # The kernel module packages of Enterprise Linux and SUSE fit by their symbols, not by the name of one kernel.
        return prebuilt or any(("kmod" in one or "-kmp-" in one) for one in names)
    return bool(entry.get("headers")) or headers_come(changes, release)


def _used(node: Node) -> list[str]:
    """Who keeps the loaded module from being unloaded."""
    held = users(node)
    if held is None:
        return ["who uses the GPUs is not known, so the module is not replaced"]
    found = [f"{join(held)} {'uses' if len(held) == 1 else 'use'} the GPUs"] if held else []
    if node.get("health.console_on_gpu"):
        found.append("the console is on the GPU")
    daemons = [item for item in node.items("health.gpu_holders") if item.get("service") and not stoppable(node, item)]
    if daemons:
        names = join(f"{item.get('name')} ({item.get('pid')})" for item in daemons)
        found.append(f"{names} holds the GPUs and is no unit that could be stopped and started again")
    return found


def load_steps(inventory: Any, reason: str) -> list[Step]:
    """Put the module into a kernel that has none."""
    node = Node(inventory)
    return [Step("command", "load the NVIDIA kernel module", reason, {"argv": ["modprobe", "nvidia"]}), *_device_files(node, reason)]


def reload_steps(inventory: Any, reason: str) -> list[Step]:
    """Replace the loaded module: stop our daemons, unload in the order of use, load, start again what ran before."""
    node = Node(inventory)
    running = [unit for fact, unit in SERVICES.items() if node.get(f"nvidia.services.{fact}") == "active"]
    there = node.get("health.nvidia_modules")
    modules = [module for module in MODULES if not isinstance(there, list) or module in there] or ["nvidia"]
    stop = [
        Step(
            "service",
            f"stop {unit}",
            "it holds the GPUs while the module is replaced",
            {"name": unit, "state": "stopped", "enabled": None},
            disruptive=True,
            undo=f"systemctl start {unit}",
        )
        for unit in reversed(running)
    ]
    unload = Step("command", f"unload {join(modules)}", reason, {"argv": ["rmmod", *modules]}, disruptive=True, undo="modprobe nvidia")
    again = [
        Step("command", f"load {module}", "it was loaded before", {"argv": ["modprobe", module]})
        for module in reversed(modules)
        if module not in ("nvidia", "nvidia_uvm")
    ]
    start = [Step("service", f"start {unit}", "it ran before", {"name": unit, "state": "started", "enabled": None}) for unit in running]
    return [*stop, unload, *load_steps(inventory, reason), *again, *start]


def _device_files(node: Node, reason: str) -> list[Step]:
    if not has_program(node, "nvidia-modprobe"):
        return [Step("command", "load nvidia_uvm", reason, {"argv": ["modprobe", "nvidia_uvm"]})]
    return [Step("command", "make the device files", reason, {"argv": ["nvidia-modprobe", "-u", "-c0"]})]
