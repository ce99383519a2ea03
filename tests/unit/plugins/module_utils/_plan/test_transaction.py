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
