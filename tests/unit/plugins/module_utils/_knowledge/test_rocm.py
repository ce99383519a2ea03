# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release of ROCm makes of a card on a system: cases by hand, and properties over all that the tables have."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import amd_table, rocm, rocm_products
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.rocm import Card, System, Verdict
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.rocm_releases import covers, newest_of_series

yaml = pytest.importorskip("yaml", reason="the cases are YAML")

CASES = yaml.safe_load((Path(__file__).parent / "rocm_cases.yml").read_text(encoding="utf-8"))


def _system(text: str) -> System:
    distribution, _blank, version = text.partition(" ")
    return System(distribution, version)


SYSTEMS = [_system(text) for text in ("ubuntu 22.04", "ubuntu 26.04", "debian 12", "debian 13", "rhel 9.6", "rhel 10.0", "rocky 9.6",
                                      "sles 15.7", "fedora 44", "arch rolling")]
PRODUCTION = [one for one in rocm.releases() if one.stream != "preview"]
RANK = {"not_yet": 0, "unofficial": 1, "supported": 2, "ended": 3}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['card']} {case['ask']['release']}")
def test_case(case: dict[str, Any]) -> None:
    ask = case["ask"]
    device, _colon, revision = (ask["pci"] or ":").partition(":")
    card = Card(device or None, revision or None, ask.get("gfx"))
    for text, (status, nearest) in case["systems"].items():
        found = rocm.verdict(card, ask["release"], _system(text))
        answer = {"status": found.status, "first": found.first_release, "last": found.last_release, "override": found.override,
                  "apu": found.apu}
        assert answer == case["answer"]
        assert (found.system.status, found.nearest) == (status, nearest), text
        assert found.why == case.get("why", found.why)
        assert list(found.needs) == case.get("needs", list(found.needs))


def test_without_a_system_the_system_is_unknown() -> None:
    found = rocm.verdict(Card("740f", "02"), "7.2.4")
    assert (found.status, found.nearest, found.system.status) == ("supported", None, "unknown")


def _cards() -> list[Card]:
    """One card of each product, and of each chip that no list names, all targets without an id, and ids that nobody knows."""
    tables = json.loads(amd_table.TABLE)
    seen: dict[Any, Card] = {}
    for row in tables["discrete"]:
        for revision in row.get("rev", [None]):
            card = Card(row["id"], revision)
            seen.setdefault(rocm_products.product(*card[:2]) or row["codename"], card)
    for row in tables["apus"]:
        seen.setdefault(row["codename"], Card(row["id"]))
    targets = sorted({row["gfx"] for row in (*tables["families"], *tables["apus"])})
    return [*seen.values(), *(Card(None, None, gfx) for gfx in targets), Card("7444"), Card("ffff"), Card(None)]


CARDS = _cards()


@functools.lru_cache(maxsize=1 << 16)
def _verdict(card: Card, release: str, system: System | None = None) -> Verdict:
    return rocm.verdict(card, release, system)


def test_there_are_cards_and_releases_to_ask_for() -> None:
    assert len(CARDS) > 90
    assert len(PRODUCTION) > 30
    assert {_verdict(card, "7.2").status for card in CARDS} == {"supported", "unofficial", "not_yet", "ended", "unsupported", "unknown"}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: "-".join(str(part) for part in card if part) or "none")
def test_properties(card: Card) -> None:
    ranks = []
    for release in rocm.releases():
        found = _verdict(card, release.version)
        product = rocm_products.product(card.device_id, card.revision)
        if found.status == "supported":
            assert product is not None
            assert covers(product.first, product.last, release.version)
            assert release.stream != "preview"
        if found.override is not None:
            assert found.status == "unofficial"
            assert not rocm.built(str(found.gfx_target), release)
            way = rocm_products.override(str(found.gfx_target))
            assert way is not None
            assert rocm.built(way.stands_for, release)
        if found.status in ("not_yet", "ended"):
            assert found.nearest is not None
            assert (release.order < _of(found.nearest).order) is (found.status == "not_yet") or release.stream == "preview"
        assert found.status != "ended" or found.last_release
        assert found.why.endswith(".")
        assert "None" not in found.why
        if release.stream != "preview" and found.status in RANK:
            ranks.append(RANK[found.status])
    assert ranks == sorted(ranks)


