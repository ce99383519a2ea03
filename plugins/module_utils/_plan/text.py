# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The screen of diff mode: what would happen on one host, and why; at most 100 columns, without control characters."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .._check._clean import clean
from .._inventory._own import NVIDIA, Own
from .steps import Plan, Refusal, Step, Verification

__all__ = ["DRIVER", "About", "pointing", "refused_screen", "screen"]

WIDTH = 100
_LABEL = 13
_PACKAGES = 10  # lines of packages before the rest is a count: one host has one screen
_STEPS = 14
_WORDS = {"install": "+", "upgrade": "~", "downgrade": "~", "reinstall": "=", "remove": "-"}
_COUNTED = (("install", "installed"), ("upgrade", "upgraded"), ("downgrade", "downgraded"), ("reinstall", "reinstalled"),
            ("remove", "removed"))
_TITLES = {"nothing_to_do": "nothing to do", "change": "to be changed", "refused": "refused, nothing is changed", "skipped": "skipped"}
_REPOSITORIES = ("/etc/apt/sources.list.d/", "/etc/yum.repos.d/", "/etc/zypp/repos.d/")
_TOUCHED = {"services": "Services", "processes": "Processes", "kernels": "Kernels"}


class About(NamedTuple):
    """What a screen and an answer are about."""

    own: Own
    before: Callable[[Mapping[str, Any]], Any]  # of the facts: what is there
    rows: Callable[[Plan, Mapping[str, Any]], Iterable[tuple[str, str]]]  # (label, what is there -> what the plan makes of it)
    there: Callable[[Mapping[str, Any]], bool]  # anything, installed or loaded
    loaded: Callable[[Mapping[str, Any]], bool]


def screen(
    plan: Plan,
    before: Mapping[str, Any] | None = None,
    verification: Verification | None = None,
    download_kib: int | None = None,
    findings: Sequence[Mapping[str, Any]] = (),
    about: About | None = None,
) -> list[str]:
    """The lines. before: what is there, of the facts; verification: of the node as it is; findings: of the same look; about:
    None is the NVIDIA driver."""
    about = about or DRIVER
    lines = [line.rstrip() for line in _lines(plan, before or {}, verification, download_kib, about)]
    broken = plan.status == "nothing_to_do" and verification is not None and verification.status == "failed"
    command = next_command(findings, about.own) if broken else None
    return [*lines, f"{'Next':<{_LABEL}} -> {clean(command)}"] if command else lines


def next_command(findings: Sequence[Mapping[str, Any]], own: Own) -> str | None:
    """What to type where something is broken in a way that no plan mends: the remedy of the first critical finding about it."""
    critical = [one for one in findings if one["severity"] == "critical" and str(one["code"]).startswith(own.findings)]
    return str(critical[0]["remedy"]).partition("\n")[0] if critical else None


def pointing(findings: Sequence[Mapping[str, Any]], own: Own) -> str:
    """The end of a message that names the next command, with its arrow; empty where there is none."""
    command = next_command(findings, own)
    return f" -> {command}" if command else ""


def refused_screen(text: Sequence[str], refusals: Sequence[Refusal], title: str) -> list[str]:
    """The screen of a plan that was to be done, with what came in the way afterwards."""
    head = [*_row(title, _TITLES["refused"]), *_stops(refusals, "critical")]
    return [line.rstrip() for line in (*head, *text[1:])]


def _lines(
    plan: Plan, before: Mapping[str, Any], verification: Verification | None, download_kib: int | None, about: About
) -> Iterator[str]:
    yield from _row(about.own.title, _TITLES.get(plan.status, plan.status))
    yield from _stops(plan.refusals, "critical")
    if plan.status != "skipped":
        for label, text in about.rows(plan, before):
            yield from _row(label, text)
    if plan.status == "change":
        yield from _packages(plan.packages, download_kib)
        yield from _files(plan.steps)
        for name, title in _TOUCHED.items():
            yield from _row(title, ", ".join(plan.touches.get(name) or ()))
        yield from _steps(plan.steps)
        yield from _row("Kernel module", _module(plan))
    elif plan.reboot_reasons:
        yield from _row("Reboot", f"needed: {'; '.join(plan.reboot_reasons)}")
    told = [one.message for one in plan.refusals]
    yield from _several("Why", (reason for reason in plan.reasons if reason not in told))
    bare = plan.status == "refused" and not about.there(before)
    if plan.status not in ("change", "skipped") and verification and not bare:  # all know why every link is broken
        yield from _several("Seen", _broken(verification, about.own.what if about.loaded(before) else None))
    yield from _stops(plan.refusals, "warning")


def _row(label: str, text: str, indent: int = 0, hanging: int = 0) -> Iterator[str]:
    """A label and its text, wrapped; nothing for an empty text."""
    lines = textwrap.wrap(clean(text), WIDTH - _LABEL - 1 - indent, break_on_hyphens=False, subsequent_indent=" " * hanging)
    for number, line in enumerate(lines):
        yield f"{'' if number else label:<{_LABEL}} {' ' * indent}{line}"


def _several(label: str, texts: Iterable[str], hanging: int = 0) -> Iterator[str]:
    for number, text in enumerate(texts):
        yield from _row("" if number else label, text, hanging=hanging)


