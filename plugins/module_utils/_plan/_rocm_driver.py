# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which kernel driver a node is to have beside a release of ROCm: the kernel's own, AMD's amdgpu-dkms, or nobody's business."""

from __future__ import annotations

from typing import NamedTuple

from .._check._node import Node, join
from .._inventory._inventory import Inventory
from .._knowledge import rocm_delivery, rocm_releases
from .._knowledge.rocm_delivery import Deliverer
from .._knowledge.rocm_drivers import Inbox, driver_fits, driver_for, inbox
from .._knowledge.rocm_releases import numbers
from ._node_state import kernels_to_boot, key_enrolled, newer_or_running, secure
from ._refuse import refuse
from ._rocm_here import Judged, driver_here, here
from .rocm_order import RocmOrder
from .steps import Refusal

__all__ = ["DriverChoice", "choose_driver"]


class DriverChoice(NamedTuple):
    """kind: inbox | dkms | none; version: AMD's own number of a driver to build, None otherwise; reasons for people."""

    kind: str
    version: str | None = None
    reasons: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()


def choose_driver(inventory: Inventory, order: RocmOrder, deliverer: Deliverer, version: str, judged: Judged) -> DriverChoice:
    """The driver for a release. auto: AMD's where it is there already and fits, else the kernel's own where that is enough for every card
    and every kernel that boots (or nobody can tell, see `_may_stay`), else AMD's."""
    node = Node(inventory)
    if order.driver == "none" or node.container or node.wsl:
        return DriverChoice("none", None, ("the driver is left as it is",))
    told = _inbox(node, judged, version)
    wished = order.driver_wish is not None or order.driver == "dkms"
    apu = all(one.apu for _device, one in judged.cards)
    if not wished and order.driver == "auto" and (apu or (deliverer.kind == "distribution" and driver_here(inventory) is None)):
        return _own(node, told, version, apu)
    there = driver_here(inventory)
    enough = all(one.enough for one in told) or (_unknown(told) and _may_stay(inventory, judged))
    if order.driver == "inbox" or (not wished and there is None and enough):
        return _own(node, told, version, apu)
    if deliverer.kind != "vendor":
        return DriverChoice("dkms", refusals=(refuse(node, "RS-DRIVER-ELSEWHERE", "driver", use=({"origin": "amd"},),
                                                     origin=deliverer.id),))
    return _dkms(inventory, order, deliverer, version, told, there)


def _inbox(node: Node, judged: Judged, version: str) -> list[Inbox]:
    """What the kernels that boot bring for each target."""
    kernels = [str(entry.get("release")) for entry in kernels_to_boot(node, None) if newer_or_running(node, entry)]
    kernels = kernels or [str(node.get("kernel.release") or "")]
    gfx = sorted({told.gfx_target for _device, told in judged.cards if told.gfx_target})
    told = [inbox(one, kernel, version) for one in gfx for kernel in kernels]
    if node.get("amd.driver.method") != "inbox" or not all("kfd" in device.get("source", ()) for device, _told in judged.cards):
        return told
    # What the compute driver does outranks what our tables say that it cannot.
    return [one._replace(enough=None, why=f"{one.why} It serves the card all the same.") if one.enough is False else one for one in told]


def _unknown(told: list[Inbox]) -> bool:
    """Whether no kernel is known to be too old."""
    return all(one.enough is not False for one in told)


def _may_stay(inventory: Inventory, judged: Judged) -> bool:
    """Where our tables do not tell whether the kernel's own driver is enough: it stays under a ROCm that is in use with it, and where AMD
    does not list card and system, since then nobody tested AMD's driver on them either."""
    works = bool(Node(inventory).get("amd.driver.kfd")) and here(inventory) is not None
    return works or judged.support != "supported" or not judged.listed


def _own(node: Node, told: list[Inbox], version: str, apu: bool) -> DriverChoice:
    use = () if apu else ({"driver": "dkms"},)
    refusals = [refuse(node, "RS-INBOX-TOO-OLD", f"kernel {node.get('kernel.release')}", use=use, reason=one.why, version=version,
                       kernel=one.kernel or "a newer one") for one in told if one.enough is False][:1]
    return DriverChoice("inbox", None, tuple(dict.fromkeys(one.why for one in told)), tuple(refusals))


def _dkms(
    inventory: Inventory, order: RocmOrder, deliverer: Deliverer, version: str, told: list[Inbox], there: str | None
) -> DriverChoice:
    node = Node(inventory)
    pair = driver_for(version)
    reasons = [one.why for one in told if not one.enough][:2] if order.driver == "auto" else []
    wanted = _wanted(order, there, version)
    if wanted is None:
        has = join(sorted({one.amdgpu for one in rocm_releases.releases() if one.amdgpu}, key=numbers)[-4:])
        return DriverChoice("dkms", refusals=(refuse(node, "RS-DRIVER-UNKNOWN", "driver", wish=order.driver_wish or "auto", has=has),))
    if pair and pair.note and wanted == pair.version:
        reasons.append(pair.note)
    refusals = []
    if driver_fits(wanted, version) is False:
        use = ({"driver_version": pair.version},) if pair else ()
        refusals.append(refuse(node, "RS-DRIVER-MISMATCH", "driver", use=use, driver=wanted, version=version,
                               pair=pair.version if pair else "none that is known"))
    if not _offered(inventory, deliverer, version, wanted):
        refusals.append(refuse(node, "RS-DRIVER-UNKNOWN", "driver", wish=wanted, has="none for this distribution"))
    elif secure(node) and not key_enrolled(node, "amdgpu"):
        refusals.append(refuse(node, "RS-SECURE-BOOT", "Secure Boot", version=wanted, certificate=_certificate(node),
                               use=({"driver": "inbox"},)))
    reasons.append(f"amdgpu-dkms {wanted} is installed" if there == wanted else f"AMD names driver {wanted} with ROCm {version}"
                   if pair and pair.documented and pair.version == wanted else f"amdgpu-dkms {wanted} is built here")
    return DriverChoice("dkms", wanted, tuple(dict.fromkeys(reasons)), tuple(refusals))


def _wanted(order: RocmOrder, there: str | None, version: str) -> str | None:
    """The version of AMD's driver: the one that is there where it serves, else the newest that the wish allows, or the release's pair."""
    if there and order.state == "present" and (
            order.driver_wish.allows(there) if order.driver_wish else driver_fits(there, version) is not False):
        return there
    if order.driver_wish is None:
        pair = driver_for(version)
        return pair.version if pair else None
    if order.driver_wish.exact:
        return order.driver_wish.exact
    known = {one.amdgpu for one in rocm_releases.releases() if one.amdgpu and order.driver_wish.allows(one.amdgpu)}
    fits = [one for one in known if driver_fits(one, version) is not False] or list(known)
    return max(fits, key=numbers, default=None)


def _offered(inventory: Inventory, deliverer: Deliverer, version: str, driver: str) -> bool:
    system = inventory.system
    places = rocm_delivery.repositories(deliverer.id, str(system.get("distribution")), str(system.get("distribution_version")), version,
                                        driver, system.get("distribution_like") or (), system.get("ubuntu_codename"))
    return any(one.use == "amdgpu" for one in places)


def _certificate(node: Node) -> str:
    ubuntu = "ubuntu" in (node.get("system.distribution"), *(node.get("system.distribution_like") or ()))
    return "/var/lib/shim-signed/mok/MOK.der" if ubuntu else "/var/lib/dkms/mok.pub"
