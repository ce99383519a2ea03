# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action by its own door: ansible-playbook on this machine, where recorded answers stand for the module's inspections."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="ansible-core is not there: this Python plays a node")

from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import as_plain
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Chosen, Link, Plan, Refusal, Step, Verification
from played_task import Played

pytestmark = pytest.mark.skipif(not shutil.which("flock"), reason="flock (util-linux) is not there")

DRIVER = {"installed_version": "550.163.01", "loaded_version": None}
VERIFIED = as_plain(Verification("verified", (Link("packages", "ok", "all there"),)))
CHOSEN = Chosen("550.163.01", 550, "proprietary", "debian", "dkms", "550.163.01-2")
TEXT = ["NVIDIA driver to be changed", "Driver        none -> 550.163.01, proprietary, from debian, dkms"]


def answer(plan: Plan, verification: Any = VERIFIED, last_run: str | None = None, **more: Any) -> dict[str, Any]:
    told = {"status": plan.status, "plan": as_plain(plan), "before": None, "after": DRIVER, "verification": verification, "findings": [],
            "reboot_required": False, "reboot_reasons": [], "text": TEXT, "changed": plan.status == "change",
            "node": {"last_run": last_run, "dnf_python": None}}
    return {**told, **more}


def command(*argv: str, **more: Any) -> Step:
    return Step("command", f"run {Path(argv[0]).name}", "a test", {"argv": list(argv)}, **more)


NOTHING = answer(Plan("nothing_to_do", reasons=("it is there",), chosen=CHOSEN))
NOT_ROOT = Refusal("ND-NO-ROOT", "warning", "runs as alice", "become: true\nSet it.")
BUSY = Refusal("ND-BUSY", "critical", "python3 (4242) uses the GPUs", "end it")


def refused(*refusals: Refusal) -> dict[str, Any]:
    told = "; ".join(one.message for one in refusals)
    return answer(Plan("refused", refusals=refusals), failed=True, msg=f"nothing was changed: {told}")


def plan_of(tmp_path: Path, *steps: Step) -> dict[str, Any]:
    first = command("touch", str(tmp_path / "one"), undo="rm one")
    return answer(Plan("change", (first, *steps), ("no driver is installed",), (), CHOSEN), verification=None)


def test_check_mode_asks_once_and_does_nothing(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    played = Played(tmp_path, [plan], "--check", "--diff")
    assert not (tmp_path / "one").exists()
    assert (len(played.asked), played.said, played.lease_is_free) == (1, [], True)
    assert (played.result["changed"], played.result.get("failed", False)) == (True, False)
    assert {key: played.result[key] for key in ("status", "plan", "before", "after")} == {
        key: plan[key] for key in ("status", "plan", "before", "after")
    }
    assert "node" not in played.result
    assert "\n".join(TEXT) in played.done.stdout


def test_nothing_to_do_is_one_execution_and_no_lease(tmp_path: Path) -> None:
    played = Played(tmp_path, [NOTHING])
    assert (played.result["changed"], len(played.asked), played.said) == (False, 1, [])
    assert not (tmp_path / "run").exists()


def test_where_the_look_is_not_found_by_its_name_the_module_decides(tmp_path: Path) -> None:
    """A copy of parts of the collection, or a name that another collection leads to ours."""
    played = Played(tmp_path, [NOTHING], look=False)
    assert (played.result.get("failed", False), played.result["status"], len(played.asked)) == (False, "nothing_to_do", 1)


@pytest.mark.parametrize("plan", [NOTHING, refused(BUSY)], ids=["decided", "undecided"])
def test_an_interpreter_that_was_found_is_known_to_the_next_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: dict[str, Any]
) -> None:
    # Before a version manager's shims, which Ansible may find and which refuse to run.
    folder = tmp_path / "found"
    folder.mkdir()
    for name in ("python3", *(f"python3.{minor}" for minor in range(9, 20))):
        (folder / name).symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    played = Played(tmp_path, [plan], "-e", "ansible_python_interpreter=auto_silent")
    assert played.result["ansible_facts"]["discovered_interpreter_python"].startswith(f"{folder}/python3")


