# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml
from ansible_collections.gpufleet.node.plugins.module_utils._check.report_text import render
from ansible_collections.gpufleet.node.plugins.module_utils._check.run import check
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.findings import codes
from hypothesis import given, settings
from hypothesis import strategies as st

TABLE: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "cases.yml").read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = TABLE["cases"]
MACHINES: dict[str, Any] = TABLE["machines"]
EXIT = {"critical": 2, "unknown": 3, "warning": 1, "info": 0}
Machine = Callable[..., Inventory]


def _name(case: dict[str, Any]) -> str:
    return f"{case['base']}-{'+'.join(find.split()[0] for find in case['find']) or 'nothing'}"


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_what_is_found(machine: Machine, case: dict[str, Any]) -> None:
    report = check(machine(case["base"], case.get("set")))
    assert sorted(f"{one.code} {one.subject}" for one in report.findings) == sorted(case["find"])
    assert report.verdict["status"] == case["status"]
    assert report.verdict["broken_link"] == case.get("broken")


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_what_is_said(machine: Machine, case: dict[str, Any]) -> None:
    report = check(machine(case["base"], case.get("set")))
    for one in report.findings:
        for text in (one.message, one.remedy, one.subject):
            assert text.strip()
            assert "None" not in text
            assert "{" not in text.replace("{{", "")
        assert one.reference.startswith("https://")
        assert one.remedy.split("\n")[0].strip()
    assert json.loads(json.dumps(report.as_dict())) == report.as_dict()
    levels = {one.severity for one in report.findings}
    assert report.exit_status == next((EXIT[level] for level in EXIT if level in levels), 0)
    text = render(report, width=90)
    assert all(one.code in text for one in report.findings)
    assert "\033" not in text


def test_every_code_has_a_case() -> None:
    assert {find.split()[0] for case in CASES for find in case["find"]} == set(codes())


def test_the_chain_is_whole_and_in_order(machine: Machine) -> None:
    verdict = check(machine("rtx4090")).verdict
    assert [(link["link"], link["state"]) for link in verdict["chain"]] == [
        ("pci", "ok"),
        ("kernel_driver", "ok"),
        ("module", "ok"),
        ("device_nodes", "ok"),
        ("nvml_kfd", "ok"),
        ("cuda_hip", "ok"),
        ("container", "not_applicable"),
        ("pytorch", "not_applicable"),
    ]
    assert (verdict["next_command"], verdict["fallback"]) == (None, [])


def test_links_behind_the_broken_one_are_not_reached(machine: Machine) -> None:
    changes: dict[str, Any] = {"nvidia": {}, "devices.0.pci.kernel_driver": None, "devices.0.source": ["pci"], "kernel.installed": []}
    chain = check(machine("rtx4090", changes)).verdict["chain"]
    assert [(link["state"], link["reason"]) for link in chain[2:6]] == [("unknown", "not reached")] * 4


def test_an_acknowledged_finding_is_info_and_breaks_nothing(machine: Machine) -> None:
    inventory = machine("h100x2", {"devices.1.lost": True})
    before, after = check(inventory), check(inventory, ["GPU-LOST"])
    assert (before.exit_status, before.verdict["broken_link"]) == (2, "pci")
    assert (after.exit_status, after.verdict["broken_link"], after.verdict["status"]) == (0, None, "ready")
    assert [(one["code"], one["severity"], one["acknowledged"]) for one in after.as_dict()["findings"]] == [("GPU-LOST", "info", True)]


def test_critical_counts_before_unknown_before_warning(machine: Machine) -> None:
    changes: dict[str, Any] = {"devices.0.pci.link.width.current": 8}
    assert check(machine("rtx4090", changes)).exit_status == 1
    changes["health.log_read"] = False
    assert check(machine("rtx4090", changes)).exit_status == 3
    changes["devices.0.compute_mode"] = "prohibited"
    report = check(machine("rtx4090", changes))
    assert report.exit_status == 2
    assert [one.severity for one in report.findings] == ["critical", "unknown", "warning"]


def test_the_next_command_mends_the_first_broken_link(machine: Machine) -> None:
    changes = {"devices.0.compute_mode": "prohibited", "nvidia.device_nodes": ["/dev/nvidiactl"]}
    verdict = check(machine("rtx4090", changes)).verdict
    assert (verdict["broken_link"], verdict["next_command"]) == ("device_nodes", "sudo nvidia-modprobe -u -c 0")


def test_every_xid_is_in_the_evidence(machine: Machine) -> None:
    events = [{"kind": "xid", "code": code, "pci": "0000:01:00.0", "count": 1} for code in (13, 43, 79, 119, 154, 9999)]
    report = check(machine("rtx4090", {"health.events": events}))
    assert sorted(one.evidence["xid"] for one in report.findings if "xid" in one.evidence) == [13, 43, 79, 119, 154, 9999]


def test_an_empty_inventory_is_a_machine_without_gpu() -> None:
    report = check(Inventory())
    assert (report.verdict["status"], report.exit_status) == ("no_gpu", 0)
    assert [way["command"] for way in report.verdict["fallback"]] == [
        "llama-server -m model.gguf",
        "pip install torch --index-url https://download.pytorch.org/whl/cpu",
    ]


