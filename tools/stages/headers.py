# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python3 -m stages.headers: whether each tracked file names its licence; modules need the line that validate-modules wants, too."""

from __future__ import annotations

import sys

from .places import CHECKOUT, tracked

_SPDX = "SPDX-License-Identifier: GPL-3.0-or-later"
_MODULE = "GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)"
_HEAD = 1000
# JSON has no comments; the changelog's own tool writes these two.
_WITHOUT = ("LICENSES/", "changelogs/changelog.yaml", "CHANGELOG.md")


def lacking(name: str) -> str:
    """What the head of a file lacks, or nothing."""
    path = CHECKOUT / name
    if name.startswith(_WITHOUT) or name.endswith(".json") or path.is_symlink() or not path.stat().st_size:
        return ""
    head = path.read_bytes()[:_HEAD].decode(errors="replace")
    wanted = [_SPDX, _MODULE] if name.startswith("plugins/modules/") else [_SPDX]
    return "; ".join(f"lacks {line!r}" for line in wanted if line not in head)


def main() -> int:
    found = [(name, lacking(name)) for name in tracked()]
    faults = [f"{name}: {fault}" for name, fault in found if fault]
    print(*faults, f"{len(found)} files, {len(faults)} without their header", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