def test_the_module_is_always_run_in_check_mode(tmp_path: Path) -> None:
    Played(tmp_path, [plan_of(tmp_path), NOTHING])
    noted = (tmp_path / "asked").read_text().splitlines()
    assert [json.loads(line)["_ansible_check_mode"] for line in noted] == [True, True]


def test_the_steps_are_done_and_the_node_is_looked_at_again(tmp_path: Path) -> None:
    second = command("touch", str(tmp_path / "two"), disruptive=True)
    after = answer(Plan("nothing_to_do"), after={**DRIVER, "loaded_version": "550.163.01"}, reboot_required=True, reboot_reasons=["why"])
    played = Played(tmp_path, [plan_of(tmp_path, second), after])
    assert (tmp_path / "one").exists()
    assert (tmp_path / "two").exists()
    assert played.said == ["[localhost] step 1 of 2: run touch", "[localhost] step 2 of 2: run touch"]
    assert played.result["changed"] is True
    assert played.result["plan"]["status"] == "change"
    assert (played.result["after"]["loaded_version"], played.result["verification"]) == ("550.163.01", VERIFIED)
    assert (played.result["reboot_required"], played.result["reboot_reasons"]) == (True, ["why"])
    assert played.lease_is_free
    assert (tmp_path / "run" / "nvidia_driver.last").exists()


def test_what_is_not_verified_is_a_failure(tmp_path: Path) -> None:
    broken = as_plain(Verification("failed", (Link("packages", "ok", ""), Link("nvml", "broken", "no answer")), "nvml"))
    played = Played(tmp_path, [plan_of(tmp_path), answer(Plan("nothing_to_do"), broken, failed=True, msg="x")])
    assert played.result["failed"] is True
    assert played.result["changed"] is True
    assert played.result["msg"] == "all steps are done, and the driver is not what was asked for: nvml: no answer"


def test_a_plan_that_is_not_empty_afterwards_is_told(tmp_path: Path) -> None:
    played = Played(tmp_path, [plan_of(tmp_path), {**plan_of(tmp_path), "verification": VERIFIED}])
    assert played.result.get("failed", False) is False
    assert any("the next run would have more to do: run touch" in line for line in played.result["warnings"])


def test_a_step_that_fails(tmp_path: Path) -> None:
    steps = (command("false"), command("touch", str(tmp_path / "three")))
    fresh = answer(Plan("change"), as_plain(Verification("failed", (), None)))  # its own "after" is a prediction
    played = Played(tmp_path, [plan_of(tmp_path, *steps), fresh])
    assert not (tmp_path / "three").exists()
    result = played.result
    assert (result["failed"], result["changed"], result["rc"]) == (True, True, 1)
    assert result["msg"].startswith("step 2 of 3 failed: run false: ")
    assert result["msg"].splitlines()[1:] == [
        "Done: run touch. Not done: run touch.",
        "Run it again: it looks again and goes on from here. To go back instead: rm one.",
    ]
    assert (result["failed_step"], result["done_steps"], result["open_steps"], result["undo"]) == (
        "run false", ["run touch"], ["run touch"], ["rm one"]
    )
    assert (result["after"], result["verification"]["status"]) == (None, "failed")
    assert played.lease_is_free


def test_a_slow_step_runs_in_the_background_and_tells(tmp_path: Path) -> None:
    slow = Step("command", "build it", "", {"argv": ["sh", "-c", f"sleep 2; touch {tmp_path}/slow"]}, slow=True)
    played = Played(tmp_path, [plan_of(tmp_path, slow), NOTHING])
    assert (tmp_path / "slow").exists(), played.result
    assert (played.result["changed"], played.result.get("failed", False)) == (True, False)
    assert played.said[:2] == ["[localhost] step 1 of 2: run touch", "[localhost] step 2 of 2: build it"]
    assert played.said[2].startswith("[localhost] step 2 of 2: build it (0:0")
    assert "step 2" not in played.done.stdout
    assert list((tmp_path / ".ansible_async").iterdir()) == []


