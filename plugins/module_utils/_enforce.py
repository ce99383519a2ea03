# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: look at a node, decide what it needs for an order, ask its package manager, and answer with the whole plan.

Nothing of the node is changed: the package manager works in a folder of its own, which goes again.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ._host import Host, HostError
from ._inventory import _ask_for_a_change, _ask_software
from ._inventory._inventory import Inventory
from ._inventory._own import Own
from ._inventory._survey import ALL_SOURCES, Ask, survey, wanted_subsets
from ._look import last_run_of, refuse_unknown_codes
from ._packages.types import Closure, Manager, Offer, PackageError, Remover, Repository
from ._plan.answer import reboot_reasons
from ._plan.steps import Plan, Refusal, Verification

__all__ = ["Fetch", "Planner", "inspect"]

Fetch = Callable[[str, "str | None"], bytes]  # (URL, proxy) → content; OSError with the reason

_DNF_PYTHON = "/usr/libexec/platform-python"
# What a package manager failed for -> the code of the refusal, without the beginning that each module has (`Own.codes`).
_ERRORS = {
    "no_network": "REPOSITORY-UNREACHABLE",
    "out_of_date": "REPOSITORY-OUT-OF-DATE",
    "bad_signature": "REPOSITORY-SIGNATURE",
    "hash_mismatch": "REPOSITORY-HASH",
    "bad_key": "REPOSITORY-KEY",
    "no_space": "NO-SPACE-PRIVATE",
}
_OTHER_ERROR = "PACKAGE-MANAGER"


class Planner(NamedTuple):
    """What one vendor takes to plan: groups of readers, and functions that take the inventory and the order first (those of
    `_plan/nvidia_driver.py` say what they do)."""

    ask: tuple[Ask, ...]
    jobs: tuple[str, ...]  # sources that see who uses GPUs
    assess: Callable[..., Plan | None]
    select: Callable[..., Any]
    plan: Callable[..., Plan]
    remove: Callable[..., Plan]
    predict: Callable[..., dict[str, Any]]  # the inventory and the plan
    busy: Callable[..., list[Refusal]]
    verify: Callable[..., Verification]
    answer: Callable[..., dict[str, Any]]  # the inventory, the plan, the verification, findings, KiB to download
    origin_of: Callable[..., str | None]  # who made a package, by what the package manager says of it


def inspect(
    host: Host, order: Any, planner: Planner, timeout: float, folder: str, fetch: Fetch, today: str, user: str = "root"
) -> dict[str, Any]:
    """The answer of the module, all values plain (see its RETURN). order: the planner's own.

    timeout: of each source, in seconds. folder: where the private folder of the package manager may be made. fetch brings the
    keys of repositories. today: YYYY-MM-DD. user: who this runs as. OrderError for a code to acknowledge that nothing has.
    """
    from ._check import _areas  # after `_inventory`, from whose import on each module in an archive is compiled only once
    from ._check._node import Node

    refuse_unknown_codes(order)
    last_run = last_run_of(host, order.own)  # before all else: a run that ends while we look makes our plan stale
    inventory = _survey(host, order, planner, timeout)
    closure = Closure(())
    plan = planner.assess(inventory, order, today)
    if plan is None:
        plan, closure = _asked(host, inventory, order, planner, folder, fetch, today)
        plan = _still_idle(host, order, planner, timeout, plan)
    if user != "root":
        plan = _without_root(plan, order, _refusal(inventory, order, "NO-ROOT", user=user))
    verification = planner.verify(inventory, order.settled(plan.chosen))
    reasons = reboot_reasons(plan, verification)
    told_of = plan.status == "change" or (plan.status == "nothing_to_do" and verification.status != "verified")
    findings = [one.as_dict() for one in _areas.findings(Node(inventory), _known(order))] if told_of else []
    if reasons and plan.status == "nothing_to_do":
        plan = plan._replace(refusals=(*plan.refusals, *_ended_by_reboot(inventory, order, planner)))
    told = planner.answer(inventory, plan, verification, findings, closure.download_kib)
    if plan.status == "change":
        told["after"] = planner.predict(inventory, plan) or None
    return {**told, "node": {"last_run": last_run, "dnf_python": _dnf_python(host), **_unfinished(inventory, order, plan)}}


