# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: of what is offered, the driver that serves an order on a node, or why none does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from .._check._node import Node, join
from .._inventory._inventory import Inventory
from .._knowledge import delivery
from .._knowledge.delivery import Deliverer
from .._packages.types import Offer, Request
from ._branches import newer_than_table
from ._cards import Card, cards_of, flavours, limits
from ._deliverables import Deliverable, Index, deliverables, without_module
from ._kept import kept
from ._kernel_fit import Misfit, misfits
from ._kernel_fit import refusals as fit_refusals
from ._node_state import key_enrolled, secure
from ._present import EXACT, Present, installed, kernels_of, present, revision_of, roles, sets_of
from ._refuse import refuse
from ._request import request_for
from ._templates import bare, package_key
from .branch import Choice, Installed, choose_branch
from .order import Order
from .steps import Chosen, Refusal

__all__ = ["UNSERVED", "choose", "impossible"]

# Refusals that say that an origin has nothing for this hardware, whatever is wished: another one may be asked then.
UNSERVED = frozenset(("ND-ORIGIN-NOTHING", "ND-ORIGIN-NO-GPU", "ND-NO-FABRIC-MANAGER"))


class _Stop(Exception):
    """Nothing is left to choose from."""

    def __init__(self, *found: Refusal) -> None:
        super().__init__()
        self.found = list(found)


class _Ask(NamedTuple):
    """What a choice is made for."""

    node: Node
    inventory: Inventory
    order: Order
    deliverer: Deliverer
    offered: Index
    cards: list[Card]
    there: Present | None
    today: str | None

    @property
    def installed_version(self) -> str | None:
        version = self.node.get("nvidia.driver.installed_version")
        return str(version) if version else None

    def stop(self, code: str, use: Iterable[str] = (), option: str = "version", **words: Any) -> _Stop:
        """A refusal with the values of an option that would do."""
        words = {"wish": self.order.wish, "origin": self.deliverer.id, **words}
        return _Stop(refuse(self.node, code, use=tuple({option: value} for value in use), **words))


def choose(
    inventory: Inventory, order: Order, deliverer: Deliverer, offer: Offer, today: str | None = None
) -> tuple[Chosen, Request] | list[Refusal]:
    """The driver to have and the transaction to ask the package manager for; or what stands in the way, in the words of refusals."""
    index = Index(offer, deliverer.id, sets_of(inventory, deliverer))
    kernels = kernels_of(inventory, deliverer, index)
    there = present(inventory, deliverer, kernels_of(inventory, deliverer))
    node = Node(inventory)
    ask = _Ask(node, inventory, order, deliverer, index, cards_of(node.nvidia), there, today)
    try:
        found = deliverables(offer, deliverer, sets_of(inventory, deliverer), kernels)
        picked = kept(inventory, order, there, found, index)
        wished = [] if picked and not _bad(ask, picked) else _wished(ask, _served(ask, found))
        picked = _pick(ask, wished) if wished or picked is None else picked
        _need_kernels(ask, picked, found)
        _need_dkms(ask, picked)
    except _Stop as stop:
        return stop.found
    branches = {one.branch for one in found if one.packages.flavour in flavours(ask.cards, one.branch)} | {picked.branch}
    chosen = _driver(ask, picked)._replace(notes=_instead_of(ask, wished, picked), offered=tuple(sorted(branches)))
    return chosen, request_for(inventory, order, deliverer, picked, index, kernels)


def _driver(ask: _Ask, one: Deliverable) -> Chosen:
    return Chosen(one.version, one.branch, one.packages.flavour, ask.deliverer.id, one.packages.build, one.revision)


def _bad(ask: _Ask, one: Deliverable) -> list[Misfit]:
    """The kernels that stand in the way of a driver."""
    return [bad for bad in misfits(ask.node, _driver(ask, one)) if bad.stops and not ask.order.allows_acknowledged(bad.code)]


