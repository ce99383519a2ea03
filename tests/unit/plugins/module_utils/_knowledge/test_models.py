# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory of language models."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import models


@pytest.mark.parametrize(
    ("billions", "weights", "use", "gib"),
    [
        (7, "fp16", "inference", 15.65),
        (7, "q4_k_m", "inference", 4.73),
        (70, "fp16", "inference", 156.46),
        (70, "q4_k_m", "inference", 47.33),
        (7, "bf16", "training", 52.15),
        (0.5, "fp32", "inference", 2.24),
    ],
)
def test_needed_gib(billions: float, weights: str, use: str, gib: float) -> None:
    assert models.needed_gib(billions, weights, use) == pytest.approx(gib, abs=0.01)


def test_largest_is_the_inverse() -> None:
    for weights in models.formats():
        for use in models.uses():
            assert models.largest_billion(models.needed_gib(13, weights, use), weights, use) == pytest.approx(13)


def test_formats_are_ordered_from_wide_to_narrow() -> None:
    sizes = [models.needed_gib(1, weights) for weights in models.formats()]
    assert len(sizes) == 15
    assert sizes[0] == max(sizes)
    assert sizes[-1] == min(sizes)


@pytest.mark.parametrize(("weights", "precision"), [("fp8", "fp8"), ("q4_k_m", "fp16"), ("mxfp4", "fp4"), ("bf16", "bf16")])
def test_precision_of(weights: str, precision: str) -> None:
    assert models.precision_of(weights) == precision
