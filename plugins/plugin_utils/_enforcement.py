# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inspect, do the steps of the plan one by one, inspect again. Knows no Ansible: `node` is a Delegating."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import Own
from ansible_collections.gpufleet.node.plugins.plugin_utils import _outcome

# Collections are compiled anew in each run of Ansible, and most nodes need nothing: what only a change takes is imported there.
if TYPE_CHECKING:
    from ansible_collections.gpufleet.node.plugins.plugin_utils._lease import Lease

__all__ = ["enforce"]

# Codes of refusals, without the beginning that each module has (`Own.codes`).
_BUSY = ("BUSY", "BUSY-MIG", "NOT-DRAINED-KUBELET", "NOT-DRAINED-SLURMD")
_LOCKED = ("PACKAGE-MANAGER-BUSY",)
_ASK_AGAIN_S = 30
_FRESH_S = 15  # what an inspection said of running jobs is believed for so long


class Node(Protocol):
    """What `enforce` needs of a node."""

    core_version: str

    def inspect(self, options: dict[str, Any]) -> dict[str, Any]: ...
    def command(self, line: str) -> dict[str, Any]: ...
    def say(self, text: str) -> None: ...
    def exists(self, name: str) -> bool: ...
    def run(self, step: Mapping[str, Any], proxy: str | None, title: str, alive: Any) -> dict[str, Any]: ...


def enforce(node: Node, options: dict[str, Any], own: Own, check_mode: bool, diff: bool) -> dict[str, Any]:
    """The result of the task of one module. Nothing is changed in check mode, and none of the steps is begun before all are known to be
    possible."""
    if check_mode:
        answer = node.inspect(options)
        lacking = _lacking(node, own, answer)
        return _outcome.refused(own, answer, lacking, diff) if lacking else _outcome.answered(answer, diff)
    run = _Run(node, options, own, diff)
    if run.answer.get("status") != "change" or run.answer.get("failed"):
        return _outcome.answered(run.answer, diff)
    lacking = run.obstacles()
    if lacking:
        return _outcome.refused(own, run.answer, lacking, diff)
    from ansible_collections.gpufleet.node.plugins.plugin_utils._delegate import refusal
    from ansible_collections.gpufleet.node.plugins.plugin_utils._lease import Lease, LeaseError

    lease = Lease(node.command, own.module)
    try:
        last = lease.take(options["wait_for_lock"], node.say)
    except LeaseError as error:
        if error.owner is None:
            return {**_outcome.answered(run.answer, diff), "changed": False, "failed": True, "msg": f"nothing was changed: {error}"}
        return _outcome.refused(own, run.answer, [refusal(own, "RUN-IN-PROGRESS", owner=error.owner)], diff)
    try:
        if last != run.answer.get("node", {}).get("last_run"):
            run.look()  # somebody else's run has ended since we looked: our plan may be stale
            lacking = run.obstacles()
            if lacking or run.answer.get("status") != "change" or run.answer.get("failed"):
                return _outcome.refused(own, run.answer, lacking, diff) if lacking else _outcome.answered(run.answer, diff)
        return run.do(lease)
    finally:
        try:
            lease.release()
        except AnsibleConnectionFailure:
            node.say("the connection is lost; the node is free for the next run in a few minutes")


