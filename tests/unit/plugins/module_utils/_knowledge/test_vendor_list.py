# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our tables agree with the list that NVIDIA ships with each driver, for every PCI id that it names.

The list is supported-gpus.json of the driver package. GPUFLEET_SUPPORTED_GPUS names copies of it (branch=path, joined by
colons); otherwise Debian's packages are fetched with apt, from the archive that this machine uses, into build/supported-gpus.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import catalog, nvidia

CHECKOUT = Path(__file__).resolve().parents[5]
STORE = CHECKOUT / "build" / "supported-gpus"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITES = {535: "bookworm", 550: "trixie"}
# Boards of several names under one id are told apart from Maxwell on; older ones keep the name of the id.
FIRST_WITH_BOARDS = "1340"


def _given(branch: int) -> Path | None:
    for entry in os.environ.get("GPUFLEET_SUPPORTED_GPUS", "").split(":"):
        number, path = [*entry.split("=", 1), ""][:2]
        if number == str(branch) and path:
            return Path(path)
    return None


def _archive() -> str | None:
    """The Debian archive that this machine's own apt is set up with."""
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted(folder.glob("sources.list.d/*.sources")), *sorted(folder.glob("sources.list.d/*.list"))]
    for file in files:
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []:
            found = re.match(r"(?:deb\s+(?:\[[^]]*\]\s+)?|URIs:\s*)(https?://\S+/debian)/?(?:\s|$)", line)
            if found:
                return found.group(1)
    return None


def _fetched(branch: int) -> Path:
    target = STORE / f"{branch}.json"
    if target.is_file():
        return target
    if not (KEYRING.is_file() and shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("needs apt and Debian's archive keys to fetch the vendor's list, or GPUFLEET_SUPPORTED_GPUS")
    archive = _archive()
    if archive is None:
        pytest.skip("this machine's apt knows no Debian archive to fetch the vendor's list from; GPUFLEET_SUPPORTED_GPUS names one")
    STORE.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=STORE))
    try:
        target.write_bytes(_list_of_package(work, archive, SUITES[branch]))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _list_of_package(work: Path, archive: str, suite: str) -> bytes:
    """supported-gpus.json of the driver package of a suite, fetched into a private apt state."""
    for folder in ("lists/partial", "cache/archives/partial", "out"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "status").touch()
    source = f"deb [signed-by={KEYRING}] {archive} {suite} non-free\n"
    (work / "sources.list").write_text(source, encoding="utf-8")
    (work / "apt.conf").write_text(
        f'Dir::State "{work}"; Dir::State::lists "{work}/lists"; Dir::State::status "{work}/status";\n'
        f'Dir::Cache "{work}/cache";\n'
        f'Dir::Etc::sourcelist "{work}/sources.list"; Dir::Etc::sourceparts "/dev/null"; APT::Sandbox::User "";\n'
        'APT::Architecture "amd64"; Acquire::Languages "none"; Acquire::Retries "0"; Acquire::http::Timeout "20";\n',
        encoding="utf-8",
    )
    environment = {**os.environ, "APT_CONFIG": str(work / "apt.conf")}
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "download", "nvidia-driver"]):
        done = subprocess.run(command, cwd=work / "out", env=environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            pytest.skip(f"the vendor's list cannot be fetched here: {done.stderr.strip()[:200]}")
    package = next((work / "out").glob("nvidia-driver_*.deb"), None)
    if package is None:
        pytest.skip("the vendor's list cannot be fetched here: apt brought no package")
    subprocess.run(["dpkg-deb", "-x", str(package), str(work / "out")], check=True, timeout=120)
    packed = work / "out" / "usr/share/doc/nvidia-driver/supported-gpus.json.gz"
    return gzip.decompress(packed.read_bytes())


@pytest.fixture(params=sorted(SUITES))
def vendor_list(request: pytest.FixtureRequest) -> tuple[int, list[dict[str, Any]]]:
    branch: int = request.param
    path = _given(branch) or _fetched(branch)
    chips: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["chips"]
    return branch, chips


def _device_id(row: dict[str, Any]) -> str:
    return str(row["devid"]).removeprefix("0x").lower()


def test_every_id_is_known(vendor_list: tuple[int, list[dict[str, Any]]]) -> None:
    chips = vendor_list[1]
    ids = {_device_id(row) for row in chips}
    assert len(ids) > 1000
    assert [one for one in sorted(ids) if getattr(nvidia.chip(one), "certainty", None) != "listed"] == []


def test_branches_agree(vendor_list: tuple[int, list[dict[str, Any]]]) -> None:
    branch, chips = vendor_list
    differing = []
    for row in chips:
        ours = nvidia.driver_support(_device_id(row))
        if row.get("legacybranch"):
            agrees = ours["status"] == "ended" and ours["last_branch"] == int(row["legacybranch"].split(".")[0])
        else:
            agrees = ours["first_branch"] <= branch and branch <= (ours["last_branch"] or branch)
        if not agrees:
            differing.append((row["devid"], row["name"], row.get("legacybranch"), ours))
    assert differing == []


def test_open_module_agrees(vendor_list: tuple[int, list[dict[str, Any]]]) -> None:
    branch, chips = vendor_list
    differing = []
    for row in chips:
        since = nvidia.open_module_since(_device_id(row))
        ours = since is not None and since <= branch
        if ours != ("kernelopen" in row["features"]):
            differing.append((row["devid"], row["name"], since))
    assert differing == []


def test_names_agree(vendor_list: tuple[int, list[dict[str, Any]]]) -> None:
    chips = vendor_list[1]
    differing = []
    for row in chips:
        board = None
        if "subdevid" in row:
            if _device_id(row) < FIRST_WITH_BOARDS:
                continue
            board = f"{row['subvendorid'].removeprefix('0x')}:{row['subdevid'].removeprefix('0x')}"
        ours = catalog.name("nvidia", _device_id(row), subsystem=board)
        if ours != row["name"]:
            differing.append((row["devid"], board, row["name"], ours))
    assert differing == []