# Readers keep to the types of the contract; within them everything may come, and everything may be unknown.
JUNK: dict[type, tuple[Any, ...]] = {
    str: ("", "N/A", "\x1b[2J", "9" * 40, "{x}", "0"),
    int: (0, -1, 10**30),
    bool: (True, False),
    float: (0.0, -1.0, 1e300),
    list: ([],),
    dict: ({},),
    type(None): (),
}


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything below a value."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [place for key in keys for place in ((*path, key), *_places(value[key], (*path, key)))]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_inventory_makes_it_fall_over(data: st.DataObject) -> None:
    sections = json.loads(json.dumps(data.draw(st.sampled_from(list(MACHINES.values())))))
    sections["problems"] = [{"source": "nvml", "code": "refused", "message": "GPU is lost"}]
    sections["health"] = {"log_read": True, "events": [{"kind": "xid", "code": 79, "pci": "0000:01:00.0", "count": 1, "first": 1.5}]}
    for _change in range(data.draw(st.integers(1, 4))):
        *way, last = data.draw(st.sampled_from([place for place in _places(sections) if len(place) > 1]))
        target: Any = sections
        for key in way:
            target = target[key]
        target[last] = data.draw(st.sampled_from((*JUNK[type(target[last])], *([None] if isinstance(last, str) else [target[last]]))))
    inventory = Inventory()
    for name, section in sections.items():
        setattr(inventory, name, section)
    report = check(inventory)
    assert [one.message for one in report.findings if one.code == "CHECK-FAILED"] == []
    assert "\x1b" not in render(report)
    assert json.loads(json.dumps(report.as_dict()))["exit_status"] == report.exit_status


@pytest.mark.parametrize(
    ("changes", "code", "command"),
    [
        ({"devices.0.pci.kernel_driver": "x; reboot"}, "NV-OTHER-DRIVER",
         "echo blacklist 'x; reboot' | sudo tee /etc/modprobe.d/gpufleet-'x; reboot'.conf"),
        ({"software.pytorch": [{"version": "2.9.0", "backend": "cpu", "path": "/opt/$(reboot)/lib/python3.12/site-packages"}]},
         "TORCH-CPU-WHEEL", "'/opt/$(reboot)/bin/python3' -m pip install --force-reinstall torch --index-url https://"),
        ({"kernel.next_boot_release": "6`reboot`", "kernel.installed.0.next_boot": False,
          "kernel.installed.1": {"release": "6`reboot`", "next_boot": True, "headers": True, "modules": {"nvidia": None}}},
         "NV-NEXT-BOOT", "sudo apt-get install 'linux-headers-6`reboot`' && sudo dkms autoinstall -k '6`reboot`'"),
    ],
)
def test_names_of_the_machine_become_no_command(machine: Machine, changes: dict[str, Any], code: str, command: str) -> None:
    """People copy a remedy into a root shell; who can name a folder must not type for them."""
    remedies = [one.remedy for one in check(machine("rtx4090", changes)).findings if one.code == code]
    assert len(remedies) == 1
    assert command in remedies[0]


def test_a_command_for_each_device_file_that_is_missing(machine: Machine) -> None:
    nodes = ["/dev/nvidiactl"]
    findings = check(machine("h100x2", {"nvidia.device_nodes": nodes, "devices.0.source": ["pci"]})).findings
    assert [one.remedy for one in findings if one.code == "NV-NO-DEVICE-NODES"] == ["sudo nvidia-modprobe -u -c 0 -c 1"]


@pytest.mark.parametrize(
    ("runtime", "command"),
    [("docker", "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"),
     ("podman", "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml")],
)
def test_each_runtime_learns_of_the_toolkit_in_its_own_way(machine: Machine, runtime: str, command: str) -> None:
    changes = {"software.container_runtimes": {runtime: {"version": "5.4.2"}}, "software.container_toolkit": None}
    remedies = [one.remedy for one in check(machine("rtx4090", changes)).findings if one.code == "CTR-TOOLKIT-MISSING"]
    assert [remedy.split("\n")[0] for remedy in remedies] == [f"sudo apt-get install nvidia-container-toolkit && {command}"]


@pytest.mark.parametrize(
    ("driver", "settings"),
    [("radeon", "printf 'options radeon si_support=0 cik_support=0\\noptions amdgpu si_support=1 cik_support=1\\n'"),
     ("efifb", "echo blacklist efifb")],
)
def test_a_card_that_only_radeon_knows_keeps_its_driver(machine: Machine, driver: str, settings: str) -> None:
    findings = check(machine("rx6800xt", {"devices.0.pci.kernel_driver": driver})).findings
    remedies = [one.remedy.split("\n")[0] for one in findings if one.code == "AMD-OTHER-DRIVER"]
    assert [remedy.partition(" | sudo tee /etc/modprobe.d/gpufleet-amdgpu.conf && sudo ")[0] for remedy in remedies] == [settings]
