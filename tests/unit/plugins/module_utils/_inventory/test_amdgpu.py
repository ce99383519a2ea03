# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""amdgpu in sysfs: what the driver knows is read, what only the hardware knows is read in a child and never from a sleeper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import ReplayHost
from ansible_collections.gpufleet.node.plugins.module_utils._host import FILE_LIMIT
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import amdgpu
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
ADDRESS = "0000:05:00.0"
LIVE = {f"{amdgpu.MODULE}/initstate": "live\n"}
CARD = {
    "mem_info_vram_total": "206141652992\n",
    "mem_info_vram_used": "296751104\n",
    "vbios_version": "113-M3000100-103\n",
    "unique_id": "e3a97f4a4b6ce131\n",
    "serial_number": "692100000001\n",
    "product_name": "AMD Instinct MI300X OAM\n",
}
SENSORS = {
    "power1_cap": "750000000\n",
    "power1_cap_default": "750000000\n",
    "power1_cap_max": "750000000\n",
    "power1_input": "140000000\n",
    "temp1_label": "edge\n",
    "temp1_input": "40000\n",
    "temp1_crit": "90000\n",
    "temp2_label": "junction\n",
    "temp2_input": "45000\n",
    "temp2_crit": "100000\n",
    "temp2_emergency": "105000\n",
    "temp3_label": "mem\n",
    "temp3_input": "37000\n",
    "freq1_input": "132000000\n",
    "freq2_input": "900000000\n",
}


class Watched(ReplayHost):
    """A recorded machine that notes which files were read in a child."""

    guarded: list[str]

    def read(self, path: str, limit: int = FILE_LIMIT, deadline: float | None = None) -> bytes:
        if deadline is not None:
            self.guarded.append(path.rpartition("/")[2])
        return super().read(path, limit, deadline)


def look(
    card: dict[str, Any],
    *wanted: str,
    driver: str | None = "amdgpu",
    module: dict[str, str] | None = None,
    known: Inventory | None = None,
) -> tuple[Inventory, list[str]]:
    """What the reader adds to a machine with these files of one card, and which of them were read in a child."""
    known = known or Inventory()
    known.add("pci", {"devices": [{"vendor": "amd", "pci": {"address": ADDRESS, "kernel_driver": driver}}]})
    files = {
        **{f"{amdgpu.DEVICES}/{ADDRESS}/{name}": text for name, text in card.items()},
        **(LIVE if module is None else module),
    }
    host = Watched({"files": files, "dirs": {}, "links": {}, "probes": {}, "commands": []})
    host.guarded = []
    known.add("amdgpu", amdgpu.read(Source(host, "amdgpu", known.problems, wanted=frozenset(wanted)), known))
    return known, host.guarded


def sensors(**others: Any) -> dict[str, Any]:
    return {f"hwmon/hwmon3/{name}": text for name, text in {**SENSORS, **others}.items()}


def test_a_card() -> None:
    known, guarded = look(CARD)
    assert known.devices == [
        {
            "vendor": "amd",
            "pci": {"address": ADDRESS, "kernel_driver": "amdgpu"},
            "name": "AMD Instinct MI300X OAM",
            "serial": "692100000001",
            "uuid": "GPU-e3a97f4a4b6ce131",
            "vbios_version": "113-M3000100-103",
            "memory": {"total_mib": 196592, "ecc": {}},
            "power": {},
            "temperature_c": {},
            "source": ["pci", "amdgpu"],
        }
    ]
    assert (known.problems, guarded) == ([], [])


@pytest.mark.parametrize(
    ("files", "key", "expected"),
    [
        pytest.param({"unique_id": "0000000000000000\n"}, "uuid", None, id="consumer card"),
        pytest.param({"unique_id": "no number\n"}, "uuid", None, id="broken unique id"),
        pytest.param({"product_name": "\n", "serial_number": "N/A\n"}, "name", None, id="board without a name"),
        pytest.param({"serial_number": "N/A\n"}, "serial", None, id="board without a serial number"),
        pytest.param({"vbios_version": "\x01\x02\n"}, "vbios_version", None, id="binary text"),
        pytest.param({"apu_thermal_cap": "100\n"}, "apu", True, id="processor with graphics"),
        pytest.param(
            {"current_compute_partition": "SPX\n", "current_memory_partition": "NPS1\n"},
            "partitioning",
            {"compute": "SPX", "memory": "NPS1", "partitions": 1},
            id="one partition",
        ),
        pytest.param(
            {"current_compute_partition": "CPX\n", "current_memory_partition": "NPS4\n"},
            "partitioning",
            {"compute": "CPX", "memory": "NPS4"},
            id="partitions that nobody counts",
        ),
        pytest.param({"current_compute_partition": "UNKNOWN\n"}, "partitioning", None, id="partitions unknown"),
        pytest.param({"mem_info_vram_total": "lots\n"}, "memory", {"ecc": {}}, id="broken size"),
        pytest.param({"mem_info_vram_total": "0\n"}, "memory", {"ecc": {}}, id="size of 0"),
    ],
)
def test_values(files: dict[str, str], key: str, expected: Any) -> None:
    known, _guarded = look({**CARD, **files})
    assert known.devices[0].get(key) == expected


