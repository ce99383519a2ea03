# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inspections of simulated machines; where a package manager has to be asked, a recorded machine has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils import _enforce
from ansible_collections.gpufleet.node.plugins.module_utils._enforce import Fetch, Planner, inspect
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._host import Host
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import MODPROBE
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._nvidia import PLANNER
from ansible_collections.gpufleet.node.plugins.module_utils._plan.order import ARGUMENTS, Order
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan, Step
from fakegpu import evidence_of, load_profile

KEYS = {"changed", "status", "plan", "before", "after", "verification", "findings", "reboot_required", "reboot_reasons", "text", "node"}
KEY = yaml.safe_load((Path(__file__).parent / "_packages" / "openpgp_keys.yml").read_text(encoding="utf-8"))[0]
TODAY = "2026-11-23"


def order(**options: Any) -> Order:
    return Order.parse({**{name: row.get("default") for name, row in ARGUMENTS.items()}, **options})


def machine(profile: str, **files: Any) -> Host:
    document = evidence_of(load_profile(profile))
    document["files"].update(files)
    return load(json.dumps(document))


def no_network(url: str, proxy: str | None) -> bytes:
    raise OSError(f"{url} by {proxy}: no route to host")


def look(
    tmp_path: Path, profile: str, fetch: Fetch = no_network, user: str = "root", planner: Planner = PLANNER, **options: Any
) -> dict[str, Any]:
    answer = inspect(machine(profile), order(**options), planner, 10.0, str(tmp_path), fetch, TODAY, user)
    assert list(tmp_path.iterdir()) == [], "what was made is gone again"
    assert set(answer) >= KEYS
    json.dumps(answer)
    return answer


def codes(answer: dict[str, Any]) -> list[str]:
    return [one["code"] for one in answer["plan"]["refusals"]]


def test_no_gpu_is_skipped(tmp_path: Path) -> None:
    answer = look(tmp_path, "no-gpu")
    assert (answer["status"], answer["skipped"], answer["changed"], answer["before"]) == ("skipped", True, False, None)
    assert answer["skip_reason"] == "PCI shows no NVIDIA GPU: there is nothing to install a driver for"


def test_no_gpu_is_a_failure_where_there_must_be_one(tmp_path: Path) -> None:
    answer = look(tmp_path, "no-gpu", when_no_gpu="fail")
    assert (answer["status"], answer["failed"], answer["changed"]) == ("refused", True, False)
    assert answer["msg"] == (
        "nothing was changed: ND-NO-GPU: PCI shows no NVIDIA GPU: there is nothing to install a driver for -> lspci -d 10de:"
    )


def test_somebody_elses_driver_that_will_do_stays(tmp_path: Path) -> None:
    answer = look(tmp_path, "wsl")
    assert (answer["status"], answer.get("failed"), answer["plan"]["steps"]) == ("nothing_to_do", None, [])
    assert answer["before"] == answer["after"]
    assert answer["before"]["managed_by"] == "wsl"


def test_somebody_elses_driver_that_will_not_do_is_refused(tmp_path: Path) -> None:
    answer = look(tmp_path, "wsl", version="535")
    assert (answer["status"], codes(answer)) == ("refused", ["ND-OWNER-WSL"])


@pytest.mark.parametrize(
    ("packages", "status", "expected"),
    [
        pytest.param({"libcuda1": "580.95.05-1"}, "refused", ["ND-PACKAGE-MANAGER"], id="asked what would go"),
        pytest.param({}, "nothing_to_do", [], id="not asked where nothing is recorded"),
    ],
)
def test_a_removal_asks_the_package_manager(packages: dict[str, str], status: str, expected: list[str], tmp_path: Path) -> None:
    record = json.dumps({"schema_version": 1, "packages": packages})
    host = machine("persistence-off", **{OWN.record: record})
    answer = inspect(host, order(state="absent"), PLANNER, 10.0, str(tmp_path), no_network, TODAY)
    assert (answer["status"], codes(answer), answer["plan"]["steps"]) == (status, expected, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("record", "user", "expected"),
    [
        pytest.param({"error": "EACCES"}, "alice", ["ND-NO-ROOT"], id="only root can read it"),
        pytest.param("{half", "root", ["ND-RECORD-BROKEN"], id="it is broken"),
    ],
)
def test_a_removal_without_the_record(record: Any, user: str, expected: list[str], tmp_path: Path) -> None:
    host = machine("persistence-off", **{OWN.record: record})
    answer = inspect(host, order(state="absent"), PLANNER, 10.0, str(tmp_path), no_network, TODAY, user)
    assert (answer["status"], answer["failed"], codes(answer)) == ("refused", True, expected)


