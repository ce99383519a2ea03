# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of a module that enforces: the module inspects and plans on the node, Ansible's own modules do the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import Own
from ansible_collections.gpufleet.node.plugins.plugin_utils._delegating import Delegating
from ansible_collections.gpufleet.node.plugins.plugin_utils._enforcement import enforce
from ansible_collections.gpufleet.node.plugins.plugin_utils._outcome import without_secrets

__all__ = ["Enforcing"]


class Enforcing(ActionBase):
    """See docs/architecture.md, "Enforcing a driver"."""

    _supports_check_mode = True
    _supports_async = True
    own: Own
    arguments: dict[str, dict[str, Any]]
    parse: Callable[[dict[str, Any]], Any]
    faults: tuple[type[ValueError], ...]  # of parse: an option that nobody can serve

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=self.arguments)  # type: ignore[no-untyped-call]
        try:
            self.parse(options)
        except self.faults as error:
            raise AnsibleActionFail(str(error)) from None
        node = Delegating(self, task_vars, self._limit_of_slow_steps())
        result = enforce(node, options, self.own, bool(self._task.check_mode), bool(self._task.diff))
        secret_free: dict[str, Any] = without_secrets(result)
        if self._task.diff and secret_free.get("status") in ("refused", "skipped"):
            node.say("\n".join(secret_free["text"]))  # callbacks show differences of what changes only
        return secret_free

    def _limit_of_slow_steps(self) -> int:
        """The seconds of `async`. The task itself stays in the foreground: its slow steps run in the background by themselves."""
        limit = int(self._task.async_val or 0)
        if limit and not self._task.poll:
            raise AnsibleActionFail(
                f"{self.own.module} takes several steps and looks again after the last one, so nobody can come back for it later: leave out"
                " poll: 0 (slow steps run in the background on the node anyway, and outlive a lost connection)"
            )
        self._task.async_val = 0  # or the executor would wait for a job of its own
        return limit
