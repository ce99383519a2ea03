# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: names of cards from lists on the node itself, for cards that no driver named.

NVIDIA's driver package brings `supported-gpus.json`; it outranks our tables, since it is the vendor's word about the very driver
that is installed. The distribution's `pci.ids` knows nearly every id, but names chips rather than products: it is asked last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ._inventory import Inventory, Section
from ._source import Source

_DOCUMENTS = "/usr/share/doc"
_DRIVER_FOLDER = re.compile(r"nvidia-driver(-.*)?|NVIDIA_GLX-.*")
_LISTS = ("supported-gpus.json.gz", "supported-gpus.json", "supported-gpus/supported-gpus.json")
_PCI_IDS = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")
_PCI_IDS_LIMIT = 8 << 20  # bytes; pci.ids of 2026 has 1.6 MiB
_LIST_LIMIT = 16 << 20  # bytes, unpacked; the list of driver 550 has 0.3 MiB
_VENDOR_NAMES = {"10de": "NVIDIA", "1002": "AMD", "8086": "Intel"}


def parse_supported_gpus(data: bytes) -> dict[str, Section]:
    """NVIDIA's supported-gpus.json, plain or gzip: device id → {name, last_branch, open_module} of the first row that names it.

    Rows for single boards (with a subsystem) count only where the id has no other. Raises ValueError for anything else.
    """
    if data[:2] == b"\x1f\x8b":
        import zlib

        try:
            data = zlib.decompressobj(wbits=31).decompress(data, _LIST_LIMIT)
        except zlib.error as error:
            raise ValueError(f"damaged: {error}") from None
    try:
        chips = json.loads(data)["chips"]
        rows = [(_hex(chip["devid"]), chip) for chip in chips]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("not a list of chips") from None
    found: dict[str, Section] = {}
    for device_id, chip in sorted(rows, key=lambda row: "subdevid" in row[1]):
        legacy = re.match(r"\d+", str(chip.get("legacybranch") or ""))
        found.setdefault(device_id, {
            "name": str(chip.get("name") or "") or None,
            "last_branch": int(legacy[0]) if legacy else None,
            "open_module": "supported" if "kernelopen" in (chip.get("features") or ()) else "unsupported",
        })
    return found


def parse_pci_ids(text: str, vendor_id: str, device_id: str) -> str | None:
    """The product of an id in pci.ids: what stands in brackets, else the chip; with the vendor's short name. None: not listed."""
    section = re.search(rf"^{re.escape(vendor_id)}  .*\n((?:[\t#].*\n|\n)*)", text, re.MULTILINE)
    row = re.search(rf"^\t{re.escape(device_id)}  (.+)$", section[1], re.MULTILINE) if section else None
    if not row:
        return None
    product = re.search(r"\[(.+)\]", row[1])
    return f"{_VENDOR_NAMES.get(vendor_id, '')} {(product[1] if product else row[1]).strip()}".strip()


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """Names of the devices that have none yet; for ids that our tables do not know, which branches serve them as well."""
    nameless = [device for device in known.devices if not device.get("name") and (device.get("pci") or {}).get("device_id")]
    nvidia = [device for device in nameless if device["vendor"] == "nvidia"]
    found = list(_from_vendor(source, nvidia)) if nvidia else []
    named = {one["pci"]["address"] for one in found}
    rest = [device for device in nameless if device["pci"]["address"] not in named and not _in_our_tables(device)]
    return {"devices": found + (list(_from_pci_ids(source, rest)) if rest else [])}


def _from_vendor(source: Source, devices: list[Section]) -> Iterator[Section]:
    for folder in source.names(_DOCUMENTS):
        if not _DRIVER_FOLDER.fullmatch(folder):
            continue
        for name in _LISTS:
            path = f"{_DOCUMENTS}/{folder}/{name}"
            data = source.data(path, _LIST_LIMIT)
            if data is None:
                continue
            try:
                chips = parse_supported_gpus(data)
            except ValueError as error:
                source.problem("unreadable", f"{path}: {error}")
                continue
            yield from (_seen(device, chips[device["pci"]["device_id"]]) for device in devices if device["pci"]["device_id"] in chips)
            return


def _seen(device: Section, chip: Section) -> Section:
    from .._knowledge import nvidia

    seen: Section = {"pci": {"address": device["pci"]["address"]}, "vendor": "nvidia", "name": chip["name"]}
    if nvidia.chip(device["pci"]["device_id"]) is None:
        seen["driver_support"] = {"status": "ended" if chip["last_branch"] else "served", "last_branch": chip["last_branch"],
                                  "open_module": chip["open_module"]}
    return seen


def _in_our_tables(device: Section) -> bool:
    from .._knowledge import catalog

    return catalog.name(device["vendor"], device["pci"]["device_id"], device["pci"].get("revision")) is not None


def _from_pci_ids(source: Source, devices: list[Section]) -> Iterator[Section]:
    texts = (source.text(path, _PCI_IDS_LIMIT) for path in _PCI_IDS)
    text = next((text for text in texts if text), "")
    for device in devices:
        name = parse_pci_ids(text, device["pci"]["vendor_id"], device["pci"]["device_id"])
        if name:
            yield {"pci": {"address": device["pci"]["address"]}, "vendor": device["vendor"], "name": name}


def _hex(text: Any) -> str:
    number = str(text).lower()
    if not re.fullmatch(r"0x[0-9a-f]{1,4}", number):
        raise ValueError(f"not a device id: {number[:20]!r}")
    return number[2:].zfill(4)
