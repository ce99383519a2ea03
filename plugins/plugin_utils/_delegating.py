# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module and other actions in the name of a task: by a copy of it, so that become, delegate_to and the rest hold."""

from __future__ import annotations

import contextlib
import posixpath
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.ansible_release import __version__ as core_version
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.gpufleet.node.plugins.plugin_utils._progress import COMMAND, elapsed, progress

if TYPE_CHECKING:
    from ansible_collections.gpufleet.node.plugins.plugin_utils._delegate import Delegate

__all__ = ["Delegating"]

_STEP_LIMIT_S = 6 * 3600  # a limit kills the package manager in mid-work, so it is far beyond what DKMS takes for some kernels
_POLL_S = (1, 1, 2, 3, 5)
_REPORT_S = 10
_LOST_S = 300  # an absent connection; the step goes on without us
# A job that is killed, or whose node is restarted, leaves a file that says "started" for ever. Its wrapper has the id as a word of
# its own among its arguments; the bracket keeps grep from finding itself.
_JOB = re.compile(r"([a-z]?)([0-9]{1,20})\.[0-9]{1,20}", re.ASCII)
_WORKERS = "grep -lszx -e '{0}[{1}]{2}' /proc/[0-9]*/cmdline; echo looked"
_GONE = "its process on the node has ended without a result: it was killed, or the node was restarted"


