# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: findings about memory errors: ECC counters, remapped rows, retired pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._knowledge.thresholds import threshold
from ._finding import of_device
from ._node import DATACENTRE, Node, Section, at, number
from ._report import Finding


def check(node: Node) -> Iterator[Finding]:
    for device in node.nvidia:
        yield from _ecc(node, device)
        yield from _rows(node, device)
        yield from _pages(node, device)
    for device in node.amd:
        count = number(at(device, "memory.ecc.volatile_uncorrected"))
        if count:
            yield of_device(node, "AMD-ECC-UNCORRECTED", device, {"volatile_uncorrected": count}, count=int(count))


def _ecc(node: Node, device: Section) -> Iterator[Finding]:
    ecc = at(device, "memory.ecc") or {}
    facts = {key: ecc.get(key) for key in ("enabled", "pending", "volatile_uncorrected", "aggregate_uncorrected")}
    now, ever = number(ecc.get("volatile_uncorrected")), number(ecc.get("aggregate_uncorrected"))
    if now:
        yield of_device(node, "NV-ECC-UNCORRECTED", device, facts, count=int(now))
    elif ever:
        yield of_device(node, "NV-ECC-AGGREGATE", device, facts, count=int(ever))
    enabled, pending = ecc.get("enabled"), ecc.get("pending")
    if isinstance(enabled, bool) and isinstance(pending, bool) and enabled != pending:
        yield of_device(node, "NV-ECC-PENDING", device, facts)
    elif enabled is False and at(device, "pci.class") in DATACENTRE:
        yield of_device(node, "NV-ECC-OFF", device, facts)


def _rows(node: Node, device: Section) -> Iterator[Finding]:
    rows: dict[str, Any] = at(device, "memory.remapped_rows") or {}
    if rows.get("failure"):
        yield of_device(node, "NV-ROW-REMAP-FAILED", device, dict(rows))
    if rows.get("pending"):
        yield of_device(node, "NV-ROW-REMAP-PENDING", device, dict(rows))
    limit = threshold("row_remaps_uncorrected_max")
    count = number(rows.get("uncorrected"))
    if count is not None and count >= limit.value:
        yield of_device(
            node,
            "NV-ROW-REMAP-MANY",
            device,
            {**rows, "threshold": limit.value, "origin": limit.origin},
            count=int(count),
            limit=limit.value,
        )


def _pages(node: Node, device: Section) -> Iterator[Finding]:
    pages: dict[str, Any] = at(device, "memory.retired_pages") or {}
    if pages.get("pending"):
        yield of_device(node, "NV-PAGES-PENDING", device, dict(pages))
    count = int((number(pages.get("single_bit")) or 0) + (number(pages.get("double_bit")) or 0))
    most, some = threshold("retired_pages_max"), threshold("retired_pages_watch")
    code, limit = ("NV-PAGES-MANY", most) if count >= most.value else ("NV-PAGES-SOME", some)
    if count >= some.value:
        yield of_device(node, code, device, {**pages, "threshold": limit.value, "origin": limit.origin}, count=count, limit=limit.value)
