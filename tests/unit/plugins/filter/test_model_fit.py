# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter gpufleet.node.model_fit."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="filters run on the controller")

from ansible.errors import AnsibleFilterError
from ansible_collections.gpufleet.node.plugins.filter.model_fit import FilterModule

model_fit = FilterModule().filters()["model_fit"]
RTX_4090 = {"vendor": "nvidia", "name": "NVIDIA GeForce RTX 4090", "pci": {"device_id": "2684"}, "memory": {"total_mib": 24564}}
BARE_4090 = {**RTX_4090, "memory": {"total_mib": None}}
STRANGER = {"vendor": "nvidia", "name": None, "pci": {"device_id": "ffff"}, "memory": None}


@pytest.mark.parametrize(
    ("value", "arguments", "fits", "needed", "memory", "largest"),
    [
        (RTX_4090, (7,), True, 15.6, 24.0, 10.7),
        (RTX_4090, (13,), False, 29.1, 24.0, 10.7),
        (RTX_4090, (13, "q4_k_m"), True, 8.8, 24.0, 35.5),
        (RTX_4090, ("7.5", "fp16", "training"), False, 55.9, 24.0, 3.2),
        (BARE_4090, (7,), True, 15.6, 24.0, 10.7),
        ([RTX_4090, RTX_4090], (13,), True, 29.1, 48.0, 21.5),
        (80, (70, "fp8"), True, 78.2, 80.0, 71.6),
        ("24", (7,), True, 15.6, 24.0, 10.7),
        (STRANGER, (7,), None, 15.6, None, None),
        ([RTX_4090, STRANGER], (7,), None, 15.6, None, None),
    ],
)
def test_answer(value: Any, arguments: tuple[Any, ...], fits: bool | None, needed: float, memory: Any, largest: Any) -> None:
    answer = model_fit(value, *arguments)
    assert (answer["fits"], answer["needed_gib"], answer["memory_gib"], answer["largest_parameters"]) == (
        fits,
        needed,
        memory,
        largest,
    )


def test_formats_that_fit_are_named() -> None:
    assert model_fit(24, 34)["formats"] == ["mxfp4", "awq", "gptq", "q4_k_m", "q4_0", "q3_k_m", "q2_k"]
    assert model_fit(1, 70)["formats"] == []
    assert model_fit(STRANGER, 7)["formats"] == []


@pytest.mark.parametrize(
    ("value", "weights", "native"),
    [
        (RTX_4090, "fp8", True),
        (RTX_4090, "mxfp4", False),
        ([RTX_4090, STRANGER], "fp16", None),
        (24, "fp16", None),
    ],
)
def test_native(value: Any, weights: str, native: bool | None) -> None:
    assert model_fit(value, 7, weights)["native"] is native


@pytest.mark.parametrize(
    ("value", "arguments", "message"),
    [
        (24, (0,), "parameters is 0 (allowed: a number above 0)"),
        (24, ("many",), "parameters is 'many' (allowed: a number above 0)"),
        (24, (True,), "parameters is True"),
        (24, (float("inf"),), "parameters is inf"),
        (24, (float("nan"),), "parameters is nan"),
        (24, (7, "q4"), "format is 'q4' (allowed: fp32, bf16,"),
        (24, (7, "fp16", "fun"), "use is 'fun' (allowed: inference, training)"),
        (-1, (7,), "the input is -1 (allowed: a number above 0)"),
        (None, (7,), "the input is None"),
        ([], (7,), "the input is an empty list"),
        ([{"memory": 1}], (7,), "vendor None (allowed: nvidia, amd, intel)"),
        ({**RTX_4090, "memory": {"total_mib": "N/A"}}, (7,), "memory.total_mib is 'N/A'"),
    ],
)
def test_bad_input(value: Any, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        model_fit(value, *arguments)
    assert message in str(caught.value)


def test_the_documented_formats_are_those_of_the_table() -> None:
    yaml: Any = pytest.importorskip("yaml")
    from ansible_collections.gpufleet.node.plugins.filter import model_fit as module
    from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import models

    options = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert tuple(options["format"]["choices"]) == models.formats()
    assert tuple(options["use"]["choices"]) == models.uses()
