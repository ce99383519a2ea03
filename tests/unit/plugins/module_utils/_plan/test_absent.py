# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""state: absent takes back what the record says, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import MODPROBE
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._plan import _absent
from ansible_collections.gpufleet.node.plugins.module_utils._plan._modprobe import BLACKLIST
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan
from ansible_collections.gpufleet.node.plugins.module_utils._plan.verify import verify
from planlab import PackagesThere, There, order_of
from planned_node import holder, node

DEBIAN = "persistence-off"  # packages of NVIDIA's repository for Debian, nothing holds them
SOURCES, KEY = "/etc/apt/sources.list.d/cuda.sources", "/usr/share/keyrings/cuda.asc"
RECORDED: dict[str, Any] = {
    "schema_version": 1,
    "packages": {"nvidia-driver-cuda": "580.95.05-1", "libcuda1": "580.95.05-1", "long-gone": "1-1"},
    "files": [OWN.preferences, MODPROBE],
    "repositories": [{"id": "cuda", "path": SOURCES, "key_path": KEY}],
    "locks": [{"kind": "apt_pin", "patterns": ["nvidia-*"]}],
}
OPTIONS = BLACKLIST + "options nvidia NVreg_EnableGpuFirmware=0\n"
FILES = {OWN.preferences: "Package: nvidia-*\n", MODPROBE: OPTIONS, SOURCES: "Types: deb\n", KEY: "k"}
INSTALLED = {"packages.record": RECORDED, "packages.own_files": FILES}
LEFT = {"schema_version": 1, "packages": {}, "files": [MODPROBE], "repositories": [], "locks": []}
LOCK = {"kind": "dnf_versionlock", "path": "/etc/dnf/plugins/versionlock.list"}


def plan(profile: str, changes: dict[str, Any] | None = None, packages: dict[str, There] | None = None, **options: Any) -> Plan:
    """packages are those that are there; the record's own where they are None."""
    inventory, order = node(profile, changes), order_of(state="absent", **options)
    found = _absent.assess(inventory, order)
    if found is None:
        recorded = inventory.packages["record"]["packages"]
        there = {name: There(version) for name, version in recorded.items() if version != "1-1"} if packages is None else packages
        found = _absent.plan(inventory, order, PackagesThere(there, _absent.manager_of(inventory)))
    return found


def told(found: Plan) -> list[str]:
    lines = []
    for step in found.steps:
        values = step.values
        service = f"{values.get('name')} {values.get('state')} {values.get('enabled')}"
        words = values.get("argv") or values.get("names") or [values.get("path") or service]
        lines.append(f"{step.kind} {' '.join(words)}")
    return lines


def test_all_of_it() -> None:
    found = plan(DEBIAN, {**INSTALLED, "nvidia.services.persistenced": "active"})
    assert (found.status, found.refusals) == ("change", ())
    assert told(found) == [
        "service nvidia-persistenced stopped False",
        "packages_absent libcuda1 nvidia-driver-cuda",
        f"file_absent {SOURCES}",
        f"file_absent {KEY}",
        f"file_absent {OWN.preferences}",
        f"file {MODPROBE}",
        f"file {OWN.record}",
    ]
    contents = [step.values["content"] for step in found.steps if step.kind == "file"]
    assert contents == [BLACKLIST, json.dumps(LEFT, indent=1, sort_keys=True) + "\n"]
    assert found.steps[1].values == {"manager": "apt", "names": ["libcuda1", "nvidia-driver-cuda"], "purge": True, "lock_timeout": 300}
    assert found.reboot_reasons == ("module 580.95.05 stays loaded until the next boot",)
    assert found.touches == {"services": ["nvidia-persistenced"]}
    assert [(one.action, one.name, one.before) for one in found.packages] == [
        ("remove", "nvidia-driver-cuda", "580.95.05-1"),
        ("remove", "libcuda1", "580.95.05-1"),
    ]
    assert found.reasons == ("state is absent: 2 packages, files and locks of this collection go",)


def test_nouveau_comes_back_where_that_is_asked_for() -> None:
    found = plan(DEBIAN, INSTALLED, restore_nouveau=True)
    gone = [f"file_absent {OWN.preferences}", f"file_absent {MODPROBE}"]
    assert told(found)[-4:] == [*gone, "command update-initramfs -u -k all", f"file_absent {OWN.record}"]
    assert found.reboot_reasons == ("module 580.95.05 stays loaded until the next boot", "nouveau comes back with the next boot")
    assert "update-initramfs -u -k all" not in " ".join(told(plan(DEBIAN, INSTALLED, restore_nouveau=True, update_initramfs=False)))


