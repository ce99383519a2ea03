# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters take as a GPU: a device of the facts, or a PCI device id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import _ids


def device_of(filter_name: str, value: object, vendor: str) -> dict[str, Any]:
    """{vendor, device_id, revision, gfx_target, name} of a device of the facts or of a PCI device id such as '2684'."""
    if isinstance(value, str):
        device_id = _ids.device_id(value)
        if device_id is None:
            raise AnsibleFilterError(f"{filter_name}: {value!r} is not a PCI device id (wanted: four hex digits, such as '2684')")
        return {"vendor": vendor, "device_id": device_id, "revision": None, "gfx_target": None, "name": None}
    if not isinstance(value, Mapping):
        raise AnsibleFilterError(
            f"{filter_name}: wanted a device of ansible_facts.gpu.devices or a PCI device id in quotes, such as '2684';"
            f" got {type(value).__name__} {value!r}"
        )
    if value.get("vendor") not in ("nvidia", "amd", "intel"):
        raise AnsibleFilterError(
            f"{filter_name}: this mapping has the vendor {value.get('vendor')!r} (allowed: nvidia, amd, intel);"
            " wanted a device of ansible_facts.gpu.devices"
        )
    pci = value.get("pci") or {}
    return {
        "vendor": value["vendor"],
        "device_id": pci.get("device_id"),
        "revision": pci.get("revision"),
        "gfx_target": value.get("gfx_target"),
        "name": value.get("name"),
    }


def only_vendor(filter_name: str, device: Mapping[str, Any], vendor: str) -> None:
    """Refuse a device of another vendor, and say how to leave it out."""
    if device["vendor"] != vendor:
        raise AnsibleFilterError(
            f"{filter_name}: the device is of vendor {device['vendor']!r} (allowed: {vendor});"
            f" choose with selectattr('vendor', 'eq', '{vendor}')"
        )


def one_of(filter_name: str, option: str, value: object, allowed: tuple[str, ...]) -> str:
    """The value, if it is one of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        raise AnsibleFilterError(f"{filter_name}: {option} is {value!r} (allowed: {', '.join(allowed)})")
    return value


def positive(filter_name: str, option: str, value: object) -> float:
    """A number above zero, from a number or its text."""
    try:
        number = float(value) if not isinstance(value, bool) and isinstance(value, (int, float, str)) else 0.0
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise AnsibleFilterError(f"{filter_name}: {option} is {value!r} (allowed: a number above 0)")
    return number