def test_a_slow_step_that_fails(tmp_path: Path) -> None:
    slow = Step("command", "build it", "", {"argv": ["sh", "-c", "echo no compiler >&2; exit 3"]}, slow=True)
    result = Played(tmp_path, [plan_of(tmp_path, slow), NOTHING]).result
    assert (result["failed"], result["rc"], result["failed_step"]) == (True, 3, "build it")
    assert result["msg"].startswith("step 2 of 2 failed: build it: ")
    assert result["msg"].splitlines()[0].endswith(": no compiler")


# What apt-get prints where a file system is full: its own words on standard error tell nothing.
FULL = """
import sys
print("Unpacking libcuda1 (550.163.01-2) ...")
print("dpkg: error processing archive /tmp/apt-dpkg-install-1/05-libcuda1.deb (--unpack):")
print(" cannot copy extracted data for './usr/lib/libcuda.so' to '/usr/lib/libcuda.so.dpkg-new': failed to write (No space left on device)")
print("Errors were encountered while processing:")
sys.exit("E: Sub-process /usr/bin/dpkg returned an error code (1)")
"""


def test_why_dpkg_failed(tmp_path: Path) -> None:
    slow = Step("command", "install it", "", {"argv": [sys.executable, "-c", FULL]}, slow=True)
    result = Played(tmp_path, [plan_of(tmp_path, slow), NOTHING]).result
    assert result["msg"].splitlines()[0].endswith(
        "E: Sub-process /usr/bin/dpkg returned an error code (1): dpkg: error processing archive /tmp/apt-dpkg-install-1/05-libcuda1.deb"
        " (--unpack): cannot copy extracted data for './usr/lib/libcuda.so' to '/usr/lib/libcuda.so.dpkg-new': failed to write (No space"
        " left on device)"
    )


# Ends all that would report the end of the step: the wrappers of its job, above it in the tree of processes, and itself.
KILL_JOB = """
import os
pid, doomed = os.getpid(), []
while pid > 1:
    doomed.append(pid)
    pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
    if b"async_wrapper.py" not in open(f"/proc/{pid}/cmdline", "rb").read() and len(doomed) > 2:
        break
for pid in reversed(doomed):
    os.kill(pid, 9)
"""


def test_a_slow_step_that_was_killed_with_all_that_watched_it(tmp_path: Path) -> None:
    slow = Step("command", "build it", "", {"argv": [sys.executable, "-c", KILL_JOB]}, slow=True)
    played = Played(tmp_path, [plan_of(tmp_path, slow), NOTHING])
    assert (played.result["failed"], played.result["failed_step"], played.result["open_steps"]) == (True, "build it", [])
    assert played.result["msg"].splitlines()[0] == (
        "step 2 of 2 failed: build it: its process on the node has ended without a result: it was killed, or the node was restarted"
    )
    assert played.lease_is_free
    assert list((tmp_path / ".ansible_async").iterdir()) == []


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (refused(BUSY), "nothing was changed: python3 (4242) uses the GPUs"),
        (answer(Plan("change", (Step("packages", "install nvidia-open", "", {
            "manager": "apt", "install": [{"name": "nvidia-open", "version": "1"}], "lock_timeout": 3}),), refusals=(NOT_ROOT,))),
         "nothing was changed: ND-NO-ROOT: runs as alice -> become: true"),
        ({"failed": True, "msg": "module is broken", "module_stderr": "Traceback"}, "module is broken"),
    ],
    ids=["refused", "not-root", "crashed"],
)
def test_what_stands_in_the_way_stops_before_the_first_change(tmp_path: Path, plan: dict[str, Any], message: str) -> None:
    played = Played(tmp_path, [plan])
    assert (played.result["failed"], played.result["changed"]) == (True, False)
    assert played.result["msg"].startswith(message)
    assert played.said == []
    assert not (tmp_path / "run").exists()


