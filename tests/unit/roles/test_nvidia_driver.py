# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role nvidia_driver decides, by ansible-playbook on this machine: answers of the module are played, the role is the real one.

Each host of a play is a case. The node is the controller in all of them, so nothing here can reboot.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("ansible", reason="ansible-core is not there: this Python plays a node")

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLES = Path(__file__).resolve().parents[3] / "roles"
# Answers of host variable `answers` one after the other, the last one again and again; how it was asked is noted.
ACTION = """
import json
from ansible.plugins.action import ActionBase
class ActionModule(ActionBase):
    _supports_check_mode = True
    def run(self, tmp=None, task_vars=None):
        path = f"{task_vars['folder']}/{task_vars['inventory_hostname']}.asked"
        with open(path, "a+") as file:
            file.seek(0)
            number = len(file.readlines())
            file.write(json.dumps([bool(self._task.check_mode), self._task.args["when_busy"]]) + "\\n")
        answers = task_vars["answers"]
        return dict(answers[min(number, len(answers) - 1)])
"""
LINKS = {
    "verified": [{"link": "module_built", "state": "ok", "reason": "built"}, {"link": "next_boot", "state": "ok", "reason": "kernel 6.8"}],
    "after_reboot": [{"link": "module_loaded", "state": "after_reboot", "reason": "nouveau is loaded"}],
    "failed": [{"link": "nvml", "state": "broken", "reason": "it does not answer"}],
}


