# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import MODPROBE, ROCM, ROCM_UDEV
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.kept import parse_record, read
from recorded_node import known, node


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
        ('{"schema_version": 1, "packages": {"a": null}}', "packages or asked has something else than names and versions"),
        ('{"schema_version": 1, "asked": "a"}', "packages or asked has something else than names and versions"),
        ('{"schema_version": 1, "locks": [{"kind": "apt_pin", "patterns": null}]}', "locks has something else than patterns"),
        ('{"schema_version": 1, "way_back": [{"undo": ["rm", "x"]}]}', "way_back has something else than commands"),
        ('{"schema_version": 1, "way_back": [{"undo": "rm x", "packages": ["x"]}]}', "way_back has something else than commands"),
    ],
)
def test_a_broken_record_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_record(text)


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
        "commands": [],
        "probes": {},
    }
    problems: list[dict[str, str]] = []
    found = read(Source(load(json.dumps(document)), "kept", problems), known("nvidia", packages={"manager": "dpkg"}))
    assert problems == []
    assert found["system"] == {
        "programs": ["update-initramfs", "kubectl", "dnf versionlock"],
        "image_based": True,
        "ubuntu_codename": None,
    }
    assert found["packages"]["record"]["files"] == ["/etc/extra.conf"]
    assert found["packages"]["own_files"] == {OWN.preferences: "Package: nvidia-*\n", "/etc/extra.conf": "x\n"}
    assert found["health"] == {"nvidia_modules": ["nvidia", "nvidia_uvm"], "console_on_gpu": True, "services_at_boot": {}}


def test_a_node_without_any_of_it() -> None:
    source, problems = node("kept")
    found = read(source, known("nvidia"))
    assert problems == []
    assert found["system"] == {"programs": [], "image_based": None, "ubuntu_codename": None}
    assert found["packages"] == {"record": None, "own_files": {}, "repositories": []}


@pytest.mark.parametrize(("link", "programs"), [("dnf5", ["dnf5"]), ("dnf-3", []), (None, [])])
def test_dnf_5_counts_where_it_is_what_dnf_stands_for(link: str | None, programs: list[str]) -> None:
    links = {"/usr/bin/dnf": link} if link else {}
    source, _problems = node("kept", files={"/usr/bin/dnf5": ""}, links=links)
    assert read(source, known("nvidia"))["system"]["programs"] == programs


def test_a_broken_record_is_a_problem_and_own_files_are_found_all_the_same() -> None:
    source, problems = node("kept", files={OWN.record: "{", MODPROBE: "blacklist nouveau\n"})
    found = read(source, known("nvidia"))
    assert (found["packages"]["record"], found["packages"]["own_files"]) == (None, {MODPROBE: "blacklist nouveau\n"})
    assert [(problem["code"], problem["message"].partition(":")[0]) for problem in problems] == [("unreadable", OWN.record)]


def test_rocm_has_a_record_and_files_of_its_own() -> None:
    record = {"schema_version": 1, "packages": {"rocminfo": "6.1.2-2"}, "files": ["/etc/extra.conf"]}
    files = {ROCM.record: json.dumps(record), ROCM_UDEV: "rule\n", "/etc/extra.conf": "x\n"}
    source, problems = node("kept", files={**files, OWN.record: "{", MODPROBE: "blacklist nouveau\n"})
    source.own = ROCM
    found = read(source, known())["packages"]
    assert (found["record"]["packages"], problems) == ({"rocminfo": "6.1.2-2"}, [])
    assert found["own_files"] == {ROCM_UDEV: "rule\n", "/etc/extra.conf": "x\n"}


def test_the_signing_key_is_asked_for_under_secure_boot_only() -> None:
    common = b"\x06\x03\x55\x04\x03\x0c\x17DKMS module signing key"
    files = {"/var/lib/dkms/mok.pub": {"base64": __import__("base64").b64encode(b"\x30\x82" + common + common).decode()}}
    for secure, name in ((True, "DKMS module signing key"), (False, None)):
        source, _problems = node("kept", files=files)
        assert read(source, known("nvidia", kernel={"secure_boot": secure}))["kernel"] == {"signing_key": name}
