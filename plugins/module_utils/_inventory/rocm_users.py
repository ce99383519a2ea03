# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what users of AMD's compute devices see: device files that they may open, agents of `rocminfo`, devices of `clinfo`. Each
program runs with the rights of the user; without named users with ours."""

from __future__ import annotations

from typing import Any, Callable

from .._host import Output
from . import clinfo, rocminfo
from ._amd_cards import amd_addresses
from ._inventory import Inventory
from ._source import Source

# Whether a device file may be opened for reading and writing, asked with access(2): ACLs that a seat manager sets count as well.
_OPENS = ("find", "/dev/kfd", "/dev/dri", "-maxdepth", "1", "(", "-name", "kfd", "-o", "-name", "renderD*", ")", "-readable", "-writable")

Parse = Callable[[str], dict[str, Any]]


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """amd.seen_by: {user: {user, groups, opens, rocminfo, clinfo}}; amd.smi: what amd-smi lists."""
    asked: list[str | None] = list(source.users or ()) or [None]
    seen = {}
    for user in asked:
        view = _view(source, known, user)
        if view:
            seen[user or str(view.get("user") or "root")] = view
    return {"amd": {"seen_by": seen, "smi": _smi(source)}}


def _view(source: Source, known: Inventory, user: str | None) -> dict[str, Any]:
    name = source.run("id", "-un", user=user)
    if name is None or not name.ok:  # there is no such user, or we are not root; the source has told
        return {}
    groups, opens = source.run("id", "-Gn", user=user), source.run(*_OPENS, user=user)
    return {
        "user": name.stdout.strip(),
        "groups": sorted(groups.stdout.split()) if groups and groups.ok else [],
        "opens": sorted(opens.stdout.split()) if opens and not opens.error else [],
        "rocminfo": _told(_ask(source, known, "rocminfo", user), lambda text: {
            "agents": rocminfo.as_plain(rocminfo.parse_agents(text), known)}, rocminfo.parse_trouble),
        "clinfo": _told(_ask(source, known, "clinfo", user), lambda text: {
            "platforms": clinfo.as_plain(clinfo.parse_clinfo(text), amd_addresses(known))}, clinfo.parse_error),
    }


def _ask(source: Source, known: Inventory, program: str, user: str | None) -> Output | None:
    """The program of the ROCm in use, which may not be on the PATH, else the one that is."""
    folder = str((known.amd.get("rocm") or {}).get("path") or "")
    if folder.startswith("/") and program in source.names(f"{folder}/bin"):
        output = source.run(f"{folder}/bin/{program}", user=user)
        if output is not None:
            return output
    return source.run(program, user=user)


def _told(output: Output | None, parse: Parse, trouble_of: Callable[[str], dict[str, Any] | None]) -> dict[str, Any] | None:
    """{rc, trouble: {code, message} or None, …} with what was parsed; None where the program is not installed."""
    if output is None:
        return None
    found: dict[str, Any] = {"rc": output.rc if output.rc is not None else -1, "trouble": None}
    said = f"{output.stdout}\n{output.stderr}"
    if output.error:
        found["trouble"] = {"code": output.error, "message": f"no answer ({output.error})"}
        return found
    try:
        found.update(parse(output.stdout))
    except ValueError as error:
        found["trouble"] = {"code": "unreadable", "message": str(error)}
    found["trouble"] = trouble_of(said) or found["trouble"]
    return found


def _smi(source: Source) -> dict[str, Any] | None:
    """{rc, devices} of amd-smi, run by us; None where it is not installed."""
    from . import amd_smi

    output = source.run(*amd_smi.COMMAND)
    if output is None:
        return None
    try:
        entries = amd_smi.parse_static(output.stdout).entries
        return {"rc": output.rc if output.rc is not None else -1, "devices": len(entries), "addresses": sorted(_addresses(entries))}
    except ValueError as error:
        words = " ".join(f"{output.stdout} {output.stderr}".split())[:200]
        return {"rc": output.rc if output.rc is not None else -1, "devices": 0, "message": words or str(error)}


def _addresses(entries: list[dict[str, Any]]) -> set[str]:
    return {str(bus["bdf"]).lower() for bus in (entry.get("bus") for entry in entries) if isinstance(bus, dict) and bus.get("bdf")}