def _driver(plan: Plan, before: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    now = _state(before)
    chosen = plan.chosen
    if chosen is None or plan.status != "change":
        absent = plan.status == "change"
        yield "Driver", f"{now} -> none" if absent else now
        return
    words = [chosen.version, chosen.flavour, f"from {chosen.origin}" if chosen.origin else None, chosen.build]
    yield "Driver", f"{now} -> {', '.join(word for word in words if word)}"


def _state(driver: Mapping[str, Any]) -> str:
    """What is there: installed and, where that differs, loaded."""
    installed, loaded, manager = driver.get("installed_version"), driver.get("loaded_version"), driver.get("managed_by")
    if not installed and not loaded:
        return "none"
    words = [installed or "not installed", driver.get("kernel_module"), f"from {driver['origin']}" if driver.get("origin") else None]
    words += ["dkms"] if driver.get("dkms") else []
    words += [f"managed by {manager}"] if manager not in (None, "none", "packages") else []
    words += ["held"] if driver.get("held") else []
    words += [f"loaded is {loaded}" if loaded else "not loaded"] if loaded != installed else []
    return ", ".join(str(word) for word in words if word)


def _packages(changes: Sequence[Any], download_kib: int | None) -> Iterator[str]:
    """Removed ones first, since a person wants to see those, then the longest way down to what is only new."""
    order = ("remove", "downgrade", "upgrade", "install", "reinstall")
    rows = sorted(changes, key=lambda one: (order.index(one.action) if one.action in order else 9, one.name))
    shown = rows if len(rows) <= _PACKAGES else rows[: _PACKAGES - 1]
    lines = [f"{_WORDS.get(one.action, '?')} {one.name} {_versions(one)}" for one in shown]
    if len(rows) > len(shown):
        rest = rows[len(shown) :]
        counts = _counts(rest)
        lines.append(f"… and {len(rest)} more: {counts}" if "," in counts else f"… and {len(rest)} more {counts.partition(' ')[2]}")
    if rows and download_kib:
        lines.append(f"{max(download_kib // 1024, 1)} MiB to download")
    yield from _several("Packages", lines)


def _versions(change: Any) -> str:
    if change.before and change.after and change.before != change.after:
        return f"{change.before} -> {change.after}"
    return str(change.after or change.before or "")


def _counts(changes: Sequence[Any]) -> str:
    counted = [(word, sum(one.action == action for one in changes)) for action, word in _COUNTED]
    return ", ".join(f"{count} {word}" for word, count in counted if count)


def _files(steps: Sequence[Step]) -> Iterator[str]:
    signs = {"file": "+", "key": "+", "file_absent": "-"}
    paths = [(signs[step.kind], str(step.values["path"])) for step in steps if step.kind in signs]
    yield from _several("Repositories", (f"{sign} {path}" for sign, path in paths if path.startswith(_REPOSITORIES)))
    yield from _several("Files", (f"{sign} {path}" for sign, path in paths if not path.startswith(_REPOSITORIES)))


def _steps(steps: Sequence[Step]) -> Iterator[str]:
    shown = steps if len(steps) <= _STEPS else steps[: _STEPS - 1]
    lines = [f"{number}. {step.what}{' (not while jobs run)' if step.disruptive else ''}" for number, step in enumerate(shown, 1)]
    lines += [f"… and {len(steps) - len(shown)} more"] if len(steps) > len(shown) else []
    yield from _several("Steps", lines, hanging=3)


def _module(plan: Plan) -> str:
    if plan.reboot_reasons:
        return f"a reboot is needed afterwards (and never done by this task): {'; '.join(plan.reboot_reasons)}"
    argv = [step.values.get("argv") or [] for step in plan.steps if step.kind == "command"]
    if any(words[:1] == ["rmmod"] for words in argv):
        return "reloaded, no reboot"
    return "loaded, no reboot" if any(words[:1] == ["modprobe"] for words in argv) else "no reboot"


def _broken(verification: Verification, loaded: str | None) -> Iterator[str]:
    told = [link for link in verification.links if link.state in ("broken", "after_reboot")]
    if not told and loaded:
        yield {"verified": f"{loaded} is installed, loaded and answers"}.get(verification.status, verification.status)
    same: dict[str, list[str]] = {}  # what is behind the first broken link often breaks for its reason
    for link in told:
        same.setdefault(f"{'after a reboot: ' if link.state == 'after_reboot' else ''}{link.reason}", []).append(link.link)
    for reason, links in same.items():
        yield f"{', '.join(links)}: {reason}"


def _stops(refusals: Sequence[Refusal], severity: str) -> Iterator[str]:
    for one in refusals:
        if one.severity == severity:
            told = one.subject in ("node", "packages", "branch") or one.message.lower().startswith(one.subject.lower())
            subject = "" if told else f" {one.subject}:"
            yield from _row("Refused" if severity == "critical" else "Warning", f"{one.code}{subject} {one.message}")
            command, *advice = one.remedy.split("\n")
            yield f"{'':<{_LABEL}} -> {clean(command)}"  # never wrapped, so that it can be copied
            for line in advice:
                yield from _row("", line, 3)


DRIVER = About(
    own=NVIDIA,
    before=lambda facts: (facts.get("nvidia") or {}).get("driver"),
    rows=_driver,
    there=lambda driver: bool(driver.get("installed_version") or driver.get("loaded_version")),
    loaded=lambda driver: bool(driver.get("loaded_version")),
)
