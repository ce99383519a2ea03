# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what GPU drivers wrote into the kernel log, in every form in which logs are printed (dmesg plain, -T, --decode, ISO;
journalctl short-iso; syslog)."""

from __future__ import annotations

import calendar
import re
import time
from typing import Any, NamedTuple

_Events = dict[tuple[Any, ...], dict[str, Any]]

_MESSAGE_LIMIT = 240  # characters of a message that are kept
_LINE_LIMIT = 2000  # characters of a line that are looked at; the kernel's own limit is 1024 (LOG_LINE_MAX)
_EVENT_LIMIT = 500  # different events; a log that is somebody's trap has no more

_DECODED = re.compile(r"^(?:\w+ *: *\w+ *: )")  # dmesg --decode: facility, level
_STAMPS = (
    re.compile(r"^\[ *(?P<seconds>\d+\.\d+)\] ?"),
    re.compile(r"^\[(?P<words>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\] ?"),
    re.compile(r"^(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?) "),
    re.compile(r"^(?P<syslog>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) "),
)
_WRITER = re.compile(r"^(?:\S+ )?kernel: (?:\[ *\d+\.\d+\] ?)?")
_ADDRESS = r"(?:PCI:)?(?P<pci>(?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-7])?)"


class _Rule(NamedTuple):
    kind: str
    reason: str
    pattern: re.Pattern[str]


def _rules(*rows: tuple[str, str, str]) -> list[_Rule]:
    return [_Rule(kind, reason, re.compile(pattern)) for kind, reason, pattern in rows]


# The first rule that fits a message counts. The address of a message's own device is found anywhere in it.
_RULES = _rules(
    ("xid", "xid", rf"NVRM: Xid \({_ADDRESS}[^)]*\): (?P<code>\d{{1,5}})\b"),
    ("sxid", "sxid", rf"SXid \({_ADDRESS}[^)]*\): (?P<code>\d{{1,6}})\b"),
    ("nvrm", "api_mismatch", r"NVRM: API mismatch"),
    ("nvrm", "fallen_off_the_bus", r"NVRM: .*fallen off the bus"),
    ("nvrm", "init_failed", r"NVRM: .*(?:RmInitAdapter failed|rm_init_adapter failed)"),
    ("nvrm", "needs_proprietary_module", r"NVRM: .*not supported by (?:the )?open"),
    ("nvrm", "needs_open_module", r"NVRM: .*requires use of the NVIDIA open"),
    ("nvrm", "needs_legacy_driver", r"NVRM: .*supported through the NVIDIA \S+ Legacy"),
    ("nvrm", "not_supported", r"NVRM: .*installed in this system is not supported by the"),
    ("nvrm", "already_claimed", r"NVRM: .*(?:already (?:bound|claimed|assigned)|conflicting with another driver"
                                r"|request_mem_region failed|probe routine was not called)"),
    ("nvrm", "probe_failed", r"NVRM: (?:The NVIDIA probe routine failed|None of the NVIDIA devices were)"),
    ("key_rejected", "key_rejected", r"Key was rejected by service"
                                     r"|Loading of (?:unsigned module|module with \w+ \w+) is rejected"
                                     r"|[Uu]nsigned module loading is restricted|[Mm]odule signature verification failed"
                                     r"|PKCS#7 signature not signed with a trusted key"),
    ("nouveau", "error", r"nouveau[ :].*\b(?:unknown chipset|failed|error|timeout|fault)\b"),
    ("amdgpu", "init_failed", r"amdgpu.*(?:Fatal error during GPU init|probe of \S+ failed|probe with driver amdgpu failed"
                              r"|hw_init of IP block .* failed)"),
    ("amdgpu", "firmware_missing", r"amdgpu.*[Ff]ailed to load firmware|Direct firmware load for amdgpu"),
    ("amdgpu", "ras_uncorrectable", r"amdgpu.*(?:\b[1-9]\d* uncorrectable|ERREVENT_ATHUB_INTERRUPT"
                                    r"|poison (?:is )?(?:created|consum)|RAS poison)"),
    ("amdgpu", "bad_pages", r"amdgpu.*(?:\b[1-9]\d* bad page|bad page threshold|RAS records? .*(?:exceed|threshold))"),
    ("amdgpu", "ring_timeout", r"amdgpu.*ring \S+ (?:timeout|test failed)"
                               r"|amdgpu.*(?:\bMES\b|SDMA|queue).*(?:timed out|timeout|\bhang|\bhung|failed to respon)"),
    ("amdgpu", "gpu_reset", r"amdgpu.*GPU [Rr]eset"),
    ("amdgpu", "page_fault", r"amdgpu.*\[(?:gfxhub|mmhub|gfxhub0|mmhub0)\d*\].*page fault"),
    ("amdgpu", "no_pcie_atomics", r"\bkfd: .*PCI rejects atomics"),
    ("amdgpu", "device_lost", r"amdgpu.*(?:device lost from bus|device is lost)"),
)
_DEVICE = re.compile(r"\b(?P<pci>[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-7])?)(?![0-9a-fA-F]|:[0-9a-fA-F])")
_RECOVERY_ACTION = 154  # the Xid that tells a state (what the GPU needs now): its latest message counts
_HINTS = ("NVRM", "SXid", "nouveau", "amdgpu", "kfd", "rejected", "igned module", "signature")


def parse_kernel_log(text: str, boot_time: int | None = None) -> list[dict[str, Any]]:
    """[{kind, reason, code, pci, count, first, last, message}], one for each kind, reason, code and device, in the order of
    their first lines.

    code: number of an Xid or SXid, else None. first, last: times in ISO 8601, in UTC where the log tells the zone; seconds
    since boot become one with `boot_time` (seconds since 1970), else they stay as in the log; None where a line has no time.
    """
    events: _Events = {}
    lines = text.splitlines()
    taken = 0  # lines up to here belong to an earlier message
    for number, line in enumerate(lines):
        if number < taken or not any(hint in line for hint in _HINTS):
            continue
        stamp, message = _split(line[:_LINE_LIMIT])
        if message.startswith("NVRM: The NVIDIA"):
            rest = _continuation(lines[number + 1: number + 4])
            message, taken = " ".join([message, *rest]), number + 1 + len(rest)
        for rule in _RULES:
            match = rule.pattern.search(message)
            if match:
                _note(events, rule, match, message, _when(stamp, boot_time))
                break
    return list(events.values())


def _note(events: _Events, rule: _Rule, match: re.Match[str], message: str, when: str | None) -> None:
    groups = match.groupdict()
    code = int(groups["code"]) if groups.get("code") else None
    found = _DEVICE.search(message)
    pci = normal_log_address(groups.get("pci") or (found["pci"] if found else None))
    key = (rule.kind, rule.reason, code, pci)
    event = events.get(key)
    short = message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…"
    if event:
        event["count"] += 1
        event["last"] = when or event["last"]
        if code == _RECOVERY_ACTION:
            event["message"] = short
    elif len(events) < _EVENT_LIMIT:
        events[key] = {"kind": rule.kind, "reason": rule.reason, "code": code, "pci": pci, "count": 1,
                       "first": when, "last": when, "message": short}


def normal_log_address(text: str | None) -> str | None:
    """An address as drivers log it, mostly without a function ("0000:9b:00"), as sysfs has it ("0000:9b:00.0")."""
    match = re.fullmatch(r"(?:([0-9a-fA-F]{1,8}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})(?:\.([0-7]))?", text or "")
    return f"{int(match[1] or '0', 16):04x}:{match[2]}:{match[3]}.{match[4] or 0}".lower() if match else None


def _split(line: str) -> tuple[dict[str, str], str]:
    """The time of a line and its message, without what the logger put in front."""
    line = _DECODED.sub("", line.strip())
    stamp: dict[str, str] = {}
    for pattern in _STAMPS:
        match = pattern.match(line)
        if match:
            stamp, line = match.groupdict(), line[match.end():]
            break
    return stamp, _WRITER.sub("", line).strip()


def _continuation(following: list[str]) -> list[str]:
    """The further lines of a message that the driver printed over several of them; they repeat its prefix."""
    found: list[str] = []
    for line in following:
        rest = _split(line)[1]
        if not rest.startswith("NVRM: ") or re.match(r"NVRM: (?:The|loading|Xid|GPU|None|This)\b", rest):
            break
        found.append(rest[len("NVRM: "):].strip())
    return found


def _when(stamp: dict[str, str], boot_time: int | None) -> str | None:
    if "seconds" in stamp:
        if boot_time is None:
            return stamp["seconds"]
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(boot_time + float(stamp["seconds"]), 1e11)))
    try:
        if "words" in stamp:
            return time.strftime("%Y-%m-%dT%H:%M:%S", time.strptime(stamp["words"], "%a %b %d %H:%M:%S %Y"))
        if "iso" in stamp:
            return _utc(stamp["iso"])
    except (ValueError, OverflowError):  # a date that no calendar has
        return None
    return stamp.get("syslog")


def _utc(text: str) -> str:
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?(?:(Z)|([+-])(\d\d):?(\d\d))?", text)
    if not match:
        raise ValueError(text)
    day, clock, zulu, sign, hours, minutes = match.groups()
    if not zulu and not sign:
        return f"{day}T{clock}"
    offset = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1) if sign else 0
    moment = time.strptime(f"{day}T{clock}", "%Y-%m-%dT%H:%M:%S")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(calendar.timegm(moment) - offset))