def test_a_refused_host_has_its_screen_too(tmp_path: Path) -> None:
    played = Played(tmp_path, [refused(BUSY)], "--check", "--diff")
    assert "\n".join([f"[localhost] {TEXT[0]}", *TEXT[1:], ""]) in played.done.stderr


def test_skipped_is_skipped(tmp_path: Path) -> None:
    skipped = answer(Plan("skipped", reasons=("no NVIDIA GPU is here",)), skipped=True, skip_reason="no NVIDIA GPU is here")
    result = Played(tmp_path, [skipped]).result
    assert (result["skipped"], result["changed"], result["status"]) == (True, False, "skipped")


def test_jobs_are_waited_for(tmp_path: Path) -> None:
    answers = [refused(BUSY), refused(BUSY), plan_of(tmp_path), NOTHING]
    played = Played(tmp_path, answers, arguments={"when_busy": "wait", "busy_timeout": 60})
    assert (tmp_path / "one").exists()
    assert [one["when_busy"] for one in played.asked] == ["refuse", "refuse", "refuse", "wait"]
    assert played.said[:2] == ["[localhost] waiting for jobs to end, 60 s at most: python3 (4242) uses the GPUs"] * 2


def test_jobs_that_do_not_end(tmp_path: Path) -> None:
    result = Played(tmp_path, [refused(BUSY)], arguments={"when_busy": "wait", "busy_timeout": 1}).result
    assert (result["failed"], result["msg"]) == (True, "nothing was changed: python3 (4242) uses the GPUs")


def test_only_jobs_are_waited_for(tmp_path: Path) -> None:
    other = Refusal("ND-CONTAINER", "critical", "this is a container", "use the host")
    assert len(Played(tmp_path, [refused(BUSY, other)], arguments={"when_busy": "wait"}).asked) == 1


def test_another_package_manager_is_waited_for(tmp_path: Path) -> None:
    lock = Refusal("ND-PACKAGE-MANAGER-BUSY", "warning", "apt-get (77) works", "wait")
    plan = plan_of(tmp_path)
    locked = {**plan, "plan": {**plan["plan"], "refusals": [as_plain(lock)]}}
    played = Played(tmp_path, [locked, refused(lock._replace(severity="critical")), plan, plan, NOTHING])
    assert [one["wait_for_lock"] for one in played.asked] == [300, 0, 0, 300, 300]
    assert (tmp_path / "one").exists()


def test_a_package_manager_that_does_not_end(tmp_path: Path) -> None:
    lock = Refusal("ND-PACKAGE-MANAGER-BUSY", "warning", "apt-get (77) works; wait_for_lock is 1 s", "ps -fp 77")
    plan = plan_of(tmp_path)
    locked = {**plan, "plan": {**plan["plan"], "refusals": [as_plain(lock)]}}
    other = lock._replace(severity="critical", message="apt-get (77) works; wait_for_lock is 0 s")
    played = Played(tmp_path, [locked, refused(other)], "--diff", arguments={"wait_for_lock": 1})
    assert played.result["msg"] == (
        "nothing was changed: ND-PACKAGE-MANAGER-BUSY: apt-get (77) works; wait_for_lock is 1 s -> ps -fp 77"
    )
    assert (played.result["failed"], played.result["changed"], played.result["status"]) == (True, False, "refused")
    assert played.result["text"] == [
        "NVIDIA driver refused, nothing is changed",
        "Refused       ND-PACKAGE-MANAGER-BUSY apt-get (77) works; wait_for_lock is 1 s",
        "              -> ps -fp 77",
        TEXT[1],
    ]
    waits = "[localhost] waiting for the package manager, 1 s at most: apt-get (77) works"
    assert set(played.said) == {waits, "[localhost] NVIDIA driver refused, nothing is changed"}