def test_partitions_are_counted_by_the_compute_driver() -> None:
    known = Inventory()
    known.add("kfd", {"devices": [{"vendor": "amd", "pci": {"address": ADDRESS}, "partitioning": {"partitions": 8}}]})
    look({**CARD, "current_compute_partition": "CPX\n"}, known=known)
    assert known.devices[0]["partitioning"] == {"compute": "CPX", "partitions": 8}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        pytest.param(LIVE, {"loaded": True, "method": "inbox", "kfd": False}, id="the kernel's own"),
        pytest.param(
            {**LIVE, f"{amdgpu.MODULE}/version": "6.12.12\n"},
            {"loaded": True, "version": "6.12.12", "method": "dkms", "kfd": False},
            id="from AMD's packages",
        ),
        pytest.param({f"{amdgpu.MODULE}/initstate": "going\n"}, {"loaded": False, "method": "inbox", "kfd": False}, id="going"),
        pytest.param(
            {f"{amdgpu.MODULE}/parameters/dc": "-1\n"}, {"loaded": True, "method": "inbox", "kfd": False}, id="built in"
        ),
        pytest.param({}, {"loaded": False, "kfd": False}, id="not loaded"),
    ],
)
def test_driver(module: dict[str, str], expected: dict[str, Any]) -> None:
    assert look({}, module=module)[0].amd == {"driver": expected}


def test_a_machine_without_amd() -> None:
    host = ReplayHost({"files": {}, "dirs": {}, "links": {}, "probes": {}, "commands": []})
    assert amdgpu.read(Source(host, "amdgpu", []), Inventory()) == {"devices": [], "amd": {}}


def test_another_driver_is_not_asked() -> None:
    assert look(CARD, driver="vfio-pci")[0].devices[0]["source"] == ["pci"]


def test_ecc() -> None:
    files = {
        "ras/features": "feature mask: 0x5ffd\n",
        "ras/umc_err_count": "ue: 2\nce: 7\n",
        "ras/gfx_err_count": "ue: 1\nce: 0\n",
        "ras/pcie_bif_err_count": "ue: 9\nce: 9\n",
        "ras/gpu_vram_bad_pages": "0x00000001 : 0x00001000 : R\n0x00000002 : 0x00001000 : R\n0x00000003 : 0x00001000 : P\n",
    }
    known, guarded = look({**CARD, **files})
    assert known.devices[0]["memory"] == {
        "total_mib": 196592,
        "ecc": {"enabled": True, "volatile_corrected": 7, "volatile_uncorrected": 3},
        "retired_pages": {"double_bit": 3, "pending": True},
    }
    assert sorted(guarded) == ["gfx_err_count", "umc_err_count"]


@pytest.mark.parametrize(("mask", "enabled"), [("0x0", False), ("0x1", True), ("0x5ffc", False)])
def test_ecc_is_off(mask: str, enabled: bool) -> None:
    known, _guarded = look({**CARD, "ras/features": f"feature mask: {mask}\n"})
    assert known.devices[0]["memory"]["ecc"] == {"enabled": enabled}


def test_no_bad_pages() -> None:
    known, _guarded = look({**CARD, "ras/gpu_vram_bad_pages": ""})
    assert known.devices[0]["memory"]["retired_pages"] == {"double_bit": 0, "pending": False}


def test_sensors() -> None:
    known, guarded = look({**CARD, **sensors()})
    device = known.devices[0]
    assert device["power"] == {"limit_w": 750.0, "default_limit_w": 750.0, "max_limit_w": 750.0}
    assert device["temperature_c"] == {"slowdown": 100, "shutdown": 105}
    assert "clocks_mhz" not in device
    assert "utilization_percent" not in device
    assert sorted(guarded) == ["power1_cap", "power1_cap_default", "power1_cap_max"]


def test_sensors_at_run_time() -> None:
    levels = {"pp_dpm_sclk": "S: 19Mhz\n0: 132Mhz *\n1: 2100Mhz\n", "pp_dpm_mclk": "0: 900Mhz *\n1: 1300Mhz\n"}
    known, _guarded = look({**CARD, **sensors(), **levels, "gpu_busy_percent": "4\n", "mem_busy_percent": "0\n"}, "runtime")
    device = known.devices[0]
    assert device["power"]["draw_w"] == 140.0
    assert device["temperature_c"] == {"gpu": 45, "memory": 37, "slowdown": 100, "shutdown": 105}
    assert device["clocks_mhz"] == {"sm": 132, "memory": 900, "max_sm": 2100, "max_memory": 1300}
    assert device["utilization_percent"] == {"gpu": 4, "memory": 0}
    assert device["memory"]["used_mib"] == 283


