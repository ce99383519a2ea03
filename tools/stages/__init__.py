# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages behind `make`: find interpreters, make virtual environments, run every check, count. Standard library only."""
