# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups, users and their sessions as this machine has them, and device files of a folder of the test's own."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import _accounts_probe
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.rocm_access import is_answer

STATUS = "Name:\tbash\nUid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1002\t1002\t1002\nGroups:\t27 109 1001 \n"


def test_the_form_of_the_answer() -> None:
    assert is_answer(_accounts_probe.probe_accounts(["root", "no-such-user"]))


def test_users_are_those_of_the_account_database() -> None:
    me = pwd.getpwuid(os.getuid())
    users = _accounts_probe.probe_accounts([me.pw_name, "no-such-user"])["users"]
    assert users["no-such-user"] == {"exists": False}
    mine = users[me.pw_name]
    assert (mine["exists"], mine["uid"]) == (True, me.pw_uid)
    assert mine["groups"] == sorted({grp.getgrgid(number).gr_name for number in os.getgrouplist(me.pw_name, me.pw_gid)})
    assert mine["processes"] >= 1
    assert grp.getgrgid(me.pw_gid).gr_name in mine["session_groups"]


def test_a_process_keeps_the_groups_of_its_login() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    number = pwd.getpwnam("nobody").pw_uid
    child = subprocess.Popen(["sleep", "30"], user=number, group=0, extra_groups=[0, 5])
    try:
        about = _accounts_probe.probe_accounts(["nobody"])["users"]["nobody"]
    finally:
        child.kill()
        child.wait()
    assert about["processes"] >= 1
    assert grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name in about["groups"]
    assert grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name not in about["session_groups"]


def test_device_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dri").mkdir()
    for name, mode in (("kfd", 0o660), ("dri/renderD128", 0o666), ("dri/renderD1000", 0o600), ("dri/card0", 0o600)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    monkeypatch.setattr(_accounts_probe, "_KFD", f"{tmp_path}/kfd")
    monkeypatch.setattr(_accounts_probe, "_RENDER_FOLDER", f"{tmp_path}/dri")
    nodes = _accounts_probe.probe_accounts([])["nodes"]
    assert [(node["path"].removeprefix(f"{tmp_path}/"), node["mode"]) for node in nodes] == [
        ("kfd", "0660"), ("dri/renderD128", "0666"), ("dri/renderD1000", "0600")]
    assert {node["gid"] for node in nodes} == {os.getegid()}
    assert nodes[0]["owner"] == pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (STATUS, (1000, {1002, 27, 109, 1001})),
        (STATUS.replace("27 109 1001 ", ""), (1000, {1002})),
        ("Name:\tbash\n", (None, set())),
        ("", (None, set())),
    ],
)
def test_status(text: str, expected: Any) -> None:
    assert _accounts_probe.parse_status(text) == expected
