# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package repositories for the tests: small packages with the real names, versions and relations, signed with a key of our own."""
