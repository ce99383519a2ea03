# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module by its own door, on this machine: arguments on standard input, JSON on standard output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("ansible", reason="ansible-core is not there: its boilerplate comes with the module when it is sent to a node")

import ansible_collections.gpufleet.node as collection
from ansible_collections.gpufleet.node.plugins.doc_fragments import _nvidia_order, _order
from ansible_collections.gpufleet.node.plugins.module_utils._plan.order import ARGUMENTS, Order
from ansible_collections.gpufleet.node.plugins.modules import nvidia_driver as module

ROOT = Path(next(iter(collection.__path__))).parents[2]
START = "import runpy; runpy.run_module('ansible_collections.gpufleet.node.plugins.modules.nvidia_driver', run_name='__main__')"
RUN = """
from ansible.module_utils.testing import patch_module_args
import json, sys
with patch_module_args(json.load(sys.stdin)):
    %s
"""


def run(check_mode: bool = True, **arguments: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", RUN % START],
        input=json.dumps({**arguments, "_ansible_check_mode": check_mode}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_without_its_action_plugin_it_refuses() -> None:
    answer = run(check_mode=False)
    assert answer["failed"] is True
    assert answer["msg"] == (
        "nvidia_driver runs here without its action plugin, which does the work on the controller: call it as"
        " gpufleet.node.nvidia_driver from a playbook, or set library and action_plugins in ansible.cfg together. Nothing was changed."
    )


def test_this_machine_in_check_mode() -> None:
    """Whatever it is: the answer has its form, and an absent driver of ours is nothing to do anywhere."""
    answer = run(state="absent")
    assert answer["status"] in ("nothing_to_do", "skipped", "refused", "change")
    documented = {key for key, row in yaml.safe_load(module.RETURN).items() if row["returned"] == "when the node could be inspected"}
    assert documented <= set(answer)
    assert set(answer["plan"]) == set(yaml.safe_load(module.RETURN)["plan"]["contains"])
    assert all(len(line) <= 100 for line in answer["text"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timeout": 0}, "timeout: 0 is not a number of seconds between 0 and 3600"),
        ({"version": ""}, "version is '' (allowed: a branch such as "),
        ({"version": "580;rm"}, "version is '580;rm' (allowed: a branch such as "),
        ({"version": "../580"}, "version is '../580' (allowed: a branch such as "),
        ({"version": "\u0665\u0668\u0660"}, "version is '\u0665\u0668\u0660' (allowed: a branch such as "),
        ({"version": 580.95}, "version is 580.95, a number with a fraction: quote the version"),
        ({"origin": "vendor"}, "value of origin must be one of: auto, distribution, nvidia, got: vendor"),
        ({"busy_timeout": 0}, "busy_timeout is 0 (allowed: 1 to 604800)"),
        ({"acknowledge": ["ND-BUSSY"]}, "acknowledge has 'ND-BUSSY' (allowed: codes of docs/refusals.md such as ND-BUSY, and of docs/"),
        ({"proxy": "http://alice:geheim@proxy.example.com/$(x)"}, "proxy is 'http://********@proxy.example.com/$(x)' (allowed: a"),
        ({"mirror": "mirror.example.com"}, "mirror is 'mirror.example.com' (allowed: a URL such as https://mirror.example.com/nvidia)"),
        ({"repository_key": ""}, "repository_key is '' (allowed: a URL such as https://mirror.example.com/key.asc, file:///root/key.asc"),
        ({"repository_key": "/etc/key.asc"}, "repository_key is '/etc/key.asc' (allowed: a URL such as "),
        ({"repository_key": "https://u:geheim@example.com/a b"}, "repository_key is 'https://********@example.com/a b' (allowed: "),
        ({"module_parameters": {"NVreg_X": "1\ninstall nvidia /bin/sh"}}, "module_parameters has NVreg_X='1\\ninstall nvidia"),
        ({"extra_packages": ["a b"]}, "extra_packages has 'a b' (allowed: names of packages, without versions)"),
        ({"state": "latest", "allow_downgrade": True}, "state is latest and allow_downgrade is true: the newest version is never a"),
    ],
)
def test_wrong_options_are_named(arguments: dict[str, Any], message: str) -> None:
    answer = run(**arguments)
    assert answer["failed"] is True
    assert answer["msg"].startswith(message)


def test_every_option_is_documented_with_its_default() -> None:
    fragments = {"gpufleet.node._order": _order.ModuleDocFragment.DOCUMENTATION,
                 "gpufleet.node._nvidia_order": _nvidia_order.ModuleDocFragment.DOCUMENTATION}
    assert sorted(yaml.safe_load(module.DOCUMENTATION)["extends_documentation_fragment"]) == sorted(fragments)
    documented = {name: row for one in fragments.values() for name, row in yaml.safe_load(one)["options"].items()}
    assert {name: row.get("default") for name, row in documented.items()} == {name: row.get("default") for name, row in ARGUMENTS.items()}


def test_every_example_is_one_that_the_module_takes() -> None:
    name = "gpufleet.node.nvidia_driver"
    examples = [task[name] or {} for task in yaml.safe_load(module.EXAMPLES) if name in task]
    defaults = {name: row.get("default") for name, row in ARGUMENTS.items()}
    assert len(examples) == 10
    for example in examples:
        Order.parse({**defaults, **example})
