# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`nvidia-smi -q -x` of every age: small documents of our own here, and recorded ones where they are at hand."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._nvidia_smi_xml import fabric_state, parse_query
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

UUID = "GPU-11111111-2222-3333-4444-555555555555"
NOTHING_KNOWN: dict[str, Any] = {"fabric_state": None, "devices": []}


def query(body: str = "", header: str = "<driver_version>580.95.05</driver_version><cuda_version>13.0</cuda_version>") -> str:
    return f'<?xml version="1.0" ?>\n<nvidia_smi_log>{header}<gpu id="00000000:1A:00.0">{body}</gpu></nvidia_smi_log>'


def device(body: str) -> dict[str, Any]:
    (found,) = parse_query(query(body))["devices"]
    return dict(found)


def at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[key]
    return value


def power(block: str, **values: str) -> str:
    return f"<{block}>" + "".join(f"<{name}>{text}</{name}>" for name, text in values.items()) + f"</{block}>"


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        ("<product_name>NVIDIA L4</product_name>", "name", "NVIDIA L4"),
        ("<product_name>Graphics Device</product_name>", "name", None),
        ("<product_architecture>Ada Lovelace</product_architecture>", "architecture", "ada"),
        (f"<uuid>{UUID}</uuid>", "uuid", UUID),
        ("<serial>N/A</serial>", "serial", None),
        ("<vbios_version>00.00.00.00.00</vbios_version>", "vbios_version", None),
        ("<minor_number>N/A</minor_number>", "minor_number", None),
        ("<persistence_mode>Enabled</persistence_mode>", "persistence_mode", True),
        ("<compute_mode>Exclusive_Process</compute_mode>", "compute_mode", "exclusive_process"),
        ("", "pci.address", "0000:1a:00.0"),
        ("<pci><pci_device_id>233010DE</pci_device_id></pci>", "pci.device_id", "2330"),
        ("<pci><pci_sub_system_id>16C110DE</pci_sub_system_id></pci>", "pci.subsystem_device_id", "16c1"),
        (
            "<gpu_virtualization_mode><virtualization_mode>VGPU</virtualization_mode></gpu_virtualization_mode>",
            "virtualization",
            "vgpu",
        ),
        ("<performance_state>P8</performance_state>", "performance_state", "P8"),
    ],
)
def test_what_a_card_is(body: str, path: str, value: Any) -> None:
    assert at(device(body), path) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("<gpu_recovery_action>None</gpu_recovery_action>", "none"),
        ("<gpu_recovery_action>Drain and Reset</gpu_recovery_action>", "drain_and_reset"),
        ("<gpu_reset_status><reset_required>Yes</reset_required></gpu_reset_status>", "reset"),
        (
            "<gpu_reset_status><reset_required>No</reset_required>"
            "<drain_and_reset_recommended>Yes</drain_and_reset_recommended></gpu_reset_status>",
            "drain_and_reset",
        ),
        ("<gpu_reset_status><reset_required>No</reset_required></gpu_reset_status>", "none"),
        ("<gpu_recovery_action>N/A</gpu_recovery_action>", None),
        ("", None),
    ],
)
def test_the_recovery_action_of_old_and_new_drivers(body: str, value: Any) -> None:
    assert device(body)["recovery_action"] == value


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (
            power(
                "power_readings",
                power_draw="18.5 W",
                power_limit="125.00 W",
                default_power_limit="120.00 W",
                max_power_limit="130.00 W",
            ),
            (18.5, 125.0, 120.0, 130.0),
        ),
        (
            power("gpu_power_readings", power_draw="67.03 W", current_power_limit="500.00 W")
            + power("module_power_readings", power_draw="900.00 W", current_power_limit="1000.00 W"),
            (67.03, 500.0, None, None),
        ),
        (
            power("gpu_power_readings", average_power_draw="N/A", instant_power_draw="33.51 W", current_power_limit="70.00 W")
            + power("gpu_memory_power_readings", average_power_draw="9.00 W"),
            (33.51, 70.0, None, None),
        ),
        (power("gpu_power_readings", average_power_draw="68.57 W", instant_power_draw="68.92 W"), (68.57, None, None, None)),
        (power("gpu_power_readings", average_power_draw="GPU is lost"), (None, None, None, None)),
    ],
    ids=["to 525", "535 to 560", "570 on, average missing", "570 on", "lost"],
)
def test_power_in_three_forms(body: str, values: tuple[Any, ...]) -> None:
    found = device(body)["power"]
    assert (found["draw_w"], found["limit_w"], found["default_limit_w"], found["max_limit_w"]) == values


