# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in the place of patterns in our files of apt's preferences, and files that are compared by what they pin."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_locks import parse_apt_preferences
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.delivery import Deliverer, deliverer
from ansible_collections.gpufleet.node.plugins.module_utils._plan._names import named, says_enough, spelt
from planlab import Laboratory, apply, machine, offer, order_of

OFFERED = ("libcuda1", "nvidia-container-toolkit", "nvidia-driver", "nvidia-driver-libs", "vim")
PATTERNS = [{"kind": "apt_pin", "patterns": ["nvidia-driver*", "libcuda1"]}]
NAMES = [{"kind": "apt_pin", "patterns": ["libcuda1", "libnvcuvid1"]}]
OFFERS = {"debian-13": ("trixie", "trixie-backports", "nvidia-debian13"), "ubuntu-24.04": ("ubuntu-24.04", "nvidia-ubuntu2404")}


def maker(origin: str | None) -> Deliverer:
    found = deliverer(origin or "")
    assert found is not None
    return found


@pytest.mark.parametrize(("packages", "offered", "expected"), [
    ({}, OFFERED, ["libcuda1", "nvidia-driver", "nvidia-driver-libs"]),
    ({"installed": {"nvidia-smi": {}, "cuda-toolkit": {}}}, OFFERED, ["libcuda1", "nvidia-driver", "nvidia-driver-libs", "nvidia-smi"]),
    ({"installed": {"nvidia-smi": {}}, "record": {"locks": NAMES}}, (), ["libcuda1", "libnvcuvid1", "nvidia-smi"]),
    ({"record": {"locks": NAMES}}, OFFERED, ["libcuda1", "nvidia-driver", "nvidia-driver-libs"]),
    ({"installed": {"nvidia-smi": {}}, "record": {"locks": PATTERNS}}, (), []),
    ({"installed": {"nvidia-smi": {}}, "record": None}, (), []),
    ({}, (), []),
])
def test_names_of_a_hold(packages: dict[str, Any], offered: tuple[str, ...], expected: list[str]) -> None:
    assert list(named(packages, maker("debian"), offered)) == expected


def test_many_names_are_lines_that_apt_reads_as_one_field() -> None:
    names = [f"nvidia-driver-{number}" for number in range(300, 400)]
    text = spelt(names)
    assert max(map(len, text.splitlines())) <= 120
    assert len(text.splitlines()) == 17
    [(package, pin, priority)] = parse_apt_preferences(f"Package: {text}\nPin: version 580.*\nPin-Priority: 995\n")
    assert (package.split(), pin, priority) == (names, "version 580.*", 995)
    assert spelt(["libcuda1"]) == "libcuda1"


def record(names: str, pin: str = "version 580.*", priority: int = 995) -> str:
    return f"Package: {names}\nPin: {pin}\nPin-Priority: {priority}\n"


@pytest.mark.parametrize(("there", "wanted", "enough"), [
    (record("a b"), record("b a"), True),
    (f"# a person's remark\nExplanation: x\n{record('a b c')}", record("a b"), True),
    (record("a\n b"), record("a b"), True),
    (record("a"), record("a b"), False),
    (record("a b", "version 590.*"), record("a b"), False),
    (record("a b", priority=1), record("a b"), False),
    (record("a b") + "\n" + record("a"), record("a b"), False),
    (record("a") + "\n" + record("b", priority=994), record("b", priority=994) + "\n" + record("a"), False),
    ("half a file\n", record("a b"), False),
    ("", record("a b"), False),
    # Patterns are wanted where nobody knows all names: those of what is installed do.
    (record("nvidia-driver"), record("nvidia-*"), True),
    (record("nvidia-smi"), record("nvidia-*"), False),
    (record("nvidia-*"), record("nvidia-smi nvidia-driver"), True),
    (record("nvidia-driver*"), record("nvidia-* libnvidia-*"), False),
    (record("libnvidia-* nvidia-* x"), record("nvidia-* libnvidia-*"), True),
])
def test_a_file_says_enough(there: str, wanted: str, enough: bool) -> None:
    assert says_enough(there, wanted, {"installed": {"nvidia-driver": {}, "libcuda1": {}}}) is enough


