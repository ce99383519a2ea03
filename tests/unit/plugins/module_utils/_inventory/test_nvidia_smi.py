# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When nvidia-smi is asked, what of, and what is made of good, broken and missing answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.nvidia_smi import (
    library_version,
    parse_list,
    parse_version,
    read,
    split_output,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import command, node

FIRST, SECOND = "0000:1a:00.0", "0000:1b:00.0"
UUID_1, UUID_2 = "GPU-11111111-2222-3333-4444-555555555555", "GPU-66666666-2222-3333-4444-555555555555"
MIG_1, MIG_2 = "MIG-aaaaaaaa-1111-2222-3333-444444444444", "MIG-bbbbbbbb-1111-2222-3333-444444444444"
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.126\n"
NO_DRIVER = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"
ONE_LOST = "Unable to determine the device handle for GPU0000:1B:00.0: GPU is lost.  Reboot the system to recover this GPU\n"


def gpu(address: str = "00000000:1A:00.0", uuid: str = UUID_1, body: str = "") -> str:
    return f'<gpu id="{address}"><product_name>NVIDIA L4</product_name><uuid>{uuid}</uuid>{body}</gpu>'


def xml(*gpus: str, header: str = "<driver_version>580.95.05</driver_version><cuda_version>13.0</cuda_version>") -> str:
    return f'<?xml version="1.0" ?>\n<nvidia_smi_log>{header}{"".join(gpus)}</nvidia_smi_log>\n'


def known(*addresses: str, **nvidia: Any) -> Inventory:
    """A node with these cards bound to the driver."""
    inventory = Inventory()
    inventory.add(
        "pci",
        {
            "nvidia": nvidia,
            "devices": [{"vendor": "nvidia", "pci": {"address": address, "kernel_driver": "nvidia"}} for address in addresses],
        },
    )
    return inventory