class Delegating:
    """The node of a task, as its action plugin sees it."""

    def __init__(self, action: ActionBase, task_vars: Mapping[str, Any] | None, limit_s: int = 0) -> None:
        self._action, self._vars = action, dict(task_vars or {})
        self._limit_s = limit_s or _STEP_LIMIT_S
        self.core_version = core_version
        self._undecided = False

    def inspect(self, options: dict[str, Any]) -> dict[str, Any]:
        """What the module of this task answers in check mode.

        The module that only looks is asked first: for a node that is as ordered its answer is the same, and it brings along half as much.
        """
        look = f"{self._action._task.action}_state"
        if not self._undecided and self._finds(look):
            answer: dict[str, Any] = self._action._execute_module(look, dict(options), task_vars=self._vars)
            self._undecided = answer.get("status") == "undecided"
            if not self._undecided:
                return answer
        task = self._action._task
        kept = task.check_mode
        task.check_mode = True
        try:
            answer = self._action._execute_module(module_args=dict(options), task_vars=self._vars)
        finally:
            task.check_mode = kept
        return answer

    def _finds(self, module: str) -> bool:
        """Whether a module is found by this name: not by every one that leads to our own, such as a redirect of another collection."""
        loader = self._action._shared_loader_obj.module_loader
        return bool(loader.find_plugin_with_context(module, collection_list=self._action._task.collections).resolved)

    def command(self, line: str) -> dict[str, Any]:
        """A command line run as the task's user on the node: {rc, stdout, stderr}."""
        return dict(self._action._low_level_execute_command(line))

    def say(self, text: str) -> None:
        """A line for people on standard error: standard output belongs to the callback. Nothing where the task is no_log."""
        if not self._action._task.no_log:
            host = self._vars.get("inventory_hostname") or "node"
            Display().display(f"[{host}] {text}", stderr=True)

    def exists(self, name: str) -> bool:
        """Whether an action or a module is installed on this controller."""
        loaders = self._action._shared_loader_obj
        return self._has_action(name) or bool(loaders.module_loader.find_plugin_with_context(name).resolved)

    def _has_action(self, name: str) -> bool:
        return bool(self._action._shared_loader_obj.action_loader.find_plugin_with_context(name).resolved)

    def run(self, step: Mapping[str, Any], proxy: str | None, title: str, alive: Callable[[], bool]) -> dict[str, Any]:
        """Do a step; the result of its last action, `changed` where any changed something. alive is asked now and then: False
        ends the step as failed."""
        from ansible_collections.gpufleet.node.plugins.plugin_utils._delegate import delegates  # most nodes need nothing

        changed = False
        result: dict[str, Any] = {}
        for one in delegates(step, proxy):
            result = self._watched(one, title, alive) if step.get("slow") else self._handler(one).run(task_vars=self._vars)
            changed |= bool(result.get("changed"))
            if result.get("failed") or result.get("unreachable"):
                break
        return {**result, "changed": changed}

    def _handler(self, one: Delegate, limit_s: int = 0) -> ActionBase:
        action = self._action
        task = action._task.copy()
        task.action, task.args = one.action, dict(one.args)
        task.async_val, task.poll, task.check_mode, task.diff = limit_s, 0, False, False
        task.environment = [*(task.environment or []), *([one.environment] if one.environment else [])]
        name = one.action if self._has_action(one.action) else "ansible.legacy.normal"
        handler: ActionBase = action._shared_loader_obj.action_loader.get(
            name,
            task=task,
            connection=action._connection,
            play_context=action._play_context,
            loader=action._loader,
            templar=action._templar,
            shared_loader_obj=action._shared_loader_obj,
        )
        return handler

    def _watched(self, one: Delegate, title: str, alive: Callable[[], bool]) -> dict[str, Any]:
        """Run an action in the background on the node, where it outlives a lost connection, and tell what it is doing."""
        begun = told = answered = time.monotonic()
        result: dict[str, Any] = self._handler(one, self._limit_s).run(task_vars=self._vars)
        job, folder, polls = result.get("ansible_job_id"), posixpath.dirname(str(result.get("results_file"))), 0
        while job and not result.get("finished") and not result.get("failed"):
            time.sleep(_POLL_S[min(polls, len(_POLL_S) - 1)])
            polls += 1
            try:
                result = self._job(job, folder, "status")
                if time.monotonic() - told >= _REPORT_S and not result.get("finished"):
                    told = time.monotonic()
                    result = self._looked_after(job, folder, result, f"{title} ({elapsed(told - begun)})", alive)
                answered = time.monotonic()
            except AnsibleError as error:  # not every connection has its own error for a file that does not get through
                if time.monotonic() - answered > _LOST_S:
                    raise AnsibleConnectionFailure(str(error)) from error
                self._reset()
        if job and result.get("finished"):
            with contextlib.suppress(AnsibleError):  # a file that stays matters less than what the job has told
                self._job(job, folder, "cleanup")
        return {key: value for key, value in result.items() if key not in ("ansible_job_id", "started", "finished", "results_file")}

    def _looked_after(self, job: str, folder: str, result: dict[str, Any], title: str, alive: Callable[[], bool]) -> dict[str, Any]:
        """Tell what a job is doing; its result as far as it is known, or a failure where nobody works on it any more."""
        if self._is_gone(job):
            return self._ended(job, folder)
        doing = progress(str(self.command(COMMAND)["stdout"]))
        self.say(f"{title}{f': {doing}' if doing else ''}")
        if alive():
            return result
        if self._is_gone(job):  # a node that was restarted since has no lease either
            return self._ended(job, folder)
        return {"failed": True, "msg": "another run took this node over while the connection was lost"}

    def _ended(self, job: str, folder: str) -> dict[str, Any]:
        """The result of a job that nobody works on any more."""
        found = self._job(job, folder, "status")  # it may just have ended as it should
        return found if found.get("finished") else {"failed": True, "finished": True, "msg": _GONE}

    def _is_gone(self, job: str) -> bool:
        match = _JOB.fullmatch(job)
        if not match:
            return False
        letter, number = match.groups()
        told = str(self.command(_WORKERS.format(letter, number[0], number[1:]))["stdout"]).split()
        return told == ["looked"]

    def _job(self, job: str, folder: str, mode: str) -> dict[str, Any]:
        """The module without its action, which would look for the folder again each time, and in another home of a local user."""
        arguments: dict[str, object] = {"jid": job, "mode": mode, "_async_dir": folder}
        found: dict[str, Any] = self._action._execute_module("ansible.legacy.async_status", module_args=arguments, task_vars=self._vars)
        if found.get("failed") and not found.get("finished"):  # the words of a node that is just going down or coming up
            raise AnsibleConnectionFailure(f"no answer about the job: {found.get('msg')}")
        return found

    def _reset(self) -> None:
        try:
            self._action._connection.reset()
        except (AttributeError, AnsibleConnectionFailure):
            return
