# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: AMD GPUs as `rocminfo` lists them; asked last, where neither the kernel nor amd-smi told kind and name of a card.

It is also what tells of AMD GPUs under WSL, which has neither PCI functions nor a compute driver in sysfs.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ._amd_cards import address_of_location, amd_addresses, has_name, served_cards
from ._inventory import Inventory
from ._source import Source

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_AGENT = re.compile(r"^[ \t]*Agent \d+[ \t]*$", re.MULTILINE | re.ASCII)
_ROW = re.compile(r"\s*([A-Z][\w .()]*?):(.*)")
_TEXT_LIMIT = 4 << 20  # characters; 64 partitions have 1 MiB
_DENIED = re.compile(r"permission denied|not member of|not permitted", re.IGNORECASE)
# What the program says where it cannot go on, the plainest first: each of the later ones may follow an earlier one.
_TROUBLES = (
    ("not_permitted", re.compile(r"open /dev/kfd[^\n]*: (?:Permission denied|Operation not permitted)", re.IGNORECASE)),
    ("not_permitted", re.compile(r"is not member of \"?[\w.-]+\"? group")),
    ("no_device_node", re.compile(r"open /dev/kfd[^\n]*: No such (?:file|device)[^\n]*", re.IGNORECASE)),
    ("module_not_loaded", re.compile(r"ROCk module is NOT loaded[^\n]*")),
    ("runtime_failed", re.compile(r"HSA_STATUS_ERROR\w*|hsa api call failure[^\n]*")),
)
_GROUP = re.compile(r"(?:is not member of|to check for) \"?([\w.-]+)\"? group")


class Agent(NamedTuple):
    """A GPU agent: a board, or a partition of one. memory: KiB. location: bus << 8 | device << 3 | function."""

    target: str | None
    name: str | None
    uuid: str | None
    chip: str | None
    location: int | None
    memory: int | None
    apu: bool


def parse_agents(text: str) -> list[Agent]:
    """The agents of type GPU; processors and NPUs (type DSP) are none. ValueError where the text lists no agent at all."""
    if len(text) > _TEXT_LIMIT:
        raise ValueError("more text than rocminfo can say")
    blocks = _AGENT.split(_COLOURS.sub("", text))[1:]
    if not blocks:
        raise ValueError("no agent is listed")
    fields = [_fields(block) for block in blocks]
    return [_agent(block, rows) for block, rows in zip(blocks, fields) if rows.get("Device Type") == "GPU"]


def parse_trouble(text: str) -> dict[str, str | None] | None:
    """{code, message, group} of what the program complains of: not_permitted (group: the one that the user should be in, where it is
    told), no_device_node, module_not_loaded or runtime_failed; None where nothing is wrong. Old programs complain and go on."""
    plain = _COLOURS.sub("", text[:_TEXT_LIMIT])
    for code, pattern in _TROUBLES:
        match = pattern.search(plain)
        if match:
            group = _GROUP.search(plain)
            start = plain.rfind("\n", 0, match.start()) + 1
            line = plain[start:].partition("\n")[0].strip()
            return {"code": code, "message": line[:200], "group": group[1] if group else None}
    return None


def as_plain(agents: list[Agent], known: Inventory) -> list[dict[str, Any]]:
    """[{target, name, address}] of GPU agents: the target as the program tells it, the address of the board that it is (a part) of."""
    present = amd_addresses(known)
    return [{"target": agent.target, "name": agent.name,
             "address": None if agent.location is None else address_of_location(agent.location, None, present)} for agent in agents]


def _fields(block: str) -> dict[str, str]:
    """The first row of each name: caches, pools and ISAs repeat some of them further down."""
    found: dict[str, str] = {}
    for row in filter(None, map(_ROW.match, block.splitlines())):
        found.setdefault(row[1], row[2].strip())
    return found


def _agent(block: str, rows: dict[str, str]) -> Agent:
    target = re.match(r"gfx[0-9a-f]{3,5}\b", rows.get("Name", ""))
    uuid = re.fullmatch(r"GPU-[0-9a-f]{16}", rows.get("Uuid", "").lower().replace("gpu-", "GPU-"))
    chip = re.search(r"\(0x([0-9a-fA-F]{1,4})\)", rows.get("Chip ID", ""))
    location = re.fullmatch(r"\d{1,10}", rows.get("BDFID", ""), re.ASCII)
    pool = re.search(r"GLOBAL; FLAGS: COARSE GRAINED\s+Size:\s+(\d{1,15})\(", block, re.ASCII)
    name = rows.get("Marketing Name") or None
    return Agent(
        target=target[0] if target else None,
        name=name if name and name.isprintable() and name != "N/A" else None,
        uuid=uuid[0] if uuid and int(uuid[0][4:], 16) else None,
        chip=chip[1].lower().zfill(4) if chip else None,
        location=int(location[0]) if location else None,
        memory=int(pool[1]) if pool else None,
        apu="APU" in rows.get("Memory Properties", "").split(),
    )


def describe(agents: list[Agent], address: str | None) -> dict[str, Any]:
    """The device that these agents are partitions of, or the one agent of."""
    first = agents[0]
    memory = sum(agent.memory or 0 for agent in agents) // 1024
    return {
        "vendor": "amd",
        "name": first.name,
        "gfx_target": _target(first),
        "uuid": first.uuid,
        "pci": {"address": address, "vendor_id": "1002", "device_id": first.chip} if address else None,
        "memory": {"total_mib": memory or None, "kind": "unified" if first.apu else None},
        "apu": True if first.apu else None,
        "partitioning": {"partitions": len(agents)} if len(agents) > 1 else None,
    }


def _target(agent: Agent) -> str | None:
    """The chip's own target: with HSA_OVERRIDE_GFX_VERSION in the environment rocminfo names another one."""
    from .._knowledge.amd import chip

    known = chip(agent.chip) if agent.chip else None
    return known.gfx_target if known and known.certainty == "listed" else agent.target


def group(agents: list[Agent], known: Inventory) -> dict[str | None, list[Agent]]:
    """{PCI address: its agents}; a location that is told twice counts once."""
    boards: dict[str | None, list[Agent]] = {}
    present = amd_addresses(known)
    for agent in agents:
        address = None if agent.location is None else address_of_location(agent.location, None, present)
        board = boards.setdefault(address, [])
        if address is None or all(agent.location != other.location for other in board):
            board.append(agent)
    return boards


def is_open(known: Inventory) -> bool:
    """Whether a runtime can be there, and kind or name of a card is still open."""
    cards = served_cards(known)
    return bool(known.system.get("wsl")) or any(not device.get("gfx_target") or not has_name(device) for device in cards)


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """Devices, where something is open and the tool is installed."""
    output = source.run("rocminfo") if is_open(known) else None
    if output is None:
        return {}
    said = " ".join(f"{_COLOURS.sub('', output.stdout)}\n{output.stderr}".split())
    if output.rc:
        source.problem("not_permitted" if _DENIED.search(said) else "refused", f"rocminfo: {said or output.rc}")
    try:
        agents = parse_agents(output.stdout)
    except ValueError as error:
        if not output.error and not output.rc:
            source.problem("unreadable", f"rocminfo: {error}")
        return {}
    if known.system.get("wsl"):  # no function of these is on a bus of this machine
        return {"devices": [describe([agent], None) for agent in agents]}
    return {"devices": [describe(board, address) for address, board in group(agents, known).items() if address]}
