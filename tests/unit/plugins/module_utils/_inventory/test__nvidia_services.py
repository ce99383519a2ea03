# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""States of the services around the driver."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._nvidia_services import at_boot, parse_show, services
from recorded_node import command, node

UNITS = "/usr/lib/systemd/system"
FM, PERSISTENCED, DCGM = "nvidia-fabricmanager.service", "nvidia-persistenced.service", "dcgm.service"
ASK = f"systemctl show -p Id,ActiveState {FM}"


@pytest.mark.parametrize(
    ("dirs", "files", "commands", "fact", "state"),
    [
        ({UNITS: [FM], "/run/systemd/units": [f"invocation:{FM}"]}, {}, [], "fabricmanager", "active"),
        ({UNITS: [PERSISTENCED], "/sys/fs/cgroup/system.slice": [PERSISTENCED]}, {}, [], "persistenced", "active"),
        ({UNITS: [DCGM], "/sys/fs/cgroup/systemd/system.slice": [DCGM]}, {}, [], "dcgm", "active"),
        ({UNITS: [FM]}, {}, [], "fabricmanager", "inactive"),
        (
            {UNITS: [FM], "/run/systemd/system": ["x"]},
            {},
            [command(ASK, f"Id={FM}\nActiveState=failed\n")],
            "fabricmanager",
            "failed",
        ),
        (
            {UNITS: [FM], "/run/systemd/system": []},
            {},
            [command(ASK, f"Id={FM}\nActiveState=failed\n")],
            "fabricmanager",
            "failed",
        ),
        ({UNITS: [FM], "/run/systemd/system": ["x"]}, {}, [command(ASK, "", 1)], "fabricmanager", "inactive"),
        ({UNITS: [FM]}, {}, [command(ASK, f"Id={FM}\nActiveState=failed\n")], "fabricmanager", "inactive"),
        ({UNITS: ["ssh.service"]}, {}, [], "imex", "absent"),
        ({}, {}, [], "imex", None),
        (
            {},
            {"/run/nvidia-fabricmanager/nv-fabricmanager.pid": "812\n", "/proc/812/comm": "nv-fabricmanager\n"},
            [],
            "fabricmanager",
            "active",
        ),
        ({UNITS: ["x"]}, {"/run/nvidia-persistenced/nvidia-persistenced.pid": "812\n"}, [], "persistenced", "absent"),
        ({UNITS: ["x"]}, {"/run/nvidia-persistenced/nvidia-persistenced.pid": "../x\n"}, [], "persistenced", "absent"),
    ],
    ids=[
        "invocation",
        "cgroup 2",
        "cgroup 1",
        "not running",
        "failed",
        "failed, no transient unit",
        "systemd refuses",
        "no systemd runs",
        "not installed",
        "no systemd at all",
        "daemon in a container",
        "stale PID file",
        "junk in the PID file",
    ],
)
def test_states(dirs: Any, files: Any, commands: Any, fact: str, state: Any) -> None:
    source, problems = node(dirs=dirs, files=files, commands=commands)
    assert services(source)[fact] == state
    assert problems == []


def test_all_services_are_told() -> None:
    source, _problems = node(dirs={UNITS: ["x"]})
    assert services(source) == dict.fromkeys(("persistenced", "fabricmanager", "imex", "dcgm"), "absent")


@pytest.mark.parametrize(
    ("text", "states"),
    [
        (f"Id={FM}\nActiveState=active\n\nId={DCGM}\nActiveState=activating\n", {FM: "active", DCGM: "active"}),
        (f"ActiveState=failed\nId={FM}\n", {FM: "failed"}),
        (f"Id={FM}\nActiveState=maintenance\n", {}),
        ("junk", {}),
        ("", {}),
    ],
)
def test_what_systemctl_shows(text: str, states: Any) -> None:
    assert parse_show(text) == states


UNIT = "[Service]\nExecStart=/usr/bin/nvidia-persistenced\n"
INSTALL = f"{UNIT}[Install]\nWantedBy=multi-user.target\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, {}),
        ({f"{UNITS}/{PERSISTENCED}": INSTALL}, {"persistenced": False}),
        ({f"{UNITS}/{PERSISTENCED}": UNIT}, {"persistenced": True}),
        ({f"{UNITS}/{PERSISTENCED}": INSTALL, f"/etc/systemd/system/multi-user.target.wants/{PERSISTENCED}": ""}, {"persistenced": True}),
        ({f"{UNITS}/{PERSISTENCED}": INSTALL, f"/etc/systemd/system/{PERSISTENCED}": ""}, {"persistenced": True}),
        ({f"{UNITS}/{FM}": INSTALL, f"{UNITS}/graphical.target.requires/{FM}": "", f"{UNITS}/{DCGM}": INSTALL},
         {"fabricmanager": True, "dcgm": False}),
    ],
    ids=["absent", "disabled", "static", "enabled", "masked", "required"],
)  # fmt: skip
def test_at_boot(files: dict[str, str], found: dict[str, bool]) -> None:
    source, problems = node("nvidia", files=files)
    assert (at_boot(source), problems) == (found, [])
