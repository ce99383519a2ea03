# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch wheels."""

from __future__ import annotations

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import torch

INDEX = "https://download.pytorch.org/whl/"


@pytest.mark.parametrize(
    ("capability", "driver", "variant", "release"),
    [
        ("8.9", "550.163.01", "cu126", "2.14"),
        ("8.9", "580.178.04", "cu130", "2.14"),
        ("8.9", "595.71.05", "cu132", "2.14"),
        ("8.9", None, "cu132", "2.14"),
        ("7.0", "580.178.04", "cu126", "2.14"),
        ("6.1", "535.309.01", "cu126", "2.14"),
        ("12.0", "570.211.01", "cu128", "2.11"),
        ("12.1", "580.178.04", "cu130", "2.14"),
        ("10.3", "580.178.04", "cu130", "2.14"),
        ("9.0", "470.256.02", "cu118", "2.7"),
        ("3.7", "470.256.02", "cu118", "2.5"),
        ("3.0", "470.256.02", "cpu", None),
        ("8.9", "440.33", "cpu", None),
        (None, "580.178.04", "cpu", None),
        ("8.9", "N/A", "cpu", None),
    ],
)
def test_wheel_for(capability: str | None, driver: str | None, variant: str, release: str | None) -> None:
    wheel = torch.wheel_for(capability, driver)
    assert (wheel.variant, wheel.torch, wheel.index_url) == (variant, release, INDEX + variant)


@pytest.mark.parametrize(
    ("capability", "driver", "reason"),
    [
        ("8.9", "550.163.01", "torch 2.14 for cu126 has code for compute capability 8.9 and needs driver 525.60.13"),
        ("3.0", "470.256.02", "no wheel has code for compute capability 3.0"),
        ("8.9", "440.33", "no wheel with code for compute capability 8.9 runs on driver 440.33"),
        (None, None, "the compute capability of the GPU is not known"),
    ],
)
def test_reason(capability: str | None, driver: str | None, reason: str) -> None:
    assert torch.wheel_for(capability, driver).reason == reason


@pytest.mark.parametrize(
    ("gfx", "variant", "release"),
    [
        ("gfx942", "rocm7.2", "2.13"),
        ("gfx1030", "rocm7.2", "2.13"),
        ("gfx1201", "rocm7.2", "2.13"),
        ("gfx1103", "rocm7.14", "2.14"),
        ("gfx1031", "cpu", None),
        (None, "cpu", None),
    ],
)
def test_wheel_for_gfx(gfx: str | None, variant: str, release: str | None) -> None:
    wheel = torch.wheel_for_gfx(gfx)
    assert (wheel.variant, wheel.torch, wheel.index_url) == (variant, release, INDEX + variant)


@pytest.mark.parametrize(
    ("name", "release", "backend", "floor", "holds", "lacks", "span"),
    [
        ("cu126", None, "cuda", "525.60.13", "5.0", "10.0", ("2.6", "2.14")),
        ("cu128", "2.7", "cuda", "525.60.13", "12.0", "7.0", ("2.7", "2.7")),
        ("cu128", "2.8", "cuda", "525.60.13", "7.0", "5.0", ("2.8", "2.10")),
        ("cu128", "2.10.1", "cuda", "525.60.13", "7.0", "5.0", ("2.8", "2.10")),
        ("cu130", None, "cuda", "580.65.06", "12.0", "7.0", ("2.9", "2.14")),
        ("rocm7.2", None, "rocm", None, "gfx942", "gfx1103", ("2.10", "2.13")),
        ("rocm7.2", "2.14", "rocm", None, "gfx1103", "gfx1031", ("2.14", "2.14")),
    ],
)
def test_variant(name: str, release: str | None, backend: str, floor: str | None, holds: str, lacks: str, span: tuple[str, str]) -> None:
    variant = torch.variant(name, release)
    assert variant is not None
    assert (variant.name, variant.backend, variant.min_driver, variant.torch) == (name, backend, floor, span)
    assert holds in variant.architectures
    assert lacks not in variant.architectures


@pytest.mark.parametrize(("name", "release"), [("cu999", None), ("cu130", "2.5"), ("rocm1.0", None), ("", None), ("xpu", None)])
def test_no_variant(name: str, release: str | None) -> None:
    assert torch.variant(name, release) is None


def test_cpu_variant_runs_anywhere() -> None:
    assert torch.variant("cpu") == torch.Variant("cpu", "cpu", None, None, (), None, None)


@pytest.mark.parametrize(
    ("built", "ptx", "capability", "expected"),
    [
        (("8.0", "8.6"), None, "8.9", True),
        (("8.6",), None, "8.0", False),
        (("9.0",), None, "10.0", False),
        (("9.0",), "9.0", "10.0", True),
        (("12.0",), "12.0", "9.0", False),
        ((), None, "8.0", False),
    ],
)
def test_runs_on(built: tuple[str, ...], ptx: str | None, capability: str, expected: bool) -> None:
    assert torch.runs_on(built, ptx, capability) is expected