def ecc(leaves: str) -> str:
    return f"<ecc_errors><volatile>{leaves}</volatile></ecc_errors>"


@pytest.mark.parametrize(
    ("leaves", "corrected", "uncorrected"),
    [
        (
            "<single_bit><device_memory>4</device_memory><total>5</total></single_bit><double_bit><total>1</total></double_bit>",
            5,
            1,
        ),
        (
            "<sram_correctable>1</sram_correctable><dram_correctable>2</dram_correctable>"
            "<sram_uncorrectable>0</sram_uncorrectable><dram_uncorrectable>3</dram_uncorrectable>",
            3,
            3,
        ),
        ("<sram_correctable>N/A</sram_correctable><dram_correctable>7</dram_correctable>", 7, None),
        (
            "<sram_uncorrectable_parity>1</sram_uncorrectable_parity><sram_uncorrectable_secded>2</sram_uncorrectable_secded>"
            "<dram_uncorrectable>4</dram_uncorrectable>",
            None,
            7,
        ),
        ("<sram_correctable>GPU is lost</sram_correctable>", None, None),
    ],
    ids=["totals", "sram and dram", "one part only", "parity and secded", "lost"],
)
def test_ecc_errors_in_three_spellings(leaves: str, corrected: Any, uncorrected: Any) -> None:
    found = device(ecc(leaves))["memory"]["ecc"]
    assert (found["volatile_corrected"], found["volatile_uncorrected"]) == (corrected, uncorrected)


def test_remapped_rows_and_retired_pages() -> None:
    memory = device(
        "<remapped_rows><remapped_row_corr>1</remapped_row_corr><remapped_row_unc>2</remapped_row_unc>"
        "<remapped_row_pending>Yes</remapped_row_pending><remapped_row_failure>No</remapped_row_failure></remapped_rows>"
        "<retired_pages><multiple_single_bit_retirement><retired_count>3</retired_count></multiple_single_bit_retirement>"
        "<double_bit_retirement><retired_count>4</retired_count></double_bit_retirement>"
        "<pending_blacklist>Yes</pending_blacklist><pending_retirement>N/A</pending_retirement></retired_pages>"
    )["memory"]
    assert memory["remapped_rows"] == {"corrected": 1, "uncorrected": 2, "pending": True, "failure": False}
    assert memory["retired_pages"] == {"single_bit": 3, "double_bit": 4, "pending": True}


MEMORY = "<fb_memory_usage><total>%s</total><used>%s</used></fb_memory_usage>"


@pytest.mark.parametrize(
    ("body", "total", "kind"),
    [
        (MEMORY % ("81559 MiB", "4 MiB"), 81559, "dedicated"),
        (MEMORY % ("Not Supported", "Not Supported"), None, "unified"),
        (MEMORY % ("N/A", "N/A") + "<addressing_mode>ATS</addressing_mode>", None, "unified"),
        (MEMORY % ("189471 MiB", "0 MiB") + "<addressing_mode>ATS</addressing_mode>", 189471, "dedicated"),
        (MEMORY % ("N/A", "N/A"), None, None),
        (MEMORY % ("GPU is lost", "GPU is lost"), None, None),
    ],
    ids=["own", "GB10", "shared by address", "GB200", "not told", "lost"],
)
def test_memory_of_its_own_or_shared(body: str, total: Any, kind: Any) -> None:
    memory = device(body)["memory"]
    assert (memory["total_mib"], memory["kind"]) == (total, kind)