def look(
    inventory: Inventory, *commands: dict[str, Any], wanted: tuple[str, ...] = ()
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    source, problems = node("nvidia_smi", commands=list(commands), wanted=wanted)
    found = read(source, inventory)
    return found, [(problem["code"], problem["message"]) for problem in problems]


def by_address(found: dict[str, Any]) -> dict[Any, Any]:
    return {(device.get("pci") or {}).get("address"): device for device in found["devices"]}


def test_a_good_answer() -> None:
    found, problems = look(known(FIRST), command("nvidia-smi -q -x", xml(gpu())))
    assert problems == []
    assert [(device["pci"]["address"], device["name"], device["uuid"]) for device in found["devices"]] == [
        (FIRST, "NVIDIA L4", UUID_1)
    ]
    assert found["nvidia"] == {
        "driver": {"loaded_version": "580.95.05"},
        "cuda_driver_version": "13.0",
        "fabric": {"state": None},
        "nvml": {"usable": True},
    }


@pytest.mark.parametrize(("wanted", "current"), [((), None), (("runtime",), 1)])
def test_the_speed_of_an_idle_link_is_told_on_request(wanted: tuple[str, ...], current: Any) -> None:
    link = (
        "<pci><pci_gpu_link_info><pcie_gen><current_link_gen>1</current_link_gen><max_link_gen>4</max_link_gen></pcie_gen>"
        "</pci_gpu_link_info></pci>"
    )
    found, _problems = look(known(FIRST), command("nvidia-smi -q -x", xml(gpu(body=link))), wanted=wanted)
    generation = found["devices"][0]["pci"]["link"]["generation"]
    assert (generation.get("current"), generation["max"]) == (current, 4)


@pytest.mark.parametrize(
    ("inventory", "asked"),
    [
        (known(), False),
        (known(driver={"loaded_version": "580.95.05"}), True),
        (known(FIRST), True),
        (known(driver={"managed_by": "wsl"}), True),
        (known(FIRST, nvml={"usable": True}), True),
        (known(FIRST, nvml={"usable": False, "error": "Driver/library version mismatch"}), False),
    ],
    ids=["no module", "module", "bound card", "WSL", "NVML lacks a card", "NVML said why it fails"],
)
def test_it_is_asked_only_where_that_loads_no_module_and_tells_something_new(inventory: Inventory, asked: bool) -> None:
    found, _problems = look(inventory, command("nvidia-smi -q -x", xml(gpu())))
    assert bool(found) is asked


def test_a_loaded_module_is_reason_enough() -> None:
    source, _problems = node(dirs={"/sys/module": ["nvidia"]}, commands=[command("nvidia-smi -q -x", xml(gpu()))])
    assert len(read(source, known())["devices"]) == 1


def test_it_is_not_asked_after_nvml_hung_or_answered_for_all() -> None:
    hung = known(FIRST)
    hung.problems.append({"source": "nvml", "code": "timeout", "message": "nvml: no answer within 10 s"})
    complete = known(FIRST, nvml={"usable": True})
    complete.add("nvml", {"devices": [{"pci": {"address": FIRST}}]})
    for inventory in (hung, complete):
        assert look(inventory, command("nvidia-smi -q -x", xml(gpu()))) == ({}, [])


def test_not_installed_is_no_problem() -> None:
    assert look(known(FIRST)) == ({}, [])


def test_no_answer_at_all() -> None:
    found, problems = look(known(FIRST), {"argv": ["nvidia-smi", "-q", "-x"], "error": "timeout"})
    assert found == {"nvidia": {"nvml": {"usable": False, "error": "nvidia-smi does not answer"}}}
    assert [code for code, _message in problems] == ["timeout"]


@pytest.mark.parametrize(
    ("text", "rc", "error", "version"),
    [
        (MISMATCH, 18, "Failed to initialize NVML: Driver/library version mismatch NVML library version: 580.126", "580.126"),
        (NO_DRIVER, 9, NO_DRIVER.strip(), None),
        ("No devices were found\n", 6, "No devices were found", None),
    ],
)
def test_its_own_errors_are_told_in_its_words(text: str, rc: int, error: str, version: Any) -> None:
    found, problems = look(known(FIRST), command("nvidia-smi -q -x", text, rc), command("nvidia-smi -L", text, rc))
    assert problems == [("refused", error)]
    assert found["nvidia"]["nvml"] == {"usable": False, "error": error, "version": version}
    assert found["devices"] == []


def test_an_exit_status_without_words_is_told_too() -> None:
    _found, problems = look(known(FIRST), command("nvidia-smi -q -x", "", 255))
    assert problems == [("refused", "nvidia-smi -q -x: exit status 255")]
    _found, problems = look(known(FIRST), command("nvidia-smi -q -x", "", 255, "cannot open shared object file"))
    assert problems == [("refused", "cannot open shared object file")]


def test_an_error_before_a_good_table_costs_nothing_of_the_table() -> None:
    found, problems = look(known(FIRST, SECOND), command("nvidia-smi -q -x", ONE_LOST + xml(gpu()), 15))
    assert problems == [("refused", " ".join(ONE_LOST.split()))]
    devices = by_address(found)
    assert devices[FIRST]["uuid"] == UUID_1
    assert devices[SECOND] == {"vendor": "nvidia", "pci": {"address": SECOND}, "lost": True}
    assert found["nvidia"]["nvml"] == {"usable": True}


def test_where_one_card_ends_the_query_the_list_names_the_others() -> None:
    listed = f"{ONE_LOST}GPU 0: NVIDIA L4 (UUID: {UUID_1})\n"
    inventory = known(FIRST, SECOND)
    inventory.add("nvidia_proc", {"devices": [{"pci": {"address": FIRST}, "uuid": UUID_1}]})
    found, problems = look(inventory, command("nvidia-smi -q -x", ONE_LOST, 15), command("nvidia-smi -L", listed, 15))
    assert [code for code, _message in problems] == ["refused"]
    assert found["devices"] == [
        {"vendor": "nvidia", "pci": {"address": FIRST}, "name": "NVIDIA L4", "uuid": UUID_1},
        {"vendor": "nvidia", "pci": {"address": SECOND}, "lost": True},
    ]


def crashed(text: str) -> dict[str, Any]:
    return {"argv": ["nvidia-smi", "-q", "-x"], "signal": 11, "stdout": text}


def test_after_a_crash_whole_cards_are_kept_and_the_list_gives_the_rest() -> None:
    text = xml(gpu(), gpu("00000000:1B:00.0", UUID_2))
    cut = text[: text.index("GPU-66666666") + 20]
    listed = f"GPU 0: NVIDIA L4 (UUID: {UUID_1})\r\nGPU 1: NVIDIA L40 (UUID: {UUID_2})\r\n"
    found, problems = look(known(FIRST, SECOND), crashed(cut), command("nvidia-smi -L", listed))
    assert problems == [("crashed", "nvidia-smi -q -x: ended by signal 11")]
    devices = by_address(found)
    assert (devices[FIRST]["uuid"], devices[SECOND]["uuid"], devices[SECOND]["name"]) == (UUID_1, UUID_2, "NVIDIA L40")
    assert "nvml" not in found["nvidia"]


@pytest.mark.parametrize("text", [xml(gpu())[:-30], "<html></html>", "\0\1binary", "<nvidia_smi_log>" + "<a>" * 100, ""])
def test_an_answer_that_is_no_xml_is_a_problem_and_the_list_is_asked(text: str) -> None:
    found, problems = look(
        known(FIRST), command("nvidia-smi -q -x", text), command("nvidia-smi -L", f"GPU 0: NVIDIA L4 (UUID: {UUID_1})")
    )
    assert problems
    assert {code for code, _message in problems} <= {"unreadable", "refused"}
    assert {address: device["name"] for address, device in by_address(found).items()} in ({FIRST: "NVIDIA L4"}, {})


MIG = "<mig_mode><current_mig>Enabled</current_mig><pending_mig>Enabled</pending_mig></mig_mode><mig_devices>%s</mig_devices>"
SLICE = (
    "<mig_device><index>%d</index><gpu_instance_id>%d</gpu_instance_id><compute_instance_id>0</compute_instance_id>"
    "<fb_memory_usage><total>%d MiB</total></fb_memory_usage></mig_device>"
)
LISTED = (
    f"GPU 0: NVIDIA L4 (UUID: {UUID_1})\n  MIG 3g.40gb     Device  0: (UUID: {MIG_1})\n"
    f"  MIG 1c.1g.10gb  Device  1: (UUID: {MIG_2})\n"
)


def test_mig_devices_get_uuid_and_profile_from_the_list() -> None:
    text = xml(gpu(body=MIG % (SLICE % (0, 1, 40448) + SLICE % (1, 5, 9728))))
    found, problems = look(known(FIRST), command("nvidia-smi -q -x", text), command("nvidia-smi -L", LISTED))
    assert problems == []
    assert found["devices"][0]["mig"]["instances"] == [
        {"uuid": MIG_1, "profile": "3g.40gb", "memory_mib": 40448, "gpu_instance_id": 1, "compute_instance_id": 0},
        {"uuid": MIG_2, "profile": "1c.1g.10gb", "memory_mib": 9728, "gpu_instance_id": 5, "compute_instance_id": 0},
    ]


def test_without_mig_the_list_is_not_asked() -> None:
    _found, problems = look(
        known(FIRST), command("nvidia-smi -q -x", xml(gpu())), {"argv": ["nvidia-smi", "-L"], "error": "timeout"}
    )
    assert problems == []


def test_mig_devices_of_a_broken_answer_come_from_the_list_alone() -> None:
    found, _problems = look(known(FIRST), crashed(xml()[:30]), command("nvidia-smi -L", LISTED))
    (device,) = found["devices"]
    assert device["mig"]["enabled"] is True
    assert [instance["profile"] for instance in device["mig"]["instances"]] == ["3g.40gb", "1c.1g.10gb"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("NVIDIA L4", "NVIDIA L4"), {FIRST: "NVIDIA L4", SECOND: "NVIDIA L4"}), (("NVIDIA L4", "NVIDIA L40"), {})],
)
def test_cards_that_cannot_be_told_apart_get_no_uuid(names: tuple[str, str], expected: dict[str, str]) -> None:
    listed = f"GPU 0: {names[0]} (UUID: {UUID_1})\nGPU 1: {names[1]} (UUID: {UUID_2})\n"
    found, _problems = look(known(FIRST, SECOND), crashed(""), command("nvidia-smi -L", listed))
    assert {address: device["name"] for address, device in by_address(found).items()} == expected
    assert not [device for device in found["devices"] if device.get("uuid")]


