# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the words of NVIDIA's tools as values: one place for "N/A" and its kin, numbers with units, addresses and versions.

Every function takes any text (or nothing) and never raises; what it does not understand is ``None``.
"""

from __future__ import annotations

import re

LOST = "GPU is lost"

# Compared in lower case, without brackets: "[N/A]" of the CSV form and "N/A" are one word.
_NO_VALUES = frozenset(
    (
        "",
        "n/a",
        "none",
        "not supported",
        "not found",
        "not available",
        "unknown",
        "unknown error",
        "insufficient permissions",
        "gpu is lost",
        "gpu requires reset",
        "requested functionality has been deprecated",
        "redacted",
        "err!",
        "??",
    )
)
# Long digit runs are noise, and int() of thousands of digits raises on its own.
_NUMBER = re.compile(r"(-?\d{1,15}(?:\.\d{1,6})?)(?:\s*([A-Za-z%/]+))?")
_ADDRESS = re.compile(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", re.IGNORECASE)
_VERSION = re.compile(r"\d{1,6}(?:\.\d{1,6}){1,3}")
_UUID = re.compile(r"(GPU|MIG)-[0-9A-Za-z/-]{8,80}")
_PLACEHOLDER_NAME = re.compile(r"(?:NVIDIA )?Graphics Device")


def word(text: str | None) -> str | None:
    """The text without blanks around it; ``None`` for every spelling of "no value"."""
    stripped = (text or "").strip()
    return None if stripped.strip("[]").strip().lower() in _NO_VALUES else stripped


def number(text: str | None, unit: str = "") -> int | float | None:
    """The number before exactly this unit ("MiB", "W", "MHz", "C", "%", "x" or none)."""
    found = _NUMBER.fullmatch((text or "").strip())
    if found is None or (found[2] or "") != unit:
        return None
    return float(found[1]) if "." in found[1] else int(found[1])


def whole(text: str | None, unit: str = "") -> int | None:
    """Like `number`, but only where it is a whole number."""
    value = number(text, unit)
    return value if isinstance(value, int) else None


def switch(text: str | None) -> bool | None:
    """Enabled / Disabled, Yes / No, Active / Not Active as a boolean."""
    return {"enabled": True, "yes": True, "active": True, "disabled": False, "no": False, "not active": False}.get(
        (text or "").strip().lower()
    )


def address(text: str | None) -> str | None:
    """A PCI address as the kernel writes it: four-digit domain at least, lower case ("0000:1a:00.0")."""
    found = _ADDRESS.fullmatch((text or "").strip())
    if found is None:
        return None
    domain = int(found[1] or "0", 16)
    return f"{domain:04x}:{found[2]}:{found[3]}.{found[4]}".lower()


def pci_ids(text: str | None) -> tuple[str | None, str | None]:
    """Device and vendor of "233010DE": device 2330 of vendor 10de. Zeros stand for nothing."""
    digits = re.sub(r"^0x", "", (text or "").strip().lower())
    if not re.fullmatch(r"[0-9a-f]{8}", digits) or digits.startswith("0000"):
        return None, None
    return digits[:4], digits[4:]


def version(text: str | None) -> str | None:
    """The dotted version that the text starts with: 610 prints a remark behind it."""
    found = _VERSION.match((text or "").strip())
    return found[0] if found else None


def uuid(text: str | None) -> str | None:
    """The UUID of a GPU or a MIG device, as printed."""
    found = _UUID.fullmatch((text or "").strip())
    return found[0] if found else None


def name(text: str | None) -> str | None:
    """A product name as printed. "Graphics Device" stands for a board newer than the driver: no name at all."""
    value = word(text)
    return None if value is None or _PLACEHOLDER_NAME.fullmatch(value) else value


def architecture(text: str | None) -> str | None:
    """The architecture's short name: "Ada Lovelace" is ``ada``."""
    value = word(text)
    return value.split()[0].lower() if value else None


def vbios(text: str | None) -> str | None:
    """The VBIOS version, in capitals as NVIDIA's tools have it. Zeros (vGPU guest) and question marks are no version."""
    value = word(text)
    return None if value is None or not re.search(r"[1-9A-Fa-f]", value) else value.upper()


def compute_mode(text: str | None) -> str | None:
    """``default``, ``exclusive_process``, ``exclusive_thread`` or ``prohibited``."""
    value = (word(text) or "").lower().replace(" ", "_")
    return value if value in ("default", "exclusive_process", "exclusive_thread", "prohibited") else None


def virtualization(text: str | None) -> str | None:
    """``none``, ``passthrough`` or ``vgpu``. A host that serves vGPUs owns the card itself: ``none``."""
    return {
        "none": "none",
        "pass-through": "passthrough",
        "vgpu": "vgpu",
        "host vgpu": "none",
        "host vsga": "none",
    }.get((text or "").strip().lower())


def recovery_action(text: str | None) -> str | None:
    """``none``, ``reset``, ``reboot``, ``drain_p2p`` or ``drain_and_reset``. "None" is an answer here."""
    value = re.sub(r"[^a-z0-9]+", "_", (text or "").strip().lower()).strip("_")
    known = {
        "none": "none",
        "reset": "reset",
        "gpu_reset": "reset",
        "reboot": "reboot",
        "node_reboot": "reboot",
        "drain_p2p": "drain_p2p",
        "drain_and_reset": "drain_and_reset",
    }
    return known.get(value)
