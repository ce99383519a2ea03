# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings from the kernel log: Xid and SXid errors, recoveries asked for, what amdgpu wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .._knowledge import xids
from .._knowledge.thresholds import threshold
from ._finding import finding, of_device
from ._node import Node, Section, address
from ._presence import fell_off, why_lost
from ._report import Finding

_RECOVERY_XID = 154
_RECOVERY = re.compile(r"recovery action changed from .*? to 0x([0-9a-fA-F]+)")
_ACTIONS = {0: "none", 1: "reset", 2: "reboot", 3: "drain_p2p", 4: "drain_and_reset"}  # nvml.h, nvmlDeviceGpuRecoveryAction_t
_RECOVERIES = {
    "reset": ("a reset", "sudo nvidia-smi --gpu-reset -i {address}\nWith no process on the GPU."),
    "reboot": ("a reboot", "sudo systemctl reboot"),
    "drain_p2p": (
        "an end of peer-to-peer work",
        "sudo fuser -v /dev/nvidia*\nEnd the jobs that use several GPUs, then look again.",
    ),
    "drain_and_reset": (
        "a drain and a reset",
        "sudo fuser -v /dev/nvidia*\nEnd these jobs, then: sudo nvidia-smi --gpu-reset -i {address}",
    ),
}
_LOOK = {  # by the class of an Xid: the command that shows or mends most
    "application": "sudo dmesg | grep 'Xid.*: {xid},'",
    "memory": "nvidia-smi -q -d ECC,ROW_REMAPPER,PAGE_RETIREMENT -i {address}",
    "nvlink": "nvidia-smi nvlink --status -i {address}",
    "thermal": "nvidia-smi -q -d PERFORMANCE,TEMPERATURE -i {address}",
}
_CODES = {"critical": "NV-XID-CRITICAL", "warning": "NV-XID-WARNING", "info": "NV-XID-INFO"}


def check(node: Node) -> Iterator[Finding]:
    events = node.items("health.events")
    yield from _recoveries(node, events)
    for event in events:
        kind = event.get("kind")
        if kind == "xid":
            yield _xid(node, event)
        elif kind == "sxid":
            yield finding(
                node,
                "NV-SXID",
                str(event.get("pci") or "NVSwitch"),
                _facts(event, sxid=event.get("code")),
                sxid=event.get("code"),
                address=event.get("pci") or "of unknown address",
                times=times(event),
            )
        elif kind == "nvrm" and not fell_off(event) and "API mismatch" not in str(event.get("message")):
            yield finding(
                node,
                "NV-LOG-ERROR",
                str(event.get("pci") or "NVIDIA driver"),
                _facts(event),
                message=_short(event),
                times=times(event),
            )
        elif kind == "amdgpu":
            yield finding(
                node,
                "AMD-EVENT",
                str(event.get("pci") or "amdgpu"),
                _facts(event),
                message=_short(event),
                address=event.get("pci") or "of unknown address",
                times=times(event),
            )
    if node.devices and node.get("health.log_read") is False:
        yield finding(node, "LOG-UNREAD", "kernel log", {"log_read": False})


def times(event: Section) -> str:
    """How often and when: "3 times, first …, last …"; the log's own stamps, or seconds after boot."""
    count = event.get("count") or 1
    first, last = _moment(event.get("first")), _moment(event.get("last"))
    often = "once" if count == 1 else f"{count} times"
    if not (first or last):
        return often
    if count == 1 or first == last:
        return f"{often}, {last or first}"
    return f"{often}, first {first or 'unknown'}, last {last or 'unknown'}"


def _moment(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{int(value)} s after boot"
    return str(value or "")


def _facts(event: Section, **more: Any) -> dict[str, Any]:
    known = {key: event.get(key) for key in ("pci", "count", "first", "last", "message") if event.get(key) is not None}
    return {**more, **known}


def _short(event: Section) -> str:
    return " ".join(str(event.get("message") or "").split())[:160] or "no words"


def _xid(node: Node, event: Section) -> Finding:
    number = event.get("code")
    where = str(event.get("pci") or "an unknown GPU")
    row = xids.xid(number) if isinstance(number, int) else None
    facts = _facts(event, xid=number)
    if row is None:
        return finding(node, "NV-XID-UNKNOWN", where, facts, xid=number, address=where, times=times(event))
    severity, often = row.severity, times(event)
    if number == _RECOVERY_XID:
        severity = "info"  # the recovery itself is a finding of its own; the notice is the log's part of it
    elif severity == "warning" and row.class_ == "application" and (event.get("count") or 1) < threshold("xid_application_min").value:
        severity = "info"  # one failed program is its owner's business
    elif severity == "critical" and _over(node, where):
        severity, often = "warning", f"{often}; the driver asks for no recovery any more"
    command = _LOOK.get(row.class_, "sudo systemctl reboot" if severity == "critical" else "sudo nvidia-bug-report.sh")
    return finding(
        node,
        _CODES.get(severity, "NV-XID-WARNING"),
        where,
        {**facts, "class": row.class_},
        xid=number,
        address=where,
        name=row.meaning,
        action=row.next_step,
        command=command.format(xid=number, address=where),
        times=often,
    )


def _over(node: Node, where: str) -> bool:
    """Whether the driver shows the GPU and says itself that nothing is to be done: what the log tells is of the past."""
    mine = [device for device in node.nvidia if address(device) == where]
    return any(device.get("recovery_action") == "none" and not why_lost(node, device) for device in mine)


def _recoveries(node: Node, events: list[Section]) -> Iterator[Finding]:
    """What the driver asks for: NVML's word counts; the last Xid 154 where NVML says nothing."""
    for device in node.nvidia:
        action, where = device.get("recovery_action"), "NVML"
        facts: dict[str, Any] = {"recovery_action": action}
        if action is None:
            action, facts = _logged(events, address(device))
            where = "Xid 154 in the kernel log"
        if action in _RECOVERIES:
            text, command = _RECOVERIES[str(action)]
            yield of_device(
                node,
                "NV-RECOVERY-NEEDED",
                device,
                facts,
                action=text,
                where=where,
                command=command.format(address=address(device)),
            )


def _logged(events: list[Section], where: str) -> tuple[Any, dict[str, Any]]:
    action, facts = None, {}
    for event in events:
        if event.get("kind") == "xid" and event.get("code") == _RECOVERY_XID and event.get("pci") == where:
            told = _RECOVERY.findall(str(event.get("message") or ""))
            action = _ACTIONS.get(int(told[-1], 16)) if told else None
            facts = _facts(event, xid=_RECOVERY_XID, recovery_action=action)
    return action, facts
