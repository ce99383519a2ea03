# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="ansible-core is not there: this Python plays a node")

from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import KINDS
from ansible_collections.gpufleet.node.plugins.plugin_utils._delegate import Delegate, delegates, obstacles

DRIVER = [{"name": "nvidia-kernel-dkms", "version": "550.163.01-2"}, {"name": "dkms", "version": None}]
RPM_DRIVER = [{"name": "kmod-nvidia-open-dkms", "version": "3:580.95.05-1.el9"}]
WORK = {"lock_timeout": 300, "refresh": True, "downgrade": False, "erase": False, "proxy": None}
OWNER = {"owner": "root", "group": "root"}
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
KEY = {"path": "/etc/pki/rpm-gpg/K", "content": ARMOUR, "fingerprint": "AB", "manager": "dnf"}
KEY_FOLDER = Delegate("ansible.builtin.file", {"path": "/etc/pki/rpm-gpg", "state": "directory", "mode": "0755", **OWNER})
KEY_FILE = Delegate("ansible.builtin.copy", {"dest": "/etc/pki/rpm-gpg/K", "content": ARMOUR, "mode": "0644", **OWNER})

TABLE: list[tuple[str, dict[str, Any], list[Delegate]]] = [
    ("packages", {"manager": "apt", "install": DRIVER, **WORK}, [
        Delegate("ansible.builtin.apt", {"name": ["nvidia-kernel-dkms=550.163.01-2", "dkms"], "state": "present", "update_cache": True,
                                         "install_recommends": False, "allow_downgrade": False, "lock_timeout": 300}),
    ]),
    ("packages", {"manager": "dnf", "install": RPM_DRIVER, **WORK, "erase": True, "downgrade": True}, [
        Delegate("ansible.builtin.dnf", {"name": ["kmod-nvidia-open-dkms-3:580.95.05-1.el9"], "state": "present", "update_cache": True,
                                         "allow_downgrade": True, "allowerasing": True, "lock_timeout": 300, "install_weak_deps": False,
                                         "use_backend": "dnf4"}),
    ]),
    ("packages", {"manager": "dnf5", "install": RPM_DRIVER, **WORK, "refresh": False}, [
        Delegate("ansible.builtin.dnf", {"name": ["kmod-nvidia-open-dkms-3:580.95.05-1.el9"], "state": "present", "update_cache": False,
                                         "allow_downgrade": False, "allowerasing": False, "lock_timeout": 300, "install_weak_deps": False,
                                         "use_backend": "dnf5"}),
    ]),
    ("packages", {"manager": "zypper", "install": [{"name": "nvidia-open", "version": "580.95.05-1"}], **WORK}, [
        Delegate("community.general.zypper", {"name": ["nvidia-open=580.95.05-1"], "state": "present", "update_cache": True,
                                              "oldpackage": False, "force_resolution": False, "disable_recommends": True},
                 {"ZYPP_LOCK_TIMEOUT": "300"}),
    ]),
    ("packages_absent", {"manager": "apt", "names": ["nvidia-driver"], "purge": True, "lock_timeout": 9}, [
        Delegate("ansible.builtin.apt", {"name": ["nvidia-driver"], "state": "absent", "purge": True, "lock_timeout": 9}),
    ]),
    ("packages_absent", {"manager": "dnf5", "names": ["nvidia-driver"], "purge": True, "lock_timeout": 9}, [
        Delegate("ansible.builtin.dnf", {"name": ["nvidia-driver"], "state": "absent", "disablerepo": "*", "lock_timeout": 9,
                                         "use_backend": "dnf5"}),
    ]),
    ("packages_absent", {"manager": "zypper", "names": ["nvidia-open"], "lock_timeout": 9}, [
        Delegate("community.general.zypper", {"name": ["nvidia-open"], "state": "absent",
                                              "extra_args_precommand": "--disable-repositories"}, {"ZYPP_LOCK_TIMEOUT": "9"}),
    ]),
    ("repair", {"manager": "apt", "lock_timeout": 60}, [
        Delegate("ansible.builtin.command", {"argv": ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]}, QUIET),
        Delegate("ansible.builtin.command", {"argv": [
            "apt-get", "--yes", "--option=Dpkg::Options::=--force-confdef", "--option=Dpkg::Options::=--force-confold",
            "--option=DPkg::Lock::Timeout=60", "--fix-broken", "install"]}, QUIET),
    ]),
    ("file", {"path": "/etc/modprobe.d/x.conf", "content": "{{ not a template }}", "mode": "0600"}, [
        Delegate("ansible.builtin.copy", {"dest": "/etc/modprobe.d/x.conf", "content": "{{ not a template }}", "mode": "0600", **OWNER}),
    ]),
    ("file", {"path": "/var/lib/gpufleet/nvidia_driver.json", "content": "{}", "mode": None}, [
        Delegate("ansible.builtin.file", {"path": "/var/lib/gpufleet", "state": "directory", "mode": "0755", **OWNER}),
        Delegate("ansible.builtin.copy", {"dest": "/var/lib/gpufleet/nvidia_driver.json", "content": "{}", "mode": "0644", **OWNER}),
    ]),
    ("file_absent", {"path": "/etc/modprobe.d/x.conf"}, [
        Delegate("ansible.builtin.file", {"path": "/etc/modprobe.d/x.conf", "state": "absent"}),
    ]),
    ("key", {**KEY, "manager": "apt"}, [KEY_FOLDER, KEY_FILE]),
    ("key", KEY, [
        KEY_FOLDER, KEY_FILE, Delegate("ansible.builtin.rpm_key", {"key": "/etc/pki/rpm-gpg/K", "fingerprint": "AB", "state": "present"}),
    ]),
    ("command", {"argv": ["update-initramfs", "-u", "-k", "all"]}, [
        Delegate("ansible.builtin.command", {"argv": ["update-initramfs", "-u", "-k", "all"]}),
    ]),
    ("service", {"name": "nvidia-persistenced", "state": "started", "enabled": None}, [
        Delegate("ansible.builtin.service", {"name": "nvidia-persistenced", "state": "started"}),
    ]),
    ("service", {"name": "nvidia-fabricmanager", "state": None, "enabled": False}, [
        Delegate("ansible.builtin.service", {"name": "nvidia-fabricmanager", "enabled": False}),
    ]),
    ("group", {"name": "render", "gid": None, "system": True}, [
        Delegate("ansible.builtin.group", {"name": "render", "state": "present", "system": True}),
    ]),
    ("group", {"name": "render", "gid": 993}, [
        Delegate("ansible.builtin.group", {"name": "render", "state": "present", "system": False, "gid": 993}),
    ]),
    ("user", {"name": "alice", "groups": ["render", "video"]}, [
        Delegate("ansible.builtin.user", {"name": "alice", "groups": ["render", "video"], "append": True, "create_home": False}),
    ]),
]