def test_a_change_that_was_cut_off_is_told(tmp_path: Path) -> None:
    record = {"schema_version": 1, "packages": {}, "files": [MODPROBE], "repositories": [], "locks": []}
    cut_off = json.dumps({**record, "way_back": [{"undo": f"rm {MODPROBE}", "path": MODPROBE}]})
    host = machine("persistence-off", **{OWN.record: cut_off, MODPROBE: "x"})
    node = inspect(host, order(persistence=False, hold=False), PLANNER, 10.0, str(tmp_path), no_network, TODAY)["node"]
    assert (node["undo"], json.loads(node["closed_record"])) == ([f"rm {MODPROBE}"], record)
    node = inspect(host, order(state="absent"), PLANNER, 10.0, str(tmp_path), no_network, TODAY)["node"]
    assert (node["undo"], node["closed_record"]) == ([], None)


def test_a_package_manager_that_does_not_answer_is_a_refusal(tmp_path: Path) -> None:
    answer = look(tmp_path, "rtx3080ti-no-driver")
    assert (answer["status"], answer["failed"], codes(answer)) == ("refused", True, ["ND-PACKAGE-MANAGER"])
    assert answer["msg"].startswith("nothing was changed: ND-PACKAGE-MANAGER: apt: ")
    assert answer["plan"]["refusals"][0]["remedy"].startswith("sudo apt-get update\n")
    assert answer["text"][0] == "NVIDIA driver refused, nothing is changed"


@pytest.mark.parametrize(
    ("reasons", "options", "expected"),
    [
        (("module 1 is loaded",), {}, [("ND-BUSY", "warning")]),
        (("module 1 is loaded",), {"when_busy": "proceed"}, [("ND-BUSY", "warning")]),
        (("module 1 is loaded",), {"acknowledge": ["ND-BUSY"]}, []),
        ((), {}, []),
    ],
)
def test_who_reboots_a_node_is_told_of_its_jobs(
    reasons: tuple[str, ...], options: dict[str, Any], expected: list[Any], tmp_path: Path
) -> None:
    planner = PLANNER._replace(assess=lambda *_asked: Plan("nothing_to_do", reboot_reasons=reasons))
    answer = look(tmp_path, "l40s-throttled", planner=planner, **options)
    assert (answer["status"], answer["reboot_required"]) == ("nothing_to_do", bool(reasons))
    assert [(one["code"], one["severity"]) for one in answer["plan"]["refusals"]] == expected


def test_findings_come_from_the_same_look_of_a_driver_that_does_not_work(tmp_path: Path) -> None:
    document = evidence_of(load_profile("runfile-only"))
    document["probes"]["nvml"] = {"error": "Driver/library version mismatch"}
    document["commands"] = [one for one in document["commands"] if one["argv"][0] != "nvidia-smi"]
    for accepted, severity in (((), "critical"), (("NV-LIB-MISMATCH",), "info")):
        options = order(acknowledge=list(accepted))
        answer = inspect(load(json.dumps(document)), options, PLANNER, 10.0, str(tmp_path), no_network, TODAY)
        found = {one["code"]: one["severity"] for one in answer["findings"]}
        assert (answer["status"], answer["verification"]["status"]) == ("nothing_to_do", "failed")
        assert found["NV-LIB-MISMATCH"] == severity


def test_what_works_as_ordered_is_no_place_for_findings(tmp_path: Path) -> None:
    answer = look(tmp_path, "runfile-only")
    assert (answer["status"], answer["verification"]["status"], answer["findings"]) == ("nothing_to_do", "verified", [])


def test_a_refusal_is_not_buried_in_findings(tmp_path: Path) -> None:
    answer = look(tmp_path, "rtx3080ti-no-driver")
    assert (answer["status"], answer["findings"]) == ("refused", [])


VENDOR: dict[str, Any] = {"origin": "nvidia", "version": "580"}
URL = "https://developer.download.nvidia.com/compute/cuda/repos/"
OTHER = KEY["armour"].encode()


