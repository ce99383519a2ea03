# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ROCm on disk and in packages, and access to the compute device as the caller has it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import ReplayHost
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import rocm
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
ACCESS = {"kfd_mode": "0660", "kfd_group": "render", "groups": ["render"], "accessible": True}


def package(version: str | None) -> dict[str, Any]:
    return {"version": version}


def look(
    files: dict[str, str],
    links: dict[str, str] | None = None,
    packages: dict[str, Any] | None = None,
    vendor: str = "amd",
    probes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    known = Inventory()
    known.add(
        "pci", {"devices": [{"vendor": vendor, "pci": {"address": "0000:03:00.0"}}], "packages": {"installed": packages or {}}}
    )
    host = ReplayHost({"files": files, "dirs": {}, "links": links or {}, "probes": probes or {}, "commands": []})
    known.add("rocm", rocm.read(Source(host, "rocm", known.problems), known))
    assert known.problems == []
    return known.amd


@pytest.mark.parametrize(
    ("files", "links", "expected"),
    [
        pytest.param(
            {"/opt/rocm-6.2.4/.info/version": "6.2.4-139\n"},
            {"/opt/rocm": "/etc/alternatives/rocm", "/etc/alternatives/rocm": "/opt/rocm-6.2.4"},
            ("6.2.4", "/opt/rocm-6.2.4"),
            id="one in use",
        ),
        pytest.param(
            {"/opt/rocm-6.2.4/.info/version": "6.2.4-139\n", "/opt/rocm-7.1.0/.info/version": "7.1.0\n"},
            {"/opt/rocm": "rocm-6.2.4"},
            ("6.2.4", "/opt/rocm-6.2.4"),
            id="the one in use before the newest",
        ),
        pytest.param(
            {"/opt/rocm-6.4.3/.info/version": "6.4.3-128\n", "/opt/rocm-6.10.0/.info/version": "6.10.0\n"},
            {},
            ("6.10.0", "/opt/rocm-6.10.0"),
            id="the newest by number",
        ),
        pytest.param({"/opt/rocm/.info/version": "5.7.1\n"}, {}, ("5.7.1", "/opt/rocm"), id="a folder and no link"),
        pytest.param(
            {"/opt/rocm/core-7.14/.info/version": "7.14.0\n"},
            {"/opt/rocm/core": "core-7.14"},
            ("7.14.0", "/opt/rocm/core-7.14"),
            id="TheRock",
        ),
        pytest.param(
            {"/opt/rocm/core-7.9/.info/version": "7.9.0\n", "/opt/rocm/core-7.14/.info/version": "7.14.0\n"},
            {},
            ("7.14.0", "/opt/rocm/core-7.14"),
            id="TheRock without a link",
        ),
    ],
)
def test_on_disk(files: dict[str, str], links: dict[str, str], expected: tuple[str, str]) -> None:
    assert look(files, links) == {"rocm": {"version": expected[0], "path": expected[1]}}


@pytest.mark.parametrize(
    "files", [{}, {"/opt/rocm/bin/rocminfo": ""}, {"/opt/rocm/.info/version": "\x00"}, {"/opt/other/x": ""}]
)
def test_none(files: dict[str, str]) -> None:
    assert look(files) == {}


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        pytest.param({"rocminfo": "5.7.1-3+b1", "libhsa-runtime64-1": "6.1.2-3"}, "6.1.2", id="Debian"),
        pytest.param({"rocm-runtime": "6.3.1-4.fc42"}, "6.3.1", id="Fedora"),
        pytest.param(
            {"rocminfo": "1.0.0.60204-139~24.04", "hsa-rocr": "1.14.0.60204-139~24.04"}, None, id="AMD, numbers of their own"
        ),
        pytest.param({"amdgpu-dkms": "1:6.8.5.60204"}, None, id="a driver alone"),
        pytest.param({"rocminfo": None}, None, id="version unknown"),
    ],
)
def test_packages_of_a_distribution(packages: dict[str, Any], expected: str | None) -> None:
    found = look({}, packages={name: package(version) for name, version in packages.items()})
    assert found == ({"rocm": {"version": expected}} if expected else {})


