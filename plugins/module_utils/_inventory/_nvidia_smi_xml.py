# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the output of ``nvidia-smi -q -x`` as values, for drivers 352 to 620 (DTD v7 to v13, or no DOCTYPE at all).

Elements are addressed by their whole path below ``<gpu>``, so that the ``fb_memory_usage`` of a MIG device is never taken
for the one of its GPU. Which form a driver prints is not told by the DTD number: every known path is tried.
"""

from __future__ import annotations

from typing import Any

from . import _nvidia_words as words

Values = dict[str, str]

_MOST_CHARACTERS = 64 * 1024 * 1024
_DEEPEST = 32
# Elements that repeat below a GPU; each becomes a record of its own.
_RECORDS = ("mig_device", "process_info")


class _Gpu:
    """One closed ``<gpu>`` element: leaf texts by path, and its repeated records."""

    def __init__(self, bus_id: str | None) -> None:
        self.bus_id = bus_id
        self.values: Values = {}
        self.records: dict[str, list[Values]] = {tag: [] for tag in _RECORDS}

    def text(self, *paths: str) -> str | None:
        """The text at the first of these paths that holds a value; else whatever stands at the first one there."""
        present = [self.values[path] for path in paths if path in self.values]
        return next((text for text in present if words.word(text) is not None), present[0] if present else None)

    def number(self, unit: str, *paths: str) -> int | float | None:
        return next((found for path in paths if (found := words.number(self.values.get(path), unit)) is not None), None)


class _Collector:
    """Handlers for expat. No tree is built: an 8-GPU answer has 6,000 elements, most of them supported clocks."""

    def __init__(self) -> None:
        self.top: Values = {}
        self.gpus: list[_Gpu] = []
        self._path: list[str] = []
        self._text: list[str] = []
        self._gpu: _Gpu | None = None
        self._into = self.top
        self._base = 1

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path and tag != "nvidia_smi_log":
            raise ValueError(f"not the XML of nvidia-smi: it starts with <{tag[:40]}>")
        if len(self._path) >= _DEEPEST:
            raise ValueError("XML nested too deeply")
        self._path.append(tag)
        self._text.clear()
        if len(self._path) == 2 and tag == "gpu":
            self._gpu = _Gpu(attributes.get("id"))
            self._into, self._base = self._gpu.values, 2
        elif self._gpu is not None and tag in _RECORDS:
            self._into, self._base = {}, len(self._path)
            self._gpu.records[tag].append(self._into)

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        text = "".join(self._text).strip()
        self._text.clear()
        if text:
            self._into.setdefault("/".join(self._path[self._base :]), text)
        self._path.pop()
        if self._gpu is None:
            return
        if len(self._path) == 1:
            self.gpus.append(self._gpu)
            self._gpu, self._into, self._base = None, self.top, 1
        elif tag in _RECORDS:
            self._into, self._base = self._gpu.values, 2


def _refuse_entity(*_declaration: Any) -> None:
    raise ValueError("the XML declares entities, which nvidia-smi never does")


def _collect(text: str, partial: bool) -> _Collector:
    from xml.parsers import expat

    if len(text) > _MOST_CHARACTERS:
        raise ValueError("more output than nvidia-smi ever prints")
    collector = _Collector()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.CharacterDataHandler = collector.data
    # An external DTD is never fetched by expat on its own; entities could expand without end.
    parser.EntityDeclHandler = _refuse_entity
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        if not partial:
            raise ValueError(f"broken XML: {error}") from error
    return collector


def parse_query(text: str, partial: bool = False) -> dict[str, Any]:
    """Values of ``nvidia-smi -q -x``: ``{driver_version, cuda_version, deprecated, fabric_state, devices: […]}``.

    ``devices`` are in the form of the facts, in the order of the output; the header's count of GPUs is not believed.
    ``partial`` accepts output that breaks off, and keeps the GPUs whose element is complete. Raises ``ValueError`` for
    everything else that is no such output.
    """
    log = _collect(text, partial)
    header = " ".join(log.top.get(key, "") for key in ("driver_version", "cuda_version"))
    return {
        "driver_version": words.version(log.top.get("driver_version")) or words.version(log.top.get("kmd_version")),
        "cuda_version": words.version(log.top.get("cuda_version")) or words.version(log.top.get("cuda_umd_version")),
        "deprecated": "deprecated" in header.lower(),
        "fabric_state": fabric_state([(gpu.text("fabric/state"), gpu.text("fabric/status")) for gpu in log.gpus]),
        "devices": [_device(gpu) for gpu in log.gpus],
    }


def fabric_state(told: list[tuple[str | None, str | None]]) -> str | None:
    """The worst state over (state, status) of all GPUs: ``failed``, ``not_started``, ``in_progress``, ``completed``."""
    states = set()
    for state, status in told:
        name = (words.word(state) or "").lower().replace(" ", "_")
        wrong = name == "completed" and (words.word(status) or "Success").lower() != "success"
        states.add("failed" if wrong else name)
    return next((name for name in ("failed", "not_started", "in_progress", "completed") if name in states), None)


def _device(gpu: _Gpu) -> dict[str, Any]:
    mig = _mig(gpu)
    return {
        "vendor": "nvidia",
        "name": words.name(gpu.text("product_name")),
        "architecture": words.architecture(gpu.text("product_architecture")),
        "uuid": words.uuid(gpu.text("uuid")),
        "serial": words.word(gpu.text("serial")),
        "vbios_version": words.vbios(gpu.text("vbios_version")),
        "minor_number": words.whole(gpu.text("minor_number")),
        "persistence_mode": words.switch(gpu.text("persistence_mode")),
        "compute_mode": words.compute_mode(gpu.text("compute_mode")),
        "virtualization": words.virtualization(gpu.values.get("gpu_virtualization_mode/virtualization_mode")),
        "recovery_action": _recovery_action(gpu),
        "lost": words.LOST in gpu.values.values(),
        "pci": _pci(gpu),
        "memory": _memory(gpu),
        "power": _power(gpu),
        "temperature_c": _section(gpu, "C", _TEMPERATURES),
        "clocks_mhz": _section(gpu, "MHz", _CLOCKS),
        "utilization_percent": _section(gpu, "%", _UTILIZATION),
        "throttle_reasons": _throttle_reasons(gpu),
        "performance_state": words.word(gpu.text("performance_state")),
        "mig": mig if mig["enabled"] is not None or mig["instances"] else None,
        "processes": [_process(record) for record in gpu.records["process_info"]],
    }


_TEMPERATURES = {
    "gpu": "temperature/gpu_temp",
    "memory": "temperature/memory_temp",
    "slowdown": "temperature/gpu_temp_slow_threshold",
    "shutdown": "temperature/gpu_temp_max_threshold",
}
_CLOCKS = {
    "sm": "clocks/sm_clock",
    "memory": "clocks/mem_clock",
    "max_sm": "max_clocks/sm_clock",
    "max_memory": "max_clocks/mem_clock",
}
_UTILIZATION = {"gpu": "utilization/gpu_util", "memory": "utilization/memory_util"}


def _section(gpu: _Gpu, unit: str, paths: dict[str, str]) -> dict[str, int | None]:
    return {key: words.whole(gpu.values.get(path), unit) for key, path in paths.items()}


def _recovery_action(gpu: _Gpu) -> str | None:
    """The element of 570 and later, else the two flags of 535 to 565."""
    action = words.recovery_action(gpu.values.get("gpu_recovery_action"))
    if action is not None:
        return action
    reset = words.switch(gpu.values.get("gpu_reset_status/reset_required"))
    drain = words.switch(gpu.values.get("gpu_reset_status/drain_and_reset_recommended"))
    if reset or drain:
        return "reset" if reset else "drain_and_reset"
    return "none" if reset is False else None


def _pci(gpu: _Gpu) -> dict[str, Any]:
    link = "pci/pci_gpu_link_info"
    device, vendor = words.pci_ids(gpu.values.get("pci/pci_device_id"))
    board, board_vendor = words.pci_ids(gpu.values.get("pci/pci_sub_system_id"))
    return {
        "address": words.address(gpu.bus_id) or words.address(gpu.values.get("pci/pci_bus_id")),
        "vendor_id": vendor,
        "device_id": device,
        "subsystem_vendor_id": board_vendor,
        "subsystem_device_id": board,
        "link": {
            "generation": {
                "current": gpu.number("", f"{link}/pcie_gen/current_link_gen"),
                # What the card can do; max_link_gen is already cut down to the slot's.
                "max": gpu.number("", f"{link}/pcie_gen/max_device_link_gen", f"{link}/pcie_gen/max_link_gen"),
            },
            "width": {
                "current": gpu.number("x", f"{link}/link_widths/current_link_width"),
                "max": gpu.number("x", f"{link}/link_widths/max_link_width"),
            },
        },
    }


def _memory(gpu: _Gpu) -> dict[str, Any]:
    told = gpu.text("fb_memory_usage/total")
    total = words.whole(told, "MiB")
    ats = words.word(gpu.text("addressing_mode")) == "ATS"
    # Memory shared with the CPU has no frame buffer to report (GB10).
    unified = told == "Not Supported" or (told in ("N/A", "[N/A]") and ats)
    pages = "retired_pages"
    retired = "multiple_single_bit_retirement/retired_count", "double_bit_retirement/retired_count"
    return {
        "total_mib": None if unified else total,
        "used_mib": words.whole(gpu.text("fb_memory_usage/used"), "MiB"),
        "kind": "unified" if unified else "dedicated" if total else None,
        "ecc": {
            "enabled": words.switch(gpu.text("ecc_mode/current_ecc")),
            "pending": words.switch(gpu.text("ecc_mode/pending_ecc")),
            **{
                f"{period}_{kind}": _errors(gpu, f"ecc_errors/{period}", kind)
                for period in ("volatile", "aggregate")
                for kind in ("corrected", "uncorrected")
            },
        },
        "remapped_rows": {
            "corrected": words.whole(gpu.text("remapped_rows/remapped_row_corr")),
            "uncorrected": words.whole(gpu.text("remapped_rows/remapped_row_unc")),
            "pending": words.switch(gpu.text("remapped_rows/remapped_row_pending")),
            "failure": words.switch(gpu.text("remapped_rows/remapped_row_failure")),
        },
        "retired_pages": {
            "single_bit": words.whole(gpu.text(f"{pages}/{retired[0]}")),
            "double_bit": words.whole(gpu.text(f"{pages}/{retired[1]}")),
            "pending": words.switch(gpu.text(f"{pages}/pending_retirement", f"{pages}/pending_blacklist")),
        },
    }


def _errors(gpu: _Gpu, base: str, kind: str) -> int | None:
    """ECC errors in three spellings: totals per bit count, then SRAM and DRAM, then SRAM split by parity and SECDED."""
    bits, ending = ("single_bit", "correctable") if kind == "corrected" else ("double_bit", "uncorrectable")
    total = words.whole(gpu.values.get(f"{base}/{bits}/total"))
    if total is not None:
        return total
    leaves = [f"sram_{ending}", f"dram_{ending}", f"sram_{ending}_parity", f"sram_{ending}_secded"]
    counts = [count for leaf in leaves if (count := words.whole(gpu.values.get(f"{base}/{leaf}"))) is not None]
    return sum(counts) if counts else None


def _power(gpu: _Gpu) -> dict[str, int | float | None]:
    """Never a memory or module block: they use the same child names."""

    def watts(*names: str) -> int | float | None:
        return gpu.number("W", *(f"{block}/{name}" for name in names for block in ("gpu_power_readings", "power_readings")))

    return {
        "limit_w": watts("current_power_limit", "power_limit", "enforced_power_limit"),
        "default_limit_w": watts("default_power_limit"),
        "max_limit_w": watts("max_power_limit"),
        "draw_w": watts("power_draw", "average_power_draw", "instant_power_draw"),
    }


def _throttle_reasons(gpu: _Gpu) -> list[str] | None:
    """Names of the active reasons, without the prefix that was renamed in 535."""
    told = False
    active = []
    for block, prefix in (
        ("clocks_event_reasons/", "clocks_event_reason_"),
        ("clocks_throttle_reasons/", "clocks_throttle_reason_"),
    ):
        for path, text in gpu.values.items():
            if path.startswith(block + prefix) and (state := words.switch(text)) is not None:
                told = True
                active += [path[len(block + prefix) :]] if state else []
    return active if told else None


def _mig(gpu: _Gpu) -> dict[str, Any]:
    return {
        "enabled": words.switch(gpu.text("mig_mode/current_mig")),
        "pending": words.switch(gpu.text("mig_mode/pending_mig")),
        "instances": [_mig_device(record, number) for number, record in enumerate(gpu.records["mig_device"])],
    }


def _mig_device(record: Values, number: int) -> dict[str, Any]:
    """``index`` joins the device with its line of ``nvidia-smi -L``; the XML has neither UUID nor profile."""
    index = words.whole(record.get("index"))
    return {
        "index": number if index is None else index,
        "uuid": words.uuid(record.get("uuid")),
        "profile": None,
        "memory_mib": words.whole(record.get("fb_memory_usage/total"), "MiB"),
        "gpu_instance_id": words.whole(record.get("gpu_instance_id")),
        "compute_instance_id": words.whole(record.get("compute_instance_id")),
    }


def _process(record: Values) -> dict[str, Any]:
    kind = record.get("type", "")
    return {
        "pid": words.whole(record.get("pid")),
        "name": words.word(record.get("process_name")),
        "kind": "compute" if "C" in kind else "graphics" if kind == "G" else None,
        "used_memory_mib": words.whole(record.get("used_memory"), "MiB"),
    }
