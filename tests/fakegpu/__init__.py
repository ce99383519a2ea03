# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated machines: tests/profiles/NAME.yml rendered into evidence (JSON) or into a tree for a container."""

from __future__ import annotations

from .errors import ProfileError
from .profile import Profile, load_profile, profile_names
from .render import evidence_of, machine_of

__all__ = ["Profile", "ProfileError", "evidence_of", "load_profile", "machine_of", "profile_names"]
