# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node has the wanted ROCm, link by link: on disk, at the next boot, loaded, and as each named user sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Callable

from .._check._amd import boards
from .._check._node import Node, Section, address, at, join, name, same_version
from ._verify_rocm_disk import RocmOrder, absent, driver, lock, next_boot, packages
from .steps import Link, Verification

__all__ = ["ROCM_LINKS", "verify"]

ROCM_LINKS = ("packages", "lock", "driver", "next_boot", "module_loaded", "kfd", "access", "rocminfo", "clinfo", "amd_smi")
_PLATFORM = "AMD Accelerated Parallel Processing"  # of AMD's OpenCL; Mesa's and others list the same cards under other names
# Compute partitions of a board by mode; CPX has one for each die, which differs by board.
_PARTITIONS = {"SPX": 1, "DPX": 2, "TPX": 3, "QPX": 4}

_State = tuple[str, str]


def verify(inventory: Any, order: RocmOrder) -> Verification:
    """The verification of a node. A link is after_reboot where a reboot mends it, which needs a next boot that loads the module.
    What users see needs an inventory that was gathered with ``users``."""
    node = Node(inventory)
    if order.state == "absent":
        return _result([Link(link, *absent(node, link)) for link in ROCM_LINKS])
    if not node.amd and not node.problems("pci"):
        return _result([Link(link, "not_applicable", "there is no AMD GPU to use here") for link in ROCM_LINKS])
    disk = {"packages": packages, "driver": driver, "next_boot": next_boot}
    ready = all(ask(node, order)[0] in ("ok", "not_applicable") for ask in disk.values())
    asks: dict[str, Callable[[Node, RocmOrder], _State]] = {
        **disk, "lock": lock, "module_loaded": _module_loaded, "kfd": _kfd, "access": _access, "rocminfo": _rocminfo,
        "clinfo": _clinfo, "amd_smi": _amd_smi,
    }  # fmt: skip
    links = []
    for link in ROCM_LINKS:
        state, reason = asks[link](node, order)
        if state == "after_reboot" and not ready:
            state, reason = "broken", f"{reason}, and the next boot would not mend it"
        links.append(Link(link, state, reason))
    return _result(links)


def _result(links: list[Link]) -> Verification:
    broken = next((link.link for link in links if link.state == "broken"), None)
    later = any(link.state == "after_reboot" for link in links)
    return Verification("failed" if broken else "after_reboot" if later else "verified", tuple(links), broken)


def _waits(node: Node) -> str | None:
    """Why links of the running driver cannot hold yet; None where it is loaded, or the host of a WSL or container has it."""
    return "amdgpu is not loaded" if node.get("amd.driver.loaded") is False and not node.wsl else None


def _module_loaded(node: Node, order: RocmOrder) -> _State:
    if node.wsl or node.container:
        return "not_applicable", "the host of this system drives the GPUs"
    waits = _waits(node)
    if waits:
        return "after_reboot", waits
    loaded, method = node.get("amd.driver.version"), node.get("amd.driver.method")
    if node.get("amd.driver.loaded") is None:
        return "unknown", "whether amdgpu is loaded cannot be seen"
    if order.driver == "dkms" and method == "inbox":
        return "after_reboot", "the kernel's own amdgpu is loaded, not the one of amdgpu-dkms"
    if order.driver == "inbox" and method == "dkms":
        return "after_reboot", f"amdgpu {loaded} of amdgpu-dkms is loaded, not the kernel's own"
    built = at(node.installed_kernel(node.get("kernel.release")), "modules.amdgpu.version")
    if loaded and built and not same_version(loaded, built):
        return "after_reboot", f"amdgpu {loaded} is loaded, {built} is installed"
    return "ok", f"amdgpu {loaded} is loaded" if loaded else "the kernel's own amdgpu is loaded"


