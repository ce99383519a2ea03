# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated machines for plans: an inventory from a profile, and what it is after a plan."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import MODPROBE, ROCM
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_locks import parse_apt_preferences
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_text import upstream_version
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.packages import nvidia_driver
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import delivery, nvidia
from ansible_collections.gpufleet.node.plugins.module_utils._plan._way_back import closed
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan, Step
from fakegpu import evidence_of, load_profile
from fakegpu.profile import complete

_OWN = {
    "debian-13": ("http://deb.example.org/debian", ["trixie", "trixie-updates"]),
    "debian-12": ("http://deb.example.org/debian", ["bookworm", "bookworm-updates"]),
    "ubuntu-22.04": ("http://archive.ubuntu.com/ubuntu", ["jammy", "jammy-updates", "jammy-security"]),
    "ubuntu-24.04": ("http://archive.ubuntu.com/ubuntu", ["noble", "noble-updates", "noble-security"]),
}


def machine(profile: str | None = None, **about: Any) -> Inventory:
    """The inventory of a profile by its name, or of one in the words of a profile: machine(gpus=["A100"], distribution="debian-13")."""
    if profile is None:
        gpus = [one if isinstance(one, dict) else {"model": one} for one in about.pop("gpus", ["A100-PCIE-40GB"])]
        for number, gpu in enumerate(gpus):
            gpu.setdefault("address", f"0000:{number + 1:02x}:00.0")
        made = complete({"description": "made for a plan", "gpus": gpus, **about}, "made")
    else:
        made = load_profile(profile)
    inventory = gather(load(json.dumps(evidence_of(made))), ("all",), deep=True, change=True)
    return with_own_sources(inventory, str(made.about["distribution"]))


def with_own_sources(inventory: Inventory, distribution: str) -> Inventory:
    """The machine with its distribution's own package sources, where it says nothing of any."""
    own = _OWN.get(distribution)
    if own and not inventory.packages.get("repositories"):
        components = ["main"] if "debian" in own[0] else ["main", "restricted", "universe", "multiverse"]
        inventory.packages["repositories"] = [
            {"id": own[0], "uris": [own[0]], "suites": own[1], "components": components, "enabled": True,
             "signed_by": "/usr/share/keyrings/archive-keyring.gpg", "path": "/etc/apt/sources.list.d/own.sources"}]
    return inventory


def with_cards(inventory: Inventory, *cards: tuple[str, str]) -> Inventory:
    """The same machine with other NVIDIA cards: (PCI device id, name) each."""
    other = copy.deepcopy(inventory)
    other.devices = []
    for number, (device_id, name) in enumerate(cards):
        chip = nvidia.chip(device_id)
        address = f"0000:{number + 1:02x}:00.0"
        pci = {"address": address, "vendor_id": "10de", "device_id": device_id, "kernel_driver": None, "readable": True}
        other.devices.append({"index": number, "vendor": "nvidia", "name": name, "architecture": chip.architecture if chip else None,
                              "pci": pci, "driver_support": nvidia.driver_support(device_id)})
    return other


def apply(inventory: Inventory, plan: Plan) -> Inventory:
    """The machine after a plan, and after the boot where the plan asks for one. The inventory itself stays as it is."""
    after = copy.deepcopy(inventory)
    for step in plan.steps:
        KINDS[step.kind](after, step)
    record = closed(OWN, inventory, plan.steps)
    if record is not None:
        after.packages["record"] = json.loads(record)
    _packages(after, plan)
    chosen = plan.chosen
    if chosen is None:
        return after
    driver = after.nvidia.setdefault("driver", {})
    for entry in after.kernel.get("installed") or ():
        modules = f"linux-modules-nvidia-{chosen.branch}"
        names = [name for name in after.packages["installed"] if name.startswith(modules) and name.endswith(entry["release"])]
        if names or (entry.get("headers") and chosen.build == "dkms"):
            entry.setdefault("modules", {})["nvidia"] = {"version": chosen.version, "flavour": chosen.flavour, "path": "/lib/modules/x"}
    loads = any((step.values.get("argv") or [""])[0] == "modprobe" for step in plan.steps)
    if plan.reboot_reasons or loads:
        driver.update(loaded_version=chosen.version, kernel_module=chosen.flavour, library_version=chosen.version)
        after.kernel.update(nouveau_loaded=False, release=after.kernel.get("next_boot_release") or after.kernel.get("release"))
        for device in after.devices:
            if device["vendor"] == "nvidia" and (device.get("pci") or {}).get("kernel_driver") in (None, "nouveau"):
                device["pci"]["kernel_driver"] = "nvidia"
        for service, enabled in (after.health.get("services_at_boot") or {}).items():
            if enabled and plan.reboot_reasons:
                after.nvidia.setdefault("services", {})[service] = "active"
    return after


