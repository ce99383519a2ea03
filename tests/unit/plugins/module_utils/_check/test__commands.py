# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any, Callable

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._check import _commands
from ansible_collections.gpufleet.node.plugins.module_utils._check._node import Node
from ansible_collections.gpufleet.node.plugins.module_utils._check._words import Words

DEBIAN = {"system": {"distribution": "debian", "distribution_version": "12"}, "kernel.release": "6.1.0-40-amd64"}
UBUNTU = {"system": {"distribution": "ubuntu", "distribution_version": "24.04"}, "kernel.release": "6.8.0-50-generic"}
ROCKY9 = {
    "system": {"distribution": "rocky", "distribution_version": "9.6", "distribution_like": ["rhel", "centos", "fedora"]},
    "kernel.release": "5.14.0-570.el9.x86_64",
}
ROCKY10 = {**ROCKY9, "system": {"distribution": "rocky", "distribution_version": "10.0"}}
SLES = {"system": {"distribution": "sles", "distribution_version": "15.7"}, "kernel.release": "6.4.0-150700.51-default"}
MINT = {"system": {"distribution": "linuxmint", "distribution_like": ["ubuntu", "debian"]}}
UNKNOWN_RPM = {"system": {"distribution": "some"}, "packages.manager": "rpm"}
VOLTA = {"devices.0.driver_support": {"status": "ended", "first_branch": 384, "last_branch": 580, "open_module": "unsupported"}}
KEPLER = {"devices.0.driver_support": {"status": "ended", "first_branch": None, "last_branch": 470, "open_module": "unsupported"}}
FERMI = {"devices.0.driver_support": {"status": "ended", "first_branch": None, "last_branch": 390, "open_module": "unsupported"}}
BLACKWELL = {"devices.0.driver_support": {"status": "served", "first_branch": 570, "last_branch": None, "open_module": "required"}}
NO_PACKAGES: dict[str, Any] = {"nvidia.driver.packages": {}, "nvidia.driver.managed_by": "none"}


@pytest.mark.parametrize(
    ("system", "family"),
    [(DEBIAN, "debian"), (UBUNTU, "ubuntu"), (ROCKY9, "el"), (ROCKY10, "fedora"), (SLES, "suse"), (MINT, "ubuntu"), (UNKNOWN_RPM, "el")],
)
def test_distribution(machine: Callable[..., Any], system: dict[str, Any], family: str) -> None:
    assert _commands.distribution(Node(machine("rtx4090", system))) == family