def _need_kernels(ask: _Ask, picked: Deliverable, found: list[Deliverable]) -> None:
    """Where the module cannot be built for the kernel that boots next: the versions of the offer that can."""
    bad = _bad(ask, picked)
    if bad:
        oldest = package_key(ask.installed_version) if ask.installed_version and not ask.order.allow_downgrade else None
        fits = [one for one in _served(ask, found) if not misfits(ask.node, _driver(ask, one))]
        fits = [one for one in fits if oldest is None or package_key(one.version) >= oldest]
        raise _Stop(*fit_refusals(ask.node, _driver(ask, picked), bad, _nearest(ask, fits, picked.branch, picked.version)))


def _need_dkms(ask: _Ask, picked: Deliverable) -> None:
    """Where dkms comes from a repository of its own, that has to be there: a package manager would only tell what nothing provides."""
    system, release = ask.inventory.system, ask.deliverer.tools.get("repositories", ())
    lacks = picked.packages.build == "dkms" and "dkms" not in installed(ask.inventory) and not ask.offered.of("dkms")
    if lacks and release and system.get("distribution") not in ("amzn", "fedora"):
        major = str(system.get("distribution_version") or "").partition(".")[0]
        raise ask.stop("ND-NO-DKMS", version=picked.version, major=major)


def impossible(inventory: Inventory, order: Order, today: str | None = None) -> list[Refusal]:
    """What no package source can serve: cards that exclude each other, or a wish for a branch that does not drive them."""
    node = Node(inventory)
    # Whether somebody has a branch that is newer than our table, only the sources know.
    newer = {order.wish.branch} if order.wish.branch is not None and newer_than_table(order.wish.branch) else None
    choice = choose_branch(order.wish, node.nvidia, newer, None, today)
    return [_impossible(node, entry, order) for entry in choice.refused]


def _impossible(node: Node, entry: dict[str, Any], order: Order) -> Refusal:
    """An entry of Choice.refused: another version would do, or none would."""
    subject, use = entry["addresses"][0] if entry["addresses"] else "node", tuple({"version": value} for value in entry["use"])
    if use:
        return refuse(node, "ND-ORIGIN-NO-GPU", subject, use=use, wish=order.wish, origin="NVIDIA", reason=entry["message"])
    return refuse(node, "ND-NO-COMMON-DRIVER", subject, reason=entry["message"], address=subject)


def _served(ask: _Ask, found: list[Deliverable]) -> list[Deliverable]:
    """What the hardware and the options besides the version leave."""
    order = ask.order
    exact = order.wish.high == (*order.wish.low, 0)
    found = [one for one in found if exact or not one.superseded]
    if not found:
        look = {"apt": "apt-cache policy", "zypper": "zypper repos --details"}.get(ask.deliverer.manager, "dnf repolist --all")
        raise ask.stop("ND-ORIGIN-NOTHING", _other_origin(ask), "origin", set=look)
    pool = [one for one in found if one.packages.flavour in flavours(ask.cards, one.branch)]
    if not pool:
        raise _Stop(*_from_choice(ask, _choice(ask, found), "ND-ORIGIN-NO-GPU", found))
    pool = _with_fabric(ask, pool)
    whole = "full" if ask.there and ask.there.packages.components == "full" else order.components
    pool = [one for one in pool if one.packages.components == whole] or _empty(ask.stop("ND-NO-COMPONENTS", option="components"))
    if order.flavour != "auto":
        fits = [one for one in pool if one.packages.flavour == order.flavour]
        others = sorted({one.packages.flavour for one in pool})
        pool = fits or _empty(ask.stop("ND-NO-FLAVOUR", others, "flavour", flavour=order.flavour, others=join(others)))
    return _built(ask, pool)


def _empty(stop: _Stop) -> list[Deliverable]:
    raise stop


def _with_fabric(ask: _Ask, pool: list[Deliverable]) -> list[Deliverable]:
    """Where NVSwitches are, only a driver whose Fabric Manager of the same version is offered; Ubuntu has it for -server."""
    if "fabricmanager" not in roles(ask.inventory, ask.order):
        return pool
    with_server = any(one.packages.server for one in pool)
    fits = [one for one in pool if one.packages.server == with_server and _managed(ask, one)]
    return fits or _empty(ask.stop("ND-NO-FABRIC-MANAGER", version=pool[0].version))


