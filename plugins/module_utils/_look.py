# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: look at a node and say whether it is as ordered already. Most are, on most days, so this brings along as little as it can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ._host import Host, HostError
from ._inventory import _ask_what_is_kept
from ._inventory._own import Own
from ._inventory._survey import Ask, survey, wanted_subsets
from ._plan.steps import Plan, Verification

__all__ = ["UNDECIDED", "Look", "Ordered", "last_run_of", "look", "refuse_unknown_codes"]

UNDECIDED = "undecided"


class Ordered(Protocol):
    """What every order has."""

    @property
    def own(self) -> Own: ...
    @property
    def users(self) -> Sequence[str] | None: ...
    @property
    def acknowledge(self) -> tuple[str, ...]: ...

    def settled(self, chosen: Any) -> Any:
        """The order as the verification takes it, with what the plan chose where the operator left that open."""


class Look(NamedTuple):
    """What one vendor takes to look: groups of readers, and functions that take the inventory and the order first."""

    ask: tuple[Ask, ...]
    satisfied: Callable[..., Plan | None]  # and the day
    verify: Callable[..., Verification]
    answer: Callable[..., dict[str, Any]]  # the inventory, the plan, the verification


def look(host: Host, order: Ordered, way: Look, timeout: float, today: str) -> dict[str, Any]:
    """The answer of the module for a node that needs nothing: it has what is ordered and that works, or there is no GPU for it. Else
    {status: undecided}, and the whole planner has to look (`_enforce.inspect`).

    timeout: of each source, in seconds. today: YYYY-MM-DD. OrderError for a code to acknowledge that nothing has.
    """
    refuse_unknown_codes(order)
    last_run = last_run_of(host, order.own)
    wanted = wanted_subsets(()) | {"change", "processes"}
    inventory = survey(host, way.ask, [_ask_what_is_kept.ask], wanted, timeout, users=order.users, own=order.own)
    plan = way.satisfied(inventory, order, today)
    if plan is not None and plan.status != "refused":
        verification = way.verify(inventory, order.settled(plan.chosen))
        if plan.status == "skipped" or (verification.status == "verified" and not plan.reboot_reasons):
            return {**way.answer(inventory, plan, verification), "node": {"last_run": last_run}}
    return {"changed": False, "status": UNDECIDED}


def refuse_unknown_codes(order: Ordered) -> None:
    """OrderError for a code to acknowledge that nothing has: a slip would silently acknowledge nothing."""
    if order.acknowledge:
        from ._knowledge import findings, refusals
        from ._plan.order import OrderError

        own = order.own.codes
        known = {*(code for code in refusals.codes() if code.startswith(own)), *findings.codes()}
        wrong = [code for code in order.acknowledge if code not in known]
        if wrong:
            raise OrderError(
                f"acknowledge has {wrong[0]!r} (allowed: codes of docs/refusals.md such as {own}BUSY, and of docs/findings.md)")


def last_run_of(host: Host, own: Own) -> str | None:
    """The last run that had the lease of the node, in its own word; None where there was none since the node started."""
    try:
        return host.read(f"/run/gpufleet.node/{own.module}.last", 200).decode("ascii", "replace").strip() or None
    except HostError:
        return None