@pytest.mark.parametrize(("distribution", "options"), [
    ("debian-13", {}), ("debian-13", {"version": "550.163.01-2"}), ("ubuntu-24.04", {}),
    ("ubuntu-24.04", {"version": "580", "origin": "nvidia"}),
])
def test_a_plan_of_packages_names_all_that_is_offered(distribution: str, options: dict[str, Any]) -> None:
    archive, order = offer(*OFFERS[distribution]), order_of(**options)
    inventory = machine(gpus=["A100-PCIE-40GB"], distribution=distribution)
    laboratory = Laboratory(inventory, order, archive)
    plan = laboratory.run()
    assert plan.chosen is not None
    expected = [one for one in sorted({one.name for one in laboratory.offered.candidates}) if named({}, maker(plan.chosen.origin), [one])]
    files = [step.values["content"] for step in plan.steps if step.kind == "file" and step.values["path"].endswith(".pref")]
    # What bars branches to come has patterns.
    pins = [pin for text in files for pin in parse_apt_preferences(text)]
    found = [pattern.split() for pattern, _pin, priority in pins if pattern != "*" and priority > 0]
    assert found
    assert all(names == expected for names in found)
    after = apply(inventory, plan)
    again = Laboratory(after, order, archive)
    assert (again.run().status, again.asked) == ("nothing_to_do", [])


def test_branches_that_are_to_come_are_barred_by_patterns() -> None:
    inventory, archive = machine(gpus=["A100-PCIE-40GB"], distribution="ubuntu-24.04"), offer(*OFFERS["ubuntu-24.04"])
    order = order_of(precompiled="never")
    inventory = apply(inventory, Laboratory(inventory, order, archive).run())
    held, barred = parse_apt_preferences(inventory.packages["own_files"][OWN.preferences])
    assert "nvidia-dkms-580-open" in held[0].split()
    assert (barred[0].split(), barred[2]) == (list(maker("ubuntu").hold_patterns), -1)
    assert Laboratory(inventory, order, archive).run().status == "nothing_to_do"
    files = inventory.packages["own_files"]
    files[OWN.preferences] = files[OWN.preferences].replace(" xserver-xorg-video-nvidia-[", " [")
    assert [step.values["path"] for step in Laboratory(inventory, order, archive).run().steps] == [OWN.preferences]


@pytest.mark.parametrize(("old", "new", "mended"), [
    ("", "", False),
    ("# Written", "# Read and found good. Written", False),
    ("Pin: version 550.*", "Pin: version *", True),
    ("Pin-Priority: 995", "Pin-Priority: 95", True),
    ("nvidia-kernel-dkms", "", True),  # installed
    ("nvidia-vdpau-driver", "", True),  # not installed, but held once
])
def test_a_hold_that_somebody_edited_is_mended_without_asking_where_it_holds_less(old: str, new: str, mended: bool) -> None:
    inventory = machine(gpus=["A100-PCIE-40GB"], distribution="debian-13")
    archive = offer(*OFFERS["debian-13"])
    inventory = apply(inventory, Laboratory(inventory, order_of(), archive).run())
    files = inventory.packages["own_files"]
    written = files[OWN.preferences]
    assert old in written
    files[OWN.preferences] = written.replace(old, new, 1)
    laboratory = Laboratory(inventory, order_of(), archive)
    steps = laboratory.run().steps
    assert laboratory.asked == []
    assert [step.values for step in steps] == ([{"path": OWN.preferences, "content": written, "mode": "0644"}] if mended else [])


def test_what_came_later_is_held_too() -> None:
    inventory = machine(gpus=["A100-PCIE-40GB"], distribution="debian-13")
    archive = offer(*OFFERS["debian-13"])
    inventory = apply(inventory, Laboratory(inventory, order_of(), archive).run())
    inventory.packages["installed"]["libnvidia-gpucomp9"] = {**inventory.packages["installed"]["libcuda1"]}
    plan = Laboratory(inventory, order_of(), archive).run()
    text = {step.values["path"]: step.values["content"] for step in plan.steps}[OWN.preferences]
    assert "libnvidia-gpucomp9" in parse_apt_preferences(text)[0][0].split()
    assert Laboratory(apply(inventory, plan), order_of(), archive).run().status == "nothing_to_do"


def test_a_driver_of_somebody_else_is_held_by_patterns() -> None:
    inventory = machine(gpus=["A100-PCIE-40GB"], distribution="debian-13")
    archive = offer(*OFFERS["debian-13"])
    inventory = apply(inventory, Laboratory(inventory, order_of(hold=False), archive).run())
    inventory.packages["record"] = None
    laboratory = Laboratory(inventory, order_of(), archive)
    plan = laboratory.run()
    text = {step.values["path"]: step.values["content"] for step in plan.steps}[OWN.preferences]
    assert laboratory.asked == []
    assert parse_apt_preferences(text)[0][0].split() == list(maker("debian").hold_patterns)
    assert Laboratory(apply(inventory, plan), order_of(), archive).run().status == "nothing_to_do"