def _managed(ask: _Ask, one: Deliverable) -> bool:
    names = delivery.extras(ask.deliverer.id, one.branch).get(EXACT[0], ())
    versions = [candidate.version for name in names for candidate in ask.offered.of(name)]
    return any(bare(version).startswith(one.version) for version in versions)


def _built(ask: _Ask, pool: list[Deliverable]) -> list[Deliverable]:
    """By `precompiled`. Under Secure Boot without an enrolled key only a signed module that is built already will load."""
    order, node = ask.order, ask.node
    ready = [one for one in pool if one.packages.build == "prebuilt"]
    if order.precompiled == "always":
        kernels = kernels_of(ask.inventory, ask.deliverer, ask.offered)
        lagging = without_module(sets_of(ask.inventory, ask.deliverer), ask.offered, kernels)
        words = f"kernel {join(lagging)}" if lagging else "every kernel of this node"
        return ready or _empty(ask.stop("ND-NO-PREBUILT", ["auto"], "precompiled", kernels=words))
    if order.precompiled == "never":
        pool = [one for one in pool if one.packages.build != "prebuilt"]
        return pool or _empty(ask.stop("ND-ONLY-PREBUILT", ["auto"], "precompiled"))
    return ready if ready and secure(node) and not key_enrolled(node) else pool


def _wished(ask: _Ask, pool: list[Deliverable]) -> list[Deliverable]:
    """What the wish allows, and no older driver than the one that is there unless that is allowed."""
    wish = ask.order.wish
    wished = [one for one in pool if wish.allows(one.version, revision_of(one.revision))]
    if not wished:
        choice = _choice(ask, pool)
        if choice.branch is None:
            raise _Stop(*_from_choice(ask, choice, "ND-VERSION-NOT-OFFERED", pool))
        near = _nearest(ask, pool, choice.branch)
        raise ask.stop("ND-VERSION-NOT-OFFERED", near, reason=f"nearest are {join(near)}")
    installed = ask.installed_version
    if installed is None or ask.order.allow_downgrade:
        return wished
    newer = [one for one in wished if package_key(one.version) >= package_key(installed)]
    near = [one.version for one in pool if package_key(one.version) >= package_key(installed)]
    return newer or _empty(ask.stop("ND-DOWNGRADE", near[:1], packages=f"{installed} → {wished[0].version}{_unserved(ask, installed)}"))


def _unserved(ask: _Ask, version: str) -> str:
    """In brackets, the cards that a driver leaves out."""
    branch = int(version.partition(".")[0])
    left = [f"{card.label} {limits(card, [branch])}" for card in ask.cards if not card.flavours(branch)]
    return f" ({join(left)})" if left else ""


def _nearest(ask: _Ask, pool: list[Deliverable], branch: int, version: str | None = None) -> list[str]:
    """Versions that are offered, those of a branch first; with their revisions where the wish has one, and of the version given."""
    def named(revision: str) -> str:
        upstream = bare(revision).partition("-")[0]
        return bare(revision) if ask.order.wish.revision or upstream == version else upstream

    ordered = sorted(pool, key=lambda one: (abs(one.branch - branch), [-part for part in map(int, one.version.split("."))]))
    return list(dict.fromkeys(named(one.revision) for one in ordered))[:4]


def _choice(ask: _Ask, pool: Sequence[Deliverable], installed: Installed | None = None) -> Choice:
    return choose_branch(ask.order.wish, ask.node.nvidia, {one.branch for one in pool}, installed, ask.today)