def _kfd(node: Node, order: RocmOrder) -> _State:
    """Each board on PCI is driven by amdgpu and served by the compute driver, with as many nodes as its mode makes."""
    waits = _waits(node)
    if waits:
        return "after_reboot", waits
    if node.wsl:
        return "not_applicable", "WSL has no compute driver of its own"
    if node.get("amd.driver.kfd") is False:
        return "broken", "the compute driver (/dev/kfd) is not there"
    for device in boards(node):
        if at(device, "pci.kernel_driver") not in ("amdgpu", None):
            return "broken", f"{name(device)} at {address(device)} is driven by {at(device, 'pci.kernel_driver')}, not by amdgpu"
        if "kfd" not in device.get("source", ()):
            why = _hint(node, device)
            return "broken", f"the compute driver does not serve {name(device)} at {address(device)}{f': {why}' if why else ''}"
        mode, parts = at(device, "partitioning.compute"), _parts(device)
        if parts != _PARTITIONS.get(str(mode), parts) or (mode == "CPX" and parts < 2):
            return "broken", f"{name(device)} at {address(device)} is in mode {mode} and has {parts} compute nodes"
    total = sum(map(_parts, boards(node)))
    return "ok", f"{len(boards(node))} of {len(boards(node))} GPUs, {total} compute {'node' if total == 1 else 'nodes'}"


def _parts(device: Section) -> int:
    return int(at(device, "partitioning.partitions") or 1)


def _hint(node: Node, device: Section) -> str | None:
    """What the kernel log says of a card that the compute driver left out."""
    for hint in node.items("amd.hints"):
        if hint.get("kind") != "small_bar" and (hint.get("pci") in (None, address(device))
                                                and hint.get("device_id") in (None, at(device, "pci.device_id"))):
            return str(hint.get("message"))
    return None


def _views(node: Node, order: RocmOrder) -> Iterator[tuple[str, Section | None]]:
    """Each user with what was seen through their eyes; without named users the caller."""
    seen: dict[str, Any] = node.get("amd.seen_by") or {}
    for user in order.users or tuple(seen) or ("root",):
        yield user, seen.get(user)


def _access(node: Node, order: RocmOrder) -> _State:
    """Each named user may open the compute device and the render nodes that belong to it."""
    if not order.users:
        return "not_applicable", "no users are named"
    waits = _waits(node)
    if waits:
        return "after_reboot", waits
    there = {str(one.get("path")): one for one in node.items("amd.access.nodes")}
    wanted = ["/dev/kfd", *(f"/dev/dri/renderD{minor}" for minor in node.get("amd.render_minors") or ())]
    if node.wsl:
        wanted = []
    again = []
    for user, view in _views(node, order):
        accounts = node.get("amd.access.users")
        account = at(accounts, user) or {}
        if isinstance(accounts, dict) and not account.get("exists"):
            return "broken", f"there is no user {user}"
        if view is None:
            return "unknown", f"what {user} may open cannot be seen: only root can look as somebody else"
        for path in wanted:
            if path not in view.get("opens", ()):
                return "broken", _refused(path, there.get(path), user, view)
        if _stale(account, there):
            again.append(user)
    note = f"; {join(again)} must log in again, running sessions do not have the groups yet" if again else ""
    return "ok", f"{join(order.users)} may use /dev/kfd{note}"


def _refused(path: str, device: Section | None, user: str, view: Section) -> str:
    if device is None:
        return f"{path} is not there"
    groups = join(view.get("groups") or ()) or "no group"
    return f"{user} may not open {path} ({device.get('mode')}, group {device.get('group')}), being in {groups}"


def _stale(account: Section, there: dict[str, Section]) -> bool:
    """Whether processes of the user that run now lack a group that the account has and the devices ask for."""
    session = account.get("session_groups")
    asked = {str(device.get("group")) for device in there.values()}
    return isinstance(session, list) and bool(asked & set(account.get("groups") or ()) - set(session))


