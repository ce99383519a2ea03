# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that change packages."""

from __future__ import annotations

from planlab import Laboratory, apply, machine, offer, order_of

UBUNTU = ("ubuntu-24.04", "nvidia-ubuntu2404")


def test_the_pin_of_another_driver_goes_with_its_package() -> None:
    inventory = machine(gpus=["A10"], distribution="ubuntu-24.04")
    for version in ("580", "595"):
        plan = Laboratory(inventory, order_of(version=version, origin="nvidia"), offer(*UBUNTU)).run()
        inventory = apply(inventory, plan)
    steps = [(step.values["names"], step.values["purge"]) for step in plan.steps if step.kind == "packages_absent"]
    assert steps[0] == (["nvidia-driver-pinning-580"], True)
    # What a driver leaves below /etc belongs to whoever changed it there.
    assert not any(purge for _names, purge in steps[1:])


def test_people_are_told_of_what_changes() -> None:
    inventory = machine(gpus=["A10"], distribution="rocky-9")
    for flavour in ("proprietary", "open"):
        plan = Laboratory(inventory, order_of(version="580", flavour=flavour), offer("el9-base", "nvidia-rhel9")).run()
        inventory = apply(inventory, plan)
    [step] = [step for step in plan.steps if step.kind == "packages"]
    assert [one["name"] for one in step.values["install"]][:2] == ["nvidia-driver-cuda", "kmod-nvidia-open-dkms"]
    assert {(change.action, change.name) for change in plan.packages} == {
        ("install", "kmod-nvidia-open-dkms"), ("remove", "kmod-nvidia-latest-dkms"),
    }  # fmt: skip
    assert step.what == "install kmod-nvidia-open-dkms 3:580.105.08-1.el9 and 1 more"
