# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import MODPROBE, ROCM, ROCM_UDEV
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.room import parse_df, parse_lock, parse_record, read
from recorded_node import command, known, node

# GNU df 9.7 of a machine with two file systems, a quota that is exceeded, and one whose name has a blank.
DF = """\
Filesystem                  1024-blocks     Used Available Capacity Mounted on
/dev/nvme0n1p2                  1038336   529332    509004      51% /boot
/dev/mapper/system-root       104805376 61283432  43521944      59% /
tank/var with blank           104805376 61283432        -8     100% /var
"""
PLACES = ["/boot", "/usr", "/var"]


def test_parse_df() -> None:
    assert parse_df(DF, PLACES) == {"/boot": 497, "/usr": 42501, "/var": 0}


@pytest.mark.parametrize(
    ("text", "found"),
    [("", 0), (DF.replace("tank", "tank\n"), 3), ("\n".join(DF.splitlines()[:3]), 2), (DF.replace("43521944", "much"), 2)],
)
def test_df_without_a_line_for_each_folder_is_refused(text: str, found: int) -> None:
    with pytest.raises(ValueError, match=f"df: {found} file systems for 3 folders"):
        parse_df(text, PLACES)


def test_parse_record() -> None:
    record = {"schema_version": 1, "packages": {"nvidia-driver": "550.163.01-2"}, "files": [OWN.preferences]}
    assert parse_record(json.dumps(record)) == {**record, "repositories": [], "locks": [], "way_back": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ('{"schema_version": 1, "pack', "Unterminated string"),
        ("[]", "no record of schema version 1"),
        ('{"schema_version": 2}', "no record of schema version 1"),
        ('{"schema_version": 1, "packages": ["a"]}', "packages is no dict"),
        ('{"schema_version": 1, "files": "/etc/x"}', "files is no list"),
        ('{"schema_version": 1, "files": ["../etc/x"]}', "files has something else than absolute paths"),
        ('{"schema_version": 1, "locks": ["a"]}', "repositories, locks or way_back has something else than objects"),
        ('{"schema_version": 1, "way_back": [{"undo": ["rm", "x"]}]}', "way_back has something else than commands"),
        ('{"schema_version": 1, "way_back": [{"undo": "rm x", "packages": ["x"]}]}', "way_back has something else than commands"),
    ],
)
def test_a_broken_record_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_record(text)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"holder": None}, None),
        ({"holder": {"pid": 812, "name": "unattended-upgr"}}, {"pid": 812, "name": "unattended-upgr"}),
        ({"holder": {"pid": None, "name": ""}}, {"pid": None, "name": None}),
    ],
)
def test_parse_lock(answer: Any, found: Any) -> None:
    assert parse_lock(answer) == found


@pytest.mark.parametrize("answer", [None, [], {}, {"holder": 1}, {"holder": {"pid": "812"}}])
def test_an_answer_of_another_form_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="holder"):
        parse_lock(answer)


def test_read() -> None:
    files = {
        OWN.record: json.dumps(
            {"schema_version": 1, "files": ["/etc/extra.conf"], "repositories": [{"path": "/etc/apt/sources.list.d/n.sources"}]}
        ),
        OWN.preferences: "Package: nvidia-*\n",
        "/etc/extra.conf": "x\n",
        "/etc/modprobe.d/other.conf": "blacklist nouveau\n",
        "/usr/sbin/update-initramfs": "",
        "/usr/bin/kubectl": "",
        "/etc/dnf/plugins/versionlock.conf": "[main]\nenabled = 1\n",
        "/usr/bin/true": "",
        "/sys/module/nvidia/refcnt": "1\n",
        "/sys/module/nvidia_uvm/refcnt": "0\n",
        "/proc/fb": "0 nvidia-drmdrmfb\n",
        "/run/ostree-booted": "",
    }
    document = {
        "evidence": 1,
        "files": files,
        "dirs": {"/": ["boot", "usr", "var"]},
        "commands": [command("df -kP /boot /usr /var", DF)],
        "probes": {"package_lock": {"holder": {"pid": 9, "name": "apt-get"}}},
    }
    problems: list[dict[str, str]] = []
    found = read(Source(load(json.dumps(document)), "room", problems), known("nvidia", packages={"manager": "dpkg"}))
    assert problems == []
    assert found["system"] == {
        "free_mib": {"/boot": 497, "/usr": 42501, "/var": 0},
        "programs": ["update-initramfs", "kubectl", "dnf versionlock"],
        "image_based": True,
        "ubuntu_codename": None,
    }
    assert found["packages"]["lock_holder"] == {"pid": 9, "name": "apt-get"}
    assert found["packages"]["record"]["files"] == ["/etc/extra.conf"]
    assert found["packages"]["own_files"] == {OWN.preferences: "Package: nvidia-*\n", "/etc/extra.conf": "x\n"}
    assert found["health"] == {"nvidia_modules": ["nvidia", "nvidia_uvm"], "console_on_gpu": True, "services_at_boot": {}}


