# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with a repository."""


class RepositoryError(Exception):
    """A description is wrong, or a repository cannot be built; the message names file and place."""