@pytest.mark.parametrize(("kind", "values", "expected"), TABLE, ids=[f"{row[0]}-{row[1].get('manager', '')}" for row in TABLE])
def test_what_a_step_is_delegated_to(kind: str, values: dict[str, Any], expected: list[Delegate]) -> None:
    assert delegates({"kind": kind, "values": values}) == expected


def test_the_table_has_every_kind() -> None:
    assert {kind for kind, _values, _expected in TABLE} == set(KINDS)


def test_a_proxy_is_for_what_fetches_packages() -> None:
    proxy = "http://proxy.example.com:3128"
    through = {"http_proxy": proxy, "https_proxy": proxy}
    assert delegates({"kind": "packages", "values": TABLE[3][1]}, proxy)[0].environment == {"ZYPP_LOCK_TIMEOUT": "300", **through}
    assert delegates({"kind": "command", "values": {"argv": ["true"]}}, proxy)[0].environment == {}


APT, ZYPPER = {"kind": "packages", "values": TABLE[0][1]}, {"kind": "packages", "values": TABLE[3][1]}
DNF = {"kind": "packages", "values": TABLE[1][1]}
OLD_DNF = (
    "ND-OLD-PYTHON",
    "dnf of this node runs in Python 3.6, which ansible-core 2.19.14 on the controller does not support",
    "python3 -m pip install 'ansible-core>=2.21'",
)
NO_ZYPPER = (
    "ND-COLLECTION-MISSING",
    "this needs community.general.zypper, and the controller does not have community.general",
    "ansible-galaxy collection install community.general",
)


@pytest.mark.parametrize(
    ("steps", "there", "core", "node_python", "expected"),
    [
        ([APT], True, "2.19.14", None, []),
        ([APT], True, "2.19.14", "3.6", []),
        ([DNF], True, "2.19.14", "3.6", [OLD_DNF]),
        ([DNF], True, "2.19.14", "3.9", []),
        ([DNF], True, "2.19.14", None, []),
        ([DNF], True, "2.21.0", "3.6", []),
        ([DNF], True, "2.22.0rc1", "3.6", []),
        ([ZYPPER, ZYPPER], True, "2.21.0", None, []),
        ([ZYPPER, ZYPPER], False, "2.21.0", None, [NO_ZYPPER]),
    ],
)
def test_what_this_controller_cannot_do(steps: list[Any], there: bool, core: str, node_python: str | None, expected: list[Any]) -> None:
    def exists(name: str) -> bool:
        return there or not name.startswith("community.")

    found = obstacles(NVIDIA, steps, exists, core, node_python)
    assert [(one["code"], one["message"], one["remedy"].partition("\n")[0]) for one in found] == expected
    assert {one["severity"] for one in found} <= {"critical"}