def test_the_disk_is_surer_than_packages() -> None:
    found = look({"/opt/rocm/.info/version": "7.1.0\n"}, packages={"rocminfo": package("5.7.1-3")})
    assert found == {"rocm": {"version": "7.1.0", "path": "/opt/rocm"}}


def test_device_access() -> None:
    assert look({}, probes={"device_access": ACCESS}) == {"device_access": ACCESS}
    assert look({}, vendor="nvidia", probes={"device_access": ACCESS}) == {}


@pytest.mark.parametrize(
    "answer",
    ["accessible", 1.5, ["render"], {**ACCESS, "groups": True}, {**ACCESS, "groups": [None]}, {**ACCESS, "kfd_mode": float("nan")},
     {**ACCESS, "accessible": "yes"}],
)
def test_an_answer_about_access_that_is_none(answer: Any) -> None:
    known = Inventory()
    known.add("pci", {"devices": [{"vendor": "amd", "pci": {"address": "0000:03:00.0"}}]})
    host = ReplayHost({"files": {}, "dirs": {}, "links": {}, "probes": {"device_access": answer}, "commands": []})
    assert rocm.read(Source(host, "rocm", known.problems), known) == {"amd": {}}
    assert [problem["code"] for problem in known.problems] == ["unreadable"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6.2.4-139", "6.2.4"),
        ("7.2.0", "7.2.0"),
        ("7.14", "7.14"),
        ("1:6.2.4.60204-139~24.04", "6.2.4"),
        ("10.0.0rc1", "10.0.0"),
        ("", None),
        ("unknown", None),
        ("6", None),
        ("1234.5.6", None),
        ("-6.2", None),
    ],
)
def test_release_of(text: str, expected: str | None) -> None:
    assert rocm.release_of(text) == expected


@PATIENT
@given(st.text(max_size=40), st.lists(st.text(max_size=20) | st.from_regex(r"(rocm|core)-[\d.]{0,6}", fullmatch=True)))
def test_no_text_breaks_a_parser(text: str, names: list[str]) -> None:
    release = rocm.release_of(text)
    assert release is None or release[0].isdigit()
    assert rocm.folders_of(names, names)[:2] == ["/opt/rocm", "/opt/rocm/core"]


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        pytest.param({"kfd": 0o660, "dri/renderD128": 0o660}, ("0660", True), id="all"),
        pytest.param({"kfd": 0o660}, ("0660", True), id="no render node"),
        pytest.param({"dri/renderD128": 0o660}, (None, False), id="no compute device"),
        pytest.param({}, (None, False), id="nothing"),
    ],
)
def test_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modes: dict[str, int], expected: tuple[str | None, bool]
) -> None:
    (tmp_path / "dri").mkdir()
    for name, mode in modes.items():
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    monkeypatch.setattr(rocm, "KFD", str(tmp_path / "kfd"))
    monkeypatch.setattr(rocm, "RENDER_FOLDER", str(tmp_path / "dri"))
    answer = rocm.probe_device_access(None)
    assert (answer["kfd_mode"], answer["accessible"]) == expected
    assert (answer["kfd_group"] in answer["groups"]) == ("kfd" in modes)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give up its rights")
def test_probe_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kfd").touch()
    (tmp_path / "kfd").chmod(0o660)
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    monkeypatch.setattr(rocm, "KFD", str(tmp_path / "kfd"))
    monkeypatch.setattr(rocm, "RENDER_FOLDER", str(tmp_path / "dri"))
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        answer = rocm.probe_device_access(None)
        os.write(writer, f"{answer['kfd_mode']} {answer['accessible']}".encode())
        os._exit(0)
    os.close(writer)
    os.wait()
    assert os.read(reader, 100) == b"0660 False"
    os.close(reader)