def _of(text: str) -> rocm.Release:
    found = rocm.release(text)
    assert found is not None
    return found


@pytest.mark.parametrize("system", [None, *SYSTEMS], ids=lambda system: f"{system[0]} {system[1]}" if system else "no system")
def test_the_nearest_release_would_do(system: System | None) -> None:
    line = [one.version for one in newest_of_series()]
    for card in CARDS:
        best = {_verdict(card, version, system).status for version in line}
        for release in ("5.7", "6.3.1", "6.4", "7.0.0", "7.2.4", "7.9", "7.14.0", "10.1", "99.0"):
            found = _verdict(card, release, system)
            if found.nearest is None:
                assert found.status not in ("not_yet", "ended")
                continue
            assert found.nearest in line
            there = _verdict(card, found.nearest, system)
            assert there.status == ("supported" if "supported" in best else "unofficial"), (card, release)
            assert there.nearest is None or there.system.status == "unlisted"
            # It is not left for one that would be worse: where a release lists card and system, the answer does.
            both = [one for one in line if _verdict(card, one, system).status == there.status
                    and _verdict(card, one, system).system.status == "supported"]
            assert not both or found.nearest in both


def test_systems_agree_with_the_releases_that_are_named() -> None:
    for card in CARDS:
        for system in SYSTEMS:
            for release in newest_of_series():
                found = _verdict(card, release.version, system)
                if found.status in ("supported", "unofficial") and found.system.status != "unknown":
                    product = rocm_products.product(card.device_id, card.revision)
                    named = release.version in found.system.releases
                    on_time = product is None or covers(product.first, product.last, release.version)
                    assert named is (found.system.status == "supported" and on_time), (card, release, system)


@pytest.mark.parametrize(
    ("gfx", "release", "packages"),
    [("gfx942", "6.0", "named"), ("gfx942", "5.7", None), ("gfx1030", "7.2", "named"), ("gfx1102", "5.7", "built"),
     ("gfx1102", "7.14", "named"), ("gfx1031", "7.2", None), ("gfx1031", "10.1", "built"),
     ("gfx906", "7.2", "built"), ("gfx906", "10.1", None), ("gfx1151", "6.4", None),
     ("gfx1151", "7.2", "built"), ("gfx942", "7.9", "built"), ("gfx1030", "7.9", None), ("gfx900", "6.0", None), ("gfx9999", "10.1", None)],
)
def test_packages_of(gfx: str, release: str, packages: str | None) -> None:
    assert rocm.packages_of(gfx, _of(release)) == packages


@pytest.mark.parametrize(
    ("gfx", "release", "expected"),
    [
        ("gfx1100", "6.3", {"bitsandbytes-rdna", "flash-attention-rdna", "accelerate-iommu", "pytorch-gfx1100"}),
        ("gfx1100", "7.2", {"bitsandbytes-rdna", "bitsandbytes-rocm7", "flash-attention-rdna", "accelerate-iommu"}),
        ("gfx942", "6.2.4", {"bitsandbytes-cdna", "accelerate-iommu", "accelerate-6-2"}),
        ("gfx942", "6.3", {"bitsandbytes-cdna", "accelerate-iommu"}),
        ("gfx942", "5.7", {"bitsandbytes-cdna", "flash-attention-old", "accelerate-iommu"}),
        ("gfx906", "5.7.1", {"bitsandbytes-gcn", "flash-attention-old", "accelerate-iommu"}),
        ("gfx1151", "10.1", {"bitsandbytes-rdna", "bitsandbytes-rocm7", "flash-attention-rdna", "accelerate-iommu", "strix-halo-firmware",
                             "strix-halo-kernel"}),
        ("gfx942", "11", set()),
    ],
)
def test_trouble(gfx: str, release: str, expected: set[str]) -> None:
    assert {one.id for one in rocm.trouble(gfx, release)} == expected


def test_trouble_says_what_mends_it() -> None:
    for one in rocm.trouble("gfx1151", "7.2"):
        assert one.mended or one.mended_rocm or one.remedy, one.id
    assert {one.id: one.sure for one in rocm.trouble("gfx1100", "6.3")}["pytorch-gfx1100"] is False
