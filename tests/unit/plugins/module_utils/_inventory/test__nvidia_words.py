# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of NVIDIA's tools as values."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory import _nvidia_words as words
from hypothesis import given
from hypothesis import strategies as st

NO_VALUES = (
    "",
    "  ",
    "N/A",
    "[N/A]",
    "None",
    "Not Supported",
    "[Not Supported]",
    "Not Found",
    "Unknown Error",
    "GPU is lost",
    "[GPU requires reset]",
    "[Requested functionality has been deprecated]",
    "[REDACTED]",
    "ERR!",
)


@pytest.mark.parametrize("text", [*NO_VALUES, None])
@pytest.mark.parametrize(
    "function",
    [
        words.word,
        words.number,
        words.whole,
        words.switch,
        words.address,
        words.version,
        words.uuid,
        words.name,
        words.architecture,
        words.vbios,
        words.compute_mode,
    ],
)
def test_every_spelling_of_no_value_is_none(function: Callable[[Any], Any], text: Any) -> None:
    assert function(text) is None


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("81559 MiB", "MiB", 81559),
        ("0 MiB", "MiB", 0),
        ("-8 C", "C", -8),
        ("68.92 W", "W", 68.92),
        ("16x", "x", 16),
        ("5", "", 5),
        (" 30 % ", "%", 30),
        ("81559 MiB", "W", None),
        ("81559", "MiB", None),
        ("2560 bank(s)", "", None),
        ("0x100", "", None),
        ("9" * 5000, "", None),
        ("nan", "", None),
    ],
)
def test_numbers_have_exactly_their_unit(text: str, unit: str, value: Any) -> None:
    assert words.number(text, unit) == value


@pytest.mark.parametrize(("text", "value"), [("700.00 W", None), ("700 W", 700)])
def test_whole_numbers_have_no_fraction(text: str, value: Any) -> None:
    assert words.whole(text, "W") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Enabled", True),
        ("Yes", True),
        ("Active", True),
        ("Disabled", False),
        ("No", False),
        ("Not Active", False),
        ("1", None),
    ],
)
def test_switches(text: str, value: Any) -> None:
    assert words.switch(text) is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("00000000:1A:00.0", "0000:1a:00.0"),
        ("0000:1A:00.0", "0000:1a:00.0"),
        ("00001580:00:00.0", "1580:00:00.0"),
        ("00010000:3B:00.0", "10000:3b:00.0"),
        ("1a:00.0", "0000:1a:00.0"),
        ("0000:1A:00", None),
        ("0000:1A:00.9", None),
        ("GPU 0000:1A:00.0", None),
    ],
)
def test_addresses_are_written_as_the_kernel_does(text: str, value: Any) -> None:
    assert words.address(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("233010DE", ("2330", "10de")),
        ("0x233010DE", ("2330", "10de")),
        ("000010DE", (None, None)),
        ("00000000", (None, None)),
        ("2330", (None, None)),
        ("N/A", (None, None)),
        (None, (None, None)),
    ],
)
def test_pci_ids(text: Any, value: Any) -> None:
    assert words.pci_ids(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("580.95.05", "580.95.05"),
        ("13.2", "13.2"),
        ("610.57.04 [Deprecated; will be removed. Use KMD Version instead]", "610.57.04"),
        ('Deprecated, see "KMD version" instead', None),
        ("580", None),
    ],
)
def test_versions_end_where_remarks_begin(text: str, value: Any) -> None:
    assert words.version(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("GPU-513536b6-7d19-9063-b049-1e69664bb298", "GPU-513536b6-7d19-9063-b049-1e69664bb298"),
        ("MIG-GPU-513536b6-7d19-9063-b049-1e69664bb298/7/0", "MIG-GPU-513536b6-7d19-9063-b049-1e69664bb298/7/0"),
        ("GPU-????????-????-????-????-????????????", None),
        ("513536b6-7d19-9063-b049-1e69664bb298", None),
    ],
)
def test_uuids(text: str, value: Any) -> None:
    assert words.uuid(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("NVIDIA A100-SXM4-80GB", "NVIDIA A100-SXM4-80GB"), ("Graphics Device", None), ("NVIDIA Graphics Device", None)],
)
def test_a_board_newer_than_its_driver_has_no_name(text: str, value: Any) -> None:
    assert words.name(text) == value


@pytest.mark.parametrize(("text", "value"), [("Ada Lovelace", "ada"), ("Hopper", "hopper")])
def test_architectures(text: str, value: str) -> None:
    assert words.architecture(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("97.00.b9.00.69", "97.00.B9.00.69"), ("00.00.00.00.00", None), ("??.??.??.??.??", None)]
)
def test_a_vgpu_guest_has_no_vbios(text: str, value: Any) -> None:
    assert words.vbios(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("None", "none"), ("Pass-Through", "passthrough"), ("VGPU", "vgpu"), ("Host VGPU", "none"), ("N/A", None), (None, None)],
)
def test_virtualization(text: Any, value: Any) -> None:
    assert words.virtualization(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("None", "none"),
        ("Reset", "reset"),
        ("GPU Reset", "reset"),
        ("Node Reboot", "reboot"),
        ("Drain P2P", "drain_p2p"),
        ("Drain and Reset", "drain_and_reset"),
        ("N/A", None),
        ("GPU is lost", None),
        (None, None),
    ],
)
def test_recovery_actions(text: Any, value: Any) -> None:
    assert words.recovery_action(text) == value


@pytest.mark.parametrize(("text", "value"), [("Default", "default"), ("Exclusive_Process", "exclusive_process"), ("Foo", None)])
def test_compute_modes(text: str, value: Any) -> None:
    assert words.compute_mode(text) == value


@given(st.text())
def test_no_text_makes_any_of_them_raise(text: str) -> None:
    for function in (
        words.word,
        words.number,
        words.whole,
        words.switch,
        words.address,
        words.version,
        words.uuid,
        words.name,
        words.architecture,
        words.vbios,
        words.compute_mode,
        words.virtualization,
        words.recovery_action,
    ):
        function(text)
    assert len(words.pci_ids(text)) == 2
