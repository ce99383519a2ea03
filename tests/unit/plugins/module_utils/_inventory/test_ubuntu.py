# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.ubuntu import codename, parse_devices, recommended
from recorded_node import command, known, node

# In the form that ubuntu-drivers of 2026-08 prints.
HEAD = """\
== /sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0 ==
modalias : pci:v000010DEd000020B5sv000010DEsd00001533bc03sc02i00
vendor   : NVIDIA Corporation
model    : GA100 [A100 PCIe 80GB]
"""
A100 = HEAD + """\
driver   : nvidia-driver-580-server - distro non-free
driver   : nvidia-driver-595-open - distro non-free recommended
driver   : nvidia-driver-580-server-open - distro non-free
driver   : xserver-xorg-video-nouveau - distro free builtin

"""
WIFI = """\
== /sys/devices/pci0000:00/0000:00:1c.0/0000:02:00.0 ==
modalias : pci:v000014E4d000043A0sv0000106Bsd0000061Abc02sc80i00
vendor   : Broadcom Inc.
driver   : bcmwl-kernel-source - distro non-free recommended

"""
OPEN_595 = {"package": "nvidia-driver-595-open", "branch": 595, "server": False, "flavour": "open"}


@pytest.mark.parametrize(("text", "found"), [
    (A100, [OPEN_595]),
    (WIFI + A100 + A100, [OPEN_595]),
    (HEAD + "driver   : nvidia-driver-580-server - third-party non-free recommended\n",
     [{"package": "nvidia-driver-580-server", "branch": 580, "server": True, "flavour": "proprietary"}]),
    (HEAD + "driver   : nvidia-driver-580 - distro non-free\n", []),
    (HEAD + "driver   : nvidia-driver-580;reboot - distro non-free recommended\n", []),
    (WIFI, []),
    ("", []),
])
def test_parse_devices(text: str, found: list[dict[str, Any]]) -> None:
    assert parse_devices(text) == found


def look(
    distribution: str, like: list[str], files: dict[str, Any], driver: str | None = None, gpu: bool = True
) -> tuple[Source, Inventory]:
    source, _problems = node("room", files=files, commands=[command("ubuntu-drivers devices", A100)])
    vendors = ("nvidia",) if gpu else ("amd",)
    return source, known(*vendors, system={"distribution": distribution, "distribution_like": like},
                         nvidia={"driver": {"installed_version": driver}})


@pytest.mark.parametrize(("distribution", "like", "driver", "gpu", "found"), [
    ("ubuntu", ["debian"], None, True, [OPEN_595]),
    ("linuxmint", ["ubuntu", "debian"], None, True, [OPEN_595]),
    ("ubuntu", ["debian"], "580.95.05", True, None),
    ("ubuntu", ["debian"], None, False, None),
    ("debian", [], None, True, None),
])
def test_recommended(distribution: str, like: list[str], driver: str | None, gpu: bool, found: list[dict[str, Any]] | None) -> None:
    assert recommended(*look(distribution, like, {}, driver, gpu)) == found


@pytest.mark.parametrize(("distribution", "like", "text", "found"), [
    ("linuxmint", ["ubuntu", "debian"], "ID=linuxmint\nVERSION_ID=\"22\"\nUBUNTU_CODENAME=noble\n", "noble"),
    ("pop", ["ubuntu", "debian"], "ID=pop\nUBUNTU_CODENAME=jammy\n", "jammy"),
    ("linuxmint", ["ubuntu"], "ID=linuxmint\n", None),
    ("linuxmint", ["ubuntu"], "nonsense", None),
    ("ubuntu", ["debian"], "ID=ubuntu\nUBUNTU_CODENAME=noble\n", None),  # its own version tells
])
def test_codename(distribution: str, like: list[str], text: str, found: str | None) -> None:
    assert codename(*look(distribution, like, {"/etc/os-release": text})) == found
