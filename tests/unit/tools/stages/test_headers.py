# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files lack the lines that name their licence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "tools"))

from stages import headers

SPDX = "# SPDX-License-Identifier: GPL-3.0-or-later\n"
GPL = "# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)\n"


@pytest.mark.parametrize(
    ("name", "text", "lacks"),
    [
        ("tools/a.py", SPDX, 0),
        ("tools/a.py", "import os\n", 1),
        ("tools/a.py", "#\n" * 600 + SPDX, 1),
        ("tools/__init__.py", "", 0),
        ("plugins/modules/a.py", SPDX + GPL, 0),
        ("plugins/modules/a.py", SPDX, 1),
        ("plugins/modules/a.py", "import os\n", 2),
        ("docs/a.json", "{}", 0),
        ("LICENSES/GPL-3.0-or-later.txt", "text", 0),
    ],
)
def test_lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, lacks: int) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(text)
    monkeypatch.setattr(headers, "CHECKOUT", tmp_path)
    assert headers.lacking(name).count("lacks ") == lacks