@pytest.mark.parametrize(
    ("changes", "word", "command"),
    [
        (UBUNTU, "driver_install", "sudo ubuntu-drivers install"),
        ({**UBUNTU, **VOLTA}, "driver_install", "sudo apt-get install nvidia-driver-580"),
        ({**UBUNTU, **VOLTA}, "driver_downgrade", "sudo apt-get install --allow-downgrades nvidia-driver-580"),
        (DEBIAN, "driver_install", "sudo apt-get install linux-headers-6.1.0-40-amd64 nvidia-driver nvidia-smi"),
        ({**DEBIAN, **VOLTA}, "driver_install", "sudo apt-get install linux-headers-6.1.0-40-amd64 nvidia-driver nvidia-smi"),
        ({**DEBIAN, **KEPLER}, "driver_install", "sudo apt-get install linux-headers-6.1.0-40-amd64 nvidia-tesla-470-driver"),
        ({**DEBIAN, **FERMI}, "driver_install", "sudo apt-get install linux-headers-6.1.0-40-amd64 nvidia-legacy-390xx-driver"),
        ({**DEBIAN, **BLACKWELL}, "driver_install", "sudo apt-get install linux-headers-6.1.0-40-amd64 nvidia-open"),
        ({**DEBIAN, "nvidia.driver.origin": "nvidia"}, "driver_install",
         "sudo apt-get install linux-headers-6.1.0-40-amd64 nvidia-open"),
        (UBUNTU, "driver_note", ""),
        (DEBIAN, "driver_note", "\nThe packages are in Debian's components contrib, non-free and non-free-firmware."),
        ({**DEBIAN, **BLACKWELL}, "driver_note",
         "\nThe packages are in NVIDIA's repository: Debian's own driver does not serve every card of this machine."),
        ({**DEBIAN, "nvidia.driver.installed_version": None, "nvidia.driver.library_version": None}, "nouveau_off",
         "sudo apt-get install linux-headers-6.1.0-40-amd64 nvidia-driver nvidia-smi && sudo systemctl reboot"),
        (DEBIAN, "nouveau_off", "sudo update-initramfs -u -k all && sudo systemctl reboot"),
        (
            {**DEBIAN, "kernel.nouveau_blacklisted": False},
            "nouveau_off",
            "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' | sudo tee /etc/modprobe.d/"
            "gpufleet-nouveau.conf && sudo update-initramfs -u -k all && sudo systemctl reboot",
        ),
        (DEBIAN, "driver_proprietary", "sudo apt-get install linux-headers-6.1.0-40-amd64 nvidia-driver nvidia-smi"),
        (ROCKY9, "driver_install", "sudo dnf module install nvidia-driver:open-dkms"),
        ({**ROCKY9, **VOLTA}, "driver_downgrade", "sudo dnf module reset nvidia-driver && sudo dnf module install nvidia-driver:580-dkms"),
        (
            {**ROCKY10, **VOLTA},
            "driver_install",
            "sudo dnf versionlock add '*nvidia*580*' && sudo dnf install cuda-drivers",
        ),
        (SLES, "driver_install", "sudo zypper install nvidia-open"),
        ({**UBUNTU, "nvidia.driver.managed_by": "operator"}, "driver_install", "kubectl -n gpu-operator edit clusterpolicy"),
        ({**UBUNTU, "system.wsl": True}, "driver_upgrade", "wsl.exe --update"),
        (UBUNTU, "headers", "linux-headers-6.8.0-50-generic"),
        (ROCKY9, "headers", "kernel-devel-5.14.0-570.el9.x86_64"),
        (SLES, "headers", "kernel-default-devel"),
        (UBUNTU, "initramfs", "sudo update-initramfs -u -k all"),
        (ROCKY9, "initramfs", "sudo dracut --force --regenerate-all"),
        (UBUNTU, "fabric_install", "sudo apt-get install nvidia-fabricmanager-580"),
        (ROCKY9, "fabric_install", "sudo dnf install 'nvidia-fabricmanager-580.95.05*'"),
        (UBUNTU, "hold", "sudo apt-mark hold libnvidia-compute-580 nvidia-dkms-580-open"),
        ({**UBUNTU, **NO_PACKAGES}, "hold", "sudo apt-mark hold '?and(?installed,?name(nvidia))'"),
        (ROCKY9, "hold", "sudo dnf versionlock add '*nvidia*'"),
        (UBUNTU, "reinstall", "sudo apt-get install --reinstall libnvidia-compute-580 nvidia-dkms-580-open"),
        ({**UBUNTU, **NO_PACKAGES}, "rocm_hold", "sudo apt-mark hold '?and(?installed,?name(^rocm))'"),
        (UBUNTU, "enrol", "sudo update-secureboot-policy --enroll-key"),
        (DEBIAN, "enrol", "sudo mokutil --import /var/lib/dkms/mok.pub"),
        (UBUNTU, "repair", "sudo dpkg --configure -a && sudo apt-get --fix-broken install"),
        (DEBIAN, "utils_install", "sudo apt-get install nvidia-smi"),
        (UBUNTU, "utils_install", "sudo apt-get install nvidia-utils-580"),
        ({**DEBIAN, "kernel.release": "6.1;reboot"}, "headers", "'linux-headers-6.1;reboot'"),
        ({**UBUNTU, "nvidia.driver.packages": {"a$(reboot)": "1", "b": "1"}}, "hold", "sudo apt-mark hold 'a$(reboot)' b"),
        ({**ROCKY9, "nvidia.driver.loaded_version": "5'; reboot"}, "fabric_install",
         """sudo dnf install 'nvidia-fabricmanager-5'"'"'; reboot*'"""),
    ],
)
def test_words(machine: Callable[..., Any], changes: dict[str, Any], word: str, command: str) -> None:
    assert f"{{{word}}}".format_map(Words(Node(machine("rtx4090", changes)), {})) == command


def test_a_word_that_nobody_knows_is_a_fault(machine: Callable[..., Any]) -> None:
    with pytest.raises(KeyError, match="no_such_word"):
        "{no_such_word}".format_map(Words(Node(machine("rtx4090")), {}))


@pytest.mark.parametrize(
    ("path", "python"),
    [
        ("/opt/venv/lib/python3.12/site-packages/torch", "/opt/venv/bin/python3"),
        ("/usr/lib/python3/dist-packages/torch", "/usr/bin/python3"),
        ("/srv/torch", "python3"),
        (None, "python3"),
    ],
)
def test_python_of(path: str | None, python: str) -> None:
    assert _commands.python_of({"path": path}) == python
