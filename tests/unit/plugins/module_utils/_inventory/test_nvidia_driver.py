# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA driver as files show it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.nvidia_driver import library_version, newest, read
from recorded_node import known, node

LOADED = {"/sys/module/nvidia/version": "580.95.05\n"}
DEBIAN, EL = "/usr/lib/x86_64-linux-gnu", "/usr/lib64"


def driver(*vendors: str, sections: Any = None, **about: Any) -> dict[str, Any]:
    source, problems = node("nvidia_driver", **about)
    found = read(source, known(*vendors, **(sections or {})))
    assert problems == []
    return dict(found["nvidia"]) if found else {}


def test_a_machine_without_nvidia_has_nothing() -> None:
    assert driver(dirs={"/dev": ["null", "sda"], "/usr/lib": ["os-release"]}) == {}


def test_a_card_without_a_driver_is_worth_telling() -> None:
    found = driver("nvidia")
    assert found["driver"] == {"loaded_version": None, "kernel_module": None, "library_version": None, "managed_by": None}
    assert (found["device_nodes"], found["fabric"]) == ([], {"required": False})


@pytest.mark.parametrize(("taint", "flavour"), [("POE", "proprietary"), ("OE", "open"), ("", None), (None, None)])
def test_loaded_module_and_flavour(taint: Any, flavour: Any) -> None:
    files = dict(LOADED) if taint is None else {**LOADED, "/sys/module/nvidia/taint": f"{taint}\n"}
    found = driver("nvidia", files=files)["driver"]
    assert (found["loaded_version"], found["kernel_module"]) == ("580.95.05", flavour)


@pytest.mark.parametrize(
    ("links", "dirs", "search", "version"),
    [
        ({f"{DEBIAN}/libnvidia-ml.so.1": "libnvidia-ml.so.580.95.05"}, {}, False, "580.95.05"),
        ({f"{EL}/libcuda.so.1": "libcuda.so.570.86.10"}, {}, False, "570.86.10"),
        (
            {
                f"{DEBIAN}/libnvidia-ml.so.1": "/etc/alternatives/nvidia--libnvidia-ml.so.1",
                f"{DEBIAN}/nvidia/current/libnvidia-ml.so.1": "libnvidia-ml.so.550.163.01",
            },
            {},
            False,
            "550.163.01",
        ),
        ({}, {DEBIAN: ["libnvidia-ml.so.535.99", "libnvidia-ml.so.535.100.02", "libfoo.so.999.1"]}, True, "535.100.02"),
        ({}, {DEBIAN: ["libnvidia-ml.so.535.99"]}, False, None),
        ({}, {"/run/nvidia/driver/usr/lib/x86_64-linux-gnu": ["libcuda.so.580.95.05"]}, True, "580.95.05"),
        ({}, {EL: ["libnvidia-ml.so.1", "libcuda.so"]}, True, None),
    ],
    ids=["Debian's link", "EL", "alternatives", "newest of a folder", "no search", "operator", "no version in the names"],
)
def test_the_library_on_disk(links: Any, dirs: Any, search: bool, version: Any) -> None:
    source, problems = node(links=links, dirs=dirs)
    assert library_version(source, search) == version
    assert problems == []


@pytest.mark.parametrize(
    ("names", "version"),
    [((), None), (("libcuda.so.9999999.1",), None), (("libcuda.so.590.44.01", "libnvidia-ml.so.1000.1"), "1000.1")],
)
def test_versions_are_compared_as_numbers(names: Any, version: Any) -> None:
    assert newest(names) == version


def test_device_nodes() -> None:
    names = [
        "nvidia-caps",
        "nvidia-modeset",
        "nvidia-nvswitch0",
        "nvidia-nvswitchctl",
        "nvidia-uvm",
        "nvidia0",
        "nvidia11",
        "nvidiactl",
        "nvme0",
        "dxg",
    ]
    assert driver(dirs={"/dev": names})["device_nodes"] == [
        f"/dev/{name}"
        for name in (
            "nvidia-modeset",
            "nvidia-nvswitch0",
            "nvidia-nvswitchctl",
            "nvidia-uvm",
            "nvidia0",
            "nvidia11",
            "nvidiactl",
        )
    ]


@pytest.mark.parametrize(
    ("files", "manager"),
    [
        ({}, None),
        ({"/etc/nv_tegra_release": "# R36"}, "jetpack"),
        ({"/proc/device-tree/compatible": "nvidia,p3737\0nvidia,tegra234\0"}, "jetpack"),
        ({"/etc/dgx-release": "DGX_NAME=x"}, "dgx_os"),
        ({"/run/nvidia/driver/usr/bin/nvidia-smi": ""}, "operator"),
        ({"/etc/nvidia/gridd.conf.template": ""}, "vgpu"),
        ({"/etc/os-release": 'NAME=x\nID="bottlerocket"\n'}, "image"),
        ({"/usr/lib/os-release": "ID=cos\n"}, "image"),
        ({"/etc/os-release": "ID=debian\n"}, None),
    ],
)
def test_managers_that_replace_packages(files: Any, manager: Any) -> None:
    assert driver("nvidia", files=files)["driver"]["managed_by"] == manager


def test_a_link_to_the_root_of_the_host_is_no_operators_driver() -> None:
    found = driver("nvidia", dirs={"/run/nvidia/driver": ["usr"]}, links={"/run/nvidia/driver": "/"})
    assert found["driver"]["managed_by"] is None


@pytest.mark.parametrize("sections", [{}, {"system": {"wsl": True}}], ids=["by its files", "as the kernel reader says"])
def test_wsl_has_a_device_and_a_library_of_windows(sections: Any) -> None:
    found = driver(sections=sections, dirs={"/dev": ["dxg"], "/usr/lib/wsl/lib": ["libcuda.so.1", "libnvidia-ml.so.1"]})
    assert (found["driver"]["managed_by"], found["device_nodes"]) == ("wsl", ["/dev/dxg"])


def test_dxg_alone_is_no_wsl() -> None:
    assert driver(sections={"system": {"wsl": False}}, dirs={"/dev": ["dxg"], "/usr/lib/wsl/lib": ["libcuda.so.1"]}) == {}


@pytest.mark.parametrize(
    ("sections", "files", "required"),
    [
        ({"nvidia": {"fabric": {"nvswitch_count": 4}}}, {}, True),
        (
            {},
            {
                "/sys/class/infiniband/mlx5_0/device/vpd": "\x82ConnectX-7",
                "/sys/class/infiniband/mlx5_1/device/vpd": "V0 SW_MNG x",
            },
            True,
        ),
        ({}, {"/sys/class/infiniband/mlx5_0/device/vpd": "\x82ConnectX-7"}, False),
        ({}, {}, False),
    ],
    ids=["switches on PCI", "switches behind InfiniBand", "plain InfiniBand", "none"],
)
def test_when_a_fabric_is_required(sections: Any, files: Any, required: bool) -> None:
    assert driver("nvidia", sections=sections, files=files)["fabric"] == {"required": required}


def test_a_fabric_that_only_root_can_see_is_unknown() -> None:
    source, problems = node(files={"/sys/class/infiniband/mlx5_0/device/vpd": {"error": "EACCES"}})
    assert read(source, known("nvidia"))["nvidia"]["fabric"] == {"required": None}
    assert [problem["code"] for problem in problems] == ["not_permitted"]