def _lacking(node: Node, own: Own, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Refusals for what this controller cannot do of a plan."""
    if answer.get("status") != "change":
        return []
    from ansible_collections.gpufleet.node.plugins.plugin_utils._delegate import obstacles

    python = (answer.get("node") or {}).get("dnf_python")
    return obstacles(own, answer["plan"]["steps"], node.exists, node.core_version, python)


class _Run:
    """One task on one node; `answer` is the inspection that its plan comes from."""

    def __init__(self, node: Node, options: dict[str, Any], own: Own, diff: bool) -> None:
        self._node, self._options, self._own, self._diff = node, options, own, diff
        self._busy, self._locked = (tuple(f"{own.codes}{code}" for code in codes) for codes in (_BUSY, _LOCKED))
        self.answer: dict[str, Any] = {}
        self._looked = 0.0
        self.look()

    def look(self) -> None:
        """Inspect; where the order says wait, until no job is left and the package manager is free, or a limit is over.

        Asked with `refuse` a busy node answers before it asks its package manager, which makes asking again cheap.
        """
        waits = self._options["when_busy"] == "wait"
        asked = {**self._options, "when_busy": "refuse"} if waits else self._options
        self._inspect(asked)
        if waits:
            self._wait(asked, self._busy, self._options["busy_timeout"], "waiting for jobs to end")
        locked = [one for one in self._refusals() if one["code"] in self._locked]
        if locked and not self._stops():
            planned = self.answer
            self._inspect({**asked, "wait_for_lock": 0})
            self._wait({**asked, "wait_for_lock": 0}, self._locked, self._options["wait_for_lock"], "waiting for the package manager")
            if not self._stops():
                self._inspect(asked)  # the plan's own waiting times are the order's again
            elif self._stops() <= set(self._locked):
                self.answer = _outcome.refused(self._own, planned, [{**one, "severity": "critical"} for one in locked], self._diff)

    def _wait(self, asked: dict[str, Any], codes: tuple[str, ...], limit_s: int, doing: str) -> None:
        deadline = time.monotonic() + limit_s
        while self._stops() and self._stops() <= set(codes) and time.monotonic() < deadline:
            told = next(one["message"] for one in self._refusals() if one["code"] in codes)
            self._node.say(f"{doing}, {limit_s} s at most: {told.partition(';')[0]}")
            time.sleep(min(_ASK_AGAIN_S, max(deadline - time.monotonic(), 0)))
            self._inspect(asked)

    def _refusals(self) -> list[dict[str, Any]]:
        return list((self.answer.get("plan") or {}).get("refusals", ()))

    def _stops(self) -> set[str]:
        """Codes of what stands in the way."""
        return {one["code"] for one in self._refusals() if one["severity"] == "critical"}

    def _inspect(self, options: dict[str, Any]) -> dict[str, Any]:
        self._looked = time.monotonic()
        self.answer = self._node.inspect(options)
        return self.answer

    def obstacles(self) -> list[dict[str, Any]]:
        """Refusals of the steps as a whole, before the first one. A plan may be made without root, not done."""
        found = []
        if self.answer.get("status") == "change":
            code = f"{self._own.codes}NO-ROOT"
            found = [{**one, "severity": "critical"} for one in self._refusals() if one["code"] == code]
        return found + _lacking(self._node, self._own, self.answer)

    def do(self, lease: Lease) -> dict[str, Any]:
        """The steps, then a last look."""
        answer, changed, number = self.answer, False, 0
        steps = answer["plan"]["steps"]
        try:
            for number, step in enumerate(steps, 1):
                title = f"step {number} of {len(steps)}: {step['what']}"
                first = step["disruptive"] and not any(one["disruptive"] for one in steps[: number - 1])
                busy = self._busy_again() if first and time.monotonic() - self._looked > _FRESH_S else None
                self._node.say(title)
                result = busy or self._one(step, title, lease)
                changed |= bool(result.get("changed"))
                if result.get("failed") or result.get("unreachable"):
                    given = [] if result.get("unreachable") else self._give_back(steps, number, lease)
                    return _outcome.failed_step(answer, number, result, changed, self._last_look(), self._diff, given)
        except AnsibleConnectionFailure as error:
            done = "; ".join(one["what"] for one in steps[: number - 1]) or "nothing"
            raise AnsibleConnectionFailure(
                f"the connection was lost at step {number} of {len(steps)}: {steps[number - 1]['what']}. Done before: {done}."
                " Files are written whole or not at all, and a package manager that works goes on without us."
                f" Run it again: it waits for that, looks again and goes on from there. ({error})"
            ) from error
        self._close_record(lease)
        after = self._node.inspect(self._options)
        return _outcome.done(self._own, answer, after, changed, self._diff)

    def _close_record(self, lease: Lease) -> None:
        """The change has come to its end: nobody needs its way back any more."""
        content = (self.answer.get("node") or {}).get("closed_record")
        if content is not None:
            values = {"path": self._own.record, "content": content, "mode": "0600"}
            self._one({"kind": "file", "what": f"write {self._own.record}", "values": values}, "close the record", lease)

    def _one(self, step: Mapping[str, Any], title: str, lease: Lease) -> dict[str, Any]:
        if not lease.renew():
            return {"failed": True, "msg": "another run took this node over"}
        return self._node.run(step, self._options.get("proxy"), title, lease.renew)

    def _give_back(self, steps: list[dict[str, Any]], number: int, lease: Lease) -> list[tuple[str, bool]]:
        """(what, whether it went well) of the steps that give back what the failed run took from the node."""
        from ansible_collections.gpufleet.node.plugins.plugin_utils._giving_back import giving_back

        given = []
        for step in giving_back(steps, number):
            self._node.say(f"after the failure: {step['what']}")
            result = self._one(step, step["what"], lease)
            given.append((step["what"], not (result.get("failed") or result.get("unreachable"))))
        return given

    def _busy_again(self) -> dict[str, Any] | None:
        """A failure where jobs have come since the inspection. The plan stays the one that was announced."""
        if self._options["when_busy"] == "proceed":
            return None
        found = self._node.inspect({**self._options, "when_busy": "refuse"}).get("plan") or {}
        told = [one["message"] for one in found.get("refusals", ()) if one["code"] in self._busy and one["severity"] == "critical"]
        return {"failed": True, "msg": f"jobs have come meanwhile: {'; '.join(told)}"} if told else None

    def _last_look(self) -> dict[str, Any] | None:
        try:
            return self._node.inspect(self._options)
        except AnsibleError:  # what is known of the step must not be lost with it
            return None
