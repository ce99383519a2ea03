# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import Any, Callable

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._check.report_text import render
from ansible_collections.gpufleet.node.plugins.module_utils._check.run import check

NO_DRIVER: dict[str, Any] = {
    "nvidia": {},
    "devices.0.pci.kernel_driver": None,
    "devices.0.source": ["pci"],
    "kernel.installed": [],
    "packages.installed": {},
}
EXPECTED = """\
NOT READY  NVIDIA GeForce RTX 4090: not ready for AI work; NVIDIA GeForce RTX 4090 is present, but
           no NVIDIA driver is installed
Broken at  kernel driver bound
Next       sudo ubuntu-drivers install

Cards
  0     NVIDIA GeForce RTX 4090: ideal
        24 GiB, 1010 GB/s, bf16: inference and fine-tuning of models with 7 to 13 billion parameters

Chain
  PCI                  ok       1 GPU
  kernel driver bound  BROKEN   NVIDIA GeForce RTX 4090 is present, but no NVIDIA driver is
                                installed
  module loaded        unknown  not reached
  device nodes         unknown  not reached
  NVML / KFD           unknown  not reached
  CUDA / HIP           unknown  not reached
  container            -        no container runtime is installed
  PyTorch              -        PyTorch is not installed

Findings  1 critical
  critical  NV-NO-DRIVER  NVIDIA driver
            NVIDIA GeForce RTX 4090 is present, but no NVIDIA driver is installed
            -> sudo ubuntu-drivers install"""


def test_the_whole_page(machine: Callable[..., Any]) -> None:
    assert render(check(machine("rtx4090", NO_DRIVER)), width=100) == EXPECTED


@pytest.mark.parametrize("width", [60, 80, 100])
def test_only_commands_are_wider_than_the_page(machine: Callable[..., Any], width: int) -> None:
    changes = {"health.log_read": False, "devices.0.pci.kernel_driver": "nouveau", "packages.broken": ["nvidia-dkms"] * 40}
    lines = render(check(machine("rtx4090", changes)), width=width).split("\n")
    assert [line for line in lines if len(line) > width and "->" not in line and not line.startswith("Next")] == []


def test_colours_only_when_asked(machine: Callable[..., Any]) -> None:
    report = check(machine("rtx4090", {"devices.0.compute_mode": "prohibited"}))
    coloured = render(report, colour=True)
    assert "\033[1;31mNOT READY" in coloured
    assert re.sub(r"\033\[[0-9;]*m", "", coloured) == render(report, colour=False)


def test_what_hardware_calls_itself_cannot_write_to_the_terminal(machine: Callable[..., Any]) -> None:
    text = render(check(machine("rtx4090", {"devices.0.name": "RTX\033[2J\r\n\u202eGPU"})))
    assert "\033" not in text
    assert "\r" not in text
    assert "\u202e" not in text


def test_equal_cards_and_findings_share_their_lines(machine: Callable[..., Any]) -> None:
    changes = {"devices.0.persistence_mode": False, "devices.1.persistence_mode": False}
    text = render(check(machine("h100x2", changes)))
    assert "  2 x   NVIDIA H100 80GB HBM3: ideal" in text
    assert text.count("NV-PERSISTENCE-OFF") == 1
    assert "the same for 0000:3b:00.0" in text


def test_without_a_gpu_it_says_what_runs_on_the_cpu(machine: Callable[..., Any]) -> None:
    lines = render(check(machine("none"))).split("\n")
    assert lines[0] == "NO GPU     no GPU: use the CPU"
    assert "    llama-server -m model.gguf" in lines
    assert "Chain" not in lines
