# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knowledge costs next to nothing until it is asked, and a machine carries only its own vendor's tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "ansible_collections.gpufleet.node.plugins.module_utils._knowledge"
CHECKOUT = Path(__file__).resolve().parents[5]
# Times the import of textwrap: 0.1 to 2.0 (Python 3.13, source only). A table that is read or a pattern that backtracks costs a multiple.
LIMIT = 4.0
MODULES = sorted(
    path.stem
    for path in (CHECKOUT / "plugins" / "module_utils" / "_knowledge").glob("*.py")
    if path.stem != "__init__" and not path.stem.endswith("_table")
)


def _child(code: str) -> str:
    program = f"import sys; sys.path[:0] = {sys.path!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _loaded(code: str) -> set[str]:
    listing = f"print(' '.join(n[{len(PACKAGE) + 1}:] for n in sys.modules if n.startswith({PACKAGE + '.'!r})))"
    return set(_child(f"{code}\n{listing}").split())


@pytest.mark.parametrize("module", MODULES)
def test_import_reads_no_table(module: str) -> None:
    assert {name for name in _loaded(f"import {PACKAGE}.{module}") if name.endswith("_table")} == set()


@pytest.mark.parametrize("module", MODULES)
def test_import_is_cheap(module: str) -> None:
    """CPU time without bytecode, as in AnsiballZ, against that of a module of the standard library in the same process, the best of
    nine of both; the standard library and our helpers paid before."""
    code = (
        "import json, re, functools, textwrap, typing, time, importlib\n"
        f"import {PACKAGE} as package\n"
        f"module = importlib.import_module({PACKAGE + '.' + module!r})\n"
        "sys.dont_write_bytecode = True\n"
        "def spent(one):\n"
        "    source = open(one.__file__).read()\n"
        "    start = time.process_time()\n"
        "    exec(compile(source, 'module', 'exec'), {'__name__': one.__name__, '__package__': one.__package__})\n"
        "    return time.process_time() - start\n"
        "taken = [(spent(module), spent(textwrap)) for attempt in range(9)]\n"
        "print(min(ours for ours, other in taken) / min(other for ours, other in taken))"
    )
    assert float(_child(code)) < LIMIT


@pytest.mark.parametrize(
    ("code", "tables"),
    [
        ("nvidia.driver_support('2684'); nvidia.is_nvswitch('1af1')", {"nvidia_table"}),
        ("nvidia.branch(580)", {"nvidia_branches_table"}),
        ("catalog.name('nvidia', '2684')", {"nvidia_names_table"}),
        ("catalog.card('nvidia', '2684')", {"catalog_nvidia_table"}),
        ("catalog.card('amd', '73bf', 'c1')", {"catalog_amd_table"}),
        ("catalog.name('amd', '73bf', 'c1')", {"amd_table"}),
        ("amd.chip('73bf', 'c1')", {"amd_table"}),
        ("amd.chip('1586', 'c1')", {"amd_table", "amd_names_table"}),
        ("rocm_products.support('73bf', 'c1', None)", {"amd_table", "rocm_table"}),
        ("rocm_releases.newest()", {"rocm_matrix_table"}),
        ("rocm.verdict(rocm.Card('73bf', 'c1'), '7.2')", {"amd_table", "rocm_table", "rocm_matrix_table"}),
        ("rocm_drivers.inbox('gfx942', '6.8.0', '7.2')", {"rocm_drivers_table", "rocm_matrix_table"}),
        ("delivery.deliverers('debian', '13'); delivery.package_sets('debian')", {"delivery_table", "distributions_table"}),
        ("rocm_delivery.deliverers('debian', '13')", {"rocm_delivery_table", "distributions_table"}),
        ("rocm_delivery.components('amd_deb', '10.1')", {"rocm_delivery_table"}),
        ("refusals.refusal_row('ND-NO-GPU')", {"refusals_table"}),
    ],
)
def test_only_what_is_asked_for_is_read(code: str, tables: set[str]) -> None:
    loaded = _loaded(f"from {PACKAGE} import amd, catalog, delivery, nvidia, refusals\n"
                     f"from {PACKAGE} import rocm, rocm_delivery, rocm_drivers, rocm_products, rocm_releases\n{code}")
    assert {name for name in loaded if name.endswith("_table")} == tables
