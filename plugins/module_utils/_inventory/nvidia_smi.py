# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what ``nvidia-smi`` says, where NVML could not be asked or did not show every card.

``-q -x`` is the one that counts. ``-L`` is asked only for what it alone tells (UUIDs and profiles of MIG devices) or where the
XML breaks off; ``--version`` only where the XML has its versions no longer. Errors go to standard output, before or instead of
a good table, so text beside the XML is an error whatever the exit status.
"""

from __future__ import annotations

import re
from typing import Any

from .._host import Output
from . import _nvidia_access as access
from . import _nvidia_words as words
from ._inventory import Inventory
from ._nvidia_smi_xml import parse_query
from ._source import Source

_TOOL = "nvidia-smi"
_GPU_LINE = re.compile(r"GPU (\d{1,4}): (.*?) \(UUID: ([^()]*)\)")
_MIG_LINE = re.compile(r"MIG (\S+)\s+Device\s+(\d{1,4}): \(UUID: ([^()]*)\)")
_OLD_MIG_UUID = re.compile(r"MIG-GPU-.*/(\d{1,4})/(\d{1,4})")  # up to 465: UUID of the card / GPU instance / compute instance
_ANY_ADDRESS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]")
_MOST_LINES = 10_000


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """Devices, versions, fabric state; ``nvidia.nvml`` where it is not known yet: ``nvidia-smi`` stands on NVML too."""
    if not access.may_ask(source, known) or not _is_needed(known):
        return {}
    timeout = access.deadline(source, known)
    output = source.run(_TOOL, "-q", "-x", timeout=timeout)
    if output is None:
        return {}
    if output.error == "timeout":
        return {"nvidia": {"nvml": {"usable": False, "error": f"{_TOOL} does not answer"}}}
    errors, document = split_output(output.stdout)
    if output.rc and not errors:
        errors = output.stderr.strip() or f"{_TOOL} -q -x: exit status {output.rc}"
    if errors:
        source.problem("refused", errors)
    query, whole = _query(source, document, output)
    listed = _list(source, timeout, bool(errors)) if _needs_list(query, whole, errors) else []
    join_list(query["devices"], listed, known)
    partial = _partial(source, known, query, timeout)
    if errors and not query["devices"]:
        partial["nvidia"]["nvml"] = {"usable": False, "error": _one_line(errors), "version": library_version(errors)}
    elif query["devices"] and whole:
        partial["nvidia"]["nvml"] = {"usable": True}
    partial["devices"] += _lost(errors, known)
    return partial


def _is_needed(known: Inventory) -> bool:
    """Not after NVML hung, nor where it answered for every card: two sources that say the same cost twice."""
    if any(problem["source"] == "nvml" and problem["code"] == "timeout" for problem in known.problems):
        return False
    nvml = known.nvidia.get("nvml") or {}
    if nvml.get("usable") is None:
        return True
    return bool(nvml["usable"] and access.unseen(known, "nvml"))


def _query(source: Source, document: str, output: Output) -> tuple[dict[str, Any], bool]:
    """The parsed XML and whether it was whole; from one that breaks off the cards that were told completely."""
    if document and not output.error:
        try:
            return parse_query(document), True
        except ValueError as error:
            source.problem("unreadable", f"{_TOOL} -q -x: {error}")
    elif not output.error and not output.rc:
        source.problem("unreadable", f"{_TOOL} -q -x: no XML in the answer")
    try:
        return parse_query(document, partial=True), False
    except ValueError:
        return parse_query("<nvidia_smi_log/>"), False


def _needs_list(query: dict[str, Any], whole: bool, errors: str) -> bool:
    """A card whose handle cannot be had ends the query on old drivers, while -L names the others."""
    if not whole:
        return not errors or "device handle" in errors
    return any((device["mig"] or {}).get("enabled") for device in query["devices"])


def _list(source: Source, timeout: float, known_errors: bool) -> list[dict[str, Any]]:
    """The cards of -L. It repeats the errors of the query in other words: they are told once."""
    output = source.run(_TOOL, "-L", timeout=timeout)
    if output is None or output.error == "timeout":
        return []
    gpus, errors = parse_list(output.stdout)
    if (errors or output.rc) and not known_errors:
        source.problem("refused", errors or f"{_TOOL} -L: exit status {output.rc}")
    return gpus


def _partial(source: Source, known: Inventory, query: dict[str, Any], timeout: float) -> dict[str, Any]:
    devices = query["devices"]
    for device in devices:
        if not source.wants("runtime"):  # an idle link slows down to save power
            (device.get("pci") or {}).get("link", {}).get("generation", {}).pop("current", None)
        for instance in (device.get("mig") or {}).get("instances", ()):
            instance.pop("index", None)
    loaded, cuda = query["driver_version"], query["cuda_version"]
    if devices and (loaded is None or cuda is None) and query["deprecated"]:
        output = source.run(_TOOL, "--version", timeout=timeout)
        told = parse_version(output.stdout if output else "")
        loaded, cuda = loaded or told["driver_version"], cuda or told["cuda_version"]
    nvidia = {"driver": {"loaded_version": loaded}, "cuda_driver_version": cuda, "fabric": {"state": query["fabric_state"]}}
    return {"devices": access.presentable(devices, known), "nvidia": nvidia}


def _lost(errors: str, known: Inventory) -> list[dict[str, Any]]:
    """Cards that an error names as lost, by their address."""
    lines = [line for line in errors.splitlines() if "is lost" in line]
    named = {words.address(found) for line in lines for found in _ANY_ADDRESS.findall(line)}
    return [{"vendor": "nvidia", "pci": {"address": device["pci"]["address"]}, "lost": True}
            for device in access.bound(known) if device["pci"]["address"] in named]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def split_output(text: str) -> tuple[str, str]:
    """(text beside the XML, the XML): ``nvidia-smi`` prints its errors before or behind it, on standard output."""
    starts = (text.find(start) for start in ("<?xml", "<!DOCTYPE", "<nvidia_smi_log"))
    begin = min((at for at in starts if at >= 0), default=-1)
    if begin < 0:
        return text.strip(), ""
    end = text.rfind("</nvidia_smi_log>")
    end = end + len("</nvidia_smi_log>") if end > begin else len(text)
    return "\n".join(filter(None, (text[:begin].strip(), text[end:].strip()))), text[begin:end]


def library_version(errors: str) -> str | None:
    """The version in "NVML library version: 580.126", which follows a library mismatch."""
    found = re.search(r"NVML library version:\s*(\S+)", errors)
    return words.version(found[1]) if found else None


def parse_list(text: str) -> tuple[list[dict[str, Any]], str]:
    """The GPUs of ``nvidia-smi -L`` as ``[{index, name, uuid, mig: [{index, profile, uuid, gpu_instance_id, …}]}]``, and all
    other lines: they are errors."""
    gpus: list[dict[str, Any]] = []
    others = []
    for line in text.splitlines()[:_MOST_LINES]:
        stripped = line.strip()
        if found := _GPU_LINE.fullmatch(stripped):
            gpus.append({"index": int(found[1]), "name": words.name(found[2]), "uuid": words.uuid(found[3]), "mig": []})
        elif gpus and (found := _MIG_LINE.fullmatch(stripped)):
            ids = _OLD_MIG_UUID.fullmatch(found[3])
            gpus[-1]["mig"].append({
                "index": int(found[2]), "uuid": words.uuid(found[3]), "profile": found[1], "memory_mib": None,
                "gpu_instance_id": int(ids[1]) if ids else None, "compute_instance_id": int(ids[2]) if ids else None})
        elif stripped:
            others.append(stripped)
    return gpus, "\n".join(others)


def parse_version(text: str) -> dict[str, str | None]:
    """``{driver_version, cuda_version, nvml_version}`` of ``nvidia-smi --version``; 610 renamed two of its lines."""
    rows = {}
    for line in text.splitlines()[:_MOST_LINES]:
        key, colon, value = line.partition(":")
        if colon:
            rows[key.strip().lower()] = words.version(value)
    return {"driver_version": rows.get("driver version") or rows.get("kmd version"),
            "cuda_version": rows.get("cuda version") or rows.get("cuda umd version"),
            "nvml_version": rows.get("nvml version")}


def join_list(devices: list[dict[str, Any]], listed: list[dict[str, Any]], known: Inventory) -> None:
    """Add to the devices what -L knows. Without addresses its cards are joined by UUID, and by elimination where one remains.

    A card that cannot be told from its neighbours is left out, save its name where all of them have the same.
    """
    by_address = {device["pci"]["address"]: device for device in devices if (device.get("pci") or {}).get("address")}
    address_of = {device["uuid"]: device["pci"]["address"] for device in [*known.devices, *devices]
                  if device.get("uuid") and (device.get("pci") or {}).get("address")}
    unnamed = [gpu for gpu in listed if gpu["uuid"] not in address_of]
    taken = {address_of.get(gpu["uuid"]) for gpu in listed} | set(by_address)
    free = [device["pci"]["address"] for device in access.bound(known) if device["pci"]["address"] not in taken]
    for gpu in listed:
        address = address_of.get(gpu["uuid"]) or (free[0] if len(free) == len(unnamed) == 1 else None)
        if address in by_address:
            _join(by_address[address], gpu)
        elif address is not None or not access.bound(known):
            devices.append(_join({"vendor": "nvidia", "pci": {"address": address} if address else None}, gpu))
    if len(free) == len(unnamed) > 1 and len({gpu["name"] for gpu in unnamed}) == 1:
        devices += [{"vendor": "nvidia", "name": unnamed[0]["name"], "pci": {"address": address}} for address in free]


def _join(device: dict[str, Any], gpu: dict[str, Any]) -> dict[str, Any]:
    """MIG devices of the XML and of -L have the same index below their card."""
    device["name"] = device.get("name") or gpu["name"]
    device["uuid"] = device.get("uuid") or gpu["uuid"]
    if gpu["mig"]:
        mig = device["mig"] = device.get("mig") or {"enabled": True, "pending": None, "instances": []}
        told = {instance["index"]: instance for instance in mig["instances"]}
        for instance in gpu["mig"]:
            there = told.setdefault(instance["index"], instance)
            there.update(uuid=there["uuid"] or instance["uuid"], profile=there["profile"] or instance["profile"])
        mig["instances"] = [told[index] for index in sorted(told)]
    return device
