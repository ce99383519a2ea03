# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the steps of a plan that are no packages: holds, files, initramfs, the kernel module, services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._check._node import Node, at, same_version
from .._inventory._own import MODPROBE
from .._inventory._versions import version_key
from .._knowledge.delivery import Deliverer
from . import _hold
from ._hold import locks_of
from ._modprobe import modprobe_text, options_text
from ._node_state import SERVICES, changed_names, family, has_program, headers_come, kernels_to_boot
from ._runfile import runfile_steps
from ._transition import load_steps, reload_steps, transition
from .order import Order
from .steps import Chosen, Step

__all__ = ["after_packages", "before_packages", "drift", "locks_of", "reboot_reasons", "steps"]


def steps(inventory: Any, order: Order, chosen: Chosen, deliverer: Deliverer, changes: Sequence[Any]) -> list[Step]:
    """All of them in their order. changes: the transaction of packages (Change of _packages.types), empty where none is needed; it
    belongs between `before_packages` and `after_packages`."""
    return [
        *before_packages(inventory, order, chosen, deliverer, changes),
        *after_packages(inventory, order, chosen, deliverer, changes),
    ]


def before_packages(inventory: Any, order: Order, chosen: Chosen, deliverer: Deliverer, changes: Sequence[Any]) -> list[Step]:
    """What the transaction has to find: pins and streams that it resolves by, and nouveau's blacklist, so that an initramfs which the
    packages' own scripts build has it already."""
    node = Node(inventory)
    return [
        *runfile_steps(node, order),
        *_hold.before_packages(node, order, chosen, deliverer, changes),
        *_modprobe(node, order, changes),
    ]


def after_packages(inventory: Any, order: Order, chosen: Chosen, deliverer: Deliverer, changes: Sequence[Any]) -> list[Step]:
    """What needs the packages: locks of installed versions, the initramfs, the kernel module, services."""
    node = Node(inventory)
    found = _hold.after_packages(node, order, chosen, deliverer, changes)
    found += _builds(node, chosen, changes)
    found += _initramfs(node, order, changes)
    way = transition(inventory, order, chosen, changes)
    if way.kind == "load":
        found += load_steps(inventory, way.reasons[0])
    elif way.kind == "reload":
        found += reload_steps(inventory, way.reasons[0])
    return found + _services(node, order, changes, way.kind)


def reboot_reasons(inventory: Any, order: Order, chosen: Chosen, changes: Sequence[Any]) -> list[str]:
    """Why the node has to reboot before the driver is in use; empty where nothing, a load or a reload is enough."""
    way = transition(inventory, order, chosen, changes)
    return list(way.reasons) if way.kind == "reboot" else []


def drift(inventory: Any, order: Order) -> list[str]:
    """What somebody else changed of what this collection set up on the node, by its record."""
    from .._inventory.packages import looked_for

    node = Node(inventory)
    record = node.get("packages.record") or {}
    files: dict[str, str] = node.get("packages.own_files") or {}
    installed: dict[str, Any] = node.get("packages.installed") or {}
    found = [f"{path} is gone" for path in record.get("files") or () if path not in files]
    kept = record.get("files") or ()
    if record.get("locks") and order.hold and node.get("nvidia.driver.held") is False and order.own.preferences not in kept:
        found.append("the lock of the driver's packages is gone")
    if MODPROBE in files and files[MODPROBE] != modprobe_text(order):
        found.append(f"{MODPROBE} says something else than the options do")
    for name, version in (record.get("packages") or {}).items():
        now = at(installed.get(name), "version")
        if version and now and now not in str(version).split():
            found.append(f"{name} is {now}, {version} was installed here")
        elif version and installed and not now and looked_for(name):
            found.append(f"{name} {version} was installed here and is gone")
    return found


def _modprobe(node: Node, order: Order, changes: Sequence[Any]) -> list[Step]:
    """Our file for modprobe where it is there already, where parameters are wished, or where nothing else keeps nouveau away."""
    there = (node.get("packages.own_files") or {}).get(MODPROBE)
    blacklisted = node.get("kernel.nouveau_blacklisted")
    if there is None and not order.module_parameters and blacklisted is not False:
        return []
    text = modprobe_text(order)
    if there == text:
        return []
    if there is None:
        reason = "nothing keeps nouveau away from the GPUs yet" if blacklisted is False else "module_parameters"
    else:
        reason = "module_parameters changed" if _parameters_change(node, order) else "somebody changed this file"
    return [Step("file", f"write {MODPROBE}", reason, {"path": MODPROBE, "content": text, "mode": "0644"}, undo=f"rm {MODPROBE}")]