@pytest.mark.parametrize(
    ("options", "fetched", "code", "words"),
    [
        ({}, OSError("no route to host"), "ND-KEY-UNREACHABLE", ("the key at " + URL, "no route to host")),
        ({}, OTHER, "ND-KEY-OTHER", ("the key at " + URL, f"has the fingerprint {KEY['fingerprint']}, not ")),
        ({}, b"<html>proxy login</html>", "ND-KEY-DAMAGED", ("it is no OpenPGP public key",)),
        ({"mirror": "https://mirror.example.com/nvidia"}, OTHER, "ND-KEY-OTHER", ("the key at https://mirror.example.com/nvidia/",)),
        ({"repository_key": "https://mirror.example.com/key"}, b"", "ND-KEY-DAMAGED", ("https://mirror.example.com/key is no",)),
        ({"repository_key": "-----BEGIN nonsense"}, OTHER, "ND-KEY-DAMAGED", ("repository_key is no OpenPGP public key",)),
        # The operator's own key goes on to the package manager.
        ({"repository_key": "https://mirror.example.com/key"}, OTHER, "ND-PACKAGE-MANAGER", ("apt: ",)),
        ({"repository_key": KEY["armour"]}, OSError("not asked"), "ND-PACKAGE-MANAGER", ("apt: ",)),
    ],
)
def test_keys_of_repositories(tmp_path: Path, options: dict[str, Any], fetched: Any, code: str, words: tuple[str, ...]) -> None:
    asked: list[str] = []

    def fetch(url: str, proxy: str | None) -> bytes:
        asked.append(url)
        if isinstance(fetched, Exception):
            raise fetched
        content: bytes = fetched
        return content

    answer = look(tmp_path, "rtx3080ti-no-driver", fetch, **VENDOR, **options)
    assert codes(answer) == [code]
    for word in words:
        assert word in answer["plan"]["refusals"][0]["message"]
    assert len(asked) == (0 if "-----" in options.get("repository_key", "") else 1)


def test_a_key_comes_through_the_proxy(tmp_path: Path) -> None:
    answer = look(tmp_path, "rtx3080ti-no-driver", **VENDOR, proxy="http://proxy.example.com:3128")
    assert "by http://proxy.example.com:3128: no route to host" in answer["plan"]["refusals"][0]["message"]


CHANGE = Plan("change", (Step("command", "x", "y", {"argv": ["true"]}, disruptive=True),))


@pytest.mark.parametrize(
    ("profile", "options", "status"),
    [
        ("h100x8-healthy", {}, "change"),
        ("l40s-throttled", {}, "refused"),
        ("l40s-throttled", {"when_busy": "proceed"}, "change"),
        ("l40s-throttled", {"when_busy": "wait"}, "change"),
        ("l40s-throttled", {"acknowledge": ["ND-BUSY"]}, "change"),
    ],
)
def test_jobs_that_come_while_the_package_manager_is_asked(profile: str, options: dict[str, Any], status: str) -> None:
    plan = _enforce._still_idle(machine(profile), order(**options), PLANNER, 10.0, CHANGE)
    assert plan.status == status
    if status == "refused":
        assert (plan.steps, [(one.code, one.severity) for one in plan.refusals]) == ((), [("ND-BUSY", "critical")])
        assert "python3 (4711)" in plan.refusals[0].message


@pytest.mark.parametrize(
    ("links", "files", "expected"),
    [
        ({}, {}, {"last_run": None, "dnf_python": None}),
        ({"/usr/libexec/platform-python": "./platform-python3.6"}, {}, {"last_run": None, "dnf_python": "3.6"}),
        ({"/usr/libexec/platform-python": "../bin/python3.9"}, {}, {"last_run": None, "dnf_python": "3.9"}),
        ({"/usr/libexec/platform-python": "somewhere"}, {"/run/gpufleet.node/nvidia_driver.last": "abc\n"},
         {"last_run": "abc", "dnf_python": None}),
    ],
)
def test_what_the_controller_wants_to_know(tmp_path: Path, links: Any, files: Any, expected: Any) -> None:
    document = evidence_of(load_profile("no-gpu"))
    document["links"].update(links)
    document["files"].update(files)
    answer = inspect(load(json.dumps(document)), order(), PLANNER, 10.0, str(tmp_path), no_network, TODAY)
    assert answer["node"] == {**expected, "undo": [], "closed_record": None}