def test_a_plan_that_another_run_made_stale_is_made_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    (run / "nvidia_driver.last").write_text("f" * 32 + "\n")
    played = Played(tmp_path, [plan_of(tmp_path), NOTHING])
    assert not (tmp_path / "one").exists()
    assert (len(played.asked), played.result["changed"], played.lease_is_free) == (2, False, True)


def test_another_run_holds_the_node(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    (run / "nvidia_driver.held").write_text("f" * 32 + " elsewhere 1\n")
    played = Played(tmp_path, [plan_of(tmp_path)], arguments={"wait_for_lock": 0})
    assert not (tmp_path / "one").exists()
    assert played.result["msg"].startswith(
        "nothing was changed: ND-RUN-IN-PROGRESS: another run of nvidia_driver is at work on this node (process 1 on elsewhere;"
    )
    assert played.result["plan"]["refusals"][0]["code"] == "ND-RUN-IN-PROGRESS"
    assert not played.lease_is_free


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 580.95}, "version is 580.95, a number with a fraction: quote the version, YAML drops zeros of numbers"),
        ({"version": "580;rm"}, "version is '580;rm' (allowed: a branch"),
        ({"state": "gone"}, "value of state must be one of: present, latest, absent, got: gone"),
        ({"colour": "red"}, "Unsupported parameters for (nvidia_driver) module: colour"),
        ({"mirror": "mirror.example.com"}, "mirror is 'mirror.example.com' (allowed: a URL"),
    ],
)
def test_wrong_options_are_refused_before_the_node_is_asked(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    played = Played(tmp_path, [NOTHING], arguments=arguments)
    assert message in played.result["msg"]
    assert (played.result["failed"], played.asked) == (True, [])


def test_async_limits_slow_steps_and_stays_in_the_foreground(tmp_path: Path) -> None:
    keywords: dict[str, Any] = {"async": 600, "poll": 5}
    played = Played(tmp_path, [plan_of(tmp_path), NOTHING], **keywords)
    assert (played.result.get("failed", False), played.result["changed"]) == (False, True)


def test_poll_0_is_refused(tmp_path: Path) -> None:
    keywords: dict[str, Any] = {"async": 600, "poll": 0}
    played = Played(tmp_path, [plan_of(tmp_path)], **keywords)
    assert played.asked == []
    assert played.result["msg"].endswith(
        "nobody can come back for it later: leave out poll: 0"
        " (slow steps run in the background on the node anyway, and outlive a lost connection)"
    )


def test_a_loop(tmp_path: Path) -> None:
    played = Played(tmp_path, [plan_of(tmp_path), NOTHING], loop=["580", "590"], arguments={"version": "{{ item }}"})
    assert [one["changed"] for one in played.result["results"]] == [True, False]


def test_no_log_says_nothing(tmp_path: Path) -> None:
    played = Played(tmp_path, [plan_of(tmp_path), NOTHING], no_log=True)
    assert (tmp_path / "one").exists()
    assert played.said == []


def test_passwords_in_urls_are_not_returned(tmp_path: Path) -> None:
    proxy = "http://user:secret@proxy.example.com:3128"
    step = Step("packages", "nothing", "", {"manager": "apt", "install": [], "lock_timeout": 1, "proxy": proxy})
    played = Played(tmp_path, [answer(Plan("change", (step,)))], "--check", arguments={"proxy": proxy})
    assert played.asked[0]["proxy"] == proxy
    assert played.result["plan"]["steps"][0]["values"]["proxy"] == "http://********@proxy.example.com:3128"
    assert "secret" not in played.done.stdout + played.done.stderr
