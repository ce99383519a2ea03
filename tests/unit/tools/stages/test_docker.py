# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which scenarios are stages, and how they learn that everything is to be tested."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "tools"))

from stages import docker


@pytest.mark.parametrize(("everything", "told"), [(False, ""), (True, "1")])
def test_scenarios_learn_whether_everything_is_tested(everything: bool, told: str) -> None:
    stages = docker.scenarios(everything)
    assert {stage.environment["GPUFLEET_TEST_ALL"] for stage in stages} == {told}
    assert {"molecule/facts", "molecule/check", "molecule/hang", "molecule/nvidia_debian"} <= {stage.name for stage in stages}
    assert {stage.lane for stage in stages} == {"docker"}
