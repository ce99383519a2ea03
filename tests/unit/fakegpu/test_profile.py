# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles: what a wrong one is told, what a right one is completed to, and that the project's own set is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from fakegpu import ProfileError, evidence_of, load_profile, profile_names
from fakegpu import trouble as troubles
from fakegpu.__main__ import main
from fakegpu.amd_cards import gfx_name
from fakegpu.profile import complete, table

DATA = Path(__file__).resolve().parents[3] / "data"
CARD = {"model": "RTX4090", "address": "0000:01:00.0"}
# The machines that the project promises to know (issue 3, section 7).
PROMISED = {
    "rtx4090-healthy",
    "rtx3080ti-no-driver",
    "rtx2060-nouveau",
    "rx6800xt-inbox",
    "h100x8-healthy",
    "h100x8-fabric-manager-stopped",
    "h100-mig",
    "a100-remapped-rows-pending",
    "b200x8-healthy",
    "gb10-unified-memory",
    "k80-driver-dropped",
    "v100-driver-dropped",
    "v100-b200-mixed",
    "nvidia-amd-mixed",
    "mi300x8-spx",
    "mi300x8-cpx",
    "mi210",
    "apu-only",
    "vgpu-guest",
    "wsl",
    "library-mismatch",
    "gpu-off-the-bus",
    "xid119-smi-hangs",
    "smi-crashes",
    "secure-boot-unsigned",
    "dkms-old-kernel-only",
    "next-kernel-without-module",
    "runfile-leftovers",
    "kfd-no-group",
    "intel-only",
    "no-gpu",
    "azure-pci-domains",
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ([], "mine: a profile is a mapping with a description"),
        ({"gpus": []}, "mine: a profile is a mapping with a description"),
        ({"description": "x", "gpu": []}, "mine: no key named 'gpu'; did you mean gpus?"),
        ({"description": "x", "gpus": [{"model": "RTX4080"}]}, "mine: no model named 'RTX4080'; did you mean RTX4090?"),
        ({"description": "x", "distribution": "debian-14"}, "mine: no distribution named 'debian-14'; did you mean debian-13?"),
        ({"description": "x", "nvidia": {"verison": "580.95.05"}}, "mine: nvidia: no key named 'verison'; did you mean version?"),
        ({"description": "x", "nvidia": {"version": 550.1}}, "mine: nvidia: version: quote the version, YAML took 550.1 for a number"),
        ({"description": "x", "kernel": {"runing": "older"}}, "mine: kernel: no key named 'runing'; did you mean running?"),
        (
            {"description": "x", "devices": [{"model": "nvswitch", "address": "0000:c0:00.0"}]},
            "mine: no device named 'nvswitch'; did you mean nvswitch-h100?",
        ),
        ({"description": "x", "trouble": ["vfio", {"vfio": {}}]}, "mine: the trouble vfio is named twice"),
    ],
)
def test_a_wrong_profile_is_told_where_and_the_nearest_word(text: Any, message: str) -> None:
    with pytest.raises(ProfileError) as error:
        complete(text, "mine")
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("noveau_bound", "mine: no trouble named 'noveau_bound'; did you mean nouveau_bound?"),
        ({"off_the_bus": {"gpus": 1}}, "mine: no word of the trouble off_the_bus named 'gpus'; did you mean gpu?"),
    ],
)
def test_a_wrong_trouble_is_told_the_nearest_word(trouble: Any, message: str) -> None:
    with pytest.raises(ProfileError) as error:
        evidence_of(complete({"description": "x", "gpus": [CARD], "trouble": [trouble]}, "mine"))
    assert str(error.value) == message


def test_a_file_of_ones_own_is_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("description: mine\ngpus: [{model: T4}]\n", encoding="utf-8")
    profile = load_profile(str(path))
    assert (profile.name, [gpu.address for gpu in profile.gpus], profile.gpus[0].driver) == ("mine", ["0000:01:00.0"], None)