def _targets(device: Section) -> set[str]:
    """The target of a card, and the one that it answers with under its override."""
    told = {str(device.get("gfx_target"))}
    parts = str(at(device, "rocm_support.override") or "").split(".")
    if len(parts) == 3 and all(part.isdecimal() for part in parts):
        told.add(f"gfx{parts[0]}{parts[1]}{int(parts[2]):x}")
    return told


def _missing(node: Node, listed: Iterable[Section]) -> Iterator[tuple[Section, int]]:
    """Boards that a list of agents or devices does not show, or not in all their parts, with how many parts it shows. By address where
    each has one, else by target."""
    items = list(listed)
    left = Counter(str(item.get("target")) for item in items)
    placed = all(item.get("address") for item in items)
    for device in boards(node):
        targets, parts = _targets(device), _parts(device)
        if placed:
            shown = sum(item.get("address") == address(device) and item.get("target") in targets for item in items)
        else:
            target = next((one for one in sorted(targets) if left[one] > 0), "")
            shown = min(left[target], parts)
            left[target] -= shown
        if shown < parts:
            yield device, shown


def _lacks(node: Node, listed: Iterable[Section], program: str, user: str) -> str | None:
    for device, shown in _missing(node, listed):
        parts = _parts(device)
        count = f" {shown} of the {parts} parts of" if parts > 1 and shown else ""
        return f"{program} as {user} lists{count or ' no'} {device.get('gfx_target')} for {name(device)} at {address(device)}"
    return None


def _rocminfo(node: Node, order: RocmOrder) -> _State:
    waits = _waits(node)
    if waits:
        return "after_reboot", waits
    for user, view in _views(node, order):
        if view is None:
            return "unknown", f"what {user} sees cannot be told: only root can look as somebody else"
        told = view.get("rocminfo")
        if told is None:
            return "broken", f"{user} finds no rocminfo"
        lacks = _lacks(node, told.get("agents") or (), "rocminfo", user)
        if lacks:
            trouble = at(told, "trouble.message")
            return "broken", f"rocminfo as {user}: {trouble}" if trouble else lacks
    return "ok", f"{_all(node, order)} {join(sorted({str(device.get('gfx_target')) for device in boards(node)}))}"


def _all(node: Node, order: RocmOrder) -> str:
    names = [user for user, _view in _views(node, order)]
    return f"{join(names)} {'sees' if len(names) == 1 else 'see'} {sum(map(_parts, boards(node)))} of"


def _clinfo(node: Node, order: RocmOrder) -> _State:
    if "opencl" not in order.components:
        return "not_applicable", "components has no opencl"
    waits = _waits(node)
    if waits:
        return "after_reboot", waits
    for user, view in _views(node, order):
        if view is None:
            return "unknown", f"what {user} sees cannot be told: only root can look as somebody else"
        told = view.get("clinfo")
        if told is None:
            return "broken", f"{user} finds no clinfo"
        platforms = [one for one in told.get("platforms") or () if one.get("name") == _PLATFORM]
        devices = [device for one in platforms for device in one.get("devices") or () if device.get("kind") == "gpu"]
        lacks = _lacks(node, devices, "clinfo", user)
        if lacks:
            trouble = at(told, "trouble.message") or (None if platforms else f"no platform is called {_PLATFORM}")
            return "broken", f"clinfo as {user}: {trouble}" if trouble else lacks
    return "ok", f"{_all(node, order)} {join(sorted({str(device.get('gfx_target')) for device in boards(node)}))} in OpenCL"


def _amd_smi(node: Node, order: RocmOrder) -> _State:
    told = node.get("amd.smi")
    if told is None:
        return "not_applicable", "amd-smi is not installed"
    waits = _waits(node)
    if waits:
        return "after_reboot", waits
    wanted = len(boards(node))
    if (told.get("devices") or 0) < wanted:
        why = f": {told['message']}" if told.get("message") else ""
        return "broken", f"amd-smi lists {told.get('devices') or 0} of {wanted} GPUs{why}"
    return "ok", f"amd-smi lists {told.get('devices')} {'device' if told.get('devices') == 1 else 'devices'}"
