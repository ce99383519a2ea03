# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: AMD GPUs as the compute driver shows them, /sys/class/kfd/kfd/topology: one node a GPU, or a partition of one.

Reading it costs no access to the hardware: the kernel answers from memory.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

from ._amd_cards import address_of_location, amd_addresses, uuid_of
from ._inventory import Inventory
from ._source import Source

NODES = "/sys/class/kfd/kfd/topology/nodes"

_ROW = re.compile(r"(\w{1,64}) (\d{1,20})", re.ASCII)
_TEXT_LIMIT = 1 << 16  # characters; a node has some forty rows
_AMD = 0x1002
_XGMI = 11  # type of an io_link: CRAT_IOLINK_TYPE_XGMI of the kernel's kfd_crat.h
_VIDEO_MEMORY = (1, 2)  # heap_type FB_PUBLIC, and FB_PRIVATE where the host sees only a part of it (small BAR); kfd_topology.h
_TARGET_LIMIT = 1000000  # gfx_target_version is major * 10000 + minor * 100 + stepping, of two digits each
_MIB = 1 << 20


class Node(NamedTuple):
    """A GPU node. memory: bytes of video memory, None where no bank of it was told."""

    number: int
    properties: dict[str, int]
    memory: int | None
    memory_clock: int | None  # MHz


def parse_properties(text: str) -> dict[str, int]:
    """Rows of a name and a decimal number. A row of another form is left out; ValueError where there is no other."""
    if len(text) > _TEXT_LIMIT:
        raise ValueError("more text than the properties of a node can have")
    rows = filter(None, (_ROW.fullmatch(line.strip()) for line in text.splitlines()))
    found = {row[1]: int(row[2]) for row in rows}
    if not found:
        raise ValueError("no row of a name and a number")
    return found


def group_boards(nodes: list[Node], present: Collection[str]) -> dict[str, list[Node]]:
    """{PCI address: its nodes}; a location that is told twice counts once."""
    boards: dict[str, list[Node]] = {}
    for node in nodes:
        location, domain = node.properties.get("location_id", 0), node.properties.get("domain")
        board = boards.setdefault(address_of_location(location, domain, present), [])
        if all(location != other.properties.get("location_id", 0) for other in board):
            board.append(node)
    return boards


def describe(address: str, nodes: list[Node]) -> dict[str, Any]:
    """The device that these nodes are partitions of, or the one node of."""
    from .._knowledge.amd import gfx_from_number

    first = nodes[0].properties
    sizes = [node.memory for node in nodes if node.memory]
    # A node with both kinds of cores is a processor with graphics; newer ones have two nodes, and the tables know them.
    apu = bool(first.get("cpu_cores_count"))
    number, chip = first.get("gfx_target_version", 0), first.get("device_id")
    clocks = {"max_sm": first.get("max_engine_clk_fcompute") or None, "max_memory": nodes[0].memory_clock}
    device: dict[str, Any] = {
        "vendor": "amd",
        "pci": {"address": address, "vendor_id": f"{_AMD:04x}", "device_id": f"{chip & 0xffff:04x}" if chip else None},
        "gfx_target": gfx_from_number(number) if 0 < number < _TARGET_LIMIT else None,
        "uuid": uuid_of(first.get("unique_id")),
        "memory": {"total_mib": sum(sizes) // _MIB or None, "kind": "unified" if apu else None},
        "clocks_mhz": {name: clock for name, clock in clocks.items() if clock},
        "apu": True if apu else None,
    }
    if len(nodes) > 1:
        device["partitioning"] = {"partitions": len(nodes)}
    return device


def xgmi_of(address: str, boards: dict[str, list[Node]], linked: set[int] | None) -> dict[str, int | None] | None:
    """Links to the other boards of the same hive. `linked`: nodes at the other end of this board's links, None if not told."""
    hive = boards[address][0].properties.get("hive_id")
    mates = {other for other, nodes in boards.items() if hive and nodes[0].properties.get("hive_id") == hive} - {address}
    active = None
    if linked is not None:
        ends = {other for other, nodes in boards.items() if linked & {node.number for node in nodes}} - {address}
        mates, active = mates | ends, len(ends)
    return {"links_total": len(mates), "links_active": active} if mates else None


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """Devices: boards, however many partitions each has. amd.driver.kfd: whether the compute driver serves this machine."""
    names = sorted((name for name in source.names(NODES) if re.fullmatch(r"\d{1,6}", name, re.ASCII)), key=int)
    nodes = [node for node in (_node(source, name) for name in names) if node]
    boards = group_boards(nodes, amd_addresses(known))
    devices = []
    for address, partitions in boards.items():
        device = describe(address, partitions)
        if source.wants("topology") and len(boards) > 1:
            device["xgmi"] = xgmi_of(address, boards, _linked(source, partitions[0].number))
        devices.append(device)
    amd: dict[str, Any] = {"driver": {"kfd": True}} if names else {}
    if source.wants("change"):
        amd["render_minors"] = sorted({node.properties["drm_render_minor"] for node in nodes if node.properties.get("drm_render_minor")})
    return {"devices": devices, "amd": amd}


def _node(source: Source, name: str) -> Node | None:
    properties = _properties(source, f"{NODES}/{name}/properties")
    if not properties or not properties.get("simd_count") or properties.get("vendor_id", _AMD) != _AMD:
        return None
    memory, clock = None, None
    for bank in source.names(f"{NODES}/{name}/mem_banks"):
        rows = _properties(source, f"{NODES}/{name}/mem_banks/{bank}/properties") or {}
        if rows.get("heap_type") in _VIDEO_MEMORY:
            memory = (memory or 0) + rows.get("size_in_bytes", 0)
            clock = rows.get("mem_clk_max") or clock
    return Node(int(name), properties, memory or properties.get("local_mem_size") or None, clock)


def _properties(source: Source, path: str) -> dict[str, int] | None:
    text = source.text(path)
    if text is None:
        return None
    try:
        return parse_properties(text)
    except ValueError as error:
        source.problem("unreadable", f"{path}: {error}")
        return None


def _linked(source: Source, number: int) -> set[int] | None:
    """The nodes that this one has an xGMI link to."""
    folder = f"{NODES}/{number}/io_links"
    links = [_properties(source, f"{folder}/{name}/properties") or {} for name in source.names(folder)]
    return {link["node_to"] for link in links if link.get("type") == _XGMI and "node_to" in link} if links else None