def test_the_memory_of_a_mig_device_is_not_the_one_of_its_card() -> None:
    found = device(
        "<mig_mode><current_mig>Enabled</current_mig><pending_mig>Disabled</pending_mig></mig_mode><mig_devices>"
        "<mig_device><index>0</index><gpu_instance_id>3</gpu_instance_id><compute_instance_id>0</compute_instance_id>"
        + MEMORY
        % ("19968 MiB", "12 MiB")
        + "</mig_device><mig_device><index>1</index><gpu_instance_id>4</gpu_instance_id>"
        "<compute_instance_id>1</compute_instance_id>"
        + MEMORY % ("9728 MiB", "1 MiB")
        + "</mig_device></mig_devices>"
        + MEMORY % ("81920 MiB", "50 MiB")
    )
    assert (found["memory"]["total_mib"], found["memory"]["used_mib"]) == (81920, 50)
    assert found["mig"] == {
        "enabled": True,
        "pending": False,
        "instances": [
            {"index": 0, "uuid": None, "profile": None, "memory_mib": 19968, "gpu_instance_id": 3, "compute_instance_id": 0},
            {"index": 1, "uuid": None, "profile": None, "memory_mib": 9728, "gpu_instance_id": 4, "compute_instance_id": 1},
        ],
    }


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        (
            "<mig_mode><current_mig>Disabled</current_mig><pending_mig>Enabled</pending_mig></mig_mode>"
            "<mig_devices>\n None\n </mig_devices>",
            {"enabled": False, "pending": True, "instances": []},
        ),
        ("<mig_mode><current_mig>N/A</current_mig></mig_mode><mig_devices>None</mig_devices>", None),
        ("", None),
    ],
)
def test_a_card_without_mig_has_none(mode: str, value: Any) -> None:
    assert device(mode)["mig"] == value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (
            "<clocks_throttle_reasons><clocks_throttle_reason_gpu_idle>Active</clocks_throttle_reason_gpu_idle>"
            "<clocks_throttle_reason_hw_slowdown>Not Active</clocks_throttle_reason_hw_slowdown></clocks_throttle_reasons>",
            ["gpu_idle"],
        ),
        (
            "<clocks_event_reasons><clocks_event_reason_hw_thermal_slowdown>Active</clocks_event_reason_hw_thermal_slowdown>"
            "</clocks_event_reasons>",
            ["hw_thermal_slowdown"],
        ),
        (
            "<clocks_event_reasons><clocks_event_reason_sync_boost>Not Active</clocks_event_reason_sync_boost>"
            "</clocks_event_reasons>",
            [],
        ),
        ("<clocks_throttle_reasons>N/A</clocks_throttle_reasons>", None),
        ("", None),
    ],
)
def test_throttle_reasons_before_and_after_their_renaming(body: str, value: Any) -> None:
    assert device(body)["throttle_reasons"] == value


def test_temperatures_are_degrees_and_no_margins() -> None:
    found = device(
        "<temperature><gpu_temp>29 C</gpu_temp><gpu_temp_tlimit>58 C</gpu_temp_tlimit>"
        "<gpu_temp_slow_tlimit_threshold>-2 C</gpu_temp_slow_tlimit_threshold>"
        "<gpu_temp_max_threshold>95 C</gpu_temp_max_threshold><memory_temp>37 C</memory_temp></temperature>"
    )
    assert found["temperature_c"] == {"gpu": 29, "memory": 37, "slowdown": None, "shutdown": 95}


def test_the_link_of_the_card_and_not_of_its_slot() -> None:
    found = device(
        "<pci><pci_gpu_link_info><pcie_gen><max_link_gen>3</max_link_gen><current_link_gen>1</current_link_gen>"
        "<max_device_link_gen>5</max_device_link_gen></pcie_gen><link_widths><max_link_width>16x</max_link_width>"
        "<current_link_width>8x</current_link_width></link_widths></pci_gpu_link_info></pci>"
    )
    assert found["pci"]["link"] == {"generation": {"current": 1, "max": 5}, "width": {"current": 8, "max": 16}}


def test_processes() -> None:
    row = (
        "<process_info><pid>%d</pid><type>%s</type><process_name>%s</process_name><used_memory>%s</used_memory></process_info>"
    )
    found = device(
        "<processes>"
        + row % (7, "C", "python3", "512 MiB")
        + row % (8, "G", "", "N/A")
        + row % (9, "C+G", "[Not Found]", "1 MiB")
        + "</processes>"
    )
    assert found["processes"] == [
        {"pid": 7, "name": "python3", "kind": "compute", "used_memory_mib": 512},
        {"pid": 8, "name": None, "kind": "graphics", "used_memory_mib": None},
        {"pid": 9, "name": None, "kind": "compute", "used_memory_mib": 1},
    ]


