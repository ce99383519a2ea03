# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: who may send jobs to this node, Kubernetes or Slurm, and whether they were told to keep off."""

from __future__ import annotations

import json
import re
from typing import Any

from ._inventory import Inventory
from ._source import Source

_CGROUP_FOLDERS = ("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice")
_INVOCATIONS = "/run/systemd/units"
# unit that has a kubelet in it -> its own credentials, which may read this node
_KUBELETS = {
    "kubelet.service": "/etc/kubernetes/kubelet.conf",
    "k3s-agent.service": "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "k3s.service": "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "rke2-agent.service": "/var/lib/rancher/rke2/agent/kubelet.kubeconfig",
    "rke2-server.service": "/var/lib/rancher/rke2/agent/kubelet.kubeconfig",
}
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
# Words of a node's state while jobs are on it: a node that drains is drained once they are gone (scontrol(1)).
_AT_WORK = {"ALLOCATED", "MIXED", "COMPLETING"}


def parse_node(text: str) -> bool:
    """Whether a Kubernetes node, as JSON, is cordoned. ValueError for anything else."""
    node = json.loads(text)
    if not isinstance(node, dict) or node.get("kind") != "Node" or not isinstance(node.get("spec"), dict):
        raise ValueError("no Kubernetes node")
    return node["spec"].get("unschedulable") is True


def parse_scontrol(text: str) -> bool:
    """Whether a node in the words of `scontrol show node` is drained: told to, and no job is left. ValueError without a state."""
    match = re.search(r"(?:^|\s)State=([A-Z_+*$~#!%@^-]+)", text)
    if not match:
        raise ValueError("scontrol show node: no State=")
    words = {re.sub(r"[^A-Z_]", "", word) for word in match[1].split("+")}
    return bool({"DRAIN", "DRAINED"} & words) and not words & _AT_WORK


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """health.workload_managers: [{name: kubelet | slurmd, node, drained: true | false | null}], of those that run."""
    running = {name.partition(":")[2] for name in source.names(_INVOCATIONS)}
    running |= {name for folder in _CGROUP_FOLDERS for name in source.names(folder)}
    host = (source.value("/proc/sys/kernel/hostname") or "").lower()
    host = host if _HOST.fullmatch(host) else ""
    managers = []
    unit = next((name for name in _KUBELETS if name in running), None)
    if unit:
        managers.append({"name": "kubelet", "node": host or None, "drained": _cordoned(source, host, _KUBELETS[unit])})
    if "slurmd.service" in running:
        short = host.partition(".")[0]
        managers.append({"name": "slurmd", "node": short or None, "drained": _drained(source, short)})
    return {"health": {"workload_managers": managers}}


def _cordoned(source: Source, host: str, credentials: str) -> bool | None:
    output = source.run("kubectl", f"--kubeconfig={credentials}", "get", "node", host, "-o", "json") if host else None
    if output is None or output.error:
        return None
    return _asked(source, "kubectl", output, parse_node)


def _drained(source: Source, host: str) -> bool | None:
    output = source.run("scontrol", "show", "node", host) if host else None
    if output is None or output.error:
        return None
    return _asked(source, "scontrol", output, parse_scontrol)


def _asked(source: Source, program: str, output: Any, parse: Any) -> bool | None:
    if not output.ok:
        source.problem("refused", f"{program}: {output.stderr.strip() or output.stdout.strip() or f'exit status {output.rc}'}")
        return None
    try:
        told: bool = parse(output.stdout)
        return told
    except (ValueError, RecursionError) as error:
        source.problem("unreadable", f"{program}: {error}")
        return None