def _parameters_change(node: Node, order: Order) -> bool:
    there = (node.get("packages.own_files") or {}).get(MODPROBE) or ""
    return sorted(options_text(there)) != sorted(f"{key}={value}" for key, value in order.module_parameters)


def _builds(node: Node, chosen: Chosen, changes: Sequence[Any]) -> list[Step]:
    """Modules for kernels that the packages' own scripts leave out: they build for the running kernel, Debian's for the newest too."""
    if chosen.build != "dkms":
        return []
    entries = kernels_to_boot(node)
    done = set()
    if changes:
        newest = max((str(entry.get("release")) for entry in entries), key=version_key, default=None)
        done = {node.get("kernel.release"), newest if family(node) == "debian" else None}
    found = []
    for entry in entries:
        release = str(entry.get("release"))
        version = at(entry, "modules.nvidia.version")
        has = at(entry, "modules.nvidia") and (version is None or same_version(version, chosen.version))
        if not has and release not in done and (entry.get("headers") or headers_come(changes, release)):
            argv = ["dkms", "autoinstall", "-k", release]
            found.append(
                Step("command", f"build the module for kernel {release}", "it should boot with a driver", {"argv": argv}, slow=True)
            )
    return found


def _initramfs(node: Node, order: Order, changes: Sequence[Any]) -> list[Step]:
    """Rebuild only where the early boot would do something else than the files say: it takes minutes on many kernels."""
    if not order.update_initramfs:
        return []
    inside = node.get("kernel.nouveau_in_initramfs")
    if inside:
        reason = "the initramfs would load nouveau"
    elif inside is None and node.get("kernel.nouveau_blacklisted") is False:
        reason = "nouveau was not blacklisted, and whether the initramfs has it cannot be seen"
    elif _parameters_change(node, order):
        reason = "module parameters count in the early boot too"
    else:
        return []
    return [Step("command", "rebuild the initramfs of every kernel", reason, {"argv": initramfs_command(node)}, slow=True)]


def initramfs_command(node: Node) -> list[str]:
    """The distribution's own program for it."""
    for program, argv in (
        ("update-initramfs", ["update-initramfs", "-u", "-k", "all"]),
        ("dracut", ["dracut", "--regenerate-all", "--force"]),
        ("mkinitrd", ["mkinitrd"]),
    ):
        if has_program(node, program):
            return argv
    return ["update-initramfs", "-u", "-k", "all"] if family(node) == "debian" else ["dracut", "--regenerate-all", "--force"]


# Packages that bring a daemon, by the beginnings of their names.
_BRINGS = {
    "persistenced": ("nvidia-persistenced", "nvidia-compute-utils"),
    "fabricmanager": ("nvidia-fabricmanager", "nvidia-fabric-manager"),
}


def _services(node: Node, order: Order, changes: Sequence[Any], way: str) -> list[Step]:
    """Daemons of the driver: enabled, and started where the module is there to be served. Not IMEX: it fails without the addresses of
    the rack's trays, and where Kubernetes has jobs of several trays it must not run on the node."""
    names = changed_names(changes)
    found = []
    for fact, wanted in (("persistenced", order.persistence), ("fabricmanager", bool(node.get("nvidia.fabric.required")))):
        unit, state = SERVICES[fact], node.get(f"nvidia.services.{fact}")
        comes = any(name.startswith(_BRINGS[fact]) for name in names)
        sleeps = state in ("inactive", "failed") and wanted
        # Before a reboot there is nothing to start, but it has to come with the boot: afterwards no run should find work.
        due = sleeps and (way != "reboot" or node.get(f"health.services_at_boot.{fact}") is False)
        if wanted and (comes or due) and state != "active":
            start = way != "reboot"
            what = f"enable and start {unit}" if start else f"enable {unit}, which starts with the next boot"
            reason = "it comes with the driver" if comes else f"it is {state}"
            found.append(
                Step(
                    "service",
                    what,
                    reason,
                    {"name": unit, "state": "started" if start else None, "enabled": True},
                    undo=f"systemctl disable --now {unit}",
                )
            )
    return found
