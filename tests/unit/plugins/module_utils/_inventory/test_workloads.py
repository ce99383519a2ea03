# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.workloads import parse_node, parse_scontrol, read
from recorded_node import command, known, node

# `scontrol show node` of Slurm 24.05; %s is the state.
SCONTROL = """\
NodeName=node1 Arch=x86_64 CoresPerSocket=56
   CPUAlloc=0 CPUEfctv=224 CPUTot=224 CPULoad=0.31
   AvailableFeatures=h100
   Gres=gpu:h100:8(S:0-1)
   NodeAddr=node1 NodeHostName=node1 Version=24.05.4
   OS=Linux 6.8.0-60-generic #63-Ubuntu SMP PREEMPT_DYNAMIC Tue Apr 15 19:04:15 UTC 2025
   RealMemory=2063000 AllocMem=0 FreeMem=2001431 Sockets=2 Boards=1
   State=%s ThreadsPerCore=2 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A
   Partitions=batch
   Reason=driver update [root@2026-11-23T10:00:00]
"""
HOSTNAME = {"/proc/sys/kernel/hostname": "Node1\n"}
KUBECTL = "kubectl --kubeconfig=/etc/kubernetes/kubelet.conf get node node1 -o json"


@pytest.mark.parametrize(
    ("state", "drained"),
    [
        ("IDLE", False),
        ("IDLE+DRAIN", True),
        ("DRAINED", True),
        ("IDLE*+DRAIN", True),
        ("IDLE+DRAIN+NOT_RESPONDING", True),
        ("ALLOCATED+DRAIN", False),
        ("MIXED+DRAIN", False),
        ("COMPLETING+DRAIN", False),
        ("DOWN", False),
        ("MIXED", False),
        ("IDLE+DRAINING", False),
    ],
)
def test_parse_scontrol(state: str, drained: bool) -> None:
    assert parse_scontrol(SCONTROL % state) is drained


@pytest.mark.parametrize("text", ["", "Node node1 not found\n", "NextState=IDLE\n"])
def test_scontrol_without_a_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no State="):
        parse_scontrol(text)


@pytest.mark.parametrize(("spec", "cordoned"), [({}, False), ({"unschedulable": True}, True), ({"unschedulable": False}, False)])
def test_parse_node(spec: dict[str, Any], cordoned: bool) -> None:
    assert parse_node(json.dumps({"kind": "Node", "spec": spec})) is cordoned


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "Pod", "spec": {}}', '{"kind": "Node"}'])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_node(text)


NODE = json.dumps({"kind": "Node", "spec": {"unschedulable": True}})


def running(*units: str) -> dict[str, str]:
    return {f"/run/systemd/units/invocation:{unit}": "0123456789abcdef" for unit in units}


@pytest.mark.parametrize(
    ("units", "commands", "found"),
    [
        ((), [], []),
        (("cron.service",), [], []),
        (("kubelet.service",), [command(KUBECTL, NODE)], [{"name": "kubelet", "node": "node1", "drained": True}]),
        (("kubelet.service",), [], [{"name": "kubelet", "node": "node1", "drained": None}]),
        (
            ("k3s-agent.service",),
            [command("kubectl --kubeconfig=/var/lib/rancher/k3s/agent/kubelet.kubeconfig get node node1 -o json", NODE)],
            [{"name": "kubelet", "node": "node1", "drained": True}],
        ),
        (
            ("slurmd.service",),
            [command("scontrol show node node1", SCONTROL % "IDLE")],
            [{"name": "slurmd", "node": "node1", "drained": False}],
        ),
        (("slurmd.service",), [], [{"name": "slurmd", "node": "node1", "drained": None}]),
    ],
)
def test_read(units: tuple[str, ...], commands: list[Any], found: list[Any]) -> None:
    source, problems = node("workloads", files=HOSTNAME, links=running(*units), commands=commands)
    assert read(source, known("nvidia")) == {"health": {"workload_managers": found}}
    assert problems == []


def test_units_are_seen_in_the_control_groups_too() -> None:
    source, _problems = node("workloads", files=HOSTNAME, dirs={"/sys/fs/cgroup/system.slice": ["slurmd.service"]})
    assert [one["name"] for one in read(source, known("nvidia"))["health"]["workload_managers"]] == ["slurmd"]


@pytest.mark.parametrize(
    ("unit", "line", "outcome", "problem"),
    [
        (
            "kubelet",
            KUBECTL,
            {"rc": 1, "stderr": "Error from server (Forbidden): nodes\n"},
            "refused: kubectl: Error from server (Forbidden): nodes",
        ),
        ("kubelet", KUBECTL, {"stdout": "{}"}, "unreadable: kubectl: no Kubernetes node"),
        ("slurmd", "scontrol show node node1", {"rc": 1, "stdout": "Node node1 not found\n"}, "refused: scontrol: Node node1 not found"),
        ("slurmd", "scontrol show node node1", {"stdout": "?"}, "unreadable: scontrol: scontrol show node: no State="),
    ],
)
def test_one_that_cannot_be_asked_is_a_problem(unit: str, line: str, outcome: dict[str, Any], problem: str) -> None:
    source, problems = node("workloads", files=HOSTNAME, links=running(f"{unit}.service"), commands=[command(line, **outcome)])
    assert read(source, known("nvidia"))["health"]["workload_managers"] == [{"name": unit, "node": "node1", "drained": None}]
    assert [f"{one['code']}: {one['message']}" for one in problems] == [problem]


@pytest.mark.parametrize("host", ["", "-o", "a b", "node1;reboot", "nöde"])
def test_a_name_that_is_none_is_not_asked_about(host: str) -> None:
    files = {"/proc/sys/kernel/hostname": f"{host}\n"}
    source, problems = node("workloads", files=files, links=running("kubelet.service"), commands=[])
    assert read(source, known("nvidia"))["health"]["workload_managers"] == [{"name": "kubelet", "node": None, "drained": None}]
    assert problems == []