def test_in_wsl_cards_have_no_pci_function() -> None:
    found, _problems = look(known(driver={"managed_by": "wsl"}), command("nvidia-smi -q -x", xml(gpu())))
    assert [(device["pci"], device["uuid"]) for device in found["devices"]] == [(None, UUID_1)]
    found, _problems = look(known(driver={"managed_by": "wsl"}), crashed(""), command("nvidia-smi -L", LISTED))
    assert [(device["pci"], device["uuid"]) for device in found["devices"]] == [(None, UUID_1)]


def test_versions_that_left_the_xml_come_from_the_version_option() -> None:
    header = "<driver_version>Deprecated</driver_version><cuda_version>Deprecated</cuda_version>"
    told = (
        "NVIDIA-SMI version  : 620.1.2\nDRIVER version : Deprecated, see KMD\nKMD version : 620.1.2\nCUDA UMD version : 13.4\n"
    )
    found, _problems = look(
        known(FIRST), command("nvidia-smi -q -x", xml(gpu(), header=header)), command("nvidia-smi --version", told)
    )
    assert (found["nvidia"]["driver"]["loaded_version"], found["nvidia"]["cuda_driver_version"]) == ("620.1.2", "13.4")


def test_the_deadline_grows_with_cards_that_must_be_initialised() -> None:
    class Clock:
        """Stands for the source: notes the deadline that it is given."""

        timeout, seen = 10.0, 0.0

        def run(self, *_argv: str, timeout: float) -> None:
            self.seen = timeout

    cards = [f"0000:{number:02x}:00.0" for number in range(8)]
    for services, count, seconds in (({}, 8, 24.0), ({}, 2, 10.0), ({"persistenced": "active"}, 8, 10.0)):
        clock = Clock()
        read(clock, known(*cards[:count], services=services))  # type: ignore[arg-type]
        assert clock.seen == seconds


