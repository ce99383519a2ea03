# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play of one task of a module that enforces: ansible-playbook on this machine, recorded answers stand for the module's inspections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible_collections.gpufleet.node as collection

__all__ = ["Played"]

COLLECTION = Path(next(iter(collection.__path__)))
# Answers one after the other, the last one again and again; what it was asked is noted.
MODULE = """\
#!/usr/bin/python
# WANT_JSON
import json, os, sys
folder = os.path.dirname(os.path.realpath(%r))
with open(sys.argv[1]) as file:
    asked = json.load(file)
with open(folder + "/asked", "a") as file:
    file.write(json.dumps({key: asked[key] for key in ("when_busy", "wait_for_lock", "proxy", "_ansible_check_mode")}) + "\\n")
number = sum(1 for line in open(folder + "/asked")) - 1
answers = json.load(open(folder + "/answers.json"))
print(json.dumps(answers[min(number, len(answers) - 1)]))
"""
# It looks first, and what it decides is the first of the answers; what it leaves open is not noted.
STATE = """\
#!/usr/bin/python
# WANT_JSON
import json, os
folder = os.path.dirname(os.path.realpath(%r))
first = json.load(open(folder + "/answers.json"))[0]
if first.get("status") in ("nothing_to_do", "skipped") and not first.get("failed"):
    with open(folder + "/asked", "a") as file:
        file.write("{}\\n")
    print(json.dumps(first))
else:
    print(json.dumps({"changed": False, "status": "undecided"}))
"""
# Times and the folder of the lease are the test's own; the rest is what users run.
START = """
import sys
from ansible.cli.playbook import main
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
from ansible_collections.gpufleet.node.plugins.plugin_utils import _delegating, _enforcement, _lease
_delegating._REPORT_S, _delegating._POLL_S = 1, (0.5,)
_enforcement._ASK_AGAIN_S = 0.1
_lease._WAIT_S = 0.1
folder = sys.argv.pop(1)
_lease._SCRIPT = _lease._SCRIPT.replace("/run/gpufleet.node", folder + "/run")
main()
"""


class Played:
    """A play of one task, with what came of it. module: whose action it is."""

    def __init__(
        self, folder: Path, answers: list[dict[str, Any]], *options: str, arguments: Any = None, look: Any = True,
        module: str = "nvidia_driver", **keywords: Any
    ) -> None:
        self.folder, self._module = folder, module
        (folder / "library").mkdir(exist_ok=True)
        (folder / "library" / f"{module}.py").write_text(MODULE % str(folder / "asked"))
        if look:
            (folder / "library" / f"{module}_state.py").write_text(STATE % str(folder / "asked"))
        (folder / "answers.json").write_text(json.dumps(answers))
        (folder / "asked").write_text("")
        (folder / "ansible.cfg").write_text("")
        task = {"name": "driver", module: arguments or {}, "register": "driver", **keywords}
        save = {"copy": {"content": "{{ driver | to_json }}", "dest": str(folder / "result.json")}, "check_mode": False, "diff": False}
        play = [{"hosts": "localhost", "gather_facts": False, "ignore_errors": True, "tasks": [task, save]}]
        (folder / "play.yml").write_text(json.dumps(play))
        python = folder / "python"  # the shells of Ansible take the name of an interpreter without quotes
        if not python.exists():
            python.symlink_to(sys.executable)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.done = subprocess.run(
            [sys.executable, "-c", START, str(folder), "-i", "localhost,", "-c", "local",
             "-e", f"ansible_python_interpreter={python}", *options, str(folder / "play.yml")],
            capture_output=True, text=True, check=False, cwd=folder, timeout=120,
            env={**kept, "HOME": str(folder), "LC_ALL": "C.UTF-8", "PYTHONPATH": str(COLLECTION.parents[2]),
                 "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]), "ANSIBLE_LIBRARY": str(folder / "library"),
                 "ANSIBLE_ACTION_PLUGINS": str(COLLECTION / "plugins" / "action"), "ANSIBLE_LOCALHOST_WARNING": "false",
                 "ANSIBLE_NOCOLOR": "true", "ANSIBLE_CONFIG": str(folder / "ansible.cfg")},
        )
        path = folder / "result.json"
        assert path.exists(), self.done.stdout + self.done.stderr
        self.result: dict[str, Any] = json.loads(path.read_text())

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "asked").read_text().splitlines()]

    @property
    def said(self) -> list[str]:
        """Our own lines on standard error, without times."""
        return [line for line in self.done.stderr.splitlines() if line.startswith("[localhost]")]

    @property
    def lease_is_free(self) -> bool:
        return not (self.folder / "run" / f"{self._module}.held").exists()
