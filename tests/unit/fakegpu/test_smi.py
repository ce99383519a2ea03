# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nvidia-smi and NVML: forms by branch, sums that add up, the same card in every source."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fakegpu import load_profile, machine_of, profile_names
from fakegpu.nvml_answers import conf
from fakegpu.profile import Profile, complete

README = Path(__file__).resolve().parents[2] / "fakegpu" / "README.md"


def profile(model: str, version: str, **more: Any) -> Profile:
    nvidia = {"version": version, "module": "proprietary", "nvml": True}
    return complete({"description": "x", "gpus": [{"model": model, "address": "0000:17:00.0"}], "nvidia": nvidia, **more}, "mine")


def answer(one: Profile, *argv: str) -> dict[str, Any]:
    return next(command for command in machine_of(one).commands if command["argv"] == ["nvidia-smi", *argv])


def log(model: str, version: str, **more: Any) -> ElementTree.Element:
    return ElementTree.fromstring(answer(profile(model, version, **more), "-q", "-x")["stdout"])


@pytest.mark.parametrize(
    ("version", "dtd", "cuda"),
    [
        ("352.99", 7, None),
        ("384.111", 9, None),
        ("418.43", 10, "10.1"),
        ("470.256.02", 11, "11.4"),
        ("535.309.01", 12, "12.2"),
        ("580.95.05", 13, "13.0"),
        ("595.91.07", 13, "13.2"),
    ],
)
def test_xml_has_the_form_of_its_branch(version: str, dtd: int, cuda: str | None) -> None:
    text = answer(profile("T4", version), "-q", "-x")["stdout"]
    root = ElementTree.fromstring(text)
    branch = int(version.split(".")[0])
    assert f'SYSTEM "nvsmi_device_v{dtd}.dtd"' in text
    assert (root.findtext("driver_version"), root.findtext("cuda_version")) == (version, cuda)
    gpu = root.find("gpu")
    assert gpu is not None
    assert gpu.get("id") == ("00000000:17:00.0" if branch >= 384 else "0000:17:00.0")
    assert (gpu.find("product_architecture") is not None) == (branch >= 510)
    assert (gpu.find("fb_memory_usage/reserved") is not None) == (branch >= 510)
    assert (gpu.find("clocks_event_reasons") is not None) == (branch >= 535)
    assert (gpu.find("gpu_power_readings/current_power_limit") is not None) == (branch >= 535)
    assert (gpu.find("power_readings/power_limit") is not None) == (branch < 535)
    assert (gpu.find("gpu_recovery_action") is not None) == (branch >= 570)


@pytest.mark.parametrize(
    ("model", "version", "leaf"),
    [
        ("K80", "470.256.02", "single_bit/total"),
        ("T4", "535.309.01", "sram_uncorrectable"),
        ("H100-PCIE-80GB", "580.95.05", "sram_uncorrectable_secded"),
    ],
)
def test_ecc_errors_are_spelled_as_on_that_chip(model: str, version: str, leaf: str) -> None:
    assert log(model, version).findtext(f"gpu/ecc_errors/volatile/{leaf}") == "0"


@pytest.mark.parametrize("name", [name for name in profile_names() if "vgpu" not in name])
def test_memory_adds_up(name: str) -> None:
    for command in machine_of(load_profile(name)).commands:
        if command["argv"] == ["nvidia-smi", "-q", "-x"] and command.get("rc") == 0:
            for memory in ElementTree.fromstring(command["stdout"]).findall("gpu/fb_memory_usage"):
                parts = {child.tag: child.text or "" for child in memory}
                if parts["total"] != "Not Supported":
                    sizes = {tag: int(text.split()[0]) for tag, text in parts.items()}
                    assert sizes.pop("total") == sum(sizes.values())


def test_the_same_card_in_every_source() -> None:
    one = profile("H100-PCIE-80GB", "580.95.05")
    machine = machine_of(one)
    gpu = log("H100-PCIE-80GB", "580.95.05").find("gpu")
    assert gpu is not None
    told = machine.probes["nvml"]["devices"][0]
    assert gpu.findtext("uuid") == told["uuid"] == one.gpus[0].uuid
    assert gpu.findtext("pci/pci_device_id") == "233110DE"
    assert told["pci_device_id"] == "0x233110DE"
    assert machine.probes["nvml"]["cuda_driver_version"] == 13000
    information = machine.files["/proc/driver/nvidia/gpus/0000:17:00.0/information"]
    assert isinstance(information, str)
    assert f"GPU UUID: \t {one.gpus[0].uuid}\n" in re.sub(r":\s*\t", ": \t", information)


def test_mig_devices_stand_before_the_memory_of_the_card() -> None:
    trouble = [{"mig": {"enabled": True, "instances": ["3g.40gb", "1g.10gb"]}}]
    text = answer(profile("H100-PCIE-80GB", "580.95.05", trouble=trouble), "-q", "-x")["stdout"]
    assert re.findall(r"<total>(\d+) MiB</total>", text)[0] == "40448"
    listing = answer(profile("H100-PCIE-80GB", "580.95.05", trouble=trouble), "-L")["stdout"].splitlines()
    assert [line.split("(")[0] for line in listing] == [
        "GPU 0: NVIDIA H100 PCIe ",
        "  MIG 3g.40gb     Device  0: ",
        "  MIG 1g.10gb     Device  1: ",
    ]


@pytest.mark.parametrize(
    ("name", "rc", "text"),
    [
        ("library-mismatch", 18, "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.105\n"),
        ("module-not-loaded", 9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."),
        ("proprietary-module-on-blackwell", 6, "No devices were found\n"),
        ("gpu-off-the-bus", 255, "Unable to determine the device handle for GPU0000:CA:00.0: GPU is lost\n"),
    ],
)
def test_refusals_have_their_words_and_status(name: str, rc: int, text: str) -> None:
    outcome = answer(load_profile(name), "-q", "-x")
    assert outcome["rc"] == rc
    assert outcome["stdout"].startswith(text)


def test_smi_that_crashes_keeps_what_it_wrote() -> None:
    outcome = answer(load_profile("smi-crashes"), "-q", "-x")
    assert (outcome["signal"], "rc" in outcome) == (11, False)
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(outcome["stdout"])


@pytest.mark.parametrize("name", profile_names())
def test_nvml_conf_has_documented_keys_only(name: str) -> None:
    one = load_profile(name)
    machine_of(one)
    documented = set(re.findall(r"`([\w.]+)`", README.read_text(encoding="utf-8")))
    for line in conf(one).splitlines() if one.nvidia.get("version") else ():
        key, equals, text = line.partition("=")
        bare = re.sub(r"^(mig|process)\.\d+\.", r"\1.K.", re.sub(r"^gpu\.\d+\.", "", key))
        assert equals
        assert bare in documented, key
        assert text not in ("None", ""), key