def _from_choice(ask: _Ask, choice: Choice, code: str, pool: list[Deliverable]) -> list[Refusal]:
    """The refusals of a choice of branches; one of ours where branches would do but their flavours are not offered."""
    if not choice.refused:
        branches = sorted({f"{one.branch} ({one.packages.flavour})" for one in pool})
        reason = f"it offers {join(branches)}"
        return ask.stop("ND-ORIGIN-NO-GPU", _other_origin(ask), "origin", offered=join(branches), reason=reason).found
    found, here = [], {str(one.branch) for one in pool}
    for entry in choice.refused:
        subject = entry["addresses"][0] if entry["addresses"] else "node"
        use = tuple({"version": value} for value in entry["use"])
        if use and not here & set(entry["use"]):  # nothing of what would do is offered here
            use = (*({"origin": value} for value in _other_origin(ask)), *use)
        found.append(refuse(ask.node, code, subject, use=use, wish=ask.order.wish, origin=ask.deliverer.id, reason=entry["message"],
                            offered=join(sorted({str(one.branch) for one in pool}))))
    return found


def _other_origin(ask: _Ask) -> list[str]:
    return ["nvidia"] if ask.deliverer.kind == "distribution" else []


def _pick(ask: _Ask, pool: list[Deliverable]) -> Deliverable:
    """The branch by the rules for a bare host, the installed one where it stays; of that the set that is there or the first of
    the table, and the newest version."""
    installed, order = ask.installed_version, ask.order
    if installed and order.state == "present":
        same = [one for one in pool if one.version == installed]
        kept = same or [one for one in pool if one.version.partition(".")[0] == installed.partition(".")[0]]
        if kept:
            pool = kept
    for building in _by_kernels(ask, pool):
        choice = _choice(ask, building)
        if choice.branch is not None:
            break
    else:
        raise _Stop(*_from_choice(ask, choice, "ND-VERSION-NOT-OFFERED", pool))
    pool = [one for one in building if one.branch == choice.branch]
    fits = [one for one in pool if one.packages.flavour == _flavour(ask, choice)]
    best = min(fits or pool, key=lambda one: _preference(ask, one))
    return max((one for one in pool if one.packages == best.packages), key=lambda one: _age(ask, one))


def _by_kernels(ask: _Ask, pool: list[Deliverable]) -> Iterator[list[Deliverable]]:
    """What builds for every kernel that boots, what is not sure to fail for the next one, and last everything."""
    found = [(one, misfits(ask.node, _driver(ask, one))) for one in pool]
    for group in ([one for one, bad in found if not bad], [one for one, bad in found if not any(each.stops for each in bad)]):
        if group:
            yield group
    yield pool


def _instead_of(ask: _Ask, pool: list[Deliverable], picked: Deliverable) -> tuple[str, ...]:
    """The branch that would come first, and the kernel that its newest version does not build for."""
    usual = None if ask.installed_version and ask.order.state == "present" else _choice(ask, pool).branch
    first = next((one for one in pool if one.branch == usual and usual != picked.branch), None)
    bad = misfits(ask.node, _driver(ask, first)) if first else []
    if first is None or not bad:
        return ()
    return (f"{usual} would come first: its {bare(first.revision)} does not build for kernel {bad[0].release}",)


def _flavour(ask: _Ask, choice: Choice) -> str | None:
    """The flavour that was asked for, that is there, or that the cards take."""
    if ask.order.flavour != "auto":
        return ask.order.flavour
    if ask.there and ask.there.packages.flavour in flavours(ask.cards, choice.branch or 0):
        return ask.there.packages.flavour
    return choice.flavour


def _preference(ask: _Ask, one: Deliverable) -> tuple[bool, bool, bool]:
    """Smaller is better; equal ones keep the order of the table. What is there stays, else a module that is built already, else what
    the distribution's own tool recommends."""
    row, there = one.packages, ask.there.packages if ask.there else None
    stays = there is not None and (there.build, there.server) == (row.build, row.server)
    named = any((one.branch, row.flavour, row.server) == (rec["branch"], rec["flavour"], rec["server"])
                for rec in ask.inventory.packages.get("recommended") or ())
    return (there is not None and not stays, row.build != "prebuilt", not named)


def _age(ask: _Ask, one: Deliverable) -> Any:
    """The installed revision counts as the newest where state is present: a newer package of the same driver is no reason."""
    stays = ask.order.state == "present" and ask.there is not None and one.revision == ask.there.revision
    return (package_key(one.version), stays, package_key(one.revision))