def test_cards_without_address_get_one_each_and_a_name_of_their_own() -> None:
    profile = complete({"description": "x", "gpus": [{"model": "A10", "count": 4}], "nvidia": {"version": "580.95.05"}}, "mine")
    assert [gpu.address for gpu in profile.gpus] == ["0000:18:00.0", "0000:2c:00.0", "0000:40:00.0", "0000:54:00.0"]
    assert len({gpu.uuid for gpu in profile.gpus}) == len({gpu.serial for gpu in profile.gpus}) == 4
    assert {gpu.driver for gpu in profile.gpus} == {"nvidia"}
    assert profile.gpus[0].bus_id == "00000000:18:00.0"


def test_the_promised_machines_are_there() -> None:
    assert PROMISED - set(profile_names()) == set()
    assert len({load_profile(name).description for name in profile_names()}) == len(profile_names())


def test_every_trouble_and_every_model_is_used() -> None:
    used = {word for name in profile_names() for word in load_profile(name).trouble}
    known = {*troubles.STATES, *troubles.BEFORE, *troubles.AFTER}
    assert known - used == set(UNUSED_TROUBLES)


UNUSED_TROUBLES = {"no_driver"}  # says in words what a profile without `nvidia` says already


@pytest.mark.parametrize("name", sorted(table("models")["nvidia"]))
def test_nvidia_models_agree_with_the_catalogue(name: str) -> None:
    model = table("models")["nvidia"][name]
    catalogue = yaml.safe_load((DATA / "gpu_catalog.yml").read_text(encoding="utf-8"))["nvidia"]["rows"]
    rows = [row for row in catalogue if model["device"] in row["pci"]]
    chips = yaml.safe_load((DATA / "nvidia_architectures.yml").read_text(encoding="utf-8"))["chips"]["rows"]
    chip = next(row for row in chips if any(first <= model["device"] <= last for first, last in row["pci"]))
    assert chip["architecture"] == model["architecture"].lower().split()[0]
    assert chip["compute_capability"] == model["capability"]
    for row in rows:
        assert row["cc"] == model["capability"]
        assert not model.get("memory_mib") or 0.9 < model["memory_mib"] / 1024 / row["vram_gib"] <= 1.03
        assert bool(row["mig_max"]) == bool(model.get("mig"))


@pytest.mark.parametrize("name", sorted(table("models")["amd"]))
def test_amd_models_agree_with_the_tables(name: str) -> None:
    model = table("models")["amd"][name]
    tables = yaml.safe_load((DATA / "amd_gpus.yml").read_text(encoding="utf-8"))
    rows = [row for row in [*tables["discrete"]["rows"], *tables["apus"]["rows"]] if row["id"] == model["device"]]
    assert rows
    assert {row["gfx"] for row in rows} == {gfx_name(model["gfx"])}
    assert bool(model.get("apu")) == any(row["id"] == model["device"] for row in tables["apus"]["rows"])
    assert model["firmware"] in next(row["prefixes"] for row in tables["firmware"]["rows"] if row["gfx"] == gfx_name(model["gfx"]))


@pytest.mark.parametrize(
    ("number", "name"), [(90402, "gfx942"), (90010, "gfx90a"), (100300, "gfx1030"), (110501, "gfx1151"), (90000, "gfx900")]
)
def test_gfx_names_write_the_stepping_in_hex(number: int, name: str) -> None:
    assert gfx_name(number) == name


def test_command_line_lists_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == profile_names()
    assert all(len(line.split(None, 1)[1]) > 10 for line in lines)


def test_command_line_writes_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "no-gpu", str(tmp_path / "e.json")]) == 0
    assert main(["evidence", "no-gpu"]) == 0
    assert (tmp_path / "e.json").read_text(encoding="utf-8") == capsys.readouterr().out


@pytest.mark.parametrize("command", [["evidence", "rtx4080-healthy"], ["tree", "rtx4080-healthy", "somewhere"]])
def test_command_line_suggests_the_nearest_profile(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 2
    assert capsys.readouterr().err == "fakegpu: no profile named 'rtx4080-healthy'; did you mean rtx4090-healthy?\n"
