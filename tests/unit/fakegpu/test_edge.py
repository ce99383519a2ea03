# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel that hosts of the tests play: what it admits, who keeps a module in use, and what is seen of it then."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from fakegpu import edge, edge_view

RELEASE = "6.12.57+deb13-amd64"
CARD = "0000:01:00.0"
DKMS_KEY = "DKMS module signing key"
FILE = "/lib/modules/x/updates/dkms/nvidia-current.ko.xz"
FRESH: dict[str, Any] = {"profile": "trixie-rtx4090-bare", "release": RELEASE, "secure_boot": False, "keys": ["Debian Secure Boot CA"],
                         "persistence": False, "modules": {}, "cards": {CARD: None}}
NVIDIA = {"name": "nvidia", "version": "550.163.01", "license": "NVIDIA", "depends": "", "vermagic": f"{RELEASE} SMP preempt mod_unload ",
          "signer": DKMS_KEY, "srcversion": "ABC"}
NOUVEAU = {"name": "nouveau", "license": "GPL and additional rights", "depends": "", "intree": "Y", "vermagic": f"{RELEASE} SMP ",
           "signer": "Debian Secure Boot CA"}
DRM = {"name": "nvidia-drm", "license": "NVIDIA", "depends": "nvidia-modeset,nvidia", "vermagic": f"{RELEASE} SMP "}


@pytest.fixture(autouse=True)
def _run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "RUN", tmp_path)
    monkeypatch.setattr(edge, "_opened", lambda: iter(()))


def state(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(FRESH), **changes}


def with_modules(*fields: dict[str, str], **changes: Any) -> dict[str, Any]:
    """The state after these modules were inserted."""
    found = state(**changes)
    for one in fields:
        edge._admit(found, FILE.replace("nvidia-current", one["name"]), one)
    return found


@pytest.mark.parametrize(("changes", "fields", "error"), [
    ({}, {"vermagic": "6.12.48+deb13-amd64 SMP "}, "Exec format error"),
    ({"cards": {CARD: "nouveau"}}, {}, "No such device"),
    ({"cards": {CARD: "vfio-pci"}}, {}, "No such device"),
    ({"cards": {}}, {}, "No such device"),
    ({"secure_boot": True}, {}, "Key was rejected by service"),
    ({"secure_boot": True}, {"signer": ""}, "Key was rejected by service"),
    ({}, {"depends": "video"}, "Unknown symbol in module, or unknown parameter (see dmesg)"),
])
def test_what_the_kernel_refuses(changes: dict[str, Any], fields: dict[str, str], error: str) -> None:
    before = state(**changes)
    after = copy.deepcopy(before)
    with pytest.raises(edge.Refusal) as told:
        edge._admit(after, FILE, {**NVIDIA, **fields})
    assert str(told.value) == error
    assert after == before


@pytest.mark.parametrize("changes", [{}, {"secure_boot": True, "keys": [DKMS_KEY]}, {"cards": {CARD: None, "0000:02:00.0": "vfio-pci"}}])
def test_what_it_admits_takes_the_free_cards(changes: dict[str, Any]) -> None:
    after = with_modules(NVIDIA, **changes)
    assert after["modules"]["nvidia"]["version"] == "550.163.01"
    assert after["cards"] == {**changes.get("cards", {}), CARD: "nvidia"}


@pytest.mark.parametrize(("opened", "name", "error"), [
    ([], "nvidia", "Module nvidia is in use by: nvidia_modeset nvidia_drm"),
    ([], "nvidia_drm", ""),
    (["/dev/nvidia0"], "nvidia_drm", ""),
    (["/dev/dri/renderD128"], "nvidia_drm", "Module nvidia_drm is in use"),
    (["/dev/null"], "nvidia_drm", ""),
])
def test_what_may_be_removed(opened: list[str], name: str, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "_opened", lambda: iter(opened))
    loaded = with_modules(NVIDIA, {**NVIDIA, "name": "nvidia-modeset", "depends": "nvidia"}, DRM)
    if error:
        with pytest.raises(edge.Refusal) as told:
            edge.delete(loaded, name)
        assert str(told.value) == error
    else:
        edge.delete(loaded, name)
        assert name not in loaded["modules"]


def test_a_module_that_goes_lets_go_of_its_cards() -> None:
    loaded = with_modules(NVIDIA)
    edge.delete(loaded, "nvidia")
    assert loaded == state()


def seen(of: dict[str, Any]) -> dict[str, list[str]]:
    machine, _profile = edge_view._render(of)
    return edge_view._wanted(machine, of)


def test_a_fresh_host_shows_the_card_and_nothing_of_a_driver() -> None:
    found = seen(state())
    assert f"/sys/bus/pci/devices/{CARD}" in found
    assert [path for path in found if "nvidia" in path or path.startswith("/dev/")] == []


def test_nouveau_shows_a_display_and_no_nvidia_device() -> None:
    found = seen(with_modules(NOUVEAU))
    assert found[f"/sys/bus/pci/drivers/nouveau/{CARD}"][0] == "link"
    assert found["/sys/module/nouveau/taint"] == ["file", "\n"]
    assert [path for path in found if path.startswith("/dev/nvidia")] == []
    assert "/dev/dri/card0" in found


def test_a_loaded_driver_is_seen_as_it_is_on_disk() -> None:
    found = seen(with_modules(NVIDIA))
    assert found["/sys/module/nvidia/version"] == ["file", "550.163.01\n"]
    assert found["/sys/module/nvidia/taint"] == ["file", "POE\n"]
    assert [path for path in found if path.startswith("/dev/nvidia")] == ["/dev/nvidia0", "/dev/nvidiactl"]
    assert found[f"{edge_view.RUN}/proc-driver/nvidia/version"][1].startswith(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Release Build")


def test_the_state_right_after_the_kernel_took_over() -> None:
    assert edge_view.fresh("trixie-rtx4090-bare", RELEASE) == state(profile="trixie-rtx4090-bare")
