# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what the loaded NVIDIA module shows in ``/proc/driver/nvidia``. It needs no library and no rights."""

from __future__ import annotations

import re
from typing import Any

from . import _nvidia_words as words
from ._inventory import Inventory
from ._source import Source

ROOT = "/proc/driver/nvidia"

# "… UNIX x86_64 Kernel Module  384.81  Wed …" or "… UNIX Open Kernel Module for x86_64  555.42.06  Release Build …"
_MODULE = re.compile(r"NVRM version:.*?(Open )?Kernel Module(?: for \S+)?\s+(\d[\d.]*)")


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """Driver version and flavour, and of each card that NVML did not show what it is, as far as it is initialised.

    The driver answers the file of a card when nobody holds its lock, so each one is read in a child: a millisecond or more.
    """
    text = source.text(f"{ROOT}/version")
    driver: dict[str, Any] = {}
    if text is not None:
        try:
            driver = parse_version(text)
        except ValueError as error:
            source.problem("unreadable", f"{ROOT}/version: {error}")
    devices = []
    answered = {(device.get("pci") or {}).get("address") for device in known.devices if "nvml" in device.get("source", ())}
    for name in source.names(f"{ROOT}/gpus"):
        if words.address(name) in answered:
            continue
        text = source.text(f"{ROOT}/gpus/{name}/information", guarded=True)
        if text is None:
            break
        try:
            devices.append(parse_information(text, name))
        except ValueError as error:
            source.problem("unreadable", f"{ROOT}/gpus/{name}/information: {error}")
    sliced = _sliced(source)
    for device in devices:
        if device["minor_number"] in sliced:
            device["mig"] = {"enabled": True}
    return {"devices": devices, "nvidia": {"driver": driver} if driver else {}}


def _sliced(source: Source) -> set[int]:
    """Minor numbers of the cards that have MIG instances. Their UUIDs stand nowhere in here."""
    found = set()
    for name in source.names(f"{ROOT}/capabilities"):
        number = name[3:]
        if name.startswith("gpu") and number.isdigit() and len(number) < 6:
            parts = source.names(f"{ROOT}/capabilities/{name}/mig")
            found |= {int(number)} if any(part.startswith("gi") for part in parts) else set()
    return found


def parse_version(text: str) -> dict[str, Any]:
    """``{loaded_version, kernel_module}`` of ``/proc/driver/nvidia/version``. Only its first line has a fixed form."""
    found = _MODULE.search(text)
    version = words.version(found[2]) if found else None
    if found is None or version is None:
        raise ValueError("no version of a kernel module in it")
    return {"loaded_version": version, "kernel_module": "open" if found[1] else "proprietary"}


def parse_information(text: str, folder: str = "") -> dict[str, Any]:
    """A device from ``/proc/driver/nvidia/gpus/ADDRESS/information``; question marks stand for what is not initialised.

    ``folder`` is the address that the path has, for a text without one.
    """
    rows: dict[str, str] = {}
    for line in text.splitlines()[:200]:
        key, colon, value = line.partition(":")
        if colon:
            rows.setdefault(key.strip(), value.strip())
    address = words.address(rows.get("Bus Location")) or words.address(folder)
    if address is None:
        raise ValueError("no PCI address in it")
    return {
        "vendor": "nvidia",
        "name": words.name(rows.get("Model")),
        "uuid": words.uuid(rows.get("GPU UUID")),
        "vbios_version": words.vbios(rows.get("Video BIOS")),
        "minor_number": words.whole(rows.get("Device Minor")),
        "pci": {"address": address},
    }