def _packages(after: Inventory, plan: Plan) -> None:
    installed = after.packages.setdefault("installed", {})
    deliverer = delivery.deliverer(plan.chosen.origin) if plan.chosen and plan.chosen.origin else None
    for change in plan.packages:
        if change.action == "remove":
            installed.pop(change.name, None)
        else:
            installed[change.name] = {"version": change.after, "origin": deliverer.maker if deliverer else None, "architecture": "amd64",
                                      "source": change.name, "held": False}
    for entry in after.kernel.get("installed") or ():
        names = [change.name if "headers" in change.name else f"{change.name}-{change.after}" for change in plan.packages]
        if any(entry["release"].startswith(name.partition("-devel-")[2] or "-") or name.endswith(entry["release"]) for name in names):
            entry["headers"] = True
    found = nvidia_driver(installed)
    driver = after.nvidia.setdefault("driver", {})
    driver.update({"installed_version": None, "origin": None, "packages": {}} if not found else {**found, "managed_by": "packages"})
    driver["held"] = any(lock["path"] == OWN.preferences or lock["kind"] != "apt_pin" for lock in after.packages.get("locks") or ()) or any(
        "pinning" in name for name in installed)
    fabric = after.nvidia.get("fabric") or {}
    for name, entry in installed.items():
        if fabric and name.startswith(("nvidia-fabricmanager", "nvidia-fabric-manager")):
            fabric["manager_version"] = upstream_version(entry["version"])


def _nothing(after: Inventory, step: Step) -> None:
    """Packages are done from the whole transaction."""


def _repair(after: Inventory, step: Step) -> None:
    after.packages["broken"] = []


def _file(after: Inventory, step: Step) -> None:
    path, content = step.values["path"], step.values["content"]
    after.packages.setdefault("own_files", {})[path] = content
    if path in (OWN.record, ROCM.record):
        after.packages["record"] = json.loads(content)
    elif path == MODPROBE:
        after.kernel["nouveau_blacklisted"] = True
    elif path.startswith("/etc/apt/preferences.d/"):
        locks = after.packages.setdefault("locks", [])
        locks[:] = [lock for lock in locks if lock["path"] != path]
        locks += [{"kind": "apt_pin", "pattern": package, "path": path, "pin": pin, "priority": priority}
                  for package, pin, priority in parse_apt_preferences(content)]
    elif path.endswith(".sources"):
        _without_source(after, path)
        for stanza in content.split("\n\n"):
            fields = dict(re.findall(r"(?m)^([A-Z][\w-]+): (.*)$", stanza))
            after.packages.setdefault("repositories", []).append(
                {"id": path, "uris": fields["URIs"].split(), "suites": fields["Suites"].split(),
                 "components": fields.get("Components", "").split(), "enabled": True, "signed_by": fields.get("Signed-By"), "path": path})
    elif path.endswith(".repo"):
        _without_source(after, path)
        uris = re.findall(r"(?m)^baseurl=(.*)$", content)
        after.packages.setdefault("repositories", []).append(
            {"id": path, "uris": uris, "suites": [], "components": [], "enabled": True, "signed_by": None, "path": path})


def _without_source(after: Inventory, path: str) -> None:
    """A file that is written anew says nothing of what it said before."""
    sources = after.packages.setdefault("repositories", [])
    sources[:] = [one for one in sources if one["path"] != path]


def _gone(after: Inventory, step: Step) -> None:
    path = step.values["path"]
    after.packages.setdefault("own_files", {}).pop(path, None)
    _without_source(after, path)
    after.packages["locks"] = [lock for lock in after.packages.get("locks") or () if lock["path"] != path]
    if path in (OWN.record, ROCM.record):
        after.packages["record"] = None


def _command(after: Inventory, step: Step) -> None:
    argv = step.values["argv"]
    if argv[0] in ("update-initramfs", "dracut", "mkinitrd"):
        after.kernel["nouveau_in_initramfs"] = False
    elif argv[:3] == ["dnf", "-y", "module"]:
        module, _colon, stream = argv[-1].partition(":")
        streams = after.packages.setdefault("streams", {})
        streams.pop(module, None)
        if argv[3] == "enable":
            streams[module] = stream
    elif "versionlock" in argv or "addlock" in argv:
        kind = "dnf_versionlock" if "versionlock" in argv else "zypper_lock"
        locks = after.packages.setdefault("locks", [])
        names = [word for word in argv if word not in ("dnf", "versionlock", "add", "--raw", "zypper", "--non-interactive", "addlock")]
        if "delete" not in argv:
            locks += [{"kind": kind, "pattern": name, "path": "/etc/dnf"} for name in names]
    elif "removelock" in argv:
        after.packages["locks"] = [lock for lock in after.packages.get("locks") or () if lock["pattern"] not in argv]


def _absent(after: Inventory, step: Step) -> None:
    for name in step.values["names"]:
        after.packages.get("installed", {}).pop(name, None)


def _service(after: Inventory, step: Step) -> None:
    name = step.values["name"].replace("nvidia-", "")
    services = after.nvidia.setdefault("services", {})
    services[name] = "inactive" if step.values.get("state") == "stopped" else "active"


# What each kind of step does to a machine.
KINDS = {"file": _file, "file_absent": _gone, "command": _command, "packages": _nothing, "packages_absent": _absent, "service": _service,
         "repair": _repair, "key": _file}
