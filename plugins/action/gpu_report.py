# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what gpu_check found, on the controller: text is no result that people want to read with quotes and commas."""

from __future__ import annotations

import json
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.gpufleet.node.plugins.module_utils._check._clean import clean
from ansible_collections.gpufleet.node.plugins.module_utils._check.table_text import table

# Callbacks that write for people. Any other may promise a form of the standard output that a stray line would break.
_FOR_PEOPLE = ("default", "ansible.builtin.default", "minimal", "ansible.builtin.minimal")
_PUBLISHED = ("findings", "verdict", "exit_status", "gpu", "unreachable", "msg")


class ActionModule(ActionBase):
    """Needs no connection; `results` is a dictionary of what gpu_check returned for each host."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(  # type: ignore[no-untyped-call]
            argument_spec={
                "results": {"type": "dict", "required": True},
                "style": {"type": "str", "choices": ["full", "table", "json"], "default": "full"},
            }
        )
        lines = {"full": _full, "table": table, "json": _json}[arguments["style"]](arguments["results"])
        callback = constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK")
        Display().display("\n".join(["", *lines, ""]), stderr=callback not in _FOR_PEOPLE)
        return {"changed": False, "lines": lines}


def _full(results: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for host, result in results.items():
        text = result.get("text") if isinstance(result, dict) else None
        head = [f"{clean(host)}", "=" * len(clean(host))]
        lines += [*([""] if lines else []), *head, *([clean(line) for line in text] if text else table({host: result})[:-1])]
    return lines


def _json(results: dict[str, Any]) -> list[str]:
    published = {
        host: {key: result[key] for key in _PUBLISHED if key in result} if isinstance(result, dict) else {}
        for host, result in results.items()
    }
    return json.dumps(published, indent=2, sort_keys=True).split("\n")