@pytest.mark.parametrize(
    ("header", "driver", "cuda", "deprecated"),
    [
        ("<driver_version>352.99</driver_version>", "352.99", None, False),
        ("<driver_version>418.43</driver_version><cuda_version>Not Found</cuda_version>", "418.43", None, False),
        (
            "<driver_version>610.57.04 [Deprecated; see KMD]</driver_version><cuda_version>13.3 [Deprecated]</cuda_version>",
            "610.57.04",
            "13.3",
            True,
        ),
        (
            "<driver_version>Deprecated</driver_version><kmd_version>620.1.2</kmd_version><cuda_umd_version>13.4</cuda_umd_version>",
            "620.1.2",
            "13.4",
            True,
        ),
        ("", None, None, False),
    ],
)
def test_versions_of_the_header(header: str, driver: Any, cuda: Any, deprecated: bool) -> None:
    found = parse_query(query("", header))
    assert (found["driver_version"], found["cuda_version"], found["deprecated"]) == (driver, cuda, deprecated)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ([("Completed", "Success"), ("In Progress", "N/A")], "in_progress"),
        ([("Completed", "Success"), ("GPU is lost", "GPU is lost")], "completed"),
        ([("Completed", "Insufficient Resources"), ("Not Started", None)], "failed"),
        ([("N/A", "N/A"), (None, None)], None),
        ([], None),
    ],
)
def test_the_worst_fabric_state_counts(told: Any, state: Any) -> None:
    assert fabric_state(told) == state


def test_elements_are_counted_not_the_header() -> None:
    assert len(parse_query(query("", "<attached_gpus>8</attached_gpus>"))["devices"]) == 1


@pytest.mark.parametrize("address", ["", 'id="junk"', 'id="00000000:1A:00"'])
def test_a_card_without_a_usable_address_is_kept(address: str) -> None:
    (found,) = parse_query(f"<nvidia_smi_log><gpu {address}><uuid>{UUID}</uuid></gpu></nvidia_smi_log>")["devices"]
    assert (found["pci"]["address"], found["uuid"]) == (None, UUID)


def test_what_a_lost_card_still_says_is_kept() -> None:
    found = device(
        f"<uuid>{UUID}</uuid><fb_memory_usage><total>GPU is lost</total></fb_memory_usage>"
        "<remapped_rows>GPU is lost</remapped_rows>"
    )
    assert (found["lost"], found["uuid"], found["memory"]["total_mib"]) == (True, UUID, None)
    assert device("<addressing_mode>Unknown Error</addressing_mode>")["lost"] is False


