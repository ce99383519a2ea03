# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a screen and an answer say of ROCm."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
from ansible_collections.gpufleet.node.plugins.module_utils._plan._rocm_text import ABOUT
from ansible_collections.gpufleet.node.plugins.module_utils._plan.answer import answer
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Link, Plan, Refusal, Verification
from ansible_collections.gpufleet.node.plugins.module_utils._plan.text import screen
from fakegpu import evidence_of, load_profile


class Chosen(NamedTuple):
    version: str = "7.2.4"
    origin: str = "amd_rocm"
    driver: str = "dkms"
    driver_version: str | None = "30.30.4"


INBOX = {"loaded": True, "method": "inbox", "version": None}
DEBIAN = {"version": "6.1.2", "origin": "debian", "packages": {"rocminfo": "6.1.2-2"}}
HERE = {"driver": INBOX, "rocm": DEBIAN}
NOT_SEEN = Verification("failed", (Link("rocminfo", "broken", "alice may not open /dev/kfd"),), "rocminfo")
WORKS = Verification("verified", (Link("rocminfo", "ok", ""),))


@pytest.mark.parametrize(
    ("chosen", "before", "expected"),
    [
        (Chosen(), HERE, ["ROCm          6.1.2, from debian -> 7.2.4, from amd_rocm", "Driver        inbox -> dkms 30.30.4"]),
        (Chosen(driver="inbox", driver_version=None), HERE,
         ["ROCm          6.1.2, from debian -> 7.2.4, from amd_rocm", "Driver        inbox"]),
        (Chosen(driver="none", driver_version=None), {}, ["ROCm          none -> 7.2.4, from amd_rocm", "Driver        not loaded"]),
        (Chosen(), {"driver": {"loaded": False, "method": "inbox"}},
         ["ROCm          none -> 7.2.4, from amd_rocm", "Driver        inbox, not loaded -> dkms 30.30.4"]),
        (None, HERE, ["ROCm          6.1.2, from debian -> none"]),
    ],
)  # fmt: skip
def test_what_a_plan_makes_of_it(chosen: Any, before: dict[str, Any], expected: list[str]) -> None:
    lines = screen(Plan("change", chosen=chosen), before, about=ABOUT)
    assert lines[0] == "ROCm          to be changed"
    assert [line for line in lines[1:] if line.startswith(("ROCm", "Driver"))] == expected


def test_what_is_there() -> None:
    lines = screen(Plan("nothing_to_do"), {"driver": {**INBOX, "method": "dkms", "version": "6.16.6"}, "rocm": DEBIAN}, WORKS, about=ABOUT)
    assert lines == ["ROCm          nothing to do", "ROCm          6.1.2, from debian", "Driver        dkms 6.16.6",
                     "Seen          ROCm is installed, loaded and answers"]


def test_a_refusal_does_not_tell_of_links_where_nothing_is_installed() -> None:
    plan = Plan("refused", refusals=(Refusal("RS-X", "critical", "no", "do"),))
    assert not any(line.startswith("Seen") for line in screen(plan, {"driver": INBOX}, NOT_SEEN, about=ABOUT))
    assert any(line.startswith("Seen") for line in screen(plan, HERE, NOT_SEEN, about=ABOUT))


def test_the_next_command_is_of_a_finding_about_amd() -> None:
    findings = [{"code": code, "severity": "critical", "remedy": f"mend {code}\nso"} for code in ("NV-NO-DRIVER", "AMD-KFD-ACCESS")]
    inventory = gather(load(json.dumps(evidence_of(load_profile("mi300x8-spx")))))
    told = answer(inventory, Plan("nothing_to_do"), NOT_SEEN, findings, None, ABOUT)
    assert told["msg"] == (
        "there is nothing that this module could do, and ROCm does not work: rocminfo: alice may not open /dev/kfd -> mend AMD-KFD-ACCESS"
    )
    assert told["text"][-1] == "Next          -> mend AMD-KFD-ACCESS"
    assert set(told["before"]) == {"driver", "rocm"}


def test_without_anything_of_amd_there_is_no_before() -> None:
    assert ABOUT.before({"amd": None}) is None