@pytest.mark.parametrize(
    ("text", "errors", "document"),
    [
        ("<?xml?><nvidia_smi_log/>", "", "<?xml?><nvidia_smi_log/>"),
        (
            "oops\n<nvidia_smi_log></nvidia_smi_log>\nWARNING: infoROM",
            "oops\nWARNING: infoROM",
            "<nvidia_smi_log></nvidia_smi_log>",
        ),
        ("oops\n", "oops", ""),
        ("<?xml?><nvidia_smi_log><gpu", "", "<?xml?><nvidia_smi_log><gpu"),
        ("", "", ""),
    ],
)
def test_text_beside_the_xml_is_an_error(text: str, errors: str, document: str) -> None:
    assert split_output(text) == (errors, document)


@pytest.mark.parametrize(("text", "value"), [(MISMATCH, "580.126"), (NO_DRIVER, None)])
def test_the_version_of_a_library_that_does_not_match(text: str, value: Any) -> None:
    assert library_version(text) == value


def test_the_list_of_old_drivers_names_the_instances_in_the_uuid() -> None:
    gpus, errors = parse_list(
        f"GPU 0: A100 (UUID: {UUID_1})\n  MIG 1g.5gb Device 0: (UUID: MIG-{UUID_1}/7/2)\nsomething else\n"
    )
    assert errors == "something else"
    assert gpus == [
        {
            "index": 0,
            "name": "A100",
            "uuid": UUID_1,
            "mig": [
                {
                    "index": 0,
                    "uuid": f"MIG-{UUID_1}/7/2",
                    "profile": "1g.5gb",
                    "memory_mib": None,
                    "gpu_instance_id": 7,
                    "compute_instance_id": 2,
                }
            ],
        }
    ]


@pytest.mark.parametrize(
    ("text", "driver", "cuda", "nvml"),
    [
        (
            "NVML version        : 590.48\nDRIVER version      : 590.48.01\nCUDA Version        : 13.1\n",
            "590.48.01",
            "13.1",
            "590.48",
        ),
        (
            "DRIVER version : Deprecated\nCUDA version : Deprecated\nKMD version : 610.57.04\nCUDA UMD version : 13.3",
            "610.57.04",
            "13.3",
            None,
        ),
        ("junk", None, None, None),
    ],
)
def test_the_version_option(text: str, driver: Any, cuda: Any, nvml: Any) -> None:
    assert parse_version(text) == {"driver_version": driver, "cuda_version": cuda, "nvml_version": nvml}


@given(st.text(), st.text(), st.sampled_from([0, 6, 18, 255]))
def test_no_text_makes_the_reader_raise(query: str, listed: str, rc: int) -> None:
    found, problems = look(known(FIRST, SECOND), command("nvidia-smi -q -x", query, rc), command("nvidia-smi -L", listed, rc))
    assert problems
    assert found["devices"] == [] or listed


def test_recorded_lists(captures: Path) -> None:
    entries = [
        entry for entry in yaml.safe_load((captures / "SOURCES.yml").read_text())["files"] if entry["kind"] == "nvidia_smi_list"
    ]
    assert entries
    for entry in entries:
        gpus, errors = parse_list((captures / entry["file"]).read_text())
        expect = entry["expect"]
        assert errors == "", entry["file"]
        assert (len(gpus), gpus[0]["name"], gpus[0]["uuid"]) == (expect["gpus"], expect["gpu0_name"], expect["gpu0_uuid"])
        profiles = [instance["profile"] for one in gpus for instance in one["mig"]]
        assert profiles == expect.get("mig_profiles", profiles)
        assert len({instance["uuid"] for one in gpus for instance in one["mig"]}) == expect["mig_devices"]


def test_recorded_errors_are_problems(captures: Path) -> None:
    files = sorted((captures / "nvidia_smi_error").iterdir())
    assert files
    for file in files:
        text = file.read_text()
        _found, problems = look(known(FIRST), command("nvidia-smi -q -x", text, 255), command("nvidia-smi -L", text, 255))
        assert problems[0] == ("refused", " ".join(text.split())), file.name


def test_recorded_versions(captures: Path) -> None:
    files = sorted((captures / "nvidia_smi_version").iterdir())
    assert files
    for file in files:
        found = parse_version(file.read_text())
        assert found["driver_version"] == file.stem.rpartition("-")[2], file.name
        assert found["cuda_version"], file.name
