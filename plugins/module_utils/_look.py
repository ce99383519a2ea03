# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: look at a node and say whether it is as ordered already. Most are, on most days, so this brings along as little as it can."""

from __future__ import annotations

from typing import Any

from ._host import Host, HostError
from ._inventory import _ask_for_a_change, _ask_nvidia
from ._inventory._survey import survey, wanted_subsets
from ._plan._satisfied import satisfied
from ._plan.answer import answer
from ._plan.order import Order, OrderError
from ._plan.verify import verify

__all__ = ["UNDECIDED", "last_run_of", "look", "refuse_unknown_codes"]

UNDECIDED = "undecided"
_LAST_RUN = "/run/gpufleet.node/nvidia_driver.last"


def look(host: Host, order: Order, timeout: float, today: str) -> dict[str, Any]:
    """The answer of the module for a node that needs nothing: the driver is as ordered and works, or there is no GPU for one. Else
    {status: undecided}, and the whole planner has to look (`_enforce.inspect`).

    timeout: of each source, in seconds. today: YYYY-MM-DD. OrderError for a code to acknowledge that nothing has.
    """
    refuse_unknown_codes(order)
    last_run = last_run_of(host)
    wanted = wanted_subsets(()) | {"change", "processes"}
    inventory = survey(host, [_ask_nvidia.ask], [_ask_for_a_change.ask], wanted, timeout)
    plan = satisfied(inventory, order, today)
    if plan is not None and plan.status != "refused":
        verification = verify(inventory, order)
        if plan.status == "skipped" or (verification.status == "verified" and not plan.reboot_reasons):
            return {**answer(inventory, plan, verification), "node": {"last_run": last_run}}
    return {"changed": False, "status": UNDECIDED}


def refuse_unknown_codes(order: Order) -> None:
    """OrderError for a code to acknowledge that nothing has: a slip would silently acknowledge nothing."""
    if order.acknowledge:
        from ._knowledge import findings, refusals

        known = {*refusals.codes(), *findings.codes()}
        wrong = [code for code in order.acknowledge if code not in known]
        if wrong:
            raise OrderError(f"acknowledge has {wrong[0]!r} (allowed: codes of docs/refusals.md such as ND-BUSY, and of docs/findings.md)")


def last_run_of(host: Host) -> str | None:
    """The last run that had the lease of the node, in its own word; None where there was none since the node started."""
    try:
        return host.read(_LAST_RUN, 200).decode("ascii", "replace").strip() or None
    except HostError:
        return None