def _survey(host: Host, order: Any, planner: Planner, timeout: float, sources: Sequence[str] = ALL_SOURCES) -> Inventory:
    first = [*planner.ask, _ask_software.ask_names]
    then = [_ask_software.ask, _ask_for_a_change.ask]
    return survey(host, first, then, wanted_subsets(()) | {"change", "processes"}, timeout, sources, order.users, order.own)


def _unfinished(inventory: Inventory, order: Any, plan: Plan) -> dict[str, Any]:
    """How to go back from what earlier runs have begun, and the record as it is to be once this plan is done (None: as it is)."""
    from ._plan import _way_back

    if order.state == "absent":  # which is a way back itself
        return {"undo": [], "closed_record": None}
    return {"undo": _way_back.told(inventory), "closed_record": _way_back.closed(order.own, inventory, plan.steps)}


def _without_root(plan: Plan, order: Any, refusal: Refusal) -> Plan:
    """A plan can be made without root, and check mode shows it; but of a record that only root can read there is nothing to take back."""
    if any(one.code == f"{order.own.codes}RECORD-BROKEN" for one in plan.refusals):
        return plan._replace(refusals=(refusal,))
    warned = (*plan.refusals, refusal._replace(severity="warning"))
    return plan._replace(refusals=warned) if plan.status == "change" else plan


def _ended_by_reboot(inventory: Inventory, order: Any, planner: Planner) -> list[Refusal]:
    """Jobs on a node of which only the reboot is left: nothing of ours ends them, whoever reboots it is to know."""
    return [one._replace(severity="warning") for one in planner.busy(inventory, order) if one.code not in order.acknowledge]


def _known(order: Any) -> list[str]:
    """Of the acknowledged codes those of findings: they share one option with refusals."""
    return [code for code in order.acknowledge if not code.startswith(order.own.codes)]


def _asked(
    host: Host, inventory: Inventory, order: Any, planner: Planner, folder: str, fetch: Fetch, today: str
) -> tuple[Plan, Closure]:
    """The plan of a node whose package manager has to be asked."""
    shop = _Shop(host, inventory, order, planner, folder, fetch)
    try:
        if order.state == "absent":
            return planner.remove(inventory, order, shop.remover()), Closure(())
        found = planner.select(inventory, order, shop.ask, today)
        if isinstance(found, list):
            return Plan("refused", refusals=tuple(found)), Closure(())
        request = found.request
        closure = shop.manager.resolve(request) if request.install or request.remove else Closure(())
        attempt = shop.attempt
        plan = planner.plan(inventory, order, attempt.deliverer, found.chosen, request, closure, attempt.repositories, today)
        return plan, closure
    except _Refused as error:
        return Plan("refused", refusals=(error.refusal,)), Closure(())
    except PackageError as error:
        code = _ERRORS.get(error.code, _OTHER_ERROR)
        return Plan("refused", refusals=(_refusal(inventory, order, code, "packages", manager=shop.name, error=str(error)),)), Closure(())
    finally:
        shop.close()


def _still_idle(host: Host, order: Any, planner: Planner, timeout: float, plan: Plan) -> Plan:
    """Asking a package manager takes its time: jobs that have come meanwhile count."""
    if plan.status != "change":
        return plan
    fresh = _survey(host, order, planner, timeout, planner.jobs)
    known = {one.code for one in plan.refusals} | set(order.acknowledge)
    new = tuple(one for one in planner.busy(fresh, order) if one.severity == "critical" and one.code not in known)
    return plan._replace(status="refused", steps=(), refusals=(*new, *plan.refusals)) if new else plan


