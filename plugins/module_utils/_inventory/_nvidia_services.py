# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: states of the services around the NVIDIA driver, from files; systemd is asked only about one that is not active."""

from __future__ import annotations

from ._source import Source

# fact → units that provide it, and the PID file of the daemon where a container runs it instead of systemd
_UNITS = {
    "persistenced": (("nvidia-persistenced",), "/run/nvidia-persistenced/nvidia-persistenced.pid"),
    "fabricmanager": (("nvidia-fabricmanager",), "/run/nvidia-fabricmanager/nv-fabricmanager.pid"),
    "imex": (("nvidia-imex",), None),
    "dcgm": (("nvidia-dcgm", "dcgm"), None),
}
_UNIT_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                 "/lib/systemd/system")
# Folders that systemd keeps for units that run: version 2 and version 1 of control groups.
_CGROUP_FOLDERS = ("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice")
_INVOCATIONS = "/run/systemd/units"  # links "invocation:UNIT", of units that are active


def services(source: Source) -> dict[str, str | None]:
    """Each service is ``active``, ``inactive``, ``failed``, ``absent``, or ``None`` where there is no systemd to tell."""
    installed = {name for folder in _UNIT_FOLDERS for name in source.names(folder)}
    running = {name.partition(":")[2] for name in source.names(_INVOCATIONS)}
    running |= {name for folder in _CGROUP_FOLDERS for name in source.names(folder)}
    states: dict[str, str | None] = {}
    asleep: dict[str, str] = {}
    for fact, (units, pid_file) in _UNITS.items():
        names = [f"{unit}.service" for unit in units]
        there = [name for name in names if name in installed]
        if any(name in running for name in names) or _alive(source, pid_file):
            states[fact] = "active"
        elif there:
            states[fact], asleep[there[0]] = "inactive", fact
        else:
            states[fact] = "absent" if installed or running else None
    for name, state in _ask_systemd(source, sorted(asleep)).items():
        if name in asleep:
            states[asleep[name]] = state
    return states


def at_boot(source: Source) -> dict[str, bool]:
    """Whether each service that is installed starts with the next boot: something wants its unit, or there is nothing to enable
    (no [Install]: udev or another unit starts it)."""
    names = {folder: source.names(folder) for folder in _UNIT_FOLDERS}
    wanted = {
        unit
        for folder, entries in names.items()
        for entry in entries
        if entry.endswith((".wants", ".requires"))
        for unit in source.names(f"{folder}/{entry}")
    }
    found: dict[str, bool] = {}
    for fact, (units, _pid_file) in _UNITS.items():
        for name in (f"{unit}.service" for unit in units):
            folder = next((folder for folder in _UNIT_FOLDERS if name in names[folder]), None)
            if folder and fact not in found:
                found[fact] = name in wanted or "[Install]" not in (source.text(f"{folder}/{name}") or "")
    return found


def _alive(source: Source, pid_file: str | None) -> bool:
    """Whether the process of a PID file lives: operators run these daemons in containers that share /run."""
    number = source.value(pid_file) if pid_file else None
    return bool(number and number.isdigit() and len(number) < 10 and source.value(f"/proc/{number}/comm"))


def _ask_systemd(source: Source, units: list[str]) -> dict[str, str]:
    """Files do not tell a service that failed from one that was never started."""
    if not units or "system" not in source.names("/run/systemd"):  # the folder tells, be it empty (sd_booted(3))
        return {}
    output = source.run("systemctl", "show", "-p", "Id,ActiveState", *units)
    return parse_show(output.stdout) if output is not None and output.ok else {}


def parse_show(text: str) -> dict[str, str]:
    """``{unit: active | inactive | failed}`` from the blocks of ``systemctl show -p Id,ActiveState``."""
    states = {}
    for block in text.split("\n\n"):
        rows = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        state = {"activating": "active", "reloading": "active", "deactivating": "inactive"}.get(
            rows.get("ActiveState", ""), rows.get("ActiveState", ""))
        if rows.get("Id") and state in ("active", "inactive", "failed"):
            states[rows["Id"]] = state
    return states