def answer(status: str, verification: str = "verified", *refusals: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An answer of the module in the form of its documentation."""
    waits = verification == "after_reboot"
    return {
        "changed": status == "change", "status": status, "plan": {"status": status, "steps": [], "refusals": list(refusals)}, "after": {},
        "verification": {"status": verification, "links": LINKS[verification], "broken_link": None}, "findings": [],
        "reboot_required": waits, "reboot_reasons": ["nouveau is loaded"] if waits else [], **more,
    }


LOOK = answer("change", "failed")
DONE = answer("change")
WAITS = answer("change", "after_reboot")
THERE = answer("nothing_to_do")
DUE = answer("nothing_to_do", "after_reboot")
BROKE_OFF = answer("change", "failed", failed=True, msg="step 4 of 6 failed: install", failed_step="install")
SKIPPED = answer("skipped", skipped=True)
NO_ROOT = answer("change", "failed", {"code": "ND-NO-ROOT", "severity": "warning", "message": "the module runs as alice"})
HOOKS = {"nvidia_driver_before_tasks": "{{ folder }}/before.yml", "nvidia_driver_after_tasks": "{{ folder }}/after.yml"}


def note(word: str) -> dict[str, Any]:
    """A task that adds a line to what a host has gone through."""
    order = "{{ folder }}/{{ inventory_hostname }}.order"
    return {"ansible.builtin.shell": f"echo {word} {{{{ nvidia_driver_resumed | bool }}}} >>{order}"}


class Fleet:
    """Hosts with their variables, and runs of the role on all of them."""

    def __init__(self, folder: Path, hosts: dict[str, dict[str, Any]]) -> None:
        self.folder = folder
        node = folder / "collections/ansible_collections/gpufleet/node"
        (node / "plugins/action").mkdir(parents=True)
        (node / "plugins/action/nvidia_driver.py").write_text(ACTION)
        (node / "roles").symlink_to(ROLES)
        fails = {"ansible.builtin.fail": {"msg": "the queue is full"}, "when": "hook_fails | default('') == item"}
        for hook in ("before", "after"):
            tasks = [{"name": "Drain", **fails, "loop": [hook]}, {"name": "Note", **note(hook)}]
            (folder / f"{hook}.yml").write_text(json.dumps(tasks))
        python = folder / "python"  # the shells of Ansible take the name of an interpreter without quotes
        python.symlink_to(sys.executable)
        shared = {"ansible_connection": "local", "ansible_python_interpreter": str(python), "folder": str(folder),
                  "__node_change_record": "{{ folder }}/{{ inventory_hostname }}/record.json"}
        (folder / "shared.json").write_text(json.dumps(shared))
        self.hosts = hosts
        self.output = ""

    def run(self, *options: str, block: dict[str, Any] | None = None, **play: Any) -> str:
        """The output. block: keywords of the block that includes the role; play: those of the play."""
        hosts = {name: {**values} for name, values in self.hosts.items()}
        (self.folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        for path in [*self.folder.glob("*.asked"), *self.folder.glob("*.order"), *self.folder.glob("*.result")]:
            path.unlink()
        told = {"failed": "{{ ansible_failed_result | default(none) }}", "answer": "{{ nvidia_driver_result | default(none) }}"}
        result = "{{ folder }}/{{ inventory_hostname }}.result"
        save = {"name": "Save", "ansible.builtin.copy": {"content": "{{ told | to_json }}", "dest": result}, "vars": {"told": told},
                "check_mode": False, "tags": ["always"]}
        include = {"name": "Role", "ansible.builtin.include_role": {"name": "gpufleet.node.nvidia_driver"}}
        task = {"block": [include], "rescue": [{"ansible.builtin.debug": {"msg": "rescued"}}], "always": [save], **(block or {})}
        plays = [{"hosts": "all", "gather_facts": False, "tasks": [task], **play}]
        (self.folder / "play.yml").write_text(json.dumps(plays))
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "-e", "@shared.json", *options, "play.yml"],
            capture_output=True, text=True, check=False, cwd=self.folder, timeout=300,
            env={**kept, "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
                 "ANSIBLE_NOCOLOR": "true", "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_FORKS": "4"},
        )
        assert "rescued" in done.stdout or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def result(self, host: str) -> dict[str, Any]:
        """failed: what the caller's rescue sees; answer: nvidia_driver_result."""
        found: dict[str, Any] = json.loads((self.folder / f"{host}.result").read_text())
        return found

    def message(self, host: str) -> str:
        """What the host failed with."""
        return str((self.result(host)["failed"] or {}).get("msg", ""))

    def asked(self, host: str) -> list[list[Any]]:
        """[check mode, when_busy] of each call of the module."""
        path = self.folder / f"{host}.asked"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def order(self, host: str) -> list[str]:
        """Hooks that ran, with nvidia_driver_resumed."""
        path = self.folder / f"{host}.order"
        return path.read_text().splitlines() if path.exists() else []

    def left(self, host: str) -> dict[str, Any] | None:
        """The record on the node."""
        path = self.folder / host / "record.json"
        return json.loads(path.read_text()) if path.exists() else None


LOOKED, ENFORCED = [True, "proceed"], [False, "refuse"]
PENDING = {"schema_version": 1, "services": []}
CASES: dict[str, dict[str, Any]] = {
    "plain": {"answers": [LOOK, DONE], **HOOKS},
    "no-gpu": {"answers": [SKIPPED], **HOOKS},
    "there": {"answers": [THERE], **HOOKS},
    "before-fails": {"answers": [LOOK, DONE], **HOOKS, "hook_fails": "before"},
    "after-fails": {"answers": [LOOK, DONE, THERE], **HOOKS, "hook_fails": "after"},
    "breaks-off": {"answers": [LOOK, BROKE_OFF], **HOOKS},
    "here": {"answers": [LOOK, WAITS], **HOOKS, "nvidia_driver_reboot": "if_required"},
    "never": {"answers": [LOOK, WAITS], **HOOKS},
    "due": {"answers": [DUE], **HOOKS},
    "closed": {"answers": [LOOK, DONE], **HOOKS, "nvidia_driver_window": "{{ '%02d:00-%02d:00' | format((now + 2) % 24, (now + 3) % 24) }}",
               "now": "{{ lookup('ansible.builtin.pipe', 'date +%H') | int }}"},
    "bad-window": {"answers": [LOOK, DONE], "nvidia_driver_window": "22-5"},
    "bad-hook": {"answers": [LOOK, DONE], "nvidia_driver_after_tasks": "/not/there.yml"},
    "bad-reboot": {"answers": [LOOK, DONE], "nvidia_driver_reboot": "always"},
    "no-root": {"answers": [NO_ROOT], **HOOKS},
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    found = Fleet(tmp_path_factory.mktemp("fleet"), CASES)
    found.output = found.run()
    return found


def test_hooks_around_the_change(fleet: Fleet) -> None:
    assert fleet.asked("plain") == [LOOKED, ENFORCED]
    assert fleet.order("plain") == ["before False", "after False"]
    assert (fleet.left("plain"), fleet.message("plain"), fleet.result("plain")["answer"]["changed"]) == (None, "", True)


@pytest.mark.parametrize("host", ["no-gpu", "there"])
def test_nothing_around_a_node_that_is_left_alone(host: str, fleet: Fleet) -> None:
    assert (fleet.asked(host), fleet.order(host), fleet.left(host), fleet.message(host)) == ([LOOKED], [], None, "")


def test_a_hook_before_that_fails(fleet: Fleet) -> None:
    assert (fleet.asked("before-fails"), fleet.order("before-fails")) == ([LOOKED], [])
    assert fleet.message("before-fails").strip() == (
        f"nvidia_driver_before_tasks ({fleet.folder}/before.yml) failed: Drain: One or more items failed."
        " Nothing was changed, and nothing was rebooted."
    )


def test_a_hook_after_that_fails_has_its_turn_again(fleet: Fleet) -> None:
    assert fleet.asked("after-fails") == [LOOKED, ENFORCED]
    assert (fleet.order("after-fails"), fleet.left("after-fails")) == (["before False"], PENDING)
    assert fleet.message("after-fails").startswith(f"nvidia_driver_after_tasks ({fleet.folder}/after.yml) failed: Drain: ")
    assert "What was asked for is there and verified." in fleet.message("after-fails")


def test_a_module_that_breaks_off_keeps_its_words(fleet: Fleet) -> None:
    assert {key: fleet.result("breaks-off")["failed"][key] for key in ("msg", "failed_step")} == {
        "msg": "step 4 of 6 failed: install", "failed_step": "install"
    }
    assert fleet.result("breaks-off")["answer"]["failed_step"] == "install"
    assert (fleet.order("breaks-off"), fleet.left("breaks-off")) == (["before False"], PENDING)


def test_the_node_itself_is_not_rebooted(fleet: Fleet) -> None:
    assert (fleet.asked("here"), fleet.order("here"), fleet.left("here")) == ([LOOKED, ENFORCED], ["before False"], PENDING)
    assert fleet.message("here") == ""
    assert "here needs a reboot: nouveau is loaded. Not done here: Ansible runs on this node itself. Type: sudo systemctl reboot." in (
        fleet.output
    )


def test_never_says_what_to_type(fleet: Fleet) -> None:
    assert (fleet.order("never"), fleet.left("never")) == (["before False"], PENDING)
    assert "Type: ansible never --become -m ansible.builtin.reboot" in fleet.output
    assert "Type: ansible due --become -m ansible.builtin.reboot" in fleet.output
    assert (fleet.asked("due"), fleet.order("due"), fleet.left("due")) == ([LOOKED], [], None)


@pytest.mark.parametrize(
    ("host", "words", "asked"),
    [
        ("closed", "nothing was changed. Run it again inside the window, or leave nvidia_driver_window empty.", [LOOKED]),
        ("bad-window", "nvidia_driver_window is '22-5' (allowed: two different times of day from 00:00 to 23:59", []),
        ("bad-hook", "nvidia_driver_after_tasks is '/not/there.yml' (allowed: the absolute path of a file of tasks", []),
        ("bad-reboot", "Validation of arguments failed", []),
        ("no-root", "nothing was changed: the module runs as alice -> become: true", [LOOKED]),
    ],
)
def test_what_stops_before_anything(host: str, words: str, asked: list[Any], fleet: Fleet) -> None:
    assert words in fleet.message(host)
    assert (fleet.asked(host), fleet.order(host), fleet.left(host)) == (asked, [], None)


def test_the_next_run_goes_on(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, {
        "resumed": {"answers": [THERE], **HOOKS},
        "empty": {"answers": [THERE], **HOOKS},
        "still": {"answers": [DUE], **HOOKS},
        "again": {"answers": [LOOK, DONE], **HOOKS},
    })
    for name in fleet.hosts:
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text("" if name == "empty" else json.dumps(PENDING))
    fleet.run()
    for name in ("resumed", "empty"):
        assert (fleet.asked(name), fleet.order(name), fleet.left(name)) == ([LOOKED], ["after True"], None)
    assert (fleet.order("still"), fleet.left("still")) == ([], PENDING)
    assert (fleet.order("again"), fleet.left("again")) == (["before True", "after True"], None)


@pytest.mark.parametrize("way", ["command line", "block"])
def test_a_check_shows_and_does_nothing(way: str, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, {"waits": {**CASES["here"], "answers": [WAITS]}, "closed": {**CASES["closed"], "answers": [LOOK]}})
    output = fleet.run("--check") if way == "command line" else fleet.run(block={"check_mode": True})
    for host in fleet.hosts:
        assert (fleet.asked(host), fleet.order(host), fleet.left(host), fleet.message(host)) == ([LOOKED], [], None, "")
        found = fleet.result(host)["answer"]
        assert (found["plan"]["status"], found["changed"]) == ("change", True)
    assert f"Before: tasks of {tmp_path}/before.yml." in output
    assert "Ansible runs on this node itself. Type: sudo systemctl reboot" in output
    assert "is closed, so a run now would stop here." in output


def test_others_are_stopped_where_any_error_is_fatal(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, {"good": CASES["plain"], "bad": CASES["before-fails"]})
    fleet.run(any_errors_fatal=True)
    assert "nvidia_driver_before_tasks" in fleet.message("bad")
    assert fleet.asked("good") == [LOOKED], "its driver is not changed"


def test_tags_and_a_role_around_it_reach_all_of_it(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, {"plain": CASES["plain"]})
    (tmp_path / "roles/site/tasks").mkdir(parents=True)
    (tmp_path / "roles/site/tasks/main.yml").write_text(json.dumps([
        {"name": "Driver", "ansible.builtin.import_role": {"name": "gpufleet.node.nvidia_driver"}, "tags": ["driver"]},
        {"name": "Other", "ansible.builtin.fail": {"msg": "not asked for"}},
    ]))
    fleet.run("--tags", "driver", tasks=[], roles=["site"])
    assert (fleet.asked("plain"), fleet.order("plain")) == ([LOOKED, ENFORCED], ["before False", "after False"])


@pytest.mark.parametrize(
    ("window", "now", "expected"),
    [
        ("08:00-12:00", "07:59", False), ("08:00-12:00", "08:00", True), ("08:00-12:00", "11:59", True), ("08:00-12:00", "12:00", False),
        ("22:00-05:00", "21:59", False), ("22:00-05:00", "22:00", True), ("22:00-05:00", "00:00", True), ("22:00-05:00", "04:59", True),
        ("22:00-05:00", "05:00", False), ("22:00-00:00", "23:59", True), ("22:00-00:00", "00:00", False),
    ],
)
def test_the_window(window: str, now: str, expected: bool) -> None:
    assert template("{{ __node_change_window_open }}", nvidia_driver_window=window, __node_change_clock={"stdout": now}) is expected


@pytest.mark.parametrize(
    "window", ["22-5", "24:00-05:00", "22:00-22:00", "22:00-05:00\n", "22:60-05:00", " 22:00-05:00", 1320, "22:00", "٢٢:00-05:00"]
)
def test_a_window_that_is_none(window: object) -> None:
    hooks = dict.fromkeys(HOOKS, "")
    faults = template("{{ __node_change_faults }}", nvidia_driver_window=window, **hooks)
    assert len(faults) == 1
    assert faults[0].startswith("nvidia_driver_window is ")


def template(text: str, **variables: Any) -> Any:
    """A text with the variables of the role, as Ansible renders it."""
    own = yaml.safe_load((ROLES / "node_change/vars/main.yml").read_text(encoding="utf-8"))
    # Lookups need the loader of plugins, which would take over the imports of this process.
    variables |= {f"__node_change_{name[14:]}": value for name, value in variables.items() if name.startswith("nvidia_driver_")}
    variables["node_change_module"] = "nvidia_driver"
    templar = Templar(loader=DataLoader(), variables={**_trust(own), **variables})
    return templar.template(trust_as_template(text))


def _trust(value: Any) -> Any:
    """The values as those of a role's file, which Ansible renders."""
    if isinstance(value, dict):
        return {key: _trust(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_trust(child) for child in value]
    return trust_as_template(value) if isinstance(value, str) else value