class _Refused(PackageError):
    """A repository that cannot be asked for a reason of ours: its key."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__("bad_key", refusal.message)
        self.refusal = refusal


def _refusal(inventory: Inventory, order: Any, code: str, subject: str = "node", **words: Any) -> Refusal:
    """code: without its beginning."""
    from ._check._node import Node
    from ._plan._refuse import refuse

    return refuse(Node(inventory), f"{order.own.codes}{code}", subject, **words)


class _Shop:
    """The package manager with the sources of the attempt that was asked last; `attempt` has the keys of its repositories."""

    manager: Manager
    attempt: Any  # of `select`: deliverer, repositories

    def __init__(self, host: Host, inventory: Inventory, order: Any, planner: Planner, folder: str, fetch: Fetch) -> None:
        self._host, self._inventory, self._order, self._planner, self._fetch = host, inventory, order, planner, fetch
        from ._packages._private import parent_for

        self._parent = tempfile.TemporaryDirectory(prefix="gpufleet-", dir=parent_for(folder))
        self._count, self._open = 0, False
        self._keys: dict[str, bytes] = {}
        self.name = "package manager"

    def ask(self, attempt: Any) -> Offer:
        """What is offered there. PackageError, _Refused."""
        self._close_manager()
        self.attempt = attempt._replace(repositories=tuple(self._with_key(one, attempt.deliverer.id) for one in attempt.repositories))
        self._count += 1
        self.name = attempt.deliverer.manager
        self.manager = self._made()
        self._open = True
        self.manager.open(self.attempt.repositories, True, self._order.proxy)
        return self.manager.offer(attempt.deliverer.patterns)

    def remover(self) -> Remover:
        """The package manager for a removal, which needs no repository. PackageError."""
        from ._plan._absent import manager_of

        self.name = manager_of(self._inventory)
        self.manager = self._made()
        self._open = True
        self.manager.open((), False)
        return self.manager

    def _made(self) -> Manager:
        return _manager(self.name, self._host, f"{self._parent.name}/{self._count}", self._planner.origin_of, self._order.own)

    def close(self) -> None:
        """Remove all that was made."""
        self._close_manager()
        self._parent.cleanup()

    def _close_manager(self) -> None:
        if self._open:
            self._open = False
            self.manager.close()

    def _with_key(self, repository: Repository, who: str) -> Repository:
        """The repository with its key, which has the fingerprint that it is to have or is the operator's own."""
        from ._packages._openpgp import KeyFormatError, armour, fingerprint

        if not repository.key_path or repository.key:
            return repository
        wanted = repository.fingerprint
        own = self._order.repository_key if wanted is None else None  # a maker's repositories may have keys that the operator's is not
        if own is None and not wanted:
            raise self._refused("KEY-UNKNOWN", who, origin=who)
        where = own or repository.key_url
        data, where = (own.encode(), "repository_key") if own and "-----BEGIN" in own else (self._fetched(where), where)
        try:
            key, found = armour(data), fingerprint(data)
        except KeyFormatError as error:
            raise self._refused("KEY-DAMAGED", who, where=where, error=error) from None
        if own is None and found != str(wanted).replace(" ", "").upper():
            raise self._refused("KEY-OTHER", who, where=where, found=found, wanted=wanted)
        return repository._replace(key=key, fingerprint=found)

    def _fetched(self, url: str) -> bytes:
        if url not in self._keys:  # several repositories may have one key
            try:
                self._keys[url] = self._fetch(url, self._order.proxy)
            except OSError as error:
                raise self._refused("KEY-UNREACHABLE", "packages", where=url, error=error) from None
        return self._keys[url]

    def _refused(self, code: str, subject: str, **words: Any) -> _Refused:
        return _Refused(_refusal(self._inventory, self._order, code, subject, **words))


def _manager(name: str, host: Host, folder: str, origin_of: Callable[..., str | None], own: Own) -> Manager:
    if name == "apt":
        from ._packages.apt import Apt

        return Apt(host, folder, origins=origin_of)
    if name == "zypper":
        from ._packages.zypper import Zypper

        return Zypper(host, folder, origin_of=origin_of, own=own)
    from ._packages.dnf import Dnf

    return Dnf(host, folder, origin_of=origin_of, own=own)


def _dnf_python(host: Host) -> str | None:
    """The version of the Python that has the bindings of dnf, where the distribution keeps one of its own for that."""
    try:
        match = re.search(r"python(3\.\d+)$", host.link(_DNF_PYTHON))
    except HostError:
        return None
    return match[1] if match else None