def test_a_node_without_any_of_it() -> None:
    source, problems = node("room")
    found = read(source, known("nvidia"))
    assert problems == []
    assert found["system"] == {"free_mib": {}, "programs": [], "image_based": None, "ubuntu_codename": None}
    assert found["packages"] == {"lock_holder": None, "record": None, "own_files": {}, "repositories": [], "recommended": None}


@pytest.mark.parametrize(("link", "programs"), [("dnf5", ["dnf5"]), ("dnf-3", []), (None, [])])
def test_dnf_5_counts_where_it_is_what_dnf_stands_for(link: str | None, programs: list[str]) -> None:
    links = {"/usr/bin/dnf": link} if link else {}
    source, _problems = node("room", files={"/usr/bin/dnf5": ""}, links=links)
    assert read(source, known("nvidia"))["system"]["programs"] == programs


def test_a_broken_record_is_a_problem_and_own_files_are_found_all_the_same() -> None:
    source, problems = node("room", files={OWN.record: "{", MODPROBE: "blacklist nouveau\n"})
    found = read(source, known("nvidia"))
    assert (found["packages"]["record"], found["packages"]["own_files"]) == (None, {MODPROBE: "blacklist nouveau\n"})
    assert [(problem["code"], problem["message"].partition(":")[0]) for problem in problems] == [("unreadable", OWN.record)]


def test_rocm_has_a_record_and_files_of_its_own() -> None:
    record = {"schema_version": 1, "packages": {"rocminfo": "6.1.2-2"}, "files": ["/etc/extra.conf"]}
    files = {ROCM.record: json.dumps(record), ROCM_UDEV: "rule\n", "/etc/extra.conf": "x\n"}
    source, problems = node("room", files={**files, OWN.record: "{", MODPROBE: "blacklist nouveau\n"})
    source.own = ROCM
    found = read(source, known())["packages"]
    assert (found["record"]["packages"], problems) == ({"rocminfo": "6.1.2-2"}, [])
    assert found["own_files"] == {ROCM_UDEV: "rule\n", "/etc/extra.conf": "x\n"}


def test_df_that_breaks_off_is_a_problem() -> None:
    commands = [command("df -kP /boot /usr", DF.partition("/dev/mapper")[0], 1, "df: /usr: Input/output error")]
    source, problems = node("room", dirs={"/": ["boot", "usr"]}, commands=commands)
    assert read(source, known("nvidia"))["system"]["free_mib"] == {}
    message = "df: 1 file systems for 2 folders: df: /usr: Input/output error"
    assert problems == [{"source": "room", "code": "unreadable", "message": message}]


def test_the_signing_key_is_asked_for_under_secure_boot_only() -> None:
    common = b"\x06\x03\x55\x04\x03\x0c\x17DKMS module signing key"
    files = {"/var/lib/dkms/mok.pub": {"base64": __import__("base64").b64encode(b"\x30\x82" + common + common).decode()}}
    for secure, name in ((True, "DKMS module signing key"), (False, None)):
        source, _problems = node("room", files=files)
        assert read(source, known("nvidia", kernel={"secure_boot": secure}))["kernel"] == {"signing_key": name}