HOSTILE = {
    "empty": "",
    "blank": " \n",
    "text": "No devices were found",
    "another document": "<html><body/></html>",
    "cut": query("<product_name>NVIDIA L4</product_name>")[:-20],
    "unbalanced": "<nvidia_smi_log><gpu></nvidia_smi_log>",
    "binary": "\x00\x01\x7fELF",
    "lone surrogate": query("\udc80"),
    "entity": '<!DOCTYPE nvidia_smi_log [<!ENTITY a "x">]><nvidia_smi_log>&a;</nvidia_smi_log>',
    "entity from a file": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><nvidia_smi_log>&a;</nvidia_smi_log>',
    "parameter entity": '<!DOCTYPE nvidia_smi_log [<!ENTITY % a SYSTEM "http://127.0.0.1/x">%a;]><nvidia_smi_log/>',
    "undeclared entity": "<nvidia_smi_log>&b;</nvidia_smi_log>",
    "nested": "<nvidia_smi_log>" + "<a>" * 5000,
    "huge": "<nvidia_smi_log>" + " " * (64 * 1024 * 1024),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_no_such_output_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_query(text)


@pytest.mark.parametrize(
    "name", ["text", "another document", "entity", "entity from a file", "parameter entity", "nested", "huge"]
)
def test_nothing_hostile_is_accepted_in_part_either(name: str) -> None:
    try:
        found = parse_query(HOSTILE[name], partial=True)
    except ValueError:
        return
    assert {key: found[key] for key in NOTHING_KNOWN} == NOTHING_KNOWN


def test_a_doctype_is_neither_needed_nor_fetched() -> None:
    plain = parse_query(query("<product_name>NVIDIA L4</product_name>"))
    named = '<!DOCTYPE nvidia_smi_log SYSTEM "http://127.0.0.1:9/nvsmi_device_v12.dtd">'
    inline = "<!DOCTYPE nvidia_smi_log [<!ELEMENT nvidia_smi_log (gpu*)>]>"
    for doctype in (named, inline):
        assert parse_query(query("<product_name>NVIDIA L4</product_name>").replace("?>", f"?>{doctype}", 1)) == plain


def test_output_that_breaks_off_keeps_whole_cards_only() -> None:
    two = query(f"<uuid>{UUID}</uuid>").replace("</nvidia_smi_log>", '<gpu id="00000000:1B:00.0"><uuid>GPU-22222222')
    found = parse_query(two, partial=True)
    assert [(one["pci"]["address"], one["uuid"]) for one in found["devices"]] == [("0000:1a:00.0", UUID)]
    assert found["driver_version"] == "580.95.05"


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for partial in (False, True):
        with contextlib.suppress(ValueError):
            parse_query(text, partial)


TAGS = ["pci", "uuid", "fb_memory_usage", "total", "mig_devices", "mig_device", "process_info", "index", "gpu", "ecc_errors",
        "volatile", "temperature", "gpu_temp", "power_readings"]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.text(st.characters(codec="ascii", exclude_characters="<&"), max_size=20),
        lambda inner: st.lists(
            st.tuples(
                st.sampled_from(TAGS),
                inner,
            ),
            max_size=4,
        ).map(lambda parts: "".join(f"<{tag}>{text}</{tag}>" for tag, text in parts)),
        max_leaves=12,
    )
)
def test_any_shape_of_elements_is_parsed_or_refused(body: str) -> None:
    try:
        found = parse_query(query(body))
    except ValueError:
        return
    assert found["devices"]


def told(text: Any, unit: str) -> Any:
    return int(text[: -len(unit) - 1]) if re.fullmatch(rf"\d+ {unit}", text or "") else None


def test_recorded_outputs(captures: Path) -> None:
    switch = {"Enabled": True, "Disabled": False}
    index = yaml.safe_load((captures / "SOURCES.yml").read_text())["files"]
    entries = [entry for entry in index if entry["kind"] == "nvidia_smi_xml"]
    assert len(entries) > 20
    for entry in entries:
        expect = entry["expect"]
        found = parse_query((captures / entry["file"]).read_text("utf-8", "replace"))
        assert len(found["devices"]) == expect["gpu_elements"], entry["file"]
        versions = [text if text and text[0].isdigit() else None for text in (expect["driver_version"], expect["cuda_version"])]
        assert [found["driver_version"], found["cuda_version"]] == versions, entry["file"]
        gpu, seen = expect["gpu0"], found["devices"][0]
        assert seen["memory"]["total_mib"] == told(gpu["memory_total"], "MiB"), entry["file"]
        assert seen["memory"]["ecc"]["enabled"] == switch.get(gpu["ecc_current"]), entry["file"]
        assert len((seen["mig"] or {}).get("instances", ())) == gpu["mig_devices"], entry["file"]
        assert seen["name"] == (None if gpu["name"] == "Graphics Device" else gpu["name"]), entry["file"]
        assert seen["minor_number"] == (int(gpu["minor_number"]) if (gpu["minor_number"] or "").isdigit() else None), entry[
            "file"
        ]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_recorded_outputs_are_parsed_or_refused(captures: Path, data: st.DataObject) -> None:
    files = sorted((captures / "nvidia_smi_xml").iterdir(), key=lambda path: path.stat().st_size)[:12]
    text = data.draw(st.sampled_from(files)).read_text("utf-8", "replace")
    start = data.draw(st.integers(0, len(text)))
    changed = text[:start] + data.draw(st.text(max_size=8)) + text[start + data.draw(st.integers(0, 200)) :]
    for partial in (False, True):
        with contextlib.suppress(ValueError):
            parse_query(changed, partial)