def test_a_card_with_an_edge_sensor_only() -> None:
    files = {
        "hwmon/hwmon0/temp1_label": "edge\n",
        "hwmon/hwmon0/temp1_crit": "94000\n",
        "hwmon/hwmon0/power1_average": "9100000\n",
    }
    device = look({**CARD, **files}, "runtime")[0].devices[0]
    assert device["temperature_c"] == {"slowdown": 94}
    assert device["power"] == {"draw_w": 9.1}


@pytest.mark.parametrize("state", ["suspended", "suspending"])
def test_a_sleeping_card_is_not_woken(state: str) -> None:
    known, guarded = look({**CARD, **sensors(), "power/runtime_status": f"{state}\n", "gpu_busy_percent": "0\n"}, "runtime")
    assert guarded == []
    assert known.devices[0]["memory"]["total_mib"] == 196592


def test_a_dead_card_costs_one_deadline() -> None:
    known, guarded = look({**CARD, **sensors(power1_cap={"error": "ETIMEDOUT"}), "gpu_busy_percent": "0\n"}, "runtime")
    assert guarded[-1] == "power1_cap"
    assert not {"power1_cap_default", "temp2_input"} & set(guarded)
    assert [(problem["source"], problem["code"]) for problem in known.problems] == [("amdgpu", "timeout")]
    assert known.devices[0]["uuid"] == "GPU-e3a97f4a4b6ce131"


def test_xgmi_hive() -> None:
    files = {
        "xgmi_hive_info/xgmi_hive_id": "99\n",
        **{f"xgmi_hive_info/node{number}/vendor": "0x1002\n" for number in range(1, 9)},
    }
    assert look({**CARD, **files}, "topology")[0].devices[0]["xgmi"] == {"links_total": 7}
    assert "xgmi" not in look({**CARD, **files})[0].devices[0]


@pytest.mark.parametrize("name", ["ras/features", "ras/umc_err_count", "ras/gpu_vram_bad_pages"])
@pytest.mark.parametrize("text", ["\x00\x01", "ue: many\n", "<html>"])
def test_broken_files_are_named(name: str, text: str) -> None:
    known, _guarded = look({**CARD, name: text})
    assert [(problem["source"], problem["code"]) for problem in known.problems] == [("amdgpu", "unreadable")]
    assert name in known.problems[0]["message"]
    assert known.devices[0]["memory"]["total_mib"] == 196592


@PATIENT
@given(
    st.sampled_from([amdgpu.parse_error_counts, amdgpu.parse_feature_mask, amdgpu.parse_bad_pages, amdgpu.parse_levels]),
    st.text(max_size=200) | st.from_regex(r"((ue|ce|\d+): ?\d*(Mhz \*)?\n){0,5}", fullmatch=True),
)
def test_no_text_breaks_a_parser(parse: Any, text: str) -> None:
    try:
        found = parse(text)
    except ValueError:
        return
    assert all(value >= 0 for value in (found.values() if isinstance(found, dict) else [found]))


@PATIENT
@given(
    st.dictionaries(
        st.sampled_from([*CARD, *sensors(), "ras/features", "ras/umc_err_count", "gpu_busy_percent", "pp_dpm_sclk"]),
        st.text(max_size=30),
    )
)
def test_no_file_breaks_the_reader(files: dict[str, str]) -> None:
    known, _guarded = look({**CARD, **files}, "runtime", "topology")
    assert all("please report" not in problem["message"] for problem in known.problems)
    assert len(known.devices) == 1


def test_capture(captures: Path) -> None:
    text = (captures / "sysfs_pci" / "amdgpu-drm-card0.ttar").read_bytes().decode("utf-8", "replace")
    rows = re.findall(r"^Path: \S*/card0/device/(\S+)\nLines: \d+\n((?:.*\n)*?)Mode: ", text, re.MULTILINE)
    device = look(dict(rows), "runtime")[0].devices[0]
    assert device == {
        "vendor": "amd",
        "pci": {"address": ADDRESS, "kernel_driver": "amdgpu"},
        "uuid": "GPU-0123456789abcdef",
        "vbios_version": "115-D050PIL-100",
        "memory": {"total_mib": 8176, "used_mib": 1421, "ecc": {}},
        "power": {},
        "temperature_c": {},
        "clocks_mhz": {"sm": 852, "max_sm": 1630, "memory": 167, "max_memory": 945},
        "utilization_percent": {"gpu": 4},
        "source": ["pci", "amdgpu"],
    }
