# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the collection importable under its own name from a checkout in any folder, for every Python that runs these tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine must not fail a test: how long an example takes says nothing here, and the bench measures speed.
settings.register_profile("gpufleet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gpufleet")

CHECKOUT = Path(__file__).resolve().parent.parent


def _collection_root() -> Path:
    """The folder to put on sys.path: the one above an `ansible_collections` that holds us, else a link to the checkout."""
    if CHECKOUT.parts[-3:] == ("ansible_collections", "gpufleet", "node"):
        return CHECKOUT.parents[2]
    link = CHECKOUT / "build" / "collections" / "ansible_collections" / "gpufleet" / "node"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(os.path.relpath(CHECKOUT, link.parent))
    return CHECKOUT / "build" / "collections"


for _folder in (str(_collection_root()), str(CHECKOUT / "tests")):
    if _folder not in sys.path:
        sys.path.insert(0, _folder)


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of recorded device outputs; tests that need it are skipped where it is not there."""
    folder = Path(os.environ.get("GPUFLEET_CAPTURES") or CHECKOUT.parent / "shared" / "captures")
    if not (folder / "SOURCES.yml").is_file():
        pytest.skip(f"no recorded device outputs at {folder} (set GPUFLEET_CAPTURES to their folder)")
    return folder
