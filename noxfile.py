# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""For those who have nox: one session a stage. The stages, their interpreters and environments are data in tools/stages."""

from __future__ import annotations

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent / "tools"))

from stages.catalogue import stages

nox.options.default_venv_backend = "none"


@nox.session
@nox.parametrize("stage", [nox.param(stage.name, id=stage.name) for stage in stages()])
def stage(session: nox.Session, stage: str) -> None:
    """Run one stage of `make test`."""
    session.run(sys.executable, "-m", "stages", "test", stage, env={"PYTHONPATH": "tools"}, external=True)
