# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inspection answers: a plan, what was verified, and what both mean for the task. Pure, all values plain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._inventory._facts import facts
from .._inventory._inventory import Inventory
from .._packages.types import as_plain
from .steps import Plan, Refusal, Verification
from .text import DRIVER, About, pointing, screen

__all__ = ["answer", "failure", "reboot_reasons"]


def answer(
    inventory: Inventory,
    plan: Plan,
    verification: Verification,
    findings: Sequence[Mapping[str, Any]] = (),
    download_kib: int | None = None,
    about: About = DRIVER,
) -> dict[str, Any]:
    """The result of the module (see its RETURN), for a node on which nothing was changed yet. findings: of the same look."""
    before = about.before(facts(inventory, ("devices", "driver", "kernel")))
    reasons = reboot_reasons(plan, verification)
    told = {
        "changed": plan.status == "change",
        "status": plan.status,
        "plan": as_plain(plan),
        "before": before,
        "after": before,
        "verification": as_plain(verification),
        "findings": list(findings),
        "reboot_required": bool(reasons),
        "reboot_reasons": reasons,
        "text": screen(plan, before, verification, download_kib, findings, about),
    }
    return {**told, **failure(plan, verification, findings, about)}


def reboot_reasons(plan: Plan, verification: Verification) -> list[str]:
    """Why the node has to reboot; where nothing else is to be done, what a reboot mends of what was seen."""
    if plan.reboot_reasons or plan.status != "nothing_to_do":
        return list(plan.reboot_reasons)
    return [f"{link.link}: {link.reason}" for link in verification.links if link.state == "after_reboot"]


def failure(
    plan: Plan, verification: Verification, findings: Sequence[Mapping[str, Any]], about: About = DRIVER
) -> dict[str, Any]:
    """What makes the task fail or skipped: refusals, or what is there and does not work and that no step would mend."""
    if plan.status == "skipped":
        return {"skipped": True, "skip_reason": "; ".join(plan.reasons)}
    if plan.status == "refused":
        told = [one for one in plan.refusals if one.severity == "critical"]
        return {"failed": True, "msg": "nothing was changed: " + "; ".join(_told(one) for one in told)}
    if plan.status == "nothing_to_do" and verification.status == "failed":
        broken = "; ".join(f"{link.link}: {link.reason}" for link in verification.links if link.state == "broken")
        message = f"there is nothing that this module could do, and {about.own.what} does not work: {broken}{pointing(findings, about.own)}"
        return {"failed": True, "msg": message}
    return {}


def _told(one: Refusal) -> str:
    command = one.remedy.partition("\n")[0]
    return f"{one.code}: {one.message}" + (f" -> {command}" if command else "")