@pytest.mark.parametrize(
    ("profile", "changes", "expected"),
    [
        (
            "rocky9-t4",
            {
                "packages.streams": {"nvidia-driver": "580-open"},
                "packages.locks": [{**LOCK, "pattern": "nvidia*-3:580.*"}, {**LOCK, "pattern": "cuda"}],
                "packages.record": {
                    "packages": {"nvidia-driver-cuda": "3:580.95.05-1.el9"},
                    "locks": [
                        {"kind": "stream", "patterns": ["nvidia-driver:580-open"]},
                        {"kind": "dnf_versionlock", "patterns": ["nvidia*-3:580.*"]},
                    ],
                },
            },
            [
                "command dnf versionlock delete --raw nvidia*-3:580.*",
                "command dnf -y module reset nvidia-driver",
                "service nvidia-persistenced stopped False",
                "packages_absent nvidia-driver-cuda",
                f"file_absent {OWN.record}",
            ],
        ),
        (DEBIAN, {"packages.record": {"packages": {"libcuda1": "1"}}}, ["packages_absent libcuda1", f"file_absent {OWN.record}"]),
        (DEBIAN, {"packages.record": {"packages": {"long-gone": "1-1"}, "files": [OWN.preferences]}, "packages.own_files": {}}, []),
        (DEBIAN, {"packages.record": {"files": [MODPROBE]}, "packages.own_files": {MODPROBE: BLACKLIST}}, []),
    ],
)
def test_only_what_the_record_says(profile: str, changes: dict[str, Any], expected: list[str]) -> None:
    found = plan(profile, changes)
    assert told(found) == expected
    assert found.status == ("change" if expected else "nothing_to_do")
    assert not any(step.kind == "packages_absent" and step.values["purge"] for step in found.steps if profile == "rocky9-t4")


@pytest.mark.parametrize(
    ("profile", "changes", "status", "codes", "reasons"),
    [
        ("trixie-rtx4090-bare", {}, "nothing_to_do", [], ("this collection has installed no driver here, and none is installed",)),
        (DEBIAN, {}, "refused", ["ND-NO-RECORD"], ()),
        (DEBIAN, {**INSTALLED, "health.gpu_holders": [holder()]}, "refused", ["ND-BUSY"], ()),
        (DEBIAN, {**INSTALLED, "packages.lock_holder": {"pid": 9, "name": "apt-get"}}, "change", ["ND-PACKAGE-MANAGER-BUSY"], None),
        ("mixed-origin-packages", INSTALLED, "change", [], None),
    ],
)
def test_refusals(profile: str, changes: dict[str, Any], status: str, codes: list[str], reasons: Any) -> None:
    found = plan(profile, changes)
    assert (found.status, [one.code for one in found.refusals]) == (status, codes)
    assert reasons is None or found.reasons == reasons


@pytest.mark.parametrize(("profile", "command"), [
    (DEBIAN, "sudo apt-get remove libcuda1 nvidia-driver-cuda nvidia-kernel-open-dkms nvidia-persistenced"),
    ("runfile-only", "sudo nvidia-uninstall --silent"),
])
def test_how_a_person_removes_what_is_not_ours(profile: str, command: str) -> None:
    assert plan(profile, {}).refusals[0].remedy.splitlines()[0] == command


def test_packages_that_stay_are_told_and_are_ours_no_longer() -> None:
    record = {"packages": {"libcuda1": "580.95.05-1", "gcc": "14"}}
    there = {"libcuda1": There("580.95.05-1"), "gcc": There("14"), "build-essential": There("12", ("gcc",))}
    found = plan(DEBIAN, {"packages.record": record}, there)
    assert told(found) == ["packages_absent libcuda1", f"file_absent {OWN.record}"]
    assert found.reasons[1:] == ("gcc stays: build-essential needs it",)
    left = plan(DEBIAN, {"packages.record": {"packages": {"gcc": "14"}}}, {name: there[name] for name in ("gcc", "build-essential")})
    assert (told(left), left.packages, left.reboot_reasons) == ([f"file_absent {OWN.record}"], (), ())


def test_a_driver_that_somebody_needs_stays_whole() -> None:
    there = {"libcuda1": There("580.95.05-1"), "app": There("1", ("libcuda1",))}
    found = plan(DEBIAN, {**INSTALLED, "packages.record": {"packages": {"libcuda1": "580.95.05-1"}}}, there)
    assert (found.status, found.steps, [one.code for one in found.refusals]) == ("refused", (), ["ND-NEEDED-BY-OTHERS"])


def test_without_a_record_the_command_is_named() -> None:
    [refusal] = plan(DEBIAN).refusals
    why = "this collection did not install it, so it does not remove it"
    assert refusal.message == f"driver 580.95.05 is installed, and {OWN.record} is not there: {why}"
    assert refusal.remedy.startswith("sudo apt-get remove libcuda1 nvidia-driver-cuda ")


def test_a_record_that_cannot_be_read_stops() -> None:
    inventory = node(DEBIAN)
    inventory.problems.append({"source": "kept", "code": "unreadable", "message": f"{OWN.record}: Expecting value"})
    found = _absent.assess(inventory, order_of(state="absent"))
    assert found is not None
    assert [(one.code, one.remedy.splitlines()[0]) for one in found.refusals] == [("ND-RECORD-BROKEN", f"sudo cat {OWN.record}")]


@pytest.mark.parametrize(
    ("changes", "status", "broken"),
    [
        (INSTALLED, "failed", "packages"),
        ({**INSTALLED, "packages.installed": {}}, "failed", "lock"),
        ({"packages.installed": {}, "nvidia.driver.installed_version": None}, "after_reboot", None),
        ({"packages.installed": {}, "nvidia.driver.installed_version": None, "nvidia.driver.loaded_version": None}, "verified", None),
    ],
)
def test_verification_of_a_removal(changes: dict[str, Any], status: str, broken: str | None) -> None:
    found = verify(node(DEBIAN, changes), order_of(state="absent"))
    assert (found.status, found.broken_link) == (status, broken)
